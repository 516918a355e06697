// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * READ: copies pages that the domain has granted to memory of the caller.
 *
 * For lists of references, which are read once and never mapped. gntdev could do
 * it too, but takes the domain from its caller: a worker that a guest took over
 * could read and write what all other domains grant to this one.
 *
 * No locks. Each page goes through one of this domain's, so that what the caller
 * gives is written by copy_to_user() alone.
 */
#include <linux/gfp.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <asm/xen/hypercall.h>
#include <asm/xen/page.h>
#include <xen/page.h>

#include "back.h"

/* The call of the kernel sleeps, deaf to signals, on a page that answers GNTST_eagain. */
static s16 back_page_read(struct back_binding *binding, u32 gref, void *to)
{
	struct gnttab_copy op = {
		.source.u.ref = gref,
		.source.domid = binding->domid,
		.dest.u.gmfn = virt_to_gfn(to),
		.dest.domid = DOMID_SELF,
		.len = XEN_PAGE_SIZE,
		.flags = GNTCOPY_source_gref,
		.status = GNTST_general_error,
	};

	back_count_hypercall(binding);
	if (back_fault() ||
	    HYPERVISOR_grant_table_op(GNTTABOP_copy, &op, 1))
		return GNTST_general_error;
	return op.status;
}

static int back_read(struct back_binding *binding,
		     struct xen_userptr_back_read *args)
{
	u32 __user *grefs = u64_to_user_ptr(args->grefs);
	u8 __user *to = u64_to_user_ptr(args->to);
	void *bounce = back_fault() ? NULL :
		(void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	int ret = 0;
	u32 i, gref;

	if (!bounce)
		return -ENOMEM;
	for (i = 0; !ret && i < args->nr; i++) {
		args->error_index = i;
		args->gnttab_status = GNTST_okay;
		if (get_user(gref, grefs + i)) {
			ret = -EFAULT;
			break;
		}
		args->gnttab_status = back_page_read(binding, gref, bounce);
		if (args->gnttab_status == GNTST_bad_domain)
			ret = -ENODEV;
		else if (args->gnttab_status != GNTST_okay)
			ret = -EIO;
		else if (copy_to_user(to + (size_t)i * XEN_PAGE_SIZE, bounce,
				      XEN_PAGE_SIZE))
			ret = -EFAULT;
		cond_resched();
	}
	free_page((unsigned long)bounce);
	return ret;
}

int back_read_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_read args;
	int ret = back_binding_check(binding);

	if (ret)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.pad || !args.nr || args.nr > XEN_USERPTR_BACK_READ_MAX)
		return -EINVAL;
	ret = back_read(binding, &args);
	if (copy_to_user(arg, &args, sizeof(args)))
		return -EFAULT;
	return ret;
}
