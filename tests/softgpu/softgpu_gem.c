// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Objects: creation, where they are, CPU mappings.
 *
 * An object moves only while its dma_resv is held and every fence in it has
 * signalled; its page table entries go first (sg_bo_zap()), and the next EXEC
 * of each VM puts them back (drm_gpuvm_validate()).
 */
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>

#include "softgpu.h"

#define BUSY_WAIT_JIFFIES	HZ

void sg_bo_free_pages(struct sg_bo *bo)
{
	size_t i, num = bo->base.size >> PAGE_SHIFT;

	for (i = 0; i < num && bo->pages[i]; i++)
		__free_page(bo->pages[i]);
	kvfree(bo->pages);
	bo->pages = NULL;
}

int sg_bo_alloc_pages(struct sg_bo *bo)
{
	size_t i, num = bo->base.size >> PAGE_SHIFT;

	bo->pages = kvcalloc(num, sizeof(*bo->pages), GFP_KERNEL_ACCOUNT);
	if (!bo->pages)
		return -ENOMEM;
	for (i = 0; i < num; i++) {
		bo->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO |
					  __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
		if (!bo->pages[i]) {
			sg_bo_free_pages(bo);
			return -ENOMEM;
		}
		cond_resched();
	}
	return 0;
}

u64 sg_bo_pte(const struct sg_bo *bo, u64 index)
{
	if (drm_mm_node_allocated(&bo->vram))
		return SG_PTE_VALID | SG_PTE_VRAM |
		       (bo->vram.start + (index << PAGE_SHIFT));
	if (bo->pages && (bo->kind != SG_BO_USERPTR || sg_userptr_valid(bo)))
		return SG_PTE_VALID |
		       (u64)page_to_pfn(bo->pages[index]) << PAGE_SHIFT;
	return 0;
}

void sg_bo_zap(struct sg_bo *bo)
{
	struct drm_gpuvm_bo *vm_bo;
	struct drm_gpuva *va;

	dma_resv_assert_held(bo->base.resv);
	drm_gem_for_each_gpuvm_bo(vm_bo, &bo->base) {
		drm_gpuvm_bo_evict(vm_bo, true);
		drm_gpuvm_bo_for_each_va(va, vm_bo)
			sg_pt_clear(to_sg_vm(vm_bo->vm), va->va.addr,
				    va->va.range);
	}
}

static int bo_wait_idle(struct sg_bo *bo)
{
	long ret = dma_resv_wait_timeout(bo->base.resv, DMA_RESV_USAGE_BOOKKEEP,
					 true, BUSY_WAIT_JIFFIES);

	if (ret < 0)
		return ret;
	return ret ? 0 : -EBUSY;
}

static int bo_validate_native(struct sg_bo *bo)
{
	int err;

	if (drm_mm_node_allocated(&bo->vram)) {
		sg_vram_touch(bo);
		return 0;
	}
	/* VRAM | SYSTEM does not push others out to come back. */
	if (bo->pins || (bo->placement & DRM_SOFTGPU_PLACE_SYSTEM))
		return 0;
	err = bo_wait_idle(bo);
	if (err)
		return err;
	return sg_vram_move_in(bo, true);
}

int sg_bo_validate(struct sg_bo *bo)
{
	dma_resv_assert_held(bo->base.resv);
	switch (bo->kind) {
	case SG_BO_NATIVE:
		return bo_validate_native(bo);
	case SG_BO_IMPORT:
		return bo->pages ? 0 : sg_import_map(bo);
	case SG_BO_USERPTR:
		return 0;
	}
	return -EINVAL;
}

struct sg_bo *sg_bo_alloc(struct sg_device *sdev, enum sg_bo_kind kind)
{
	struct sg_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL_ACCOUNT);

	if (!bo)
		return NULL;
	bo->kind = kind;
	bo->id = atomic64_inc_return(&sdev->last_object_id);
	bo->base.funcs = &sg_gem_funcs;
	INIT_LIST_HEAD(&bo->lru);
	sg_count(sdev, objects, 1);
	return bo;
}

