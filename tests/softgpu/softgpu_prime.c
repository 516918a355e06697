// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * dma-buf export and import.
 *
 * Exported objects sit in system memory while a device is attached. Imports
 * are dynamic: the mapping is made when the object is bound, dropped when the
 * exporter says that the buffer moves, and made again by the next EXEC. The
 * pages are taken one by one with sg_page(): engines reach them through their
 * linear addresses, which is the only way a Xen PV domain has for foreign
 * pages, and DMA addresses are not CPU addresses there.
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_prime.h>

#include "softgpu.h"

#define MOVE_WAIT_JIFFIES	HZ

static const struct dma_buf_ops export_ops = {
	.attach = drm_gem_map_attach,
	.detach = drm_gem_map_detach,
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
};

struct dma_buf *sg_gem_export(struct drm_gem_object *obj, int flags)
{
	struct drm_device *drm = obj->dev;
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = drm->driver->fops->owner,
		.ops = &export_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	if (to_sg_bo(obj)->kind != SG_BO_NATIVE)
		return ERR_PTR(-EINVAL);
	return drm_gem_dmabuf_export(drm, &info);
}

static enum dma_data_direction import_direction(const struct sg_bo *bo)
{
	return bo->readonly ? DMA_TO_DEVICE : DMA_BIDIRECTIONAL;
}

/* resv held. */
static void import_unmap(struct sg_bo *bo)
{
	if (!bo->pages)
		return;
	kvfree(bo->pages);
	bo->pages = NULL;
	dma_buf_unmap_attachment(bo->base.import_attach, bo->sgt,
				 import_direction(bo));
	bo->sgt = NULL;
}

static int pages_from_sgt(struct page **pages, size_t num,
			  struct sg_table *sgt)
{
	struct sg_page_iter iter;
	size_t n = 0;

	for_each_sgtable_page(sgt, &iter, 0) {
		struct page *page = sg_page_iter_page(&iter);

		if (n == num)
			break;
		if (!page || PageHighMem(page))
			return -EOPNOTSUPP;
		pages[n++] = page;
	}
	return n == num ? 0 : -EINVAL;
}

int sg_import_map(struct sg_bo *bo)
{
	struct dma_buf_attachment *attach = bo->base.import_attach;
	size_t num = bo->base.size >> PAGE_SHIFT;
	struct page **pages;
	int err;

	/* That option hides the pages of every mapping from importers. */
	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		return -EOPNOTSUPP;
	pages = kvmalloc_array(num, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	bo->sgt = dma_buf_map_attachment(attach, import_direction(bo));
	if (IS_ERR(bo->sgt)) {
		err = PTR_ERR(bo->sgt);
		goto free_pages;
	}
	err = pages_from_sgt(pages, num, bo->sgt);
	if (err)
		goto unmap;
	bo->pages = pages;
	return 0;

unmap:
	dma_buf_unmap_attachment(attach, bo->sgt, import_direction(bo));
free_pages:
	bo->sgt = NULL;
	kvfree(pages);
	return err;
}

/*
 * The exporter holds the reservation and is about to move the buffer. Jobs that
 * may use it get a bounded time; what still runs then faults.
 */
static void import_moved(struct dma_buf_attachment *attach)
{
	struct sg_bo *bo = attach->importer_priv;

	sg_count(sg_bo_device(bo), move_notifies, 1);
	dma_resv_wait_timeout(bo->base.resv, DMA_RESV_USAGE_BOOKKEEP, false,
			      MOVE_WAIT_JIFFIES);
	sg_bo_zap(bo);
	import_unmap(bo);
}

static const struct dma_buf_attach_ops import_ops = {
	.sg_attach_moved = import_moved,
};

static struct drm_gem_object *import_own(struct drm_device *drm,
					 struct dma_buf *buf)
{
	struct drm_gem_object *obj = buf->priv;

	if (buf->ops != &export_ops || obj->dev != drm)
		return NULL;
	drm_gem_object_get(obj);
	return obj;
}

static int import_attach(struct sg_bo *bo, struct dma_buf *buf)
{
	struct dma_buf_attachment *attach;
	int err;

	attach = dma_buf_dynamic_attach(buf, bo->base.dev->dev, &import_ops,
					bo);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	get_dma_buf(buf);
	bo->base.import_attach = attach;
	dma_resv_lock(buf->resv, NULL);
	err = sg_import_map(bo);
	dma_resv_unlock(buf->resv);
	return err;
}

struct drm_gem_object *sg_gem_import(struct drm_device *drm,
				     struct dma_buf *buf)
{
	struct drm_gem_object *own = import_own(drm, buf);
	struct sg_device *sdev = to_sg_device(drm);
	struct sg_bo *bo;
	int err;

	if (own)
		return own;
	if (!buf->size || buf->size % PAGE_SIZE ||
	    buf->size > SG_MAX_OBJECT_SIZE)
		return ERR_PTR(-EINVAL);
	bo = sg_bo_alloc(sdev, SG_BO_IMPORT);
	if (!bo)
		return ERR_PTR(-ENOMEM);
	bo->readonly = !(buf->file->f_mode & FMODE_WRITE);
	bo->base.resv = buf->resv;
	drm_gem_private_object_init(drm, &bo->base, buf->size);
	sg_count(sdev, imports, 1);
	err = import_attach(bo, buf);
	if (err) {
		drm_gem_object_put(&bo->base);
		return ERR_PTR(err);
	}
	return &bo->base;
}

void sg_import_release(struct sg_bo *bo)
{
	struct dma_buf_attachment *attach = bo->base.import_attach;
	struct dma_buf *buf;

	sg_count(sg_bo_device(bo), imports, -1);
	if (!attach)
		return;
	buf = attach->dmabuf;
	dma_resv_lock(buf->resv, NULL);
	import_unmap(bo);
	dma_resv_unlock(buf->resv);
	dma_buf_detach(buf, attach);
	dma_buf_put(buf);
}
