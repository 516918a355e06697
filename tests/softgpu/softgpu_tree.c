// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The tree of mappings of a VM (drm_gpuvm): split, merge, replace.
 *
 * A change takes its tree nodes from a reserve made before, so it cannot fail.
 * A mapping that leaves the tree is kept by the change, with a reference to its
 * object and its hold on the page tables, until its entries are cleared and the
 * TLB is clean (sg_change_release()): an object never goes before that.
 *
 * Locking: vm->lock and the dma_resv of every object concerned.
 */
#include <linux/slab.h>

#include <drm/drm_print.h>

#include "softgpu.h"

static struct sg_va *take_spare(struct sg_change *change)
{
	struct sg_va *va = list_first_entry(&change->spare, struct sg_va, node);

	list_del(&va->node);
	return va;
}

static bool is_userptr(const struct sg_va *va)
{
	return va->base.gem.obj &&
	       to_sg_bo(va->base.gem.obj)->kind == SG_BO_USERPTR;
}

static void va_added(struct sg_va *va, struct drm_gpuvm_bo *vm_bo)
{
	struct sg_vm *vm = to_sg_vm(va->base.vm);

	if (va->base.gem.obj) {
		drm_gpuva_link(&va->base, vm_bo);
		atomic_inc(&to_sg_bo(va->base.gem.obj)->mappings);
		if (is_userptr(va))
			sg_userptr_link(va);
	}
	atomic64_inc(&vm->mappings);
	sg_count(vm->sdev, mappings, 1);
}

/* va has left the tree. */
static void va_removed(struct sg_va *va, struct list_head *gone)
{
	struct drm_gem_object *obj = va->base.gem.obj;
	struct sg_vm *vm = to_sg_vm(va->base.vm);

	if (obj) {
		drm_gem_object_get(obj);
		drm_gpuva_unlink(&va->base);
		atomic_dec(&to_sg_bo(obj)->mappings);
	}
	atomic64_dec(&vm->mappings);
	sg_count(vm->sdev, mappings, -1);
	list_add_tail(&va->node, gone);
}

static int step_map(struct drm_gpuva_op *op, void *priv)
{
	struct sg_change *change = priv;
	struct sg_va *va = take_spare(change);

	va->base.flags = change->flags;
	drm_gpuva_map(&change->vm->base, &va->base, &op->map);
	va_added(va, change->vm_bo);
	return 0;
}

static int step_unmap(struct drm_gpuva_op *op, void *priv)
{
	struct sg_change *change = priv;

	drm_gpuva_unmap(&op->unmap);
	va_removed(to_sg_va(op->unmap.va), &change->gone);
	return 0;
}

static struct sg_va *remap_piece(struct sg_change *change,
				 const struct drm_gpuva_op_map *piece,
				 const struct drm_gpuva *old)
{
	struct sg_va *va;

	if (!piece)
		return NULL;
	va = take_spare(change);
	va->base.flags = old->flags;
	sg_pt_get_again(change->vm, piece->va.addr, piece->va.range);
	return va;
}

static int step_remap(struct drm_gpuva_op *op, void *priv)
{
	struct sg_change *change = priv;
	struct sg_va *old = to_sg_va(op->remap.unmap->va);
	struct sg_va *prev = remap_piece(change, op->remap.prev, &old->base);
	struct sg_va *next = remap_piece(change, op->remap.next, &old->base);

	drm_gpuva_remap(prev ? &prev->base : NULL, next ? &next->base : NULL,
			&op->remap);
	if (prev)
		va_added(prev, old->base.vm_bo);
	if (next)
		va_added(next, old->base.vm_bo);
	va_removed(old, &change->gone);
	return 0;
}

static void vm_free(struct drm_gpuvm *gpuvm)
{
	kvfree(to_sg_vm(gpuvm));
	if (atomic_dec_and_test(&sg_live_vms))
		wake_up_all(&sg_live_wq);
}

