// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ioctls about the device as a whole: INFO, COUNTERS, SWITCH.
 */
#include <linux/capability.h>
#include <linux/string.h>

#include "softgpu.h"

static u32 device_features(struct sg_device *sdev)
{
	u32 features = DRM_SOFTGPU_FEATURE_USERPTR;

	if (!sg_switched(sdev, DRM_SOFTGPU_SWITCH_NO_PREEMPT))
		features |= DRM_SOFTGPU_FEATURE_PREEMPT;
	if (!sg_switched(sdev, DRM_SOFTGPU_SWITCH_NO_FAULT_MODE))
		features |= DRM_SOFTGPU_FEATURE_FAULT_MODE;
	if (!sg_switched(sdev, DRM_SOFTGPU_SWITCH_IGNORE_KILL))
		features |= DRM_SOFTGPU_FEATURE_KILL;
	return features;
}

int sg_ioctl_info(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct sg_device *sdev = to_sg_device(drm);
	struct drm_softgpu_info *info = data;

	memset(info, 0, sizeof(*info));
	snprintf(info->name, sizeof(info->name), "softgpu %u",
		 sdev->instance);
	info->instance = sdev->instance;
	info->features = device_features(sdev);
	info->engines = SG_ENGINES;
	info->va_bits = SG_VA_BITS;
	info->va_start = SG_VA_START;
	info->va_end = SG_VA_END;
	info->page_sizes = PAGE_SIZE;
	info->vram_page_size = PAGE_SIZE;
	info->vram_total = sdev->vram.size;
	mutex_lock(&sdev->vram.lock);
	info->vram_used = sdev->vram.used;
	mutex_unlock(&sdev->vram.lock);
	info->max_bind_ops = SG_MAX_BIND_OPS;
	info->max_syncs = SG_MAX_SYNCS;
	info->max_exec_length = SG_MAX_EXEC_LENGTH;
	info->max_vms = SG_MAX_VMS;
	info->job_timeout_ns = (u64)sg_job_timeout_ms * NSEC_PER_MSEC;
	info->stop_timeout_ns = (u64)sg_stop_timeout_ms * NSEC_PER_MSEC;
	return 0;
}

int sg_ioctl_counters(struct drm_device *drm, void *data,
		      struct drm_file *file)
{
	struct sg_device *sdev = to_sg_device(drm);
	__u64 *out = data;
	unsigned int i;

	for (i = 0; i < SG_NUM_COUNTERS; i++)
		out[i] = atomic64_read(&sdev->counters[i]);
	return 0;
}

int sg_ioctl_switch(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct sg_device *sdev = to_sg_device(drm);
	struct drm_softgpu_switch *args = data;
	int old = atomic_read(&sdev->switches);
	int new;

	if ((args->mask & ~DRM_SOFTGPU_SWITCH_ALL) ||
	    (args->value & ~args->mask))
		return -EINVAL;
	if (args->mask && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	do {
		new = (old & ~args->mask) | args->value;
	} while (!atomic_try_cmpxchg(&sdev->switches, &old, new));
	args->value = old;
	sg_engines_kick(sdev);
	return 0;
}
