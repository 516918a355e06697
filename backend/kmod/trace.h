/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * trace.h: one tracepoint at each arrow of the two walks that goes through this
 * module. xen-userptr-tracing(7) lists them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen_userptr_back

#if !defined(XEN_USERPTR_BACK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XEN_USERPTR_BACK_TRACE_H

#include <linux/tracepoint.h>

#include "back.h"

TRACE_EVENT(xen_userptr_back_bind,
	TP_PROTO(u32 domid, u64 max_pages, int err),
	TP_ARGS(domid, max_pages, err),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u64, max_pages)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->max_pages = max_pages;
		__entry->err = err;
	),
	TP_printk("domid=%u max_pages=%llu err=%d", __entry->domid,
		  __entry->max_pages, __entry->err)
);

/* An object is mapped, given up by its last user, unmapped. */
DECLARE_EVENT_CLASS(xen_userptr_back_object_class,
	TP_PROTO(const struct back_object *object, int err),
	TP_ARGS(object, err),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, nr)
		__field(u64, cookie)
		__field(bool, readonly)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->domid = object->binding->domid;
		__entry->nr = object->nr;
		__entry->cookie = object->record.data.cookie;
		__entry->readonly = object->readonly;
		__entry->err = err;
	),
	TP_printk("domid=%u cookie=%#llx nr=%u readonly=%d err=%d",
		  __entry->domid, __entry->cookie, __entry->nr,
		  __entry->readonly, __entry->err)
);

#define BACK_OBJECT_EVENT(name)						\
DEFINE_EVENT(xen_userptr_back_object_class, name,			\
	TP_PROTO(const struct back_object *object, int err),		\
	TP_ARGS(object, err))

BACK_OBJECT_EVENT(xen_userptr_back_map);
BACK_OBJECT_EVENT(xen_userptr_back_attach);
BACK_OBJECT_EVENT(xen_userptr_back_detach);
BACK_OBJECT_EVENT(xen_userptr_back_retire);
BACK_OBJECT_EVENT(xen_userptr_back_unmapped);

DECLARE_EVENT_CLASS(xen_userptr_back_range_class,
	TP_PROTO(const struct back_object *object, u32 first, u32 nr, int err),
	TP_ARGS(object, first, nr, err),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u64, cookie)
		__field(u32, first)
		__field(u32, nr)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->domid = object->binding->domid;
		__entry->cookie = object->record.data.cookie;
		__entry->first = first;
		__entry->nr = nr;
		__entry->err = err;
	),
	TP_printk("domid=%u cookie=%#llx first=%u nr=%u err=%d",
		  __entry->domid, __entry->cookie, __entry->first, __entry->nr,
		  __entry->err)
);

#define BACK_RANGE_EVENT(name)						\
DEFINE_EVENT(xen_userptr_back_range_class, name,			\
	TP_PROTO(const struct back_object *object, u32 first, u32 nr, int err), \
	TP_ARGS(object, first, nr, err))

BACK_RANGE_EVENT(xen_userptr_back_trim);
BACK_RANGE_EVENT(xen_userptr_back_write);

/* cmd: XEN_USERPTR_BACK_ARM... */
TRACE_EVENT(xen_userptr_back_op,
	TP_PROTO(u32 domid, const struct xen_userptr_back_op *op),
	TP_ARGS(domid, op),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, gref)
		__field(u8, cmd)
		__field(u8, flags)
		__field(u8, state)
		__field(u8, waiters)
		__field(s32, status)
		__field(u32, extra_refs)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->gref = op->gref;
		__entry->cmd = op->cmd;
		__entry->flags = op->flags;
		__entry->state = op->state;
		__entry->waiters = op->waiters;
		__entry->status = op->status;
		__entry->extra_refs = op->extra_refs;
	),
	TP_printk("domid=%u gref=%u cmd=%u flags=%#x state=%u waiters=%u status=%d extra_refs=%u",
		  __entry->domid, __entry->gref, __entry->cmd, __entry->flags,
		  __entry->state, __entry->waiters, __entry->status,
		  __entry->extra_refs)
);

/* One hypercall of a batch. */
TRACE_EVENT(xen_userptr_back_slice,
	TP_PROTO(u32 domid, u32 nr, int err),
	TP_ARGS(domid, nr, err),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, nr)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->nr = nr;
		__entry->err = err;
	),
	TP_printk("domid=%u nr=%u err=%d", __entry->domid, __entry->nr,
		  __entry->err)
);

TRACE_EVENT(xen_userptr_back_want,
	TP_PROTO(u32 domid, const struct gnttab_revocable_fault *fault),
	TP_ARGS(domid, fault),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, gref)
		__field(u32, access)
		__field(u32, waiters)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->gref = fault->ref;
		__entry->access = fault->access;
		__entry->waiters = fault->waiters;
	),
	TP_printk("domid=%u gref=%u access=%u waiters=%u", __entry->domid,
		  __entry->gref, __entry->access, __entry->waiters)
);

/* The module itself gave a page back, its contents given up. */
TRACE_EVENT(xen_userptr_back_lost,
	TP_PROTO(u32 domid, u32 gref),
	TP_ARGS(domid, gref),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, gref)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->gref = gref;
	),
	TP_printk("domid=%u gref=%u", __entry->domid, __entry->gref)
);

/* A record was read. */
TRACE_EVENT(xen_userptr_back_record,
	TP_PROTO(u32 domid, const struct xen_userptr_back_record *data),
	TP_ARGS(domid, data),
	TP_STRUCT__entry(
		__field(u32, domid)
		__field(u32, type)
		__field(u32, gref)
		__field(u64, cookie)
	),
	TP_fast_assign(
		__entry->domid = domid;
		__entry->type = data->type;
		__entry->gref = data->gref;
		__entry->cookie = data->cookie;
	),
	TP_printk("domid=%u type=%u gref=%u cookie=%#llx", __entry->domid,
		  __entry->type, __entry->gref, __entry->cookie)
);

#endif /* XEN_USERPTR_BACK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
