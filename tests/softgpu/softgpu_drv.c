// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * softgpu: a software GPU behind a real DRM driver, on an ivshmem PCI device
 * whose BAR 2 is the VRAM. Module, PCI and DRM registration, open and close.
 *
 * On removal the engines end every job with -ENODEV; files and objects live on
 * without hardware until user space closes them. The module waits in its exit
 * for the VMs of files that were closed before.
 */
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include "softgpu.h"

#define PCI_VENDOR_QUMRANET	0x1af4
#define PCI_DEVICE_IVSHMEM	0x1110

struct workqueue_struct *sg_sched_wq;
struct workqueue_struct *sg_bind_wq;
struct workqueue_struct *sg_free_wq;

unsigned int sg_job_timeout_ms = 10000;
module_param_named(job_timeout_ms, sg_job_timeout_ms, uint, 0644);
MODULE_PARM_DESC(job_timeout_ms, "running time after which a job fails");

unsigned int sg_slow_stop_ms;
module_param_named(slow_stop_ms, sg_slow_stop_ms, uint, 0644);
MODULE_PARM_DESC(slow_stop_ms,
		 "how long a stop takes with SWITCH_SLOW_STOP, 0: until a kill");

unsigned int sg_stop_timeout_ms = 60000;
module_param_named(stop_timeout_ms, sg_stop_timeout_ms, uint, 0644);
MODULE_PARM_DESC(stop_timeout_ms,
		 "time after which a stopped or stalled job fails, 0: never");

unsigned int sg_timeslice_ms = 10;
module_param_named(timeslice_ms, sg_timeslice_ms, uint, 0644);
MODULE_PARM_DESC(timeslice_ms, "time after which another job gets its turn");

static DEFINE_IDA(instances);

static int sg_open(struct drm_device *drm, struct drm_file *file)
{
	struct sg_file *sfile = kzalloc(sizeof(*sfile), GFP_KERNEL);

	if (!sfile)
		return -ENOMEM;
	xa_init_flags(&sfile->vms, XA_FLAGS_ALLOC1);
	file->driver_priv = sfile;
	return 0;
}

static void sg_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct sg_file *sfile = file->driver_priv;
	unsigned long id;
	struct sg_vm *vm;

	xa_for_each(&sfile->vms, id, vm)
		sg_vm_close(vm);
	xa_destroy(&sfile->vms);
	kfree(sfile);
}

static void sg_release(struct drm_device *drm)
{
	struct sg_device *sdev = to_sg_device(drm);

	sg_vram_fini(sdev);
	ida_free(&instances, sdev->instance);
}

