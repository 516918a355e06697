// SPDX-License-Identifier: MIT
/*
 * attach: writes the nodes of both ends and the toolstack's copy in one
 * transaction, with the owners that libxl gives to such nodes: the frontend's
 * directory belongs to the guest, the backend's to the backend domain, each
 * readable by the other; the copy belongs to the toolstack alone.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "number.h"

#define ATTACH_MAX_KEYS	16
#define ATTACH_MAX_DEVID	63U
/* The store says EAGAIN when somebody else was faster. */
#define ATTACH_MAX_TRIES	20

struct attach {
	struct ctl *ctl;
	struct ctl_device device;
	bool has_devid;
	char name[STORE_TEXT_LEN];
	struct {
		const char *key;
		const char *value;
	} keys[ATTACH_MAX_KEYS];	/* for the backend's node */
	unsigned int nr_keys;
	uint64_t quota[CONFIG_NR_QUOTAS];
};

/* CONFIG_NR_QUOTAS if it is none. */
static unsigned int attach_find_quota(const char *key)
{
	unsigned int i;

	for (i = 0; i < CONFIG_NR_QUOTAS; i++)
		if (!strcmp(config_quotas[i].key, key))
			break;
	return i;
}

static int attach_put_key(struct attach *attach, const char *key,
			  const char *value)
{
	if (attach->nr_keys == ATTACH_MAX_KEYS)
		return ctl_error(CTL_USAGE, "too many keys");
	attach->keys[attach->nr_keys].key = key;
	attach->keys[attach->nr_keys].value = value;
	attach->nr_keys++;
	return CTL_OK;
}

/* userptrd gives a device up whose settings it does not take: ask it before. */
static int attach_parse_quota(struct attach *attach, unsigned int index,
			      const char *value)
{
	const struct config_quota *quota = &config_quotas[index];

	switch (config_parse(quota, value, &attach->quota[index])) {
	case 0:
		return attach_put_key(attach, quota->key, value);
	case -ERANGE:
		return ctl_error(CTL_USAGE, "%s: 0, or above %llu", quota->key,
				 (unsigned long long)quota->max);
	default:
		return ctl_error(CTL_USAGE, "%s: '%s' is no number", quota->key,
				 value);
	}
}

static int attach_parse_gpus(struct attach *attach, const char *value)
{
	struct config_gpus gpus;

	if (strlen(value) >= CONFIG_GPUS_LEN)
		return ctl_error(CTL_USAGE, "gpu: too long");
	switch (config_parse_gpus(value, &gpus)) {
	case 0:
		return attach_put_key(attach, "gpu", value);
	case -E2BIG:
		return ctl_error(CTL_USAGE, "gpu: more than %u",
				 XENUSERPTR_MAX_GPUS);
	case -EEXIST:
		return ctl_error(CTL_USAGE, "gpu: one stands there twice");
	default:
		return ctl_error(CTL_USAGE, "gpu: one is empty or too long");
	}
}

static int attach_parse_key(struct attach *attach, const char *key,
			    const char *value)
{
	unsigned int quota = attach_find_quota(key);
	uint64_t number;

	if (quota < CONFIG_NR_QUOTAS)
		return attach_parse_quota(attach, quota, value);
	if (!strcmp(key, "policy"))
		return config_policy(value) >= 0 ?
		       attach_put_key(attach, key, value) :
		       ctl_error(CTL_USAGE, "policy: manual, first-use, hint or pressure");
	if (!strcmp(key, "gpu"))
		return attach_parse_gpus(attach, value);
	if (!strcmp(key, "devid")) {
		if (number_parse(value, ATTACH_MAX_DEVID, &number))
			return ctl_error(CTL_USAGE, "devid: not a number up to %u",
					 ATTACH_MAX_DEVID);
		attach->device.devid = (uint32_t)number;
		attach->has_devid = true;
		return CTL_OK;
	}
	if (!strcmp(key, "backend"))
		return ctl_find_domain(attach->ctl, value,
				       &attach->device.backend) ?
		       ctl_error(CTL_NO_ENTRY, "no domain '%s'", value) :
		       CTL_OK;
	return ctl_error(CTL_USAGE, "unknown key '%s'", key);
}

static int attach_parse(struct attach *attach)
{
	struct ctl *ctl = attach->ctl;
	const char *bad_key;
	int i, ret;

	if (ctl->nr_args < 1)
		return ctl_error(CTL_USAGE, "attach: which domain?");
	if (ctl_find_domain(ctl, ctl->args[0], &attach->device.domid))
		return ctl_error(CTL_NO_ENTRY, "no domain '%s'", ctl->args[0]);
	attach->device.backend = ctl_own_domid(ctl);
	for (i = 0; i < CONFIG_NR_QUOTAS; i++)
		attach->quota[i] = config_quotas[i].value;
	for (i = 1; i < ctl->nr_args; i++) {
		char *value = strchr(ctl->args[i], '=');

		if (!value)
			return ctl_error(CTL_USAGE, "'%s' is not KEY=VALUE",
					 ctl->args[i]);
		*value++ = '\0';
		ret = attach_parse_key(attach, ctl->args[i], value);
		if (ret != CTL_OK)
			return ret;
	}
	if (config_check(attach->quota, &bad_key))
		return ctl_error(CTL_USAGE, "%s: not above kill-ms", bad_key);
	if (attach->device.backend == attach->device.domid)
		return ctl_error(CTL_USAGE, "a domain cannot serve itself");
	return CTL_OK;
}

