// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * drv.c: the DRM driver, its files and the module.
 *
 * The render node appears with the first connection and stays until the
 * xenbus device goes; without a connection every call says -ENODEV. Objects,
 * fences and pages in quarantine keep the module loaded by themselves.
 */
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>

#include <xen/xen.h>

#include "xen_userptr.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct workqueue_struct *xu_release_wq;
/*
 * Ends of objects may wait for their program's memory (mmu_interval_notifier_remove()):
 * nothing that another program or the connection waits for may stand behind them.
 */
struct workqueue_struct *xu_object_wq;
/*
 * Sends jobs and signals fences, which others may wait for while they reclaim memory:
 * nothing here allocates, or waits for who does.
 */
struct workqueue_struct *xu_job_wq;

struct xu_file *xu_file_create(struct drm_file *file)
{
	struct xu_file *xf = xu_fault() ? NULL :
		kzalloc(sizeof(*xf), GFP_KERNEL_ACCOUNT);

	if (!xf)
		return NULL;
	kref_init(&xf->ref);
	spin_lock_init(&xf->event_lock);
	xf->file = file;
	xa_init_flags(&xf->vms, XA_FLAGS_ALLOC1);
	return xf;
}

static void file_free(struct kref *ref)
{
	struct xu_file *xf = container_of(ref, struct xu_file, ref);

	xa_destroy(&xf->vms);
	kfree(xf);
}

void xu_file_put(struct xu_file *xf)
{
	kref_put(&xf->ref, file_free);
}

static int drv_open(struct drm_device *drm, struct drm_file *file)
{
	file->driver_priv = xu_file_create(file);
	return file->driver_priv ? 0 : -ENOMEM;
}

static void drv_postclose(struct drm_device *drm, struct drm_file *file)
{
	xu_file_put(file->driver_priv);
}

/*
 * VMs go before the DRM core closes the handles: jobs are cancelled first,
 * so that objects need not wait for them.
 */
static int drv_release(struct inode *inode, struct file *filp)
{
	xu_file_release_vms(filp->private_data);
	xu_lost_close(filp->private_data);
	return drm_release(inode, filp);
}

static void drv_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct xu_file *xf = file->driver_priv;
	u32 engine;
	u64 ns;

	for (engine = 0; engine < XU_MAX_ENGINES; engine++) {
		ns = atomic64_read(&xf->busy_ns[engine]);
		if (ns)
			drm_printf(p, "drm-engine-gpu%u:\t%llu ns\n", engine,
				   ns);
	}
	drm_show_memory_stats(p, file);
}

static void drv_device_release(struct drm_device *drm)
{
	struct xu_device *xd = to_xu_device(drm);

	xu_grants_fini(&xd->grants);
	mutex_destroy(&xd->state_mutex);
}

#define XU_IOCTL(name, func) \
	DRM_IOCTL_DEF_DRV(XEN_USERPTR_##name, func, DRM_RENDER_ALLOW)

static const struct drm_ioctl_desc drv_ioctls[] = {
	XU_IOCTL(INFO, xu_info_ioctl),
	XU_IOCTL(VM_CREATE, xu_vm_create_ioctl),
	XU_IOCTL(VM_DESTROY, xu_vm_destroy_ioctl),
	XU_IOCTL(CREATE, xu_create_ioctl),
	XU_IOCTL(VM_BIND, xu_bind_ioctl),
	XU_IOCTL(EXEC, xu_exec_ioctl),
	XU_IOCTL(ADVISE, xu_advise_ioctl),
	XU_IOCTL(LOST, xu_lost_ioctl),
};

static const struct file_operations drv_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drv_release,
	.unlocked_ioctl = drm_ioctl,
	.compat_ioctl = drm_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.fasync = xu_lost_fasync,
	.llseek = noop_llseek,
	.show_fdinfo = drm_show_fdinfo,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

static const struct drm_driver drv = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_SYNCOBJ |
			   DRIVER_SYNCOBJ_TIMELINE,
	.open = drv_open,
	.postclose = drv_postclose,
	.release = drv_device_release,
	.show_fdinfo = drv_show_fdinfo,
	.ioctls = drv_ioctls,
	.num_ioctls = ARRAY_SIZE(drv_ioctls),
	.fops = &drv_fops,
	.name = "xen_userptr",
	.desc = "GPU userptr over the Xen boundary",
	.major = 1,
	.minor = 0,
};

struct xu_device *xu_device_create(struct xenbus_device *xdev)
{
	struct xu_device *xd;

	xd = devm_drm_dev_alloc(&xdev->dev, &drv, struct xu_device, drm);
	if (IS_ERR(xd))
		return xd;
	xd->xdev = xdev;
	spin_lock_init(&xd->conn_lock);
	mutex_init(&xd->state_mutex);
	init_waitqueue_head(&xd->release_wait);
	spin_lock_init(&xd->check_lock);
	INIT_LIST_HEAD(&xd->check_list);
	INIT_LIST_HEAD(&xd->trim_list);
	xu_grants_init(&xd->grants, xdev->otherend_id);
	xu_debugfs_init(xd);
	return xd;
}

static int __init xu_init(void)
{
	int err = -ENOMEM;

	if (!xen_domain())
		return -ENODEV;
	xu_release_wq = alloc_workqueue("xen_userptr_release", WQ_UNBOUND, 0);
	if (!xu_release_wq)
		return err;
	xu_object_wq = alloc_workqueue("xen_userptr_object", WQ_UNBOUND, 0);
	if (!xu_object_wq)
		goto err_release_wq;
	xu_job_wq = alloc_workqueue("xen_userptr_job", WQ_UNBOUND |
				    WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	if (!xu_job_wq)
		goto err_object_wq;
	xu_revocable_detect();
	err = xu_xenbus_register();
	if (err)
		goto err_job_wq;
	return 0;
err_job_wq:
	destroy_workqueue(xu_job_wq);
err_object_wq:
	destroy_workqueue(xu_object_wq);
err_release_wq:
	destroy_workqueue(xu_release_wq);
	return err;
}

/*
 * No device, file, object or fence is left. VMs may still be on their way
 * out; their last step is a work item of xu_job_wq.
 */
static void __exit xu_exit(void)
{
	xu_xenbus_unregister();
	flush_workqueue(xu_object_wq);
	flush_workqueue(xu_release_wq);
	destroy_workqueue(xu_job_wq);
	xu_quarantine_fini();
	destroy_workqueue(xu_object_wq);
	destroy_workqueue(xu_release_wq);
	rcu_barrier();
	/* Who dropped our last reference did so from our code, and may not be out of it. */
	synchronize_rcu_tasks();
}

module_init(xu_init);
module_exit(xu_exit);
MODULE_DESCRIPTION("GPU userptr for Xen guests");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_ALIAS("xen:" XENUSERPTR_DRIVER_NAME);
