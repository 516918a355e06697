// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * VM_LOOKUP: the tree of mappings and the page tables side by side, for
 * differential tests. Takes vm->lock, then one object at a time.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "softgpu.h"

static u32 lookup_pte_flags(u64 pte)
{
	u32 flags = 0;

	if (pte & SG_PTE_VALID)
		flags |= DRM_SOFTGPU_LOOKUP_PTE;
	if (pte & SG_PTE_WRITE)
		flags |= DRM_SOFTGPU_LOOKUP_PTE_WRITE;
	if (pte & SG_PTE_NULL)
		flags |= DRM_SOFTGPU_LOOKUP_PTE_NULL;
	if (pte & SG_PTE_VRAM)
		flags |= DRM_SOFTGPU_LOOKUP_PTE_VRAM;
	return flags;
}

/* The entry that the mapping calls for at this page; object locked. */
static u64 expected_pte(const struct drm_gpuva *va, u64 page_va)
{
	u64 offset = va->gem.offset + (page_va - va->va.addr);
	u64 pte;

	if (!va->gem.obj)
		return SG_PTE_VALID | SG_PTE_NULL | SG_PTE_WRITE;
	pte = sg_bo_pte(to_sg_bo(va->gem.obj), offset >> PAGE_SHIFT);
	if (pte && !(va->flags & SG_VA_READONLY))
		pte |= SG_PTE_WRITE;
	return pte;
}

static void lookup_mapping(struct drm_softgpu_lookup *entry,
			   const struct drm_gpuva *va, u64 pte)
{
	struct drm_gem_object *obj = va->gem.obj;

	entry->flags |= DRM_SOFTGPU_LOOKUP_MAPPED;
	entry->map_va = va->va.addr;
	entry->map_length = va->va.range;
	if (va->flags & SG_VA_READONLY)
		entry->flags |= DRM_SOFTGPU_LOOKUP_READONLY;
	if (obj) {
		entry->object_id = to_sg_bo(obj)->id;
		entry->offset = va->gem.offset + (entry->va - va->va.addr);
		dma_resv_lock(obj->resv, NULL);
	} else {
		entry->flags |= DRM_SOFTGPU_LOOKUP_NULL;
	}
	if (pte == expected_pte(va, entry->va))
		entry->flags |= DRM_SOFTGPU_LOOKUP_PTE_MATCH;
	if (obj)
		dma_resv_unlock(obj->resv);
}

/* vm->lock held. */
static int lookup_one(struct sg_vm *vm, struct drm_softgpu_lookup *entry)
{
	u64 page_va = entry->va;
	struct drm_gpuva *va;
	u64 pte;

	if (page_va % PAGE_SIZE || page_va >= SG_VA_END)
		return -EINVAL;
	memset(entry, 0, sizeof(*entry));
	entry->va = page_va;
	pte = sg_pt_lookup(vm, page_va);
	entry->flags = lookup_pte_flags(pte);
	va = page_va < SG_VA_START ? NULL :
	     drm_gpuva_find_first(&vm->base, page_va, PAGE_SIZE);
	if (va)
		lookup_mapping(entry, va, pte);
	else if (!pte)
		entry->flags |= DRM_SOFTGPU_LOOKUP_PTE_MATCH;
	return 0;
}

static int lookup_all(struct sg_vm *vm, struct drm_softgpu_lookup *entries,
		      u32 count)
{
	u32 i;
	int err;

	err = mutex_lock_interruptible(&vm->lock);
	if (err)
		return err;
	for (i = 0; i < count && !err; i++)
		err = lookup_one(vm, &entries[i]);
	mutex_unlock(&vm->lock);
	return err;
}

int sg_ioctl_vm_lookup(struct drm_device *drm, void *data,
		       struct drm_file *file)
{
	struct drm_softgpu_vm_lookup *args = data;
	void __user *user = u64_to_user_ptr(args->entries);
	struct drm_softgpu_lookup *entries;
	struct sg_vm *vm;
	int err;

	if (!args->count || args->count > SG_MAX_BIND_OPS)
		return -EINVAL;
	vm = sg_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;
	entries = vmemdup_array_user(user, args->count, sizeof(*entries));
	if (IS_ERR(entries)) {
		err = PTR_ERR(entries);
		goto put_vm;
	}
	err = lookup_all(vm, entries, args->count);
	if (!err && copy_to_user(user, entries,
				 args->count * sizeof(*entries)))
		err = -EFAULT;
	kvfree(entries);
put_vm:
	sg_vm_put(vm);
	return err;
}