static void gem_free(struct drm_gem_object *obj)
{
	struct sg_bo *bo = to_sg_bo(obj);
	struct sg_device *sdev = sg_bo_device(bo);

	if (bo->kind == SG_BO_IMPORT)
		sg_import_release(bo);
	else if (bo->kind == SG_BO_USERPTR)
		sg_userptr_release(bo);
	else if (bo->pages)
		sg_bo_free_pages(bo);
	if (drm_mm_node_allocated(&bo->vram))
		sg_vram_free(bo);
	drm_gem_object_release(obj);
	sg_count(sdev, objects, -1);
	kfree(bo);
}

/* Importers read through the pages: the object stays in system memory. */
static int gem_pin(struct drm_gem_object *obj)
{
	struct sg_bo *bo = to_sg_bo(obj);
	int err;

	if (bo->kind != SG_BO_NATIVE)
		return -EINVAL;
	if (drm_mm_node_allocated(&bo->vram)) {
		if (bo->placement & DRM_SOFTGPU_PLACE_PINNED)
			return -EBUSY;
		err = bo_wait_idle(bo);
		if (!err)
			err = sg_vram_move_out(bo);
		if (err)
			return err;
	}
	bo->pins++;
	return 0;
}

static void gem_unpin(struct drm_gem_object *obj)
{
	to_sg_bo(obj)->pins--;
}

static struct sg_table *gem_get_sg_table(struct drm_gem_object *obj)
{
	return drm_prime_pages_to_sg(obj->dev, to_sg_bo(obj)->pages,
				     obj->size >> PAGE_SHIFT);
}

static vm_fault_t insert_page(struct vm_fault *vmf, struct sg_bo *bo,
			      u64 index)
{
	struct vm_area_struct *vma = vmf->vma;
	u64 address;

	if (drm_mm_node_allocated(&bo->vram)) {
		address = sg_bo_device(bo)->vram.start + bo->vram.start;
		return vmf_insert_pfn_prot(vma, vmf->address,
				(address >> PAGE_SHIFT) + index,
				pgprot_writecombine(vma->vm_page_prot));
	}
	return vmf_insert_pfn_prot(vma, vmf->address,
				   page_to_pfn(bo->pages[index]),
				   vma->vm_page_prot);
}

static vm_fault_t gem_fault(struct vm_fault *vmf)
{
	struct drm_gem_object *obj = vmf->vma->vm_private_data;
	u64 index = vmf->pgoff - drm_vma_node_start(&obj->vma_node);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	int idx;

	if (!drm_dev_enter(obj->dev, &idx))
		return VM_FAULT_SIGBUS;
	if (dma_resv_lock_interruptible(obj->resv, NULL)) {
		ret = VM_FAULT_NOPAGE;
	} else {
		if (index < obj->size >> PAGE_SHIFT)
			ret = insert_page(vmf, to_sg_bo(obj), index);
		dma_resv_unlock(obj->resv);
	}
	drm_dev_exit(idx);
	return ret;
}

static const struct vm_operations_struct gem_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.fault = gem_fault,
};

