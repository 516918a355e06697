// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * OPS: the operations on revocable grants, in batches.
 *
 * Walk B's hands: revoke before a copy, restore after the copy home. The
 * hypervisor decides what is allowed and says so per page; this file passes
 * operations on in slices, and keeps the table of armed grefs (want.c) in step
 * so that the module can answer a want that nobody else answers.
 *
 * Locks: ops_lock for one slice, so that a restore waits for at most one slice
 * of somebody else. User memory is copied outside of it.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/xen/hypercall.h>

#include "back.h"
#include "trace.h"

/* Small batches, as for a want, need no allocation. */
#define BACK_OPS_SMALL	8

bool back_revocable;

/* One slice: as user space sees it, as the hypervisor does. */
struct back_slice {
	u32 nr;
	u32 capacity;
	bool dropped;		/* an entry is gone: wants[] may be out of date */
	bool arms;		/* what was disarmed may be armed again in it */
	struct xen_userptr_back_op *user;
	struct gnttab_revocable_op *xen;
	struct back_slice_want *wants;
	struct back_spares spares;
};

/* Of a page: NULL if it is not armed (ARM: there is no memory for it). */
struct back_slice_want {
	struct back_want *want;
	u32 events;		/* before the operation */
};

/* A hypervisor without the series does not know the call. */
void back_revoke_detect(void)
{
	int ret = HYPERVISOR_grant_table_op(GNTTABOP_revocable_op, NULL, 0);

	back_revocable = !ret;
	pr_info("xen_userptr_back: revocable grants are %s\n",
		ret ? "not available, all memory stays pinned" : "available");
}

s16 back_op_single(struct back_binding *binding, struct gnttab_revocable_op *op)
{
	op->dom = binding->domid;
	op->status = GNTST_general_error;
	if (HYPERVISOR_grant_table_op(GNTTABOP_revocable_op, op, 1))
		return GNTST_general_error;
	return op->status;
}

static bool back_op_valid(const struct xen_userptr_back_op *op)
{
	switch (op->cmd) {
	case XEN_USERPTR_BACK_ARM:
	case XEN_USERPTR_BACK_DISARM:
	case XEN_USERPTR_BACK_QUERY:
		return !op->flags;
	case XEN_USERPTR_BACK_REVOKE:
		return !(op->flags & ~XEN_USERPTR_BACK_OP_WRITES);
	case XEN_USERPTR_BACK_RESTORE:
		return !(op->flags & ~(XEN_USERPTR_BACK_OP_LOST |
				       XEN_USERPTR_BACK_OP_DISARM));
	default:
		return false;
	}
}

static u8 back_op_cmd(u8 cmd)
{
	switch (cmd) {
	case XEN_USERPTR_BACK_ARM:
		return GNTREV_CMD_arm;
	case XEN_USERPTR_BACK_DISARM:
		return GNTREV_CMD_disarm;
	case XEN_USERPTR_BACK_REVOKE:
		return GNTREV_CMD_revoke;
	case XEN_USERPTR_BACK_RESTORE:
		return GNTREV_CMD_restore;
	default:
		return GNTREV_CMD_query;
	}
}

static u8 back_op_flags(u8 flags)
{
	return (flags & XEN_USERPTR_BACK_OP_WRITES ? GNTREV_OP_writes : 0) |
	       (flags & XEN_USERPTR_BACK_OP_LOST ? GNTREV_OP_lost : 0) |
	       (flags & XEN_USERPTR_BACK_OP_DISARM ? GNTREV_OP_disarm : 0);
}

static struct back_want *back_op_want(struct back_binding *binding,
				      struct back_slice *s, struct xa_state *at,
				      u32 i)
{
	const struct xen_userptr_back_op *op = &s->user[i];

	if (op->cmd != XEN_USERPTR_BACK_ARM)
		return back_want_find_near(binding, at, op->gref);
	s->arms = true;
	return back_want_add(binding, at, op->gref, &s->spares, s->nr - i);
}

/*
 * A page may be armed only if its want can be kept: without memory for that
 * the operation becomes a query, and its status a refusal.
 */
static void back_op_begin(struct back_binding *binding, struct back_slice *s,
			  struct xa_state *at, u32 i)
{
	const struct xen_userptr_back_op *user = &s->user[i];
	struct gnttab_revocable_op *xen = &s->xen[i];
	struct back_want *want;

	*xen = (struct gnttab_revocable_op){
		.dom = binding->domid,
		.cmd = back_op_cmd(user->cmd),
		.flags = back_op_flags(user->flags),
		.ref = user->gref,
		.status = GNTST_general_error,
	};
	want = back_op_want(binding, s, at, i);
	if (!want && user->cmd == XEN_USERPTR_BACK_ARM)
		xen->cmd = GNTREV_CMD_query;
	s->wants[i].want = want;
	s->wants[i].events = want ? READ_ONCE(want->events) : 0;
}

static bool back_state_open(u8 state)
{
	return state == GNTREV_STATE_none || state == GNTREV_STATE_home ||
	       state == GNTREV_STATE_gone;
}

