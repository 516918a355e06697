// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * notifier.c: what happens to a program's memory after it was registered.
 *
 * Pages that are unmapped are gone: they cannot be bound any more, the rest of
 * the object stays as it is, and when nothing is left the release starts.
 * Moving a mapping (mremap) unmaps it at the old address. Discarding pages (and
 * KSM, compaction and others, which look the same) only marks the object: the
 * next EXEC compares the pages that are not gone. The callback takes one
 * spinlock, xu_device.check_lock, and never waits, so it serves blockable and
 * other callers alike. Where the kernel has notifiers in two passes, the first marks
 * the objects of all devices, and only the second starts their release; where it has
 * one pass, the release is started at once, by a worker that this does not wait for.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "trace.h"
#include "xen_userptr.h"

#define COMPARE_BATCH	64U

/* Lock held. Takes no time for the pages of an object of which nothing is left. */
static void range_gone(struct xu_range *range,
		       const struct mmu_notifier_range *event)
{
	unsigned long end = range->addr +
			    (unsigned long)range->nr_pages * PAGE_SIZE;
	struct xu_object *obj = range->obj;
	unsigned long first, last;

	first = (max(event->start, range->addr) - range->addr) >> PAGE_SHIFT;
	last = (min(event->end, end) - range->addr) >> PAGE_SHIFT;
	obj->partly_gone = true;
	if (event->event == MMU_NOTIFY_RELEASE ||
	    last - first == obj->nr_pages)
		obj->unmapped = true;
	else
		bitmap_set(obj->gone, range->first_page + first, last - first);
}

/* Returns whether there is something to release. */
static bool range_mark(struct xu_range *range,
		       const struct mmu_notifier_range *event,
		       unsigned long seq)
{
	struct xu_object *obj = range->obj;
	struct xu_device *xd = obj->xd;
	bool gone = event->event == MMU_NOTIFY_UNMAP ||
		    event->event == MMU_NOTIFY_RELEASE;

	spin_lock(&xd->check_lock);
	mmu_interval_set_seq(&range->notifier, seq);
	if (gone) {
		range_gone(range, event);
	} else if (event->event == MMU_NOTIFY_CLEAR) {
		obj->check = true;
		if (list_empty(&obj->check_link))
			list_add_tail(&obj->check_link, &xd->check_list);
	}
	spin_unlock(&xd->check_lock);
	return gone;
}

static void count_time(struct xu_device *xd, u64 start)
{
	atomic64_add(ktime_get_ns() - start, &xd->stat[XU_STAT_NOTIFIER_NS]);
}

#ifdef XU_HAVE_TWO_PASS_NOTIFIER
/* A range that is unmapped in two places at once has one second pass only. */
static bool range_invalidate_start(struct mmu_interval_notifier *notifier,
				   const struct mmu_notifier_range *event,
				   unsigned long seq,
				   struct mmu_interval_notifier_finish **finish)
{
	struct xu_range *range = container_of(notifier, struct xu_range,
					      notifier);
	struct xu_object *obj = range->obj;
	u64 start = ktime_get_ns();

	if (range_mark(range, event, seq)) {
		if (test_and_set_bit_lock(0, &range->finishing))
			xu_object_collect(obj);
		else
			*finish = &range->finish;
	}
	xu_count(obj->xd, XU_STAT_NOTIFIER_CALLS);
	count_time(obj->xd, start);
	trace_xen_userptr_invalidate(obj, event);
	return true;
}

static void range_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	struct xu_range *range = container_of(finish, struct xu_range, finish);
	struct xu_device *xd = range->obj->xd;
	u64 start = ktime_get_ns();

	xu_object_collect(range->obj);
	clear_bit_unlock(0, &range->finishing);
	count_time(xd, start);
}

static const struct mmu_interval_notifier_ops range_notifier_ops = {
	.invalidate_start = range_invalidate_start,
	.invalidate_finish = range_invalidate_finish,
};
#else
static bool range_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *event,
			     unsigned long seq)
{
	struct xu_range *range = container_of(notifier, struct xu_range,
					      notifier);
	struct xu_object *obj = range->obj;
	u64 start = ktime_get_ns();

	if (range_mark(range, event, seq))
		xu_object_collect(obj);
	xu_count(obj->xd, XU_STAT_NOTIFIER_CALLS);
	count_time(obj->xd, start);
	trace_xen_userptr_invalidate(obj, event);
	return true;
}

static const struct mmu_interval_notifier_ops range_notifier_ops = {
	.invalidate = range_invalidate,
};
#endif

bool xu_object_part_gone(struct xu_object *obj, u32 first, u32 nr)
{
	bool gone;

	if (!READ_ONCE(obj->partly_gone))
		return false;
	spin_lock(&obj->xd->check_lock);
	gone = obj->unmapped ||
	       find_next_bit(obj->gone, first + nr, first) < first + nr;
	spin_unlock(&obj->xd->check_lock);
	return gone;
}

bool xu_object_all_gone(struct xu_object *obj)
{
	return READ_ONCE(obj->unmapped) || bitmap_full(obj->gone, obj->nr_pages);
}

static int range_watch(struct xu_range *range)
{
	return mmu_interval_notifier_insert(&range->notifier, range->obj->mm,
					    range->addr,
					    (unsigned long)range->nr_pages *
					    PAGE_SIZE, &range_notifier_ops);
}

