// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A dma-buf importer for tests: see xu_importer.h. One import per open file;
 * import->lock serialises its ioctls.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "xu_importer.h"

struct import {
	struct mutex lock;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	struct page *held;
	struct dma_fence *fence;
};

static struct platform_device *importer_pdev;
static DEFINE_SPINLOCK(fence_lock);

static const char *fence_name(struct dma_fence *fence)
{
	return "xu_importer";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

/* The exporter under test never moves: this must not be called. */
static void import_invalidated(struct dma_buf_attachment *attach)
{
	WARN_ON(1);
}

static const struct dma_buf_attach_ops import_attach_ops = {
	.allow_peer2peer = false,
#ifdef XU_MOVE_NOTIFY
	.move_notify = import_invalidated,
#else
	.invalidate_mappings = import_invalidated,
#endif
};

static int import_attach(struct import *import, struct xu_import *args)
{
	struct device *dev = &importer_pdev->dev;

	import->dir = args->flags & XU_IMPORT_FROM_DEVICE ?
		DMA_FROM_DEVICE : DMA_BIDIRECTIONAL;
	if (args->flags & XU_IMPORT_DYNAMIC)
		import->attach = dma_buf_dynamic_attach(import->dmabuf, dev,
							&import_attach_ops, import);
	else
		import->attach = dma_buf_attach(import->dmabuf, dev);
	if (IS_ERR(import->attach))
		return PTR_ERR(import->attach);
	import->sgt = dma_buf_map_attachment_unlocked(import->attach,
						      import->dir);
	if (IS_ERR(import->sgt)) {
		dma_buf_detach(import->dmabuf, import->attach);
		return PTR_ERR(import->sgt);
	}
	return 0;
}

static int import_start(struct import *import, void __user *arg)
{
	struct xu_import args;
	int ret;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (import->dmabuf)
		return -EBUSY;
	import->dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(import->dmabuf)) {
		ret = PTR_ERR(import->dmabuf);
		goto forget;
	}
	ret = import_attach(import, &args);
	if (ret) {
		dma_buf_put(import->dmabuf);
		goto forget;
	}
	args.segments = import->sgt->orig_nents;
	args.writable = !!(import->dmabuf->file->f_mode & FMODE_WRITE);
	return copy_to_user(arg, &args, sizeof(args)) ? -EFAULT : 0;

forget:
	import->dmabuf = NULL;
	return ret;
}

static struct page *import_page(struct import *import, u64 index)
{
	struct sg_page_iter iter;

	if (!import->dmabuf)
		return NULL;
	for_each_sgtable_page(import->sgt, &iter, 0)
		if (!index--)
			return sg_page_iter_page(&iter);
	return NULL;
}

/* As copy_to_kernel_nofault(), which modules cannot use. */
static int word_write(char *at, u64 value)
{
	pagefault_disable();
	__put_kernel_nofault(at, &value, u64, fault);
	pagefault_enable();
	return 0;
fault:
	pagefault_enable();
	return -EFAULT;
}

static int import_access(struct import *import, void __user *arg)
{
	struct xu_access args;
	struct page *page;
	char *at;
	int ret;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	page = import_page(import, args.offset >> PAGE_SHIFT);
	if (!page || args.offset % sizeof(args.value))
		return -EINVAL;
	at = (char *)page_address(page) + offset_in_page(args.offset);
	if (args.write)
		ret = word_write(at, args.value);
	else
		ret = copy_from_kernel_nofault(&args.value, at, sizeof(args.value));
	if (ret)
		return ret;
	return copy_to_user(arg, &args, sizeof(args)) ? -EFAULT : 0;
}

static int import_hold(struct import *import, void __user *arg)
{
	struct page *page;
	u64 index;

	if (import->held) {
		put_page(import->held);
		import->held = NULL;
		return 0;
	}
	if (copy_from_user(&index, arg, sizeof(index)))
		return -EFAULT;
	page = import_page(import, index);
	if (!page)
		return -EINVAL;
	get_page(page);
	import->held = page;
	return 0;
}

static void import_fence_signal(struct import *import)
{
	if (!import->fence)
		return;
	dma_fence_signal(import->fence);
	dma_fence_put(import->fence);
	import->fence = NULL;
}

static int import_fence_add(struct import *import)
{
	struct dma_resv *resv;
	int ret;

	if (!import->dmabuf || import->fence)
		return -EINVAL;
	resv = import->dmabuf->resv;
	import->fence = kzalloc(sizeof(*import->fence), GFP_KERNEL);
	if (!import->fence)
		return -ENOMEM;
	dma_fence_init(import->fence, &fence_ops, &fence_lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_lock(resv, NULL);
	ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		dma_resv_add_fence(resv, import->fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(resv);
	if (ret)
		import_fence_signal(import);
	return ret;
}

static int import_fence(struct import *import, void __user *arg)
{
	u32 add;

	if (copy_from_user(&add, arg, sizeof(add)))
		return -EFAULT;
	if (add)
		return import_fence_add(import);
	import_fence_signal(import);
	return 0;
}

static int import_detach(struct import *import)
{
	if (!import->dmabuf)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(import->attach, import->sgt,
					  import->dir);
	dma_buf_detach(import->dmabuf, import->attach);
	dma_buf_put(import->dmabuf);
	import->dmabuf = NULL;
	return 0;
}

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct import *import = file->private_data;
	void __user *uarg = (void __user *)arg;
	long ret = -ENOTTY;

	mutex_lock(&import->lock);
	switch (cmd) {
	case XU_IMPORT:
		ret = import_start(import, uarg);
		break;
	case XU_ACCESS:
		ret = import_access(import, uarg);
		break;
	case XU_HOLD_PAGE:
		ret = import_hold(import, uarg);
		break;
	case XU_FENCE:
		ret = import_fence(import, uarg);
		break;
	case XU_DETACH:
		ret = import_detach(import);
		break;
	}
	mutex_unlock(&import->lock);
	return ret;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct import *import = kzalloc(sizeof(*import), GFP_KERNEL);

	if (!import)
		return -ENOMEM;
	mutex_init(&import->lock);
	file->private_data = import;
	return 0;
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct import *import = file->private_data;

	import_fence_signal(import);
	if (import->held)
		put_page(import->held);
	import_detach(import);
	kfree(import);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.unlocked_ioctl = importer_ioctl,
};

static struct miscdevice importer_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xu-importer",
	.mode = 0600,
	.fops = &importer_fops,
};

static int __init importer_init(void)
{
	int ret;

	importer_pdev = platform_device_register_simple("xu-importer", -1, NULL, 0);
	if (IS_ERR(importer_pdev))
		return PTR_ERR(importer_pdev);
	ret = dma_coerce_mask_and_coherent(&importer_pdev->dev, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&importer_device);
	if (ret)
		platform_device_unregister(importer_pdev);
	return ret;
}

static void __exit importer_exit(void)
{
	misc_deregister(&importer_device);
	platform_device_unregister(importer_pdev);
}

module_init(importer_init);
module_exit(importer_exit);

MODULE_DESCRIPTION("Imports dma-bufs for tests");
MODULE_LICENSE("Dual MIT/GPL");
/* MODULE_IMPORT_NS() takes a string or an identifier, by kernel version. */
MODULE_INFO(import_ns, "DMA_BUF");
