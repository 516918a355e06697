// SPDX-License-Identifier: MIT
/* libxenuserptr: contents that are gone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "private.h"

int xuptr_lost_signal(struct xuptr_device *device, int signal)
{
	int flags = fcntl(device->fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (signal && (fcntl(device->fd, F_SETOWN, getpid()) ||
		       fcntl(device->fd, F_SETSIG, signal)))
		return -errno;
	flags = signal ? flags | O_ASYNC : flags & ~O_ASYNC;
	return fcntl(device->fd, F_SETFL, flags) ? -errno : 0;
}

/* 0: there is an event; -ETIMEDOUT, or -errno. */
static int event_wait(struct xuptr_device *device, int64_t end)
{
	struct pollfd pollfd = { .fd = device->fd, .events = POLLIN };
	struct timespec left;
	int ret;

	do {
		int64_t ns = end - xuptr_deadline(0);

		left.tv_sec = ns > 0 ? (time_t)(ns / 1000000000) : 0;
		left.tv_nsec = ns > 0 ? (long)(ns % 1000000000) : 0;
		ret = ppoll(&pollfd, 1, &left, NULL);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIMEDOUT;
}

int xuptr_lost_read(struct xuptr_device *device, int64_t timeout,
		    struct xuptr_lost *lost)
{
	struct drm_xen_userptr_event_lost event;
	int64_t end = xuptr_deadline(timeout);
	ssize_t got;
	int ret;

	/* Another thread may be faster; the descriptor does not block. */
	do {
		ret = event_wait(device, end);
		if (ret)
			return ret;
		got = read(device->fd, &event, sizeof(event));
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0)
		return -errno;
	if (got != sizeof(event) ||
	    event.base.type != DRM_XEN_USERPTR_EVENT_LOST)
		return -EPROTO;
	lost->object = event.handle;
	lost->flags = event.flags;
	lost->offset = event.offset;
	lost->length = event.length;
	return 0;
}

int xuptr_lost_next(struct xuptr_device *device, uint32_t object,
		    uint64_t *offset, uint64_t *length)
{
	struct drm_xen_userptr_lost arg = {
		.handle = object, .offset = *offset,
	};
	int ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_LOST, &arg);

	if (ret)
		return ret;
	*offset = arg.offset;
	*length = arg.length;
	return 0;
}
