// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Wants: accesses that found their page revoked.
 *
 * Every armed gref has an entry (armed.c), so that a want needs no memory. The
 * entry is the WANT record, and carries the deadline: a want that user space has
 * not answered by then is answered here, by restoring the page with its contents
 * given up, because a guest must not sleep for ever on a worker that died or
 * hangs. The time is taken in several parts, each of which begins when this
 * domain runs: a domain that the hypervisor, or one long hypercall, has kept from
 * running has not had the time either.
 *
 * A worker that is slow is not one that is dead: what it saves is worth the wait.
 * So the time begins anew with each OPS call. want_limit_ms bounds that, for a
 * worker which calls for ever and never answers this want.
 *
 * An answer and a new want can cross. The counter of events tells them apart:
 * an answer only counts if no event came since the operation began. The other
 * way round a want may be noted that was answered already: then the deadline
 * finds nobody waiting, and user space a WANT that a QUERY shows to be served.
 *
 * Locks: ops_lock keeps the table in step with the hypervisor's; record_lock
 * guards the content of entries, and erasing them, against the fault work.
 */
#include <linux/moduleparam.h>

#include "back.h"
#include "trace.h"

static unsigned int want_timeout_ms = 5000;
module_param(want_timeout_ms, uint, 0644);
MODULE_PARM_DESC(want_timeout_ms,
		 "A want unanswered for this long without an OPS call is restored as lost (default 5000)");

static unsigned int want_limit_ms = 60000;
module_param(want_limit_ms, uint, 0644);
MODULE_PARM_DESC(want_limit_ms,
		 "The same with OPS calls, of other pages or without effect (default 60000)");

#define BACK_WANT_LOOKS 4U

/* From one look at a want to the next. */
static unsigned int back_want_interval_ms(void)
{
	return max(READ_ONCE(want_timeout_ms) / BACK_WANT_LOOKS, 1U);
}

static unsigned long back_want_interval(void)
{
	return msecs_to_jiffies(back_want_interval_ms());
}

/* After that many the worker's calls count no more. */
static unsigned int back_want_most_looks(void)
{
	return max(READ_ONCE(want_limit_ms) / back_want_interval_ms(), BACK_WANT_LOOKS);
}

static bool back_want_armed(struct back_binding *binding, u32 gref,
			    struct gnttab_revocable_op *op)
{
	*op = (struct gnttab_revocable_op){
		.cmd = GNTREV_CMD_query,
		.ref = gref,
	};
	return back_op_single(binding, op) == GNTST_okay &&
	       op->state != GNTREV_STATE_none;
}

/* ARM was refused: the page may have been armed before, or never. */
bool back_want_forget(struct back_binding *binding, u32 gref)
{
	struct gnttab_revocable_op op;

	if (back_want_armed(binding, gref, &op))
		return false;
	back_want_drop(binding, gref);
	return true;
}

/*
 * Most operations concern pages that nobody waits for. A want that is added to the list
 * after this look is found to be answered at its deadline.
 */
void back_want_answered(struct back_binding *binding, struct back_want *want,
			u32 events)
{
	lockdep_assert_held(&binding->ops_lock);
	if (list_empty_careful(&want->pending))
		return;
	spin_lock(&binding->record_lock);
	if (want->events == events)
		list_del_init(&want->pending);
	spin_unlock(&binding->record_lock);
}

static void back_want_begin(struct back_binding *binding, struct back_want *want)
{
	want->looks = 0;
	want->idle_looks = 0;
	want->calls = READ_ONCE(binding->calls);
}

void back_want_event(struct back_binding *binding,
		     const struct gnttab_revocable_fault *fault)
{
	struct xen_userptr_back_record *data;
	struct back_want *want;

	trace_xen_userptr_back_want(binding->domid, fault);
	spin_lock(&binding->record_lock);
	want = xa_load(&binding->wants, fault->ref);
	if (want) {
		data = &want->record.data;
		/* That contents are gone is told first. */
		want->again = data->type == XEN_USERPTR_BACK_LOST;
		data->access |= fault->access;
		data->waiters = fault->waiters;
		WRITE_ONCE(want->events, want->events + 1);
		if (list_empty(&want->pending)) {
			back_want_begin(binding, want);
			want->deadline = jiffies + back_want_interval();
			list_add_tail(&want->pending, &binding->pending);
			queue_delayed_work(back_want_wq,
					   &binding->channel.deadline_work,
					   back_want_interval());
		}
		back_record_push_locked(binding, &want->record);
		atomic64_inc(&binding->wants_seen);
	}
	spin_unlock(&binding->record_lock);
}

/* LOST is told once, and then the want that came meanwhile. */
void back_want_taken(struct back_binding *binding, struct back_record *record,
		     struct xen_userptr_back_record *data)
{
	struct back_want *want = container_of(record, struct back_want, record);

	lockdep_assert_held(&binding->record_lock);
	if (data->type == XEN_USERPTR_BACK_WANT) {
		record->data.access = 0;
		return;
	}
	data->access = 0;
	data->waiters = 0;
	record->data.type = XEN_USERPTR_BACK_WANT;
	if (want->again)
		back_record_push_locked(binding, record);
	want->again = false;
}

void back_want_requeue(struct back_binding *binding,
		       const struct xen_userptr_back_record *data)
{
	struct back_want *want;

	lockdep_assert_held(&binding->record_lock);
	want = xa_load(&binding->wants, data->gref);
	if (!want)
		return;
	if (data->type == XEN_USERPTR_BACK_LOST) {
		want->again = !list_empty(&want->record.link);
		want->record.data.type = XEN_USERPTR_BACK_LOST;
	}
	want->record.data.access |= data->access;
	want->record.data.waiters = max(want->record.data.waiters, data->waiters);
	back_record_push_locked(binding, &want->record);
}

