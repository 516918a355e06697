// SPDX-License-Identifier: MIT
/*
 * detach: asks both ends to close (online = 0, state Closing, as libxl does),
 * waits until the backend says Closed, and removes the nodes.
 */
#include "ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "number.h"

#define DETACH_TOKEN	"detach"
#define DETACH_CLOSING	5
#define DETACH_CLOSED	6

static int detach_parse(struct ctl *ctl, struct ctl_device *device)
{
	char *number = ctl->nr_args == 2 ? ctl->args[1] : NULL;
	uint64_t devid;
	uint32_t domid;
	int ret;

	/* Other commands name a device as DOMAIN/DEVID. */
	if (ctl->nr_args == 1)
		number = strchr(ctl->args[0], '/');
	if (!number)
		return ctl_error(CTL_USAGE, "detach: DOMAIN DEVID");
	if (ctl->nr_args == 1)
		*number++ = '\0';
	if (number_parse(number, UINT32_MAX, &devid))
		return ctl_error(CTL_USAGE, "bad device number '%s'", number);
	if (ctl_find_domain(ctl, ctl->args[0], &domid))
		return ctl_error(CTL_NO_ENTRY, "no domain '%s'", ctl->args[0]);
	ret = ctl_find_device(ctl, domid, (uint32_t)devid, device);
	if (ret == -ENOENT)
		return ctl_error(CTL_NO_ENTRY, "domain %u has no device %s",
				 domid, number);
	return ret ? ctl_error(CTL_FAILED, "cannot read the nodes of domain %u: %s",
			       domid, strerror(-ret)) : CTL_OK;
}

static int detach_ask(struct ctl *ctl, const struct ctl_device *device)
{
	int ret;

	ret = store_write(ctl->xs, XBT_NULL, device->back, "online", "0");
	if (!ret)
		ret = store_write(ctl->xs, XBT_NULL, device->back, "state",
				  "%d", DETACH_CLOSING);
	return ret;
}

/* No such node any more is as good as Closed. */
static bool detach_is_closed(struct ctl *ctl, const struct ctl_device *device)
{
	uint64_t state;
	int ret;

	ret = store_read_number(ctl->xs, device->back, "state", UINT32_MAX,
				&state);
	return ret == -ENOENT || (!ret && state == DETACH_CLOSED);
}

static int64_t detach_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 closed, -ETIMEDOUT, or -errno. */
static int detach_wait(struct ctl *ctl, const struct ctl_device *device)
{
	struct pollfd pollfd = { .fd = xs_fileno(ctl->xs), .events = POLLIN };
	int64_t end = detach_now_ms() + (int64_t)ctl->timeout_s * 1000;
	char path[STORE_PATH_LEN];

	if (store_path(path, device->back, "state") ||
	    !xs_watch(ctl->xs, path, DETACH_TOKEN))
		return -EIO;
	while (!detach_is_closed(ctl, device)) {
		int64_t left = end - detach_now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&pollfd, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		free(xs_check_watch(ctl->xs));
	}
	xs_unwatch(ctl->xs, path, DETACH_TOKEN);
	return 0;
}

static int detach_remove(struct ctl *ctl, const struct ctl_device *device)
{
	const char *const paths[] = { device->front, device->back,
				      device->libxl };
	int ret = CTL_OK;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!xs_rm(ctl->xs, XBT_NULL, paths[i]) && errno != ENOENT)
			ret = ctl_error(CTL_FAILED, "cannot remove %s: %s",
					paths[i], strerror(errno));
	return ret;
}

int ctl_detach(struct ctl *ctl)
{
	struct ctl_device device;
	int ret;

	ret = detach_parse(ctl, &device);
	if (ret != CTL_OK)
		return ret;
	ret = detach_ask(ctl, &device);
	if (!ret)
		ret = detach_wait(ctl, &device);
	if (ret && !ctl->force)
		return ret == -ETIMEDOUT ?
		       ctl_error(CTL_TIMEOUT, "domain %u does not let go of "
				 "device %u; --force takes it", device.domid,
				 device.devid) :
		       ctl_error(CTL_FAILED, "cannot detach device %u of domain %u: %s",
				 device.devid, device.domid, strerror(-ret));
	return detach_remove(ctl, &device);
}
