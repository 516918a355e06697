// SPDX-License-Identifier: MIT
/* libxenuserptr: opening a device, and what it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define RENDER_MINOR_FIRST	128
#define RENDER_MINOR_LAST	191

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
	/* Reading events must not block; nothing else depends on that. */
	int fd = open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	if (!is_our_driver(fd)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/*
 * The first render node of the driver; -EACCES if all that failed were
 * forbidden. drmGetDevices2() leaves out devices on the xen bus, which it
 * does not know.
 */
static int first_node_open(void)
{
	int fd = -ENODEV, minor;
	char node[32];

	for (minor = RENDER_MINOR_FIRST; minor <= RENDER_MINOR_LAST; minor++) {
		int ret;

		snprintf(node, sizeof(node), DRM_RENDER_DEV_NAME, DRM_DIR_NAME, minor);
		ret = node_open(node);
		if (ret >= 0)
			return ret;
		if (ret == -EACCES)
			fd = ret;
	}
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

int xuptr_get_info(struct xuptr_device *device, struct xuptr_info *info, size_t size)
{
	struct drm_xen_userptr_info raw = { 0 };
	int ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_INFO, &raw);

	_Static_assert(sizeof(raw) == sizeof(*info), "struct xuptr_info follows the uAPI");
	if (ret)
		return ret;
	/* A driver that does not tell has one. */
	if (!raw.nr_gpus)
		raw.nr_gpus = 1;
	/* The program's struct may be older than this one, or newer. */
	memset(info, 0, size);
	memcpy(info, &raw, size < sizeof(raw) ? size : sizeof(raw));
	return 0;
}