/* A want that nobody has answered in time. */
struct back_overdue {
	u32 gref;
	u32 events;
	bool is_idle;		/* for want of calls, not at the longer limit */
	unsigned int calls;	/* of the binding, when that was found */
};

/*
 * It goes to the end of the line. True: that was the last look. Its limit begins anew,
 * in case that the want cannot be helped: the longer one only when it has passed.
 */
static bool back_want_look(struct back_binding *binding, struct back_want *want,
			   unsigned long now, struct back_overdue *overdue)
{
	unsigned int calls = READ_ONCE(binding->calls);

	want->deadline = now + back_want_interval();
	list_move_tail(&want->pending, &binding->pending);
	want->looks++;
	want->idle_looks = want->calls == calls ? want->idle_looks + 1 : 0;
	want->calls = calls;
	if (want->idle_looks < BACK_WANT_LOOKS &&
	    want->looks < back_want_most_looks())
		return false;
	*overdue = (struct back_overdue){
		.gref = want->record.data.gref,
		.events = want->events,
		.is_idle = want->looks < back_want_most_looks(),
		.calls = calls,
	};
	if (overdue->is_idle)
		want->idle_looks = 0;
	else
		back_want_begin(binding, want);
	return true;
}

/* The next want that is overdue; sets the time of the one after. */
static bool back_want_overdue(struct back_binding *binding,
			      struct back_overdue *overdue)
{
	unsigned long now = jiffies;
	struct back_want *want;
	bool found = false;

	spin_lock(&binding->record_lock);
	while (!found) {
		want = list_first_entry_or_null(&binding->pending,
						struct back_want, pending);
		if (!want || time_before(now, want->deadline))
			break;
		found = back_want_look(binding, want, now, overdue);
	}
	if (!found && want)
		queue_delayed_work(back_want_wq, &binding->channel.deadline_work,
				   want->deadline - now);
	spin_unlock(&binding->record_lock);
	return found;
}

/*
 * ops_lock held, under which calls are counted: who has made one has the record of
 * what was given up before, and nothing is given up right behind it.
 */
static bool back_want_was_called(const struct back_binding *binding,
				 const struct back_overdue *overdue)
{
	return overdue->is_idle && READ_ONCE(binding->calls) != overdue->calls;
}

static void back_want_lost(struct back_binding *binding, u32 gref)
{
	struct back_want *want;

	/* Before the record: who has read that finds it counted. */
	atomic64_inc(&binding->lost);
	spin_lock(&binding->record_lock);
	want = xa_load(&binding->wants, gref);
	if (want) {
		want->again = false;
		want->record.data.type = XEN_USERPTR_BACK_LOST;
		want->record.data.access = 0;
		want->record.data.waiters = 0;
		back_record_push_locked(binding, &want->record);
	}
	spin_unlock(&binding->record_lock);
	trace_xen_userptr_back_lost(binding->domid, gref);
	pr_warn_ratelimited("xen_userptr_back: domain %u: want of gref %u not served, contents lost\n",
			    binding->domid, gref);
}

static s16 back_want_restore(struct back_binding *binding, u32 gref, bool lost)
{
	struct gnttab_revocable_op op = {
		.cmd = GNTREV_CMD_restore,
		.flags = lost ? GNTREV_OP_lost : 0,
		.ref = gref,
	};

	return back_op_single(binding, &op);
}

/*
 * Of a page that the guest could read all the time nothing is lost, nor of one that
 * nobody here could write: for that the hypervisor denies to give it up.
 */
static void back_want_give_back(struct back_binding *binding, u32 gref,
				u32 events)
{
	struct back_want *want = back_want_find(binding, gref);
	struct gnttab_revocable_op op;
	s16 status;
	bool lost;

	if (!want)
		return;
	if (!back_want_armed(binding, gref, &op)) {
		back_want_drop(binding, gref);
		return;
	}
	if (!op.waiters) {
		back_want_answered(binding, want, events);
		return;
	}
	lost = op.state != GNTREV_STATE_wrevoked;
	status = back_want_restore(binding, gref, lost);
	if (lost && status == GNTST_permission_denied) {
		lost = false;
		status = back_want_restore(binding, gref, lost);
	}
	if (status != GNTST_okay) {
		pr_warn_ratelimited("xen_userptr_back: domain %u: cannot restore gref %u (%d)\n",
				    binding->domid, gref, status);
		return;
	}
	back_want_answered(binding, want, events);
	if (lost)
		back_want_lost(binding, gref);
}

void back_want_deadline_work(struct work_struct *work)
{
	struct back_binding *binding =
		container_of(to_delayed_work(work), struct back_binding,
			     channel.deadline_work);
	struct back_overdue overdue;

	while (back_want_overdue(binding, &overdue)) {
		mutex_lock(&binding->ops_lock);
		if (!back_want_was_called(binding, &overdue))
			back_want_give_back(binding, overdue.gref,
					    overdue.events);
		mutex_unlock(&binding->ops_lock);
		back_home_wake();
	}
}

void back_wants_unmapped(struct back_binding *binding, const u32 *grefs, u32 nr)
{
	struct gnttab_revocable_op op;
	u32 i;

	if (!atomic64_read(&binding->armed))
		return;
	for (i = 0; i < nr; i++) {
		mutex_lock(&binding->ops_lock);
		if (xa_load(&binding->wants, grefs[i]) &&
		    !back_want_armed(binding, grefs[i], &op))
			back_want_drop(binding, grefs[i]);
		mutex_unlock(&binding->ops_lock);
	}
	/* The hypervisor has given back what was away. */
	back_home_wake();
}