static int gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	if (to_sg_bo(obj)->kind != SG_BO_NATIVE ||
	    (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static enum drm_gem_object_status gem_status(struct drm_gem_object *obj)
{
	return sg_bo_resident(to_sg_bo(obj)) ? DRM_GEM_OBJECT_RESIDENT : 0;
}

const struct drm_gem_object_funcs sg_gem_funcs = {
	.free = gem_free,
	.export = sg_gem_export,
	.pin = gem_pin,
	.unpin = gem_unpin,
	.get_sg_table = gem_get_sg_table,
	.mmap = gem_mmap,
	.status = gem_status,
	.vm_ops = &gem_vm_ops,
};

/* resv held. The first place of a new object, filled with zeros. */
static int bo_place(struct sg_bo *bo)
{
	bool system = bo->placement & DRM_SOFTGPU_PLACE_SYSTEM;
	bool pinned = bo->placement & DRM_SOFTGPU_PLACE_PINNED;
	int err = -ENOSPC;

	if (bo->placement & DRM_SOFTGPU_PLACE_VRAM) {
		err = sg_vram_alloc(bo, !system && !pinned);
		if (!err)
			sg_vram_clear(bo);
	}
	if (err == -ENOSPC && system)
		err = sg_bo_alloc_pages(bo);
	return err;
}

static struct sg_bo *bo_create(struct sg_device *sdev, u64 size, u32 placement)
{
	struct sg_bo *bo;
	int err;

	bo = sg_bo_alloc(sdev, SG_BO_NATIVE);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->placement = placement;
	drm_gem_private_object_init(&sdev->drm, &bo->base, size);
	dma_resv_lock(bo->base.resv, NULL);
	err = bo_place(bo);
	dma_resv_unlock(bo->base.resv);
	if (!err)
		err = drm_gem_create_mmap_offset(&bo->base);
	if (err) {
		drm_gem_object_put(&bo->base);
		return ERR_PTR(err);
	}
	return bo;
}

static int gem_create_check(const struct sg_device *sdev,
			    const struct drm_softgpu_gem_create *args)
{
	const u32 places = DRM_SOFTGPU_PLACE_VRAM | DRM_SOFTGPU_PLACE_SYSTEM;

	if (!args->size || args->size % PAGE_SIZE || args->handle ||
	    args->size > SG_MAX_OBJECT_SIZE || !(args->placement & places) ||
	    (args->placement & ~(places | DRM_SOFTGPU_PLACE_PINNED)))
		return -EINVAL;
	if (!(args->placement & DRM_SOFTGPU_PLACE_SYSTEM) &&
	    args->size > sdev->vram.size)
		return -ENOSPC;
	return 0;
}

int sg_ioctl_gem_create(struct drm_device *drm, void *data,
			struct drm_file *file)
{
	struct sg_device *sdev = to_sg_device(drm);
	struct drm_softgpu_gem_create *args = data;
	struct sg_bo *bo;
	int err, idx;

	err = gem_create_check(sdev, args);
	if (err)
		return err;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	bo = bo_create(sdev, args->size, args->placement);
	drm_dev_exit(idx);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	err = drm_gem_handle_create(file, &bo->base, &args->handle);
	drm_gem_object_put(&bo->base);
	return err;
}

int sg_ioctl_gem_mmap_offset(struct drm_device *drm, void *data,
			     struct drm_file *file)
{
	struct drm_softgpu_gem_mmap_offset *args = data;
	struct drm_gem_object *obj;
	int err = -EINVAL;

	if (args->pad || args->offset)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	if (to_sg_bo(obj)->kind == SG_BO_NATIVE) {
		args->offset = drm_vma_node_offset_addr(&obj->vma_node);
		err = 0;
	}
	drm_gem_object_put(obj);
	return err;
}

static u32 bo_state(const struct sg_bo *bo)
{
	u32 state = 0;

	if (drm_mm_node_allocated(&bo->vram))
		state |= DRM_SOFTGPU_GEM_IN_VRAM;
	if (bo->kind == SG_BO_IMPORT)
		state |= DRM_SOFTGPU_GEM_IMPORTED;
	if (bo->kind == SG_BO_USERPTR)
		state |= DRM_SOFTGPU_GEM_USERPTR_OBJECT;
	if (bo->readonly)
		state |= DRM_SOFTGPU_GEM_READONLY;
	return state;
}

int sg_ioctl_gem_info(struct drm_device *drm, void *data,
		      struct drm_file *file)
{
	struct drm_softgpu_gem_info *args = data;
	struct drm_gem_object *obj;
	struct sg_bo *bo;

	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	bo = to_sg_bo(obj);
	args->state = bo_state(bo);
	args->size = obj->size;
	args->object_id = bo->id;
	args->placement = bo->placement;
	args->mappings = atomic_read(&bo->mappings);
	drm_gem_object_put(obj);
	return 0;
}