int xu_object_watch(struct xu_object *obj)
{
	struct xu_range *range;
	int err;
	u32 i;

	for (i = 0; i < obj->nr_ranges; i++) {
		range = &obj->ranges[i];
		err = xu_fault() ? -ENOMEM : range_watch(range);
		if (err)
			return err;
		range->watched = true;
		cond_resched();
	}
	return 0;
}

void xu_object_unwatch(struct xu_object *obj)
{
	u32 i;

	for (i = 0; i < obj->nr_ranges; i++) {
		if (!obj->ranges[i].watched)
			continue;
		mmu_interval_notifier_remove(&obj->ranges[i].notifier);
		obj->ranges[i].watched = false;
		cond_resched();
	}
}

void xu_object_uncheck(struct xu_object *obj)
{
	spin_lock(&obj->xd->check_lock);
	list_del_init(&obj->check_link);
	list_del_init(&obj->trim_link);
	spin_unlock(&obj->xd->check_lock);
}

/* mmap lock held for reading. 1: same pages, 0: others, or -errno. */
static int range_compare_batch(struct xu_object *obj,
			       const struct xu_range *range, u32 first,
			       u32 count)
{
	unsigned int flags = obj->readonly ? 0 : FOLL_WRITE;
	struct page *page[COMPARE_BATCH];
	long i, got;
	int same = 1;

	got = get_user_pages_remote(obj->mm, range->addr +
				    (unsigned long)first * PAGE_SIZE, count,
				    flags, page, NULL);
	if (got == -EINTR)
		return -EINTR;
	for (i = 0; i < got; i++) {
		if (page[i] != obj->pages[range->first_page + first + i])
			same = 0;
		put_page(page[i]);
	}
	/* A process that dies gets a part: that says nothing of the rest. */
	if (got < (long)count && fatal_signal_pending(current))
		return -EINTR;
	return got == count ? same : 0;
}

/* The next pages to compare from @first on: not gone, at most a batch. */
static u32 range_next_batch(const struct xu_object *obj,
			    const struct xu_range *range, u32 *first)
{
	unsigned long end = range->first_page + range->nr_pages;
	unsigned long from, to;

	from = find_next_zero_bit(obj->gone, end, range->first_page + *first);
	to = find_next_bit(obj->gone, end, from);
	*first = from - range->first_page;
	return min(to - from, (unsigned long)COMPARE_BATCH);
}

/*
 * What is unmapped meanwhile differs because it is gone: then look again. Each time some
 * more is gone, or all, which has no bits.
 */
static int range_compare(struct xu_object *obj, const struct xu_range *range)
{
	u32 first = 0, count;
	int same = 1;

	while (same == 1 && !READ_ONCE(obj->unmapped)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		count = range_next_batch(obj, range, &first);
		if (!count)
			return 1;
		if (mmap_read_lock_killable(obj->mm))
			return -EINTR;
		same = range_compare_batch(obj, range, first, count);
		mmap_read_unlock(obj->mm);
		if (same == 0 &&
		    xu_object_part_gone(obj, range->first_page + first, count))
			same = 1;
		else
			first += count;
		cond_resched();
	}
	return same;
}

/*
 * The pages array is only stable in a live object; one that leaves that
 * state meanwhile makes the result worthless, but nobody needs it then.
 */
static int object_compare(struct xu_object *obj)
{
	int same = 1;
	u32 i;

	if (!mmget_not_zero(obj->mm))
		return 0;
	for (i = 0; i < obj->nr_ranges && same == 1; i++)
		same = range_compare(obj, &obj->ranges[i]);
	mmput(obj->mm);
	return same;
}

/* Lock held. */
static struct xu_object *check_list_find(struct xu_vm *vm)
{
	struct xu_object *obj;

	list_for_each_entry(obj, &vm->xd->check_list, check_link) {
		if (READ_ONCE(obj->state) == XU_OBJECT_LIVE &&
		    obj->conn == vm->conn && xa_load(&vm->objs, obj->id))
			return obj;
	}
	return NULL;
}

static int object_check(struct xu_object *obj)
{
	struct xu_device *xd = obj->xd;
	int same = object_compare(obj);

	spin_lock(&xd->check_lock);
	if (same == 0)
		obj->stale = true;
	else if (same < 0)
		obj->check = true;
	if (!obj->stale && !obj->check)
		list_del_init(&obj->check_link);
	spin_unlock(&xd->check_lock);
	trace_xen_userptr_check(obj, same);
	return same < 0 ? same : 0;
}

int xu_vm_check_objects(struct xu_vm *vm)
{
	struct xu_device *xd = vm->xd;
	struct xu_object *obj;
	bool stale = false;
	int err = 0;

	while (!err && !list_empty(&xd->check_list)) {
		spin_lock(&xd->check_lock);
		obj = check_list_find(vm);
		if (obj) {
			stale = obj->stale;
			obj->check = false;
			xu_object_get(obj);
		}
		spin_unlock(&xd->check_lock);
		if (!obj)
			return 0;
		err = stale ? -ESTALE : object_check(obj);
		xu_object_put(obj);
	}
	return err;
}