static u64 va_pte_flags(const struct drm_gpuva *va)
{
	return va->flags & SG_VA_READONLY ? 0 : SG_PTE_WRITE;
}

/* Makes an evicted object resident and its mappings in this VM present. */
static int vm_bo_validate(struct drm_gpuvm_bo *vm_bo, struct drm_exec *exec)
{
	struct sg_vm *vm = to_sg_vm(vm_bo->vm);
	struct sg_bo *bo = to_sg_bo(vm_bo->obj);
	struct drm_gpuva *va;
	int err;

	err = sg_bo_validate(bo);
	if (err)
		return err;
	drm_gpuvm_bo_for_each_va(va, vm_bo)
		sg_pt_map(vm, va->va.addr, va->va.range, bo, va->gem.offset,
			  va_pte_flags(va));
	drm_gpuvm_bo_evict(vm_bo, false);
	sg_count(vm->sdev, validations, 1);
	return 0;
}

const struct drm_gpuvm_ops sg_gpuvm_ops = {
	.vm_free = vm_free,
	.vm_bo_validate = vm_bo_validate,
	.sm_step_map = step_map,
	.sm_step_unmap = step_unmap,
	.sm_step_remap = step_remap,
};

void sg_change_init(struct sg_change *change, struct sg_vm *vm)
{
	change->vm = vm;
	INIT_LIST_HEAD(&change->gone);
	INIT_LIST_HEAD(&change->spare);
}

int sg_change_reserve(struct sg_change *change, u32 count)
{
	while (count--) {
		struct sg_va *va = kzalloc(sizeof(*va), GFP_KERNEL_ACCOUNT);

		if (!va)
			return -ENOMEM;
		list_add(&va->node, &change->spare);
	}
	return 0;
}

void sg_change_map(struct sg_change *change, u64 va, u64 length,
		   struct drm_gpuvm_bo *vm_bo, u64 offset,
		   enum drm_gpuva_flags flags)
{
	struct sg_vm *vm = change->vm;
	int err;

	change->vm_bo = vm_bo;
	change->flags = flags;
	err = sg_compat_sm_map(&vm->base, change, va, length,
			       vm_bo ? vm_bo->obj : NULL, offset);
	drm_WARN_ON(&vm->sdev->drm, err);
}

void sg_change_unmap(struct sg_change *change, u64 va, u64 length)
{
	struct sg_vm *vm = change->vm;
	int err;

	err = drm_gpuvm_sm_unmap(&vm->base, change, va, length);
	drm_WARN_ON(&vm->sdev->drm, err);
}

void sg_change_release(struct sg_change *change)
{
	struct sg_va *va, *tmp;

	list_for_each_entry_safe(va, tmp, &change->gone, node) {
		if (is_userptr(va))
			sg_userptr_unlink(va);
		sg_pt_put(change->vm, va->base.va.addr, va->base.va.range);
		if (va->base.gem.obj)
			drm_gem_object_put(va->base.gem.obj);
		kfree(va);
		cond_resched();
	}
	list_for_each_entry_safe(va, tmp, &change->spare, node)
		kfree(va);
}

/* The last use of a VM: no job is left. */
void sg_vm_unmap_all(struct sg_vm *vm)
{
	struct drm_gpuva *va, *tmp;
	struct sg_change change;

	sg_change_init(&change, vm);
	sg_tlb_reset(vm);
	drm_gpuvm_for_each_va_safe(va, tmp, &vm->base) {
		struct drm_gem_object *obj = va->gem.obj;

		if (va == &vm->base.kernel_alloc_node)
			continue;
		sg_pt_clear(vm, va->va.addr, va->va.range);
		if (obj)
			dma_resv_lock(obj->resv, NULL);
		drm_gpuva_remove(va);
		va_removed(to_sg_va(va), &change.gone);
		if (obj)
			dma_resv_unlock(obj->resv);
	}
	sg_change_release(&change);
}
