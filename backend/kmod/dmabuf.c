// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * An object as a dma-buf.
 *
 * A dynamic exporter whose memory never moves, so pin() succeeds. Mappings are
 * invalidated only when some pages are given back (trim.c). There is no CPU
 * access: no mmap(), and no vmap(), which a PV domain could not do with pages of
 * another domain.
 * Importers that touch the memory by CPU go page by page through sg_page().
 *
 * Read-only objects: drivers import everything bidirectionally, so refusing
 * that would refuse every import. The mapping made by the hypervisor is the
 * enforcement (the pages are read-only for this domain's CPUs and, where there
 * is an IOMMU, for its devices); here the device gets a to-device mapping,
 * and a mapping that can only mean writing is refused. The dma-buf's file is
 * then open for reading only, which tells importers.
 *
 * The reservation object is the object's own, because the fences in it have to
 * be waited for after the dma-buf is gone. map and unmap run under its lock.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/pfn.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <xen/page.h>
#include <xen/xen.h>

#include "back.h"
#include "trace.h"

static int back_dmabuf_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void back_dmabuf_unpin(struct dma_buf_attachment *attach)
{
}

/*
 * Neighbours in a PV domain's address space are none in the machine's: with
 * one entry per page the mapping never needs a bounce buffer.
 */
static unsigned int back_segment_max(struct device *dev)
{
	unsigned int limit = dma_get_max_seg_size(dev) & PAGE_MASK;

	return xen_pv_domain() ? PAGE_SIZE : max_t(unsigned int, limit, PAGE_SIZE);
}

/*
 * The DMA layer bounces what the device cannot address. A bounce buffer would
 * show the device a copy, for ever: better no mapping at all.
 */
static bool back_sgt_bounced(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	unsigned int i;

	if (device_iommu_mapped(dev))
		return false;
	for_each_sgtable_sg(sgt, sg, i)
		if (sg_dma_address(sg) !=
		    PFN_PHYS(xen_page_to_gfn(sg_page(sg))))
			return true;
	return false;
}

static enum dma_data_direction
back_direction(const struct back_object *object, enum dma_data_direction dir)
{
	return object->readonly ? DMA_TO_DEVICE : dir;
}

static struct sg_table *back_sgt_alloc(struct back_object *object,
				       struct device *dev)
{
	struct sg_table *sgt = back_fault() ? NULL :
		kzalloc(sizeof(*sgt), GFP_KERNEL);
	int ret;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = back_fault() ? -ENOMEM :
		sg_alloc_table_from_pages_segment(sgt, object->pages, object->nr,
						0, (size_t)object->nr << PAGE_SHIFT,
						back_segment_max(dev), GFP_KERNEL);
	if (ret) {
		kfree(sgt);
		return ERR_PTR(ret);
	}
	return sgt;
}

static struct sg_table *back_dmabuf_map(struct dma_buf_attachment *attach,
					enum dma_data_direction dir)
{
	struct back_object *object = attach->dmabuf->priv;
	enum dma_data_direction used = back_direction(object, dir);
	struct sg_table *sgt;
	int ret;

	if (object->readonly && dir == DMA_FROM_DEVICE)
		return ERR_PTR(-EACCES);
	sgt = back_sgt_alloc(object, attach->dev);
	if (IS_ERR(sgt))
		return sgt;
	ret = back_fault() ? -EIO :
		dma_map_sgtable(attach->dev, sgt, used, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto free_sgt;
	if (back_fault() || back_sgt_bounced(attach->dev, sgt)) {
		dev_warn_once(attach->dev, "cannot address memory of a guest\n");
		ret = -EIO;
		goto unmap_sgt;
	}
	object->nr_maps++;
	trace_xen_userptr_back_attach(object, 0);
	return sgt;

unmap_sgt:
	dma_unmap_sgtable(attach->dev, sgt, used, DMA_ATTR_SKIP_CPU_SYNC);
free_sgt:
	sg_free_table(sgt);
	kfree(sgt);
	trace_xen_userptr_back_attach(object, ret);
	return ERR_PTR(ret);
}

static void back_dmabuf_unmap(struct dma_buf_attachment *attach,
			      struct sg_table *sgt, enum dma_data_direction dir)
{
	struct back_object *object = attach->dmabuf->priv;

	object->nr_maps--;
	trace_xen_userptr_back_detach(object, 0);
	dma_unmap_sgtable(attach->dev, sgt, back_direction(object, dir),
			  DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
}

static void back_dmabuf_release(struct dma_buf *dmabuf)
{
	back_object_retire(dmabuf->priv);
}

static const struct dma_buf_ops back_dmabuf_ops = {
	.pin = back_dmabuf_pin,
	.unpin = back_dmabuf_unpin,
	.map_dma_buf = back_dmabuf_map,
	.unmap_dma_buf = back_dmabuf_unmap,
	.release = back_dmabuf_release,
};

struct back_object *back_object_of(const struct dma_buf *dmabuf)
{
	return dmabuf->ops == &back_dmabuf_ops ? dmabuf->priv : NULL;
}

struct dma_buf *back_object_export(struct back_object *object)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &back_dmabuf_ops;
	info.size = (size_t)object->nr << PAGE_SHIFT;
	info.flags = object->readonly ? O_RDONLY : O_RDWR;
	info.resv = &object->resv;
	info.priv = object;
	return back_fault() ? ERR_PTR(-ENOMEM) : dma_buf_export(&info);
}
