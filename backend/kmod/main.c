// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * xen_userptr_back: the character device /dev/xen/userptr-back.
 *
 * First stop of walk A in the backend domain: userptrd opens the device, binds
 * it to a guest (bind.c), maps grants (map.c) into dma-bufs (dmabuf.c),
 * gives parts of them back (trim.c), and reads a record (record.c) when one has
 * been unmapped (unmap.c). Walk B comes through OPS (revoke.c) and the wants
 * (channel.c, want.c). This file only opens, closes and dispatches. No locks.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <xen/xen.h>

#include "back.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct workqueue_struct *back_wq;
struct workqueue_struct *back_want_wq;

static int back_open(struct inode *inode, struct file *file)
{
	struct back_binding *binding = back_binding_new();

	if (!binding)
		return -ENOMEM;
	file->private_data = binding;
	return stream_open(inode, file);
}

static int back_release(struct inode *inode, struct file *file)
{
	back_binding_close(file->private_data);
	return 0;
}

static long back_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct back_binding *binding = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case XEN_USERPTR_BACK_BIND:
		return back_bind_ioctl(binding, uarg);
	case XEN_USERPTR_BACK_MAP:
		return back_map_ioctl(binding, uarg);
	case XEN_USERPTR_BACK_TRIM:
		return back_trim_ioctl(binding, uarg);
	case XEN_USERPTR_BACK_READ:
		return back_read_ioctl(binding, uarg);
	case XEN_USERPTR_BACK_WRITE:
		return back_write_ioctl(binding, uarg);
	case XEN_USERPTR_BACK_STATS:
		return back_stats_ioctl(binding, uarg);
	case XEN_USERPTR_BACK_OPS:
		return back_ops_ioctl(binding, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations back_fops = {
	.owner = THIS_MODULE,
	.open = back_open,
	.release = back_release,
	.unlocked_ioctl = back_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = back_record_read,
	.poll = back_record_poll,
};

static struct miscdevice back_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xen/userptr-back",
	.mode = 0600,
	.fops = &back_fops,
	.groups = back_sysfs_groups,
};

static int __init back_init(void)
{
	int ret;

	if (!xen_domain())
		return -ENODEV;
	ret = back_armed_init();
	if (ret)
		return ret;
	ret = -ENOMEM;
	back_wq = alloc_workqueue("xen_userptr_back", WQ_UNBOUND, 0);
	if (!back_wq)
		goto exit_armed;
	back_want_wq = alloc_workqueue("xen_userptr_want", WQ_UNBOUND |
				       WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	if (!back_want_wq)
		goto destroy_wq;
	back_revoke_detect();
	ret = misc_register(&back_device);
	if (ret)
		goto destroy_want_wq;
	return 0;

destroy_want_wq:
	destroy_workqueue(back_want_wq);
destroy_wq:
	destroy_workqueue(back_wq);
exit_armed:
	back_armed_exit();
	return ret;
}

/*
 * Open files and objects hold the module, so none is left here; but the work
 * that gave up the last reference may still be returning.
 */
static void __exit back_exit(void)
{
	misc_deregister(&back_device);
	back_bind_exit();
	destroy_workqueue(back_want_wq);
	destroy_workqueue(back_wq);
	back_armed_exit();
}

module_init(back_init);
module_exit(back_exit);

MODULE_DESCRIPTION("Xen userptr backend: grants of one guest as dma-bufs");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_ALIAS("devname:xen/userptr-back");
/* MODULE_IMPORT_NS() takes a string or an identifier, by kernel version. */
MODULE_INFO(import_ns, "DMA_BUF");
