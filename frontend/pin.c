// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * pin.c: checks, charges and pins a program's memory.
 *
 * Step A2 of the walk "register and use": create.c -> pin.c -> grant.c.
 * Everything is checked and pinned before the first page is granted. Runs in
 * the program's own context; no locks of ours.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "trace.h"
#include "xen_userptr.h"

#define PIN_BATCH	512U
#define PIN_RETRIES	16

/* The charge is for this mm for as long as the program owns the object. */
int xu_object_charge(struct xu_object *obj)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	s64 pinned = atomic64_add_return(obj->nr_pages, &obj->mm->pinned_vm);

	if (pinned > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(obj->nr_pages, &obj->mm->pinned_vm);
		return -ENOMEM;
	}
	obj->charged = true;
	return 0;
}

void xu_object_uncharge(struct xu_object *obj)
{
	if (obj->charged)
		atomic64_sub(obj->nr_pages - obj->nr_collected,
			     &obj->mm->pinned_vm);
	obj->charged = false;
}

static int vma_check(const struct vm_area_struct *vma, bool readonly)
{
	/*
	 * What a driver or the kernel has mapped there is not the program's to share,
	 * be it with struct pages: the data of the vDSO, other domains' pages.
	 */
	if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
		return -EFAULT;
	if (!(vma->vm_flags & VM_READ))
		return -EFAULT;
	if (!readonly && !(vma->vm_flags & VM_WRITE))
		return -EACCES;
	return 0;
}

/*
 * Pinning would refuse most of this too, but with one errno for all, and
 * only after it had pinned what comes before.
 */
static int range_check_vmas(struct xu_object *obj, const struct xu_range *range)
{
	unsigned long end = range->addr + (unsigned long)range->nr_pages *
			    PAGE_SIZE;
	unsigned long addr = range->addr;
	struct vm_area_struct *vma;
	int err = 0;

	if (mmap_read_lock_killable(obj->mm))
		return -EINTR;
	while (!err && addr < end) {
		vma = find_vma(obj->mm, addr);
		if (!vma || vma->vm_start > addr)
			err = -EFAULT;
		else
			err = vma_check(vma, obj->readonly);
		if (!err)
			addr = vma->vm_end;
	}
	mmap_read_unlock(obj->mm);
	return err;
}

/* Pin some pages. A short count is no error, the next call says why. */
static int range_pin_batch(struct xu_object *obj, unsigned long addr, u32 count)
{
	unsigned int flags = FOLL_LONGTERM | (obj->readonly ? 0 : FOLL_WRITE);
	int tries, ret = -EAGAIN;

	for (tries = 0; tries < PIN_RETRIES && ret == -EAGAIN; tries++)
		ret = xu_fault() ? -ENOMEM :
			pin_user_pages_fast(addr, count, flags,
					    obj->pages + obj->nr_pinned);
	if (!ret || ret == -EAGAIN || ret == -EOPNOTSUPP)
		return -EFAULT;
	return ret;
}

static int range_pin(struct xu_object *obj, const struct xu_range *range)
{
	u32 done = 0;
	int ret;

	while (done < range->nr_pages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = range_pin_batch(obj, range->addr +
				      (unsigned long)done * PAGE_SIZE,
				      min(range->nr_pages - done, PIN_BATCH));
		if (ret < 0)
			return ret;
		done += ret;
		obj->nr_pinned += ret;
		cond_resched();
	}
	return 0;
}

int xu_object_pin(struct xu_object *obj, u32 *error_range)
{
	u32 i;
	int err = 0;

	for (i = 0; i < obj->nr_ranges && !err; i++)
		err = range_check_vmas(obj, &obj->ranges[i]);
	if (!err)
		for (i = 0; i < obj->nr_ranges && !err; i++)
			err = range_pin(obj, &obj->ranges[i]);
	if (err && err != -EINTR)
		*error_range = i - 1;
	trace_xen_userptr_pin(obj, err);
	return err;
}
