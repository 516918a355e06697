// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Objects made of the caller's own memory, followed by MMU notifier and
 * hmm_range_fault(), without a reference to any page.
 *
 * The notifier marks the object and every VM that maps it, waits for the jobs
 * that may use it (their fences are in the object's reservation) and for
 * binds, then clears the page table entries. The next EXEC of a marked VM
 * faults the pages in again and writes the entries; whether the VM was marked
 * meanwhile is checked under sg_device.notifier_lock in the same hold in which
 * the job's fence is published, so either the notifier waits for the job or
 * the EXEC starts over.
 *
 * notifier_lock is a spinlock, held over nothing that sleeps or allocates.
 * Where the kernel has notifiers in two passes, the first marks and the second
 * waits, so that all devices are told before any is waited for.
 */
#include <linux/hmm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>

#include "softgpu.h"

struct sg_userptr {
	struct mmu_interval_notifier notifier;
	struct sg_bo *bo;
	unsigned long *pfns;
	struct list_head vas;		/* sg_va.userptr_node; notifier_lock */
	bool valid;			/* notifier_lock to change */
	struct mutex repin_lock;	/* pfns */
#ifdef SG_HAVE_TWO_PASS_NOTIFIER
	struct mmu_interval_notifier_finish finish;
	unsigned long finish_busy;	/* bit 0: finish is in use */
#endif
};

bool sg_userptr_valid(const struct sg_bo *bo)
{
	/* Pairs with the release that ends a fill: its pages are seen. */
	return smp_load_acquire(&bo->userptr->valid);
}

void sg_userptr_link(struct sg_va *va)
{
	struct sg_bo *bo = to_sg_bo(va->base.gem.obj);
	struct sg_device *sdev = sg_bo_device(bo);

	spin_lock(&sdev->notifier_lock);
	list_add_tail(&va->userptr_node, &bo->userptr->vas);
	if (!bo->userptr->valid)
		atomic_set(&to_sg_vm(va->base.vm)->userptrs_stale, 1);
	spin_unlock(&sdev->notifier_lock);
}

void sg_userptr_unlink(struct sg_va *va)
{
	struct sg_device *sdev = to_sg_device(va->base.gem.obj->dev);

	spin_lock(&sdev->notifier_lock);
	list_del_init(&va->userptr_node);
	spin_unlock(&sdev->notifier_lock);
}

static void userptr_mark(struct sg_userptr *up,
			 struct mmu_interval_notifier *notifier,
			 unsigned long seq)
{
	struct sg_device *sdev = sg_bo_device(up->bo);
	struct sg_va *va;

	sg_count(sdev, notifier_calls, 1);
	spin_lock(&sdev->notifier_lock);
	mmu_interval_set_seq(notifier, seq);
	WRITE_ONCE(up->valid, false);
	list_for_each_entry(va, &up->vas, userptr_node)
		atomic_set(&to_sg_vm(va->base.vm)->userptrs_stale, 1);
	spin_unlock(&sdev->notifier_lock);
}

static void userptr_wait_and_clear(struct sg_userptr *up)
{
	struct sg_device *sdev = sg_bo_device(up->bo);
	struct sg_va *va;

	dma_resv_wait_timeout(up->bo->base.resv, DMA_RESV_USAGE_BOOKKEEP,
			      false, MAX_SCHEDULE_TIMEOUT);
	spin_lock(&sdev->notifier_lock);
	list_for_each_entry(va, &up->vas, userptr_node)
		sg_pt_clear_atomic(to_sg_vm(va->base.vm), va->base.va.addr,
				   va->base.va.range);
	spin_unlock(&sdev->notifier_lock);
}

#ifdef SG_HAVE_TWO_PASS_NOTIFIER
static bool userptr_invalidate_start(struct mmu_interval_notifier *notifier,
				     const struct mmu_notifier_range *range,
				     unsigned long seq,
				     struct mmu_interval_notifier_finish **fin)
{
	struct sg_userptr *up = container_of(notifier, struct sg_userptr,
					     notifier);

	if (!mmu_notifier_range_blockable(range))
		return false;
	userptr_mark(up, notifier, seq);
	if (test_and_set_bit_lock(0, &up->finish_busy))
		userptr_wait_and_clear(up);
	else
		*fin = &up->finish;
	return true;
}

static void userptr_invalidate_finish(struct mmu_interval_notifier_finish *fin)
{
	struct sg_userptr *up = container_of(fin, struct sg_userptr, finish);

	userptr_wait_and_clear(up);
	clear_bit_unlock(0, &up->finish_busy);
}

static const struct mmu_interval_notifier_ops userptr_ops = {
	.invalidate_start = userptr_invalidate_start,
	.invalidate_finish = userptr_invalidate_finish,
};
#else
static bool userptr_invalidate(struct mmu_interval_notifier *notifier,
			       const struct mmu_notifier_range *range,
			       unsigned long seq)
{
	struct sg_userptr *up = container_of(notifier, struct sg_userptr,
					     notifier);

	if (!mmu_notifier_range_blockable(range))
		return false;
	userptr_mark(up, notifier, seq);
	userptr_wait_and_clear(up);
	return true;
}

static const struct mmu_interval_notifier_ops userptr_ops = {
	.invalidate = userptr_invalidate,
};
#endif

/* One try. -EBUSY: the range changed meanwhile. */
static int userptr_fault_in(struct sg_userptr *up, struct mm_struct *mm)
{
	struct sg_device *sdev = sg_bo_device(up->bo);
	struct hmm_range range = {
		.notifier = &up->notifier,
		.start = up->notifier.interval_tree.start,
		.end = up->notifier.interval_tree.last + 1,
		.hmm_pfns = up->pfns,
		.default_flags = HMM_PFN_REQ_FAULT |
				 (up->bo->readonly ? 0 : HMM_PFN_REQ_WRITE),
	};
	size_t i, num = up->bo->base.size >> PAGE_SHIFT;
	int err = 0;

	range.notifier_seq = mmu_interval_read_begin(range.notifier);
	mmap_read_lock(mm);
	err = hmm_range_fault(&range);
	mmap_read_unlock(mm);
	if (err)
		return err;
	spin_lock(&sdev->notifier_lock);
	if (mmu_interval_read_retry(range.notifier, range.notifier_seq)) {
		err = -EBUSY;
	} else {
		for (i = 0; i < num; i++)
			up->bo->pages[i] = hmm_pfn_to_page(up->pfns[i]);
		/* Pairs with sg_userptr_valid(). */
		smp_store_release(&up->valid, true);
	}
	spin_unlock(&sdev->notifier_lock);
	return err;
}

int sg_userptr_repin(struct sg_bo *bo)
{
	struct sg_userptr *up = bo->userptr;
	struct mm_struct *mm = up->notifier.mm;
	unsigned long timeout;
	int err;

	err = mutex_lock_interruptible(&up->repin_lock);
	if (err)
		return err;
	if (sg_userptr_valid(bo))
		goto unlock;
	if (!mmget_not_zero(mm)) {
		err = -EFAULT;
		goto unlock;
	}
	timeout = jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	do {
		err = userptr_fault_in(up, mm);
	} while (err == -EBUSY && time_before(jiffies, timeout) &&
		 !signal_pending(current));
	mmput(mm);
unlock:
	mutex_unlock(&up->repin_lock);
	return err == -EPERM || err == -EINVAL ? -EFAULT : err;
}

/* vm->lock held, no reservation. Brings all userptrs of the VM up to date. */
int sg_vm_repin(struct sg_vm *vm)
{
	struct drm_gpuva *va;
	int err = 0;

	while (!err && atomic_xchg(&vm->userptrs_stale, 0)) {
		drm_gpuvm_for_each_va(va, &vm->base) {
			struct drm_gem_object *obj = va->gem.obj;
			struct sg_bo *bo = obj ? to_sg_bo(obj) : NULL;

			if (!bo || bo->kind != SG_BO_USERPTR)
				continue;
			err = sg_userptr_repin(bo);
			if (err)
				break;
			sg_pt_map(vm, va->va.addr, va->va.range, bo,
				  va->gem.offset, va->flags & SG_VA_READONLY ?
						  0 : SG_PTE_WRITE);
			sg_count(vm->sdev, validations, 1);
		}
	}
	if (err)
		atomic_set(&vm->userptrs_stale, 1);
	return err;
}

static int userptr_create(struct sg_bo *bo, u64 addr)
{
	size_t num = bo->base.size >> PAGE_SHIFT;
	struct sg_userptr *up = kzalloc(sizeof(*up), GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!up)
		return -ENOMEM;
	up->bo = bo;
	INIT_LIST_HEAD(&up->vas);
	mutex_init(&up->repin_lock);
	up->pfns = kvcalloc(num, sizeof(*up->pfns), GFP_KERNEL_ACCOUNT);
	bo->pages = kvcalloc(num, sizeof(*bo->pages), GFP_KERNEL_ACCOUNT);
	if (!up->pfns || !bo->pages)
		goto free_arrays;
	err = mmu_interval_notifier_insert(&up->notifier, current->mm, addr,
					   bo->base.size, &userptr_ops);
	if (err)
		goto free_arrays;
	bo->userptr = up;
	return 0;

free_arrays:
	kvfree(bo->pages);
	bo->pages = NULL;
	kvfree(up->pfns);
	kfree(up);
	return err;
}

void sg_userptr_release(struct sg_bo *bo)
{
	struct sg_userptr *up = bo->userptr;

	if (!up)
		return;
	mmu_interval_notifier_remove(&up->notifier);
	mutex_destroy(&up->repin_lock);
	kvfree(up->pfns);
	kvfree(bo->pages);
	bo->pages = NULL;
	kfree(up);
}

static int userptr_check(const struct drm_softgpu_gem_userptr *args)
{
	u64 end;

	if (args->addr % PAGE_SIZE || args->size % PAGE_SIZE || !args->size ||
	    args->handle || (args->flags & ~DRM_SOFTGPU_USERPTR_READONLY) ||
	    args->size > SG_MAX_OBJECT_SIZE ||
	    check_add_overflow(args->addr, args->size, &end))
		return -EINVAL;
	if (!access_ok(u64_to_user_ptr(args->addr), args->size))
		return -EFAULT;
	return 0;
}

int sg_ioctl_gem_userptr(struct drm_device *drm, void *data,
			 struct drm_file *file)
{
	struct drm_softgpu_gem_userptr *args = data;
	struct sg_bo *bo;
	int err;

	err = userptr_check(args);
	if (err)
		return err;
	bo = sg_bo_alloc(to_sg_device(drm), SG_BO_USERPTR);
	if (!bo)
		return -ENOMEM;
	bo->readonly = args->flags & DRM_SOFTGPU_USERPTR_READONLY;
	drm_gem_private_object_init(drm, &bo->base, args->size);
	err = userptr_create(bo, args->addr);
	if (!err)
		err = drm_gem_handle_create(file, &bo->base, &args->handle);
	drm_gem_object_put(&bo->base);
	return err;
}