static bool attach_is_used(struct xs_handle *xs, xs_transaction_t txn,
			   struct ctl_device *device)
{
	unsigned int len;
	char *value;

	ctl_device_paths(device);
	value = xs_read(xs, txn, device->libxl, &len);
	if (!value)
		value = xs_read(xs, txn, device->front, &len);
	free(value);
	return value != NULL;
}

static int attach_choose_devid(struct attach *attach, xs_transaction_t txn)
{
	struct ctl_device *device = &attach->device;
	uint32_t last = attach->has_devid ? device->devid : ATTACH_MAX_DEVID;

	if (!attach->has_devid)
		device->devid = 0;
	for (; device->devid <= last; device->devid++)
		if (!attach_is_used(attach->ctl->xs, txn, device))
			return 0;
	device->devid = last;
	return -EEXIST;
}

/* A fresh directory: remains of an older device would keep their owners. */
static int attach_make_dir(struct xs_handle *xs, xs_transaction_t txn,
			   const char *path, uint32_t owner, uint32_t reader)
{
	struct xs_permissions perms[] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	if (!xs_rm(xs, txn, path) && errno != ENOENT)
		return -errno;
	if (!xs_mkdir(xs, txn, path) ||
	    !xs_set_permissions(xs, txn, path, perms, owner == reader ? 1 : 2))
		return -errno;
	return 0;
}

static int attach_write_front(struct attach *attach, xs_transaction_t txn)
{
	struct xs_handle *xs = attach->ctl->xs;
	struct ctl_device *device = &attach->device;
	int ret;

	ret = attach_make_dir(xs, txn, device->front, device->domid,
			      device->backend);
	if (!ret)
		ret = store_write(xs, txn, device->front, "backend", "%s",
				  device->back);
	if (!ret)
		ret = store_write(xs, txn, device->front, "backend-id", "%u",
				  device->backend);
	if (!ret)
		ret = store_write(xs, txn, device->front, "handle", "%u",
				  device->devid);
	if (!ret)
		ret = store_write(xs, txn, device->front, "state", "1");
	return ret;
}

static int attach_write_back(struct attach *attach, xs_transaction_t txn)
{
	struct xs_handle *xs = attach->ctl->xs;
	struct ctl_device *device = &attach->device;
	unsigned int i;
	int ret;

	ret = attach_make_dir(xs, txn, device->back, device->backend,
			      device->domid);
	for (i = 0; !ret && i < attach->nr_keys; i++)
		ret = store_write(xs, txn, device->back, attach->keys[i].key,
				  "%s", attach->keys[i].value);
	if (!ret)
		ret = store_write(xs, txn, device->back, "frontend", "%s",
				  device->front);
	if (!ret)
		ret = store_write(xs, txn, device->back, "frontend-id", "%u",
				  device->domid);
	if (!ret)
		ret = store_write(xs, txn, device->back, "domain", "%s",
				  attach->name);
	if (!ret)
		ret = store_write(xs, txn, device->back, "online", "1");
	if (!ret)
		ret = store_write(xs, txn, device->back, "state", "1");
	return ret;
}

static int attach_write_copy(struct attach *attach, xs_transaction_t txn)
{
	struct xs_handle *xs = attach->ctl->xs;
	struct ctl_device *device = &attach->device;
	uint32_t own = ctl_own_domid(attach->ctl);
	unsigned int i;
	int ret;

	ret = attach_make_dir(xs, txn, device->libxl, own, own);
	if (!ret)
		ret = store_write(xs, txn, device->libxl, "frontend", "%s",
				  device->front);
	if (!ret)
		ret = store_write(xs, txn, device->libxl, "backend", "%s",
				  device->back);
	for (i = 0; !ret && i < attach->nr_keys; i++)
		ret = store_write(xs, txn, device->libxl, attach->keys[i].key,
				  "%s", attach->keys[i].value);
	return ret;
}

/* Returns 0, -EAGAIN (somebody changed the same nodes), or -errno. */
static int attach_try(struct attach *attach)
{
	struct xs_handle *xs = attach->ctl->xs;
	xs_transaction_t txn;
	int ret;

	txn = xs_transaction_start(xs);
	if (!txn)
		return -errno;
	ret = attach_choose_devid(attach, txn);
	if (!ret)
		ret = attach_write_front(attach, txn);
	if (!ret)
		ret = attach_write_back(attach, txn);
	if (!ret)
		ret = attach_write_copy(attach, txn);
	if (!xs_transaction_end(xs, txn, ret != 0) && !ret)
		ret = -errno;
	return ret;
}

int ctl_attach(struct ctl *ctl)
{
	struct attach attach = { .ctl = ctl };
	char dir[STORE_PATH_LEN];
	int ret, tries = 0;

	ret = attach_parse(&attach);
	if (ret != CTL_OK)
		return ret;
	snprintf(dir, sizeof(dir), "/local/domain/%u", attach.device.domid);
	/* A domain without a name is possible, and no reason to refuse. */
	if (store_read(ctl->xs, dir, "name", attach.name, sizeof(attach.name)))
		attach.name[0] = '\0';
	do {
		ret = attach_try(&attach);
	} while (ret == -EAGAIN && ++tries < ATTACH_MAX_TRIES);
	if (ret == -EEXIST)
		return ctl_error(CTL_FAILED, "domain %u: device %u exists",
				 attach.device.domid, attach.device.devid);
	if (ret)
		return ctl_error(CTL_FAILED, "domain %u: %s",
				 attach.device.domid, strerror(-ret));
	printf("%u\n", attach.device.devid);
	return CTL_OK;
}
