/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * trace.h: one tracepoint at each arrow of the walk "register and use", and
 * at the steps of letting go.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen_userptr

#if !defined(XEN_USERPTR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XEN_USERPTR_TRACE_H

#include <linux/tracepoint.h>

#include "xen_userptr.h"

DECLARE_EVENT_CLASS(xen_userptr_object_class,
	TP_PROTO(const struct xu_object *obj, int err),
	TP_ARGS(obj, err),
	TP_STRUCT__entry(
		__field(const void *, obj)
		__field(u32, id)
		__field(u32, state)
		__field(u32, pages)
		__field(u32, pinned)
		__field(u32, granted)
		__field(bool, readonly)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->obj = obj;
		__entry->id = obj->id;
		__entry->state = obj->state;
		__entry->pages = obj->nr_pages;
		__entry->pinned = obj->nr_pinned;
		__entry->granted = obj->nr_granted;
		__entry->readonly = obj->readonly;
		__entry->err = err;
	),
	TP_printk("obj=%p id=%u state=%u pages=%u pinned=%u granted=%u readonly=%d err=%d",
		  __entry->obj, __entry->id, __entry->state, __entry->pages,
		  __entry->pinned, __entry->granted, __entry->readonly,
		  __entry->err)
);

#define XU_OBJECT_EVENT(name)						\
DEFINE_EVENT(xen_userptr_object_class, name,				\
	TP_PROTO(const struct xu_object *obj, int err),			\
	TP_ARGS(obj, err))

XU_OBJECT_EVENT(xen_userptr_pin);
XU_OBJECT_EVENT(xen_userptr_grant);
XU_OBJECT_EVENT(xen_userptr_object);
XU_OBJECT_EVENT(xen_userptr_end);
XU_OBJECT_EVENT(xen_userptr_trim);
XU_OBJECT_EVENT(xen_userptr_forgotten);
XU_OBJECT_EVENT(xen_userptr_quarantine);
XU_OBJECT_EVENT(xen_userptr_check);

TRACE_EVENT(xen_userptr_invalidate,
	TP_PROTO(const struct xu_object *obj,
		 const struct mmu_notifier_range *range),
	TP_ARGS(obj, range),
	TP_STRUCT__entry(
		__field(const void *, obj)
		__field(u32, id)
		__field(u32, event)
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__entry->obj = obj;
		__entry->id = obj->id;
		__entry->event = range->event;
		__entry->start = range->start;
		__entry->end = range->end;
	),
	TP_printk("obj=%p id=%u event=%u %#lx-%#lx", __entry->obj,
		  __entry->id, __entry->event, __entry->start, __entry->end)
);

TRACE_EVENT(xen_userptr_request,
	TP_PROTO(u32 domid, const struct xen_userptrif_req *pkt),
	TP_ARGS(domid, pkt),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u16, id)
		__field(u8, operation)
		__field(u32, name)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->id = pkt->id;
		__entry->operation = pkt->operation;
		__entry->name = pkt->op.vm_create.vm_id;
	),
	TP_printk("domid=%u id=%u operation=%u name=%u", __entry->domid,
		  __entry->id, __entry->operation, __entry->name)
);

TRACE_EVENT(xen_userptr_response,
	TP_PROTO(u32 domid, const struct xen_userptrif_rsp *rsp),
	TP_ARGS(domid, rsp),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u16, id)
		__field(u8, operation)
		__field(u32, status)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->id = rsp->id;
		__entry->operation = rsp->operation;
		__entry->status = rsp->status;
	),
	TP_printk("domid=%u id=%u operation=%u status=%u", __entry->domid,
		  __entry->id, __entry->operation, __entry->status)
);

TRACE_EVENT(xen_userptr_event,
	TP_PROTO(u32 domid, const struct xen_userptrif_evt *evt),
	TP_ARGS(domid, evt),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u16, id)
		__field(u8, type)
		__field(u32, name)
		__field(u32, status)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->id = evt->id;
		__entry->type = evt->type;
		__entry->name = evt->op.fence.timeline;
		__entry->status = evt->op.fence.status;
	),
	TP_printk("domid=%u id=%u type=%u name=%u status=%u", __entry->domid,
		  __entry->id, __entry->type, __entry->name, __entry->status)
);

DECLARE_EVENT_CLASS(xen_userptr_job_class,
	TP_PROTO(const struct xu_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u32, vm_id)
		__field(u32, engine)
		__field(bool, is_bind)
		__field(u64, context)
		__field(u64, fence)
		__field(u64, seqno)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->vm_id = job->queue->vm->id;
		__entry->engine = job->queue->engine;
		__entry->is_bind = job->queue->is_bind;
		__entry->context = job->fence.context;
		__entry->fence = job->fence.seqno;
		__entry->seqno = job->seqno;
		__entry->err = job->error;
	),
	TP_printk("vm=%u engine=%u bind=%d fence=%llu:%llu seqno=%llu err=%d",
		  __entry->vm_id, __entry->engine, __entry->is_bind,
		  __entry->context, __entry->fence, __entry->seqno,
		  __entry->err)
);

DEFINE_EVENT(xen_userptr_job_class, xen_userptr_job_send,
	TP_PROTO(const struct xu_job *job), TP_ARGS(job));
DEFINE_EVENT(xen_userptr_job_class, xen_userptr_job_end,
	TP_PROTO(const struct xu_job *job), TP_ARGS(job));

DECLARE_EVENT_CLASS(xen_userptr_vm_class,
	TP_PROTO(const struct xu_vm *vm, u32 what, int err),
	TP_ARGS(vm, what, err),
	TP_STRUCT__entry(
		__field(u32, vm_id)
		__field(u32, what)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->vm_id = vm->id;
		__entry->what = what;
		__entry->err = err;
	),
	TP_printk("vm=%u what=%u err=%d", __entry->vm_id, __entry->what,
		  __entry->err)
);

DEFINE_EVENT(xen_userptr_vm_class, xen_userptr_exec,
	TP_PROTO(const struct xu_vm *vm, u32 what, int err),
	TP_ARGS(vm, what, err));
DEFINE_EVENT(xen_userptr_vm_class, xen_userptr_bind,
	TP_PROTO(const struct xu_vm *vm, u32 what, int err),
	TP_ARGS(vm, what, err));

TRACE_EVENT(xen_userptr_backend_state,
	TP_PROTO(u32 domid, u32 state),
	TP_ARGS(domid, state),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, state)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->state = state;
	),
	TP_printk("domid=%u state=%u", __entry->domid, __entry->state)
);

/* Grefs that the backend may revoke from now on, and how many were accepted. */
TRACE_EVENT(xen_userptr_opt_in,
	TP_PROTO(u32 domid, u32 nr, u32 okay),
	TP_ARGS(domid, nr, okay),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, nr)
		__field(u32, okay)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->nr = nr;
		__entry->okay = okay;
	),
	TP_printk("domid=%u nr=%u okay=%u", __entry->domid, __entry->nr,
		  __entry->okay)
);

TRACE_EVENT(xen_userptr_lost,
	TP_PROTO(const struct xu_object *obj, u32 first, u32 nr),
	TP_ARGS(obj, first, nr),
	TP_STRUCT__entry(
		__field(const void *, obj)
		__field(u32, id)
		__field(u32, first)
		__field(u32, nr)
	),
	TP_fast_assign(
		__entry->obj = obj;
		__entry->id = obj->id;
		__entry->first = first;
		__entry->nr = nr;
	),
	TP_printk("obj=%p id=%u first=%u nr=%u", __entry->obj, __entry->id,
		  __entry->first, __entry->nr)
);

#endif /* XEN_USERPTR_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