#define SG_IOCTL(name, func) \
	DRM_IOCTL_DEF_DRV(SOFTGPU_##name, func, DRM_RENDER_ALLOW)

static const struct drm_ioctl_desc sg_ioctls[] = {
	SG_IOCTL(INFO, sg_ioctl_info),
	SG_IOCTL(COUNTERS, sg_ioctl_counters),
	SG_IOCTL(SWITCH, sg_ioctl_switch),
	SG_IOCTL(VM_CREATE, sg_ioctl_vm_create),
	SG_IOCTL(VM_DESTROY, sg_ioctl_vm_destroy),
	SG_IOCTL(VM_QUERY, sg_ioctl_vm_query),
	SG_IOCTL(VM_CONTROL, sg_ioctl_vm_control),
	SG_IOCTL(VM_LOOKUP, sg_ioctl_vm_lookup),
	SG_IOCTL(VM_BIND, sg_ioctl_vm_bind),
	SG_IOCTL(EXEC, sg_ioctl_exec),
	SG_IOCTL(GEM_CREATE, sg_ioctl_gem_create),
	SG_IOCTL(GEM_USERPTR, sg_ioctl_gem_userptr),
	SG_IOCTL(GEM_MMAP_OFFSET, sg_ioctl_gem_mmap_offset),
	SG_IOCTL(GEM_INFO, sg_ioctl_gem_info),
};

static const struct file_operations sg_fops = {
	.owner = THIS_MODULE,
	.show_fdinfo = drm_show_fdinfo,
	DRM_GEM_FOPS,
};

static const struct drm_driver sg_driver = {
	.driver_features = DRIVER_GEM | SG_DRIVER_GEM_GPUVA | DRIVER_RENDER |
			   DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE,
	.name = "softgpu",
	.desc = "software GPU for tests",
	SG_DRIVER_DATE
	.major = 1,
	.minor = 0,
	.fops = &sg_fops,
	.ioctls = sg_ioctls,
	.num_ioctls = ARRAY_SIZE(sg_ioctls),
	.open = sg_open,
	.postclose = sg_postclose,
	.show_fdinfo = sg_show_fdinfo,
	.release = sg_release,
	.gem_prime_import = sg_gem_import,
};

static int device_init_hw(struct sg_device *sdev)
{
	struct pci_dev *pdev = sdev->pdev;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	return sg_vram_init(sdev);
}

static int sg_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct sg_device *sdev;
	int instance, err;

	instance = ida_alloc(&instances, GFP_KERNEL);
	if (instance < 0)
		return instance;
	sdev = devm_drm_dev_alloc(&pdev->dev, &sg_driver, struct sg_device,
				  drm);
	if (IS_ERR(sdev)) {
		ida_free(&instances, instance);
		return PTR_ERR(sdev);
	}
	sdev->instance = instance;
	sdev->pdev = pdev;
	spin_lock_init(&sdev->notifier_lock);
	drm_mm_init(&sdev->vram.mm, 0, PAGE_SIZE);
	pci_set_drvdata(pdev, sdev);
	err = device_init_hw(sdev);
	if (err)
		return err;
	err = sg_engines_start(sdev);
	if (err)
		return err;
	sg_debugfs_init(sdev);
	err = drm_dev_register(&sdev->drm, 0);
	if (err)
		sg_engines_stop(sdev);
	return err;
}

static void sg_remove(struct pci_dev *pdev)
{
	struct sg_device *sdev = pci_get_drvdata(pdev);

	/* First the jobs: an ioctl that waits for one holds up the unplug. */
	sg_engines_stop(sdev);
	drm_dev_unplug(&sdev->drm);
}

static const struct pci_device_id sg_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_QUMRANET, PCI_DEVICE_IVSHMEM) },
	{}
};
MODULE_DEVICE_TABLE(pci, sg_pci_ids);

static struct pci_driver sg_pci_driver = {
	.name = "softgpu",
	.id_table = sg_pci_ids,
	.probe = sg_probe,
	.remove = sg_remove,
};

static void workqueues_destroy(void)
{
	if (sg_free_wq)
		destroy_workqueue(sg_free_wq);
	if (sg_bind_wq)
		destroy_workqueue(sg_bind_wq);
	if (sg_sched_wq)
		destroy_workqueue(sg_sched_wq);
}

static int __init sg_init(void)
{
	int err;

	sg_sched_wq = alloc_ordered_workqueue("softgpu-sched", WQ_MEM_RECLAIM);
	sg_bind_wq = alloc_workqueue("softgpu-bind",
				     WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	sg_free_wq = alloc_workqueue("softgpu-free", WQ_UNBOUND, 0);
	if (!sg_sched_wq || !sg_bind_wq || !sg_free_wq) {
		err = -ENOMEM;
		goto destroy_wqs;
	}
	err = pci_register_driver(&sg_pci_driver);
	if (err)
		goto destroy_wqs;
	return 0;

destroy_wqs:
	workqueues_destroy();
	return err;
}

static void __exit sg_exit(void)
{
	pci_unregister_driver(&sg_pci_driver);
	wait_event(sg_live_wq, !atomic_read(&sg_live_vms));
	workqueues_destroy();
	rcu_barrier();
	ida_destroy(&instances);
}

module_init(sg_init);
module_exit(sg_exit);

SG_IMPORT_NS_DMA_BUF;
MODULE_DESCRIPTION("software GPU for tests");
MODULE_LICENSE("Dual MIT/GPL");
