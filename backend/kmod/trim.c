// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * TRIM: some pages of an object go back to the guest, the rest stays.
 *
 * The pages move to an object of their own, which takes over their grants and the
 * fences of all work so far, and ends as every object does (unmap.c). In the old
 * object a blank page stands in their place, so that its size and the offsets of
 * importers stay true. Importers drop their mappings before the change and see the
 * blank page when they map again.
 *
 * The lock of the dma-buf's reservation covers the change; nothing else.
 */
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "back.h"
#include "trace.h"

/* Jobs are waited for shortly, since the guest's other requests wait with them. */
#define TRIM_WAIT_IDLE	(HZ / 5)
#define TRIM_WAIT	(2 * HZ)

static void back_dmabuf_invalidate(struct dma_buf *dmabuf)
{
#ifdef BACK_HAVE_INVALIDATE_MAPPINGS
	dma_buf_invalidate_mappings(dmabuf);
#else
	dma_buf_move_notify(dmabuf);
#endif
}

static bool back_range_mapped(const struct back_object *object, u32 first,
			      u32 nr)
{
	u32 i;

	for (i = first; i < first + nr; i++)
		if (object->handles[i] == INVALID_GRANT_HANDLE)
			return false;
	return true;
}

/* The pages are charged already: only the object is new. */
static struct back_object *back_trim_new(struct back_object *object, u32 nr)
{
	struct back_object *part;
	int ret = back_object_count(object->binding);

	if (ret)
		return ERR_PTR(ret);
	part = back_object_new(object->binding, nr);
	if (!part) {
		atomic64_dec(&object->binding->objects);
		return ERR_PTR(-ENOMEM);
	}
	part->readonly = object->readonly;
	part->silent = true;
	atomic64_inc(&back_host_objects);
	__module_get(THIS_MODULE);
	return part;
}

/* It has no page. */
static void back_trim_abandon(struct back_object *part)
{
	atomic64_dec(&part->binding->objects);
	atomic64_dec(&back_host_objects);
	back_object_free(part);
	module_put(THIS_MODULE);
}

/* Reservation locked; cannot fail. */
static void back_trim_move(struct back_object *object, u32 first,
			   struct back_object *part)
{
	u32 i;

	for (i = 0; i < part->nr; i++) {
		part->pages[i] = object->pages[first + i];
		part->handles[i] = object->handles[first + i];
		part->grefs[i] = object->grefs[first + i];
		object->pages[first + i] = object->blank;
		object->handles[first + i] = INVALID_GRANT_HANDLE;
	}
	object->nr_trimmed += part->nr;
}

/* Reservation locked. */
static int back_trim_locked(struct dma_buf *dmabuf, u32 first,
			    struct back_object *part)
{
	struct back_object *object = dmabuf->priv;
	int ret;

	if (!back_range_mapped(object, first, part->nr))
		return -EINVAL;
	if (!object->blank)
		object->blank = back_fault() ? NULL :
			alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!object->blank)
		return -ENOMEM;
	back_dmabuf_invalidate(dmabuf);
	if (object->nr_maps)
		return -EBUSY;
	/* Nobody else knows it. */
	if (!dma_resv_trylock(&part->resv))
		return -EBUSY;
	ret = back_fault() ? -ENOMEM :
		dma_resv_copy_fences(&part->resv, &object->resv);
	dma_resv_unlock(&part->resv);
	if (!ret)
		back_trim_move(object, first, part);
	return ret;
}

/*
 * An importer may cut a job short that is too long to wait for. What uses the
 * rest of the object must not suffer: then nothing is given back.
 */
static int back_trim_wait_idle(struct back_object *object)
{
	long left = dma_resv_wait_timeout(&object->resv,
					  DMA_RESV_USAGE_BOOKKEEP, true,
					  TRIM_WAIT_IDLE);

	if (left < 0)
		return -EINTR;
	return left ? 0 : -EBUSY;
}

static int back_trim(struct dma_buf *dmabuf,
		     const struct xen_userptr_back_trim *args)
{
	struct back_object *object = dmabuf->priv;
	struct back_object *part = back_trim_new(object, args->nr);
	int ret;

	if (IS_ERR(part))
		return PTR_ERR(part);
	ret = back_trim_wait_idle(object);
	if (!ret)
		ret = dma_resv_lock_interruptible(&object->resv, NULL);
	if (!ret) {
		ret = back_trim_locked(dmabuf, args->first, part);
		dma_resv_unlock(&object->resv);
	}
	if (ret) {
		back_trim_abandon(part);
		return ret;
	}
	if (dma_resv_wait_timeout(&part->resv, DMA_RESV_USAGE_BOOKKEEP, false,
				  TRIM_WAIT) <= 0 ||
	    back_retire_step(part)) {
		back_object_retire(part);
		return -ETIME;
	}
	back_object_end(part);
	return 0;
}

static int back_trim_check(struct back_binding *binding,
			   const struct dma_buf *dmabuf,
			   const struct xen_userptr_back_trim *args)
{
	const struct back_object *object = back_object_of(dmabuf);
	u32 end;

	if (!object || object->binding != binding || args->pad || !args->nr)
		return -EINVAL;
	if (check_add_overflow(args->first, args->nr, &end) || end > object->nr)
		return -EINVAL;
	return 0;
}

int back_trim_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_trim args;
	struct dma_buf *dmabuf;
	int ret;

	/* Also when the domain is gone: its pages may go earlier then. */
	if (back_binding_check(binding) == -ENOTCONN)
		return -ENOTCONN;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(dmabuf))
		return -EINVAL;
	ret = back_trim_check(binding, dmabuf, &args);
	if (!ret) {
		ret = back_trim(dmabuf, &args);
		trace_xen_userptr_back_trim(dmabuf->priv, args.first, args.nr,
					    ret);
	}
	dma_buf_put(dmabuf);
	return ret;
}
