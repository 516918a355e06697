// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * notifier.c: what happens to a program's memory after it was registered.
 *
 * Unmapping starts the release of the object. Discarding pages (and KSM,
 * compaction and others, which look the same) only marks it: the next EXEC
 * compares the pages. The callback takes one spinlock, xu_device.check_lock,
 * and never waits, so it serves blockable and other callers alike, and with
 * several devices all are told before anybody waits for any of them.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "trace.h"
#include "xen_userptr.h"

#define COMPARE_BATCH	64U

static bool range_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *event,
			     unsigned long seq)
{
	struct xu_range *range = container_of(notifier, struct xu_range,
					      notifier);
	struct xu_object *obj = range->obj;
	struct xu_device *xd = obj->xd;
	bool gone = event->event == MMU_NOTIFY_UNMAP ||
		    event->event == MMU_NOTIFY_RELEASE;

	spin_lock(&xd->check_lock);
	mmu_interval_set_seq(notifier, seq);
	if (gone && !obj->unmapped) {
		obj->unmapped = true;
		xu_object_get(obj);
		queue_work(xu_release_wq, &obj->release_work);
	} else if (event->event == MMU_NOTIFY_CLEAR) {
		obj->check = true;
		if (list_empty(&obj->check_link))
			list_add_tail(&obj->check_link, &xd->check_list);
	}
	spin_unlock(&xd->check_lock);
	trace_xen_userptr_invalidate(obj, event);
	return true;
}

static const struct mmu_interval_notifier_ops range_notifier_ops = {
	.invalidate = range_invalidate,
};

int xu_object_watch(struct xu_object *obj)
{
	struct xu_range *range;
	int err;
	u32 i;

	for (i = 0; i < obj->nr_ranges; i++) {
		range = &obj->ranges[i];
		err = mmu_interval_notifier_insert(&range->notifier, obj->mm,
						   range->addr,
						   (unsigned long)
						   range->nr_pages * PAGE_SIZE,
						   &range_notifier_ops);
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
	return got == count ? same : 0;
}

static int range_compare(struct xu_object *obj, const struct xu_range *range)
{
	u32 first, count;
	int same = 1;

	for (first = 0; first < range->nr_pages && same == 1; first += count) {
		count = min(range->nr_pages - first, COMPARE_BATCH);
		if (mmap_read_lock_killable(obj->mm))
			return -EINTR;
		same = range_compare_batch(obj, range, first, count);
		mmap_read_unlock(obj->mm);
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
