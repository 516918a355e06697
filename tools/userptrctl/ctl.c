// SPDX-License-Identifier: MIT
/* What the commands share: domains, paths, errors. */
#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* Domain numbers from here on are reserved by Xen. */
#define CTL_MAX_DOMID	0x7fef

int ctl_error(enum ctl_exit code, const char *format, ...)
{
	va_list args;

	fputs("userptrctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static int ctl_find_name(struct ctl *ctl, const char *name, uint32_t *domid)
{
	char dir[STORE_PATH_LEN], text[STORE_TEXT_LEN];
	unsigned int nr = 0, i;
	int ret = -ENOENT;
	char **names;

	names = xs_directory(ctl->xs, XBT_NULL, "/local/domain", &nr);
	for (i = 0; names && ret && i < nr; i++) {
		uint64_t value;

		if (store_path(dir, "/local/domain", names[i]) ||
		    number_parse(names[i], CTL_MAX_DOMID, &value) ||
		    store_read(ctl->xs, dir, "name", text, sizeof(text)) ||
		    strcmp(text, name))
			continue;
		*domid = (uint32_t)value;
		ret = 0;
	}
	free(names);
	return ret;
}

int ctl_find_domain(struct ctl *ctl, const char *name, uint32_t *domid)
{
	char text[STORE_TEXT_LEN];
	uint64_t value;
	int ret;

	if (number_parse(name, CTL_MAX_DOMID, &value))
		return ctl_find_name(ctl, name, domid);
	ret = store_read(ctl->xs, "/local/domain", name, text, sizeof(text));
	/* A driver domain may not look at others; userptrd knows its guests. */
	if (ret && ret != -EACCES)
		return -ENOENT;
	*domid = (uint32_t)value;
	return 0;
}

uint32_t ctl_own_domid(struct ctl *ctl)
{
	char *text = xs_read(ctl->xs, XBT_NULL, "domid", NULL);
	uint64_t value = 0;

	/* A domain 0 without this node is still domain 0. */
	if (text && number_parse(text, CTL_MAX_DOMID, &value))
		value = 0;
	free(text);
	return (uint32_t)value;
}

void ctl_device_paths(struct ctl_device *device)
{
	snprintf(device->front, sizeof(device->front),
		 "/local/domain/%u/device/userptr/%u", device->domid,
		 device->devid);
	snprintf(device->back, sizeof(device->back),
		 "/local/domain/%u/backend/userptr/%u/%u", device->backend,
		 device->domid, device->devid);
	snprintf(device->libxl, sizeof(device->libxl),
		 "/libxl/%u/device/userptr/%u", device->domid, device->devid);
}

int ctl_find_device(struct ctl *ctl, uint32_t domid, uint32_t devid,
		    struct ctl_device *device)
{
	unsigned int backend, back_domid, back_devid;
	char back[STORE_PATH_LEN];
	char extra;
	int ret;

	memset(device, 0, sizeof(*device));
	device->domid = domid;
	device->devid = devid;
	ctl_device_paths(device);
	/* The toolstack's own copy: the guest cannot write there. */
	ret = store_read(ctl->xs, device->libxl, "backend", back, sizeof(back));
	if (ret)
		return store_has_failed(ret) ? ret : -ENOENT;
	if (sscanf(back, "/local/domain/%u/backend/userptr/%u/%u%c", &backend,
		   &back_domid, &back_devid, &extra) != 3 ||
	    back_domid != domid || back_devid != devid)
		return -ENOENT;
	device->backend = backend;
	ctl_device_paths(device);
	return 0;
}
