// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * WRITE: the CPU puts contents into pages of an object.
 *
 * For the way home when the GPU cannot copy. A page that its guest cannot reach
 * is still mapped here, since revoking leaves grants alone that are mapped; what
 * fails is to map or copy it anew. Page by page through the linear mapping, which
 * is all that a PV domain has.
 *
 * User memory may be device memory, whose fault handlers take locks of their own;
 * so a page is fetched without any lock, and the reservation is locked, against
 * TRIM, only to put it into place.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "back.h"
#include "trace.h"

static int back_page_write(struct back_object *object, u32 page,
			   const void *from)
{
	int ret = back_fault() ? -EINTR :
		dma_resv_lock_interruptible(&object->resv, NULL);

	if (ret)
		return ret;
	if (object->handles[page] == INVALID_GRANT_HANDLE)
		ret = -EINVAL;
	else
		memcpy(page_address(object->pages[page]), from, PAGE_SIZE);
	dma_resv_unlock(&object->resv);
	return ret;
}

static int back_write(struct back_object *object,
		      const struct xen_userptr_back_write *args)
{
	const u8 __user *from = u64_to_user_ptr(args->from);
	void *bounce = back_fault() ? NULL :
		(void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	int ret = 0;
	u32 i;

	if (!bounce)
		return -ENOMEM;
	for (i = 0; !ret && i < args->nr; i++) {
		if (copy_from_user(bounce, from + (size_t)i * PAGE_SIZE,
				   PAGE_SIZE))
			ret = -EFAULT;
		else
			ret = back_page_write(object, args->first + i, bounce);
		cond_resched();
	}
	free_page((unsigned long)bounce);
	return ret;
}

static int back_write_check(const struct back_binding *binding,
			    const struct back_object *object,
			    const struct xen_userptr_back_write *args)
{
	u32 end;

	if (!object || object->binding != binding || args->pad || !args->nr ||
	    args->nr > XEN_USERPTR_BACK_WRITE_MAX)
		return -EINVAL;
	if (check_add_overflow(args->first, args->nr, &end) || end > object->nr)
		return -EINVAL;
	return object->readonly ? -EACCES : 0;
}

int back_write_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_write args;
	struct dma_buf *dmabuf;
	int ret = back_binding_check(binding);

	if (ret)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(dmabuf))
		return -EINVAL;
	ret = back_write_check(binding, back_object_of(dmabuf), &args);
	if (!ret) {
		ret = back_write(dmabuf->priv, &args);
		trace_xen_userptr_back_write(dmabuf->priv, args.first, args.nr,
					     ret);
	}
	dma_buf_put(dmabuf);
	return ret;
}
