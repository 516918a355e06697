/* SPDX-License-Identifier: MIT */
/* libxenuserptr: what its files share. */
#ifndef XUPTR_PRIVATE_H
#define XUPTR_PRIVATE_H

#include <xf86drm.h>

#include "xen_userptr_drm.h"
#include "xenuserptr.h"

struct xuptr_device {
	int fd;		/* the render node, owned */
};

/* 0 or -errno; calls again on EINTR and EAGAIN as drmIoctl() does. */
int xuptr_ioctl(struct xuptr_device *device, unsigned long request, void *arg);

/* The uAPI's array for syncs, or NULL: nr_syncs is 0, or no memory. */
struct drm_xen_userptr_sync *xuptr_syncs_convert(const struct xuptr_sync *syncs,
						 uint32_t nr_syncs);

/* CLOCK_MONOTONIC in ns; INT64_MAX for a negative timeout: for ever. */
int64_t xuptr_deadline(int64_t timeout);

#endif /* XUPTR_PRIVATE_H */
