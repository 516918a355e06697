/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * softgpu_trace.h: when a VM is asked to stop and when it has stopped, so that a
 * test sees whose stops overlap in time.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM softgpu

#if !defined(SOFTGPU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SOFTGPU_TRACE_H

#include <linux/tracepoint.h>

#include "softgpu.h"

/* A VM is named by the context of its stops' fences. */
DECLARE_EVENT_CLASS(softgpu_stop_class,
	TP_PROTO(const struct sg_vm *vm),
	TP_ARGS(vm),
	TP_STRUCT__entry(
		__field(u32, instance)
		__field(u64, vm)
	),
	TP_fast_assign(
		__entry->instance = vm->sdev->instance;
		__entry->vm = vm->stop_context;
	),
	TP_printk("instance=%u vm=%llu", __entry->instance, __entry->vm)
);

DEFINE_EVENT(softgpu_stop_class, softgpu_stop,
	TP_PROTO(const struct sg_vm *vm),
	TP_ARGS(vm));

DEFINE_EVENT(softgpu_stop_class, softgpu_stopped,
	TP_PROTO(const struct sg_vm *vm),
	TP_ARGS(vm));

#endif /* SOFTGPU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE softgpu_trace
#include <trace/define_trace.h>