static void back_op_end(struct back_binding *binding, struct back_slice *s,
			u32 i)
{
	struct xen_userptr_back_op *user = &s->user[i];
	const struct gnttab_revocable_op *xen = &s->xen[i];
	struct back_want *want = s->dropped ? back_want_find(binding, user->gref) :
					      s->wants[i].want;
	bool okay = xen->status == GNTST_okay;

	user->status = xen->status;
	user->state = xen->state;
	user->waiters = xen->waiters;
	user->extra_refs = xen->extra_refs;
	user->detail = xen->frame;
	if (user->cmd == XEN_USERPTR_BACK_ARM && !s->wants[i].want)
		user->status = GNTST_no_space;
	if (!want)
		return;
	if (okay && xen->state == GNTREV_STATE_none && !s->arms) {
		back_want_drop(binding, user->gref);
		s->dropped = true;
	} else if (okay ? xen->state == GNTREV_STATE_none :
			  user->cmd == XEN_USERPTR_BACK_ARM) {
		s->dropped |= back_want_forget(binding, user->gref);
	} else if (okay && (back_state_open(xen->state) || !xen->waiters)) {
		back_want_answered(binding, want, s->wants[i].events);
	}
}

static int back_slice_run(struct back_binding *binding, struct back_slice *s)
{
	XA_STATE(at, &binding->wants, 0);
	u32 i;
	int ret;

	mutex_lock(&binding->ops_lock);
	WRITE_ONCE(binding->calls, binding->calls + 1);
	ret = back_channel_open(binding);
	if (ret)
		goto unlock;
	s->dropped = false;
	s->arms = false;
	for (i = 0; i < s->nr; i++)
		back_op_begin(binding, s, &at, i);
	ret = HYPERVISOR_grant_table_op(GNTTABOP_revocable_op, s->xen, s->nr);
	trace_xen_userptr_back_slice(binding->domid, s->nr, ret);
	for (i = 0; i < s->nr; i++) {
		back_op_end(binding, s, i);
		trace_xen_userptr_back_op(binding->domid, &s->user[i]);
	}
unlock:
	mutex_unlock(&binding->ops_lock);
	back_spares_free(&s->spares);
	back_home_wake();
	return ret;
}

static int back_slice_fetch(struct back_slice *s,
			    struct xen_userptr_back_op __user *from)
{
	u32 i;

	if (copy_from_user(s->user, from, s->nr * sizeof(*s->user)))
		return -EFAULT;
	for (i = 0; i < s->nr; i++)
		if (!back_op_valid(&s->user[i]))
			return -EINVAL;
	return 0;
}

static int back_slices_run(struct back_binding *binding, struct back_slice *s,
			   struct xen_userptr_back_ops *args)
{
	struct xen_userptr_back_op __user *ops = u64_to_user_ptr(args->ops);
	int ret;

	for (args->done = 0; args->done < args->nr; args->done += s->nr) {
		s->nr = min(args->nr - args->done, s->capacity);
		ret = back_slice_fetch(s, ops + args->done);
		if (!ret)
			ret = back_slice_run(binding, s);
		if (ret)
			return ret;
		if (copy_to_user(ops + args->done, s->user,
				 s->nr * sizeof(*s->user)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

static int back_ops_small(struct back_binding *binding,
			  struct xen_userptr_back_ops *args)
{
	struct xen_userptr_back_op user[BACK_OPS_SMALL];
	struct gnttab_revocable_op xen[BACK_OPS_SMALL];
	struct back_slice_want wants[BACK_OPS_SMALL];
	struct back_slice s = {
		.capacity = BACK_OPS_SMALL,
		.user = user,
		.xen = xen,
		.wants = wants,
	};

	return back_slices_run(binding, &s, args);
}

static int back_ops_large(struct back_binding *binding,
			  struct xen_userptr_back_ops *args)
{
	struct back_slice s = { .capacity = min_t(u32, args->nr, BACK_BATCH) };
	int ret = -ENOMEM;

	s.user = kvmalloc_array(s.capacity, sizeof(*s.user), GFP_KERNEL_ACCOUNT);
	s.xen = kvmalloc_array(s.capacity, sizeof(*s.xen), GFP_KERNEL_ACCOUNT);
	s.wants = kvmalloc_array(s.capacity, sizeof(*s.wants), GFP_KERNEL_ACCOUNT);
	if (s.user && s.xen && s.wants)
		ret = back_slices_run(binding, &s, args);
	kvfree(s.wants);
	kvfree(s.xen);
	kvfree(s.user);
	return ret;
}

int back_ops_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_ops args;
	int ret = back_binding_check(binding);

	if (ret)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (!args.nr || args.nr > XEN_USERPTR_BACK_OPS_MAX)
		return -EINVAL;
	if (!back_revocable)
		return -EOPNOTSUPP;
	if (args.nr <= BACK_OPS_SMALL)
		ret = back_ops_small(binding, &args);
	else
		ret = back_ops_large(binding, &args);
	if (copy_to_user(arg, &args, sizeof(args)))
		return -EFAULT;
	return ret;
}
