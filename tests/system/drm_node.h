/* SPDX-License-Identifier: MIT */
/* Finding a render node by the name of its driver. */
#ifndef DRM_NODE_H
#define DRM_NODE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

static inline bool drm_node_is(int fd, const char *driver)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool is = version && !strcmp(version->name, driver);

	drmFreeVersion(version);
	return is;
}

/* The @nth (0: the first) render node of @driver, to read and write; -1: there is none. */
static inline int drm_node_open(const char *driver, unsigned int nth)
{
	char path[32];
	int minor, fd;

	for (minor = 128; minor < 192; minor++) {
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", minor);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (drm_node_is(fd, driver) && !nth--)
			return fd;
		close(fd);
	}
	return -1;
}

#endif /* DRM_NODE_H */
