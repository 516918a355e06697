// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * VRAM: the BAR of the ivshmem device, its allocator and eviction.
 *
 * Whoever evicts holds the dma_resv of the object that needs room, often many
 * more, so victims are only tried (dma_resv_trylock()): an object in use by
 * somebody else, or by the same EXEC, is no victim. Idle ones go first; the
 * wait for a busy one is bounded.
 */
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_vma_manager.h>

#include <asm/fpu/api.h>

#include "softgpu.h"

#define VICTIM_WAIT_JIFFIES	(2 * HZ)
#define CLEAR_PIECE		(16u << 10)

static struct sg_vram *bo_vram(const struct sg_bo *bo)
{
	return &sg_bo_device(bo)->vram;
}

void *sg_vram_ptr(const struct sg_bo *bo)
{
	return bo_vram(bo)->base + bo->vram.start;
}

void sg_vram_touch(struct sg_bo *bo)
{
	struct sg_vram *vram = bo_vram(bo);

	mutex_lock(&vram->lock);
	if (!list_empty(&bo->lru))
		list_move_tail(&bo->lru, &vram->lru);
	mutex_unlock(&vram->lock);
}

void sg_vram_free(struct sg_bo *bo)
{
	struct sg_vram *vram = bo_vram(bo);

	mutex_lock(&vram->lock);
	list_del_init(&bo->lru);
	vram->used -= bo->vram.size;
	drm_mm_remove_node(&bo->vram);
	mutex_unlock(&vram->lock);
}

/* As fast as the engines copy, which a GPU would do it with. */
void sg_vram_clear(struct sg_bo *bo)
{
	void *p = sg_vram_ptr(bo);
	u64 pos;

	for (pos = 0; pos < bo->base.size; pos += CLEAR_PIECE) {
		kernel_fpu_begin();
		sg_fpu_clear(p + pos, min_t(u64, CLEAR_PIECE,
					    bo->base.size - pos));
		kernel_fpu_end();
		cond_resched();
	}
}

static void copy_pages(struct sg_bo *bo, bool to_vram)
{
	void *p = sg_vram_ptr(bo);
	u64 i;

	for (i = 0; i < bo->base.size >> PAGE_SHIFT; i++) {
		void *page = page_address(bo->pages[i]);

		if (to_vram)
			memcpy(p + (i << PAGE_SHIFT), page, PAGE_SIZE);
		else
			memcpy(page, p + (i << PAGE_SHIFT), PAGE_SIZE);
		cond_resched();
	}
}

/* GPU and CPU mappings go; both come back by fault or validation. */
static void unmap_everywhere(struct sg_bo *bo)
{
	sg_bo_zap(bo);
	drm_vma_node_unmap(&bo->base.vma_node,
			   bo->base.dev->anon_inode->i_mapping);
}

int sg_vram_move_out(struct sg_bo *bo)
{
	int err, idx;

	if (!drm_dev_enter(bo->base.dev, &idx))
		return -ENODEV;
	err = sg_bo_alloc_pages(bo);
	if (!err) {
		unmap_everywhere(bo);
		copy_pages(bo, false);
		sg_vram_free(bo);
		sg_count(sg_bo_device(bo), evictions, 1);
	}
	drm_dev_exit(idx);
	return err;
}

int sg_vram_move_in(struct sg_bo *bo, bool may_evict)
{
	int err, idx;

	if (!drm_dev_enter(bo->base.dev, &idx))
		return -ENODEV;
	err = sg_vram_alloc(bo, may_evict);
	if (!err) {
		unmap_everywhere(bo);
		copy_pages(bo, true);
		sg_bo_free_pages(bo);
	}
	drm_dev_exit(idx);
	return err;
}

/*
 * Coldest first; only idle ones if idle is set. Returned locked and with a
 * reference, which is needed before vram->lock is dropped: an object leaves
 * the list before its memory goes.
 */
static struct sg_bo *victim_find(struct sg_vram *vram, bool idle)
{
	struct sg_bo *bo, *found = NULL;

	mutex_lock(&vram->lock);
	list_for_each_entry(bo, &vram->lru, lru) {
		if (!dma_resv_trylock(bo->base.resv))
			continue;
		if ((!idle || dma_resv_test_signaled(bo->base.resv,
						DMA_RESV_USAGE_BOOKKEEP)) &&
		    kref_get_unless_zero(&bo->base.refcount)) {
			found = bo;
			break;
		}
		dma_resv_unlock(bo->base.resv);
	}
	mutex_unlock(&vram->lock);
	return found;
}

static int evict_one(struct sg_vram *vram)
{
	struct sg_bo *bo = victim_find(vram, true);
	long ret = 1;

	if (!bo) {
		bo = victim_find(vram, false);
		if (!bo)
			return -ENOSPC;
		ret = dma_resv_wait_timeout(bo->base.resv,
					    DMA_RESV_USAGE_BOOKKEEP, true,
					    VICTIM_WAIT_JIFFIES);
	}
	if (ret > 0)
		ret = sg_vram_move_out(bo);
	else if (!ret)
		ret = -ENOSPC;
	dma_resv_unlock(bo->base.resv);
	drm_gem_object_put(&bo->base);
	return ret;
}

static int vram_insert(struct sg_vram *vram, struct sg_bo *bo)
{
	int err;

	mutex_lock(&vram->lock);
	err = drm_mm_insert_node_generic(&vram->mm, &bo->vram, bo->base.size,
					 PAGE_SIZE, 0, DRM_MM_INSERT_BEST);
	if (!err) {
		vram->used += bo->base.size;
		if (!(bo->placement & DRM_SOFTGPU_PLACE_PINNED))
			list_add_tail(&bo->lru, &vram->lru);
	}
	mutex_unlock(&vram->lock);
	return err;
}

int sg_vram_alloc(struct sg_bo *bo, bool may_evict)
{
	struct sg_vram *vram = bo_vram(bo);
	int err;

	for (;;) {
		err = vram_insert(vram, bo);
		if (err != -ENOSPC || !may_evict)
			return err;
		err = evict_one(vram);
		if (err)
			return err;
	}
}

int sg_vram_init(struct sg_device *sdev)
{
	struct sg_vram *vram = &sdev->vram;
	struct device *dev = sdev->drm.dev;
	struct resource *bar = &sdev->pdev->resource[2];

	if (!resource_size(bar) || !(bar->flags & IORESOURCE_MEM))
		return -ENODEV;
	if (!devm_request_mem_region(dev, bar->start, resource_size(bar),
				     "softgpu-vram"))
		return -EBUSY;
	vram->base = devm_memremap(dev, bar->start, resource_size(bar),
				   MEMREMAP_WC);
	if (IS_ERR(vram->base))
		return PTR_ERR(vram->base);
	vram->start = bar->start;
	vram->size = resource_size(bar);
	mutex_init(&vram->lock);
	INIT_LIST_HEAD(&vram->lru);
	drm_mm_init(&vram->mm, 0, vram->size);
	return 0;
}

/* When the last object is gone, which may be long after the device. */
void sg_vram_fini(struct sg_device *sdev)
{
	drm_mm_takedown(&sdev->vram.mm);
}
