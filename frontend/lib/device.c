// SPDX-License-Identifier: MIT
/* libxenuserptr: opening a device, and what it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

int xuptr_ioctl(struct xuptr_device *device, unsigned long request, void *arg)
{
	return drmIoctl(device->fd, request, arg) ? -errno : 0;
}

static bool is_our_driver(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool ours = version && !strcmp(version->name, "xen_userptr");

	drmFreeVersion(version);
	return ours;
}

static int node_open(const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	if (!is_our_driver(fd)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* The first render node of the driver; -EACCES if all that failed were forbidden. */
static int first_node_open(void)
{
	drmDevicePtr devices[64];
	int nr = drmGetDevices2(0, devices, 64), fd = -ENODEV, i;

	if (nr < 0)
		return nr == -ENOENT ? -ENODEV : nr;
	for (i = 0; i < nr && fd < 0; i++) {
		int ret;

		if (!(devices[i]->available_nodes & (1 << DRM_NODE_RENDER)))
			continue;
		ret = node_open(devices[i]->nodes[DRM_NODE_RENDER]);
		if (ret >= 0 || ret == -EACCES)
			fd = ret;
	}
	drmFreeDevices(devices, nr);
	return fd;
}

int xuptr_open(const char *node, struct xuptr_device **device)
{
	struct xuptr_device *dev = malloc(sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	dev->fd = node ? node_open(node) : first_node_open();
	if (dev->fd < 0) {
		int ret = dev->fd;

		free(dev);
		return ret;
	}
	*device = dev;
	return 0;
}

void xuptr_close(struct xuptr_device *device)
{
	if (!device)
		return;
	close(device->fd);
	free(device);
}

int xuptr_fd(const struct xuptr_device *device)
{
	return device->fd;
}

int xuptr_get_info(struct xuptr_device *device, struct xuptr_info *info)
{
	struct drm_xen_userptr_info raw = { 0 };
	int ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_INFO, &raw);

	_Static_assert(sizeof(raw) == sizeof(*info), "struct xuptr_info follows the uAPI");
	if (!ret)
		memcpy(info, &raw, sizeof(raw));
	return ret;
}
