// SPDX-License-Identifier: MIT
/* libxenuserptr: jobs and their fences, as syncobjs of the DRM core. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <linux/sync_file.h>

#include "private.h"

struct drm_xen_userptr_sync *xuptr_syncs_convert(const struct xuptr_sync *syncs,
						 uint32_t nr_syncs)
{
	struct drm_xen_userptr_sync *raw;
	uint32_t i;

	if (!nr_syncs)
		return NULL;
	raw = calloc(nr_syncs, sizeof(*raw));
	for (i = 0; raw && i < nr_syncs; i++) {
		raw[i].handle = syncs[i].syncobj;
		raw[i].flags = (syncs[i].signal ? DRM_XEN_USERPTR_SYNC_SIGNAL : 0) |
			       (syncs[i].point ? DRM_XEN_USERPTR_SYNC_TIMELINE : 0);
		raw[i].point = syncs[i].point;
	}
	return raw;
}

int xuptr_exec(struct xuptr_device *device, uint32_t vm, uint32_t engine,
	       uint64_t cmd_va, uint32_t cmd_length,
	       const struct xuptr_sync *syncs, uint32_t nr_syncs)
{
	struct drm_xen_userptr_exec arg = {
		.vm_id = vm, .engine = engine, .cmd_va = cmd_va,
		.cmd_length = cmd_length, .nr_syncs = nr_syncs,
	};
	struct drm_xen_userptr_sync *raw = xuptr_syncs_convert(syncs, nr_syncs);
	int ret;

	if (nr_syncs && !raw)
		return -ENOMEM;
	arg.syncs = (uintptr_t)raw;
	ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_EXEC, &arg);
	free(raw);
	return ret;
}

int xuptr_fence_create(struct xuptr_device *device, uint32_t *syncobj)
{
	return drmSyncobjCreate(device->fd, 0, syncobj) ? -errno : 0;
}

int xuptr_fence_destroy(struct xuptr_device *device, uint32_t syncobj)
{
	return drmSyncobjDestroy(device->fd, syncobj) ? -errno : 0;
}

int64_t xuptr_deadline(int64_t timeout)
{
	struct timespec now;
	int64_t sum;

	if (timeout < 0)
		return INT64_MAX;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (__builtin_add_overflow(now.tv_sec * 1000000000LL + now.tv_nsec, timeout, &sum))
		return INT64_MAX;
	return sum;
}

/* A sync_file says 1 for success, its error otherwise, 0 for "not yet". */
static int sync_file_error(int file)
{
	struct sync_file_info info = { 0 };

	if (ioctl(file, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	return info.status == 1 ? 0 : info.status ? info.status : -ETIMEDOUT;
}

int xuptr_fence_wait(struct xuptr_device *device, uint32_t syncobj, int64_t timeout)
{
	int file, ret;

	ret = drmSyncobjWait(device->fd, &syncobj, 1, xuptr_deadline(timeout), 0, NULL);
	if (ret)
		return ret == -ETIME ? -ETIMEDOUT : ret;
	if (drmSyncobjExportSyncFile(device->fd, syncobj, &file))
		return -errno;
	ret = sync_file_error(file);
	close(file);
	return ret;
}
