// SPDX-License-Identifier: MIT
/* Reads the nodes of a device; no node is believed before it was checked. */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "store.h"
#include "userptrif.h"

/* Event channel ports and grefs are far below; 0 is never a valid gref. */
#define CONFIG_MAX_GREF		UINT32_MAX
#define CONFIG_MAX_PORT		((1U << 17) - 1)

const struct config_quota config_quotas[CONFIG_NR_QUOTAS] = {
	[QUOTA_PAGES] = { XENUSERPTR_FIELD_MAX_PAGES, 32768, 1U << 31,
			  "pages of all objects" },
	[QUOTA_OBJECTS] = { XENUSERPTR_FIELD_MAX_OBJECTS, 1024, 65536,
			    "objects" },
	[QUOTA_VMS] = { XENUSERPTR_FIELD_MAX_VMS, 64, 4096,
			"GPU address spaces" },
	[QUOTA_MAPPINGS] = { XENUSERPTR_FIELD_MAX_MAPPINGS, 65536, 1U << 24,
			     "mappings of all address spaces" },
	[QUOTA_JOBS] = { XENUSERPTR_FIELD_MAX_JOBS, 256, 16384,
			 "jobs in flight" },
	[QUOTA_VRAM] = { XENUSERPTR_FIELD_MAX_VRAM, 0, UINT64_MAX,
			 "octets of VRAM" },
	[LIMIT_KILL_MS] = { "kill-ms", 100, 1000000,
			    "time until a GPU that does not stop loses its jobs" },
	[LIMIT_LOST_MS] = { "lost-ms", 1000, 1000000,
			    "time until contents are given up; above kill-ms" },
	[LIMIT_COPY_MS] = { "copy-ms", 1000, 1000000,
			    "time until a GPU that does not copy loses its copies" },
	[LIMIT_TRACE] = { "trace", 0, 1000000,
			  "events of moving memory to be recorded" },
};

static const char *const config_policies[MIG_NR_POLICIES] = {
	[MIG_POLICY_MANUAL] = "manual",
	[MIG_POLICY_FIRST_USE] = "first-use",
	[MIG_POLICY_HINT] = "hint",
	[MIG_POLICY_PRESSURE] = "pressure",
};

static bool config_may_be_zero(const struct config_quota *quota)
{
	return quota == &config_quotas[QUOTA_VRAM] ||
	       quota == &config_quotas[LIMIT_TRACE];
}

int config_parse(const struct config_quota *quota, const char *untrusted_text,
		 uint64_t *value)
{
	uint64_t number;
	int ret;

	ret = number_parse(untrusted_text, quota->max, &number);
	/* A quota of zero would switch the device off; but for some. */
	if (!ret && !number && !config_may_be_zero(quota))
		ret = -ERANGE;
	if (!ret)
		*value = number;
	return ret;
}

static int config_read_quota(struct xs_handle *xs, const char *back,
			     const struct config_quota *quota, uint64_t *value)
{
	char untrusted_text[24];
	int ret;

	*value = quota->value;
	ret = store_read(xs, back, quota->key, untrusted_text,
			 sizeof(untrusted_text));
	if (ret)
		return ret == -ENOENT ? 0 : ret == -E2BIG ? -ERANGE : ret;
	return config_parse(quota, untrusted_text, value);
}

static void config_settings(const uint64_t *value, struct mig_settings *settings)
{
	*settings = mig_settings_default;
	settings->kill_ms = (uint32_t)value[LIMIT_KILL_MS];
	settings->lost_ms = (uint32_t)value[LIMIT_LOST_MS];
	settings->copy_ms = (uint32_t)value[LIMIT_COPY_MS];
}

int config_check(const uint64_t *value, const char **bad_key)
{
	struct mig_settings settings;

	config_settings(value, &settings);
	*bad_key = config_quotas[LIMIT_LOST_MS].key;
	return mig_settings_valid(&settings) ? 0 : -ERANGE;
}

int config_policy(const char *name)
{
	int i;

	for (i = 0; i < MIG_NR_POLICIES; i++)
		if (!strcmp(config_policies[i], name))
			return i;
	return -1;
}

static int config_read_policy(struct xs_handle *xs, const char *back,
			      struct mig_settings *settings)
{
	char name[16];
	int ret, policy = MIG_POLICY_MANUAL;

	ret = store_read(xs, back, "policy", name, sizeof(name));
	if (ret && ret != -ENOENT)
		return ret;
	if (!ret)
		policy = config_policy(name);
	if (policy < 0)
		return -EINVAL;
	settings->policy = (uint32_t)policy;
	return 0;
}

static int config_add_gpu(struct config_gpus *gpus, const char *untrusted_key,
			  size_t length)
{
	uint32_t i;

	if (!length || length >= CONFIG_GPU_LEN)
		return -EINVAL;
	if (gpus->nr == XENUSERPTR_MAX_GPUS)
		return -E2BIG;
	memcpy(gpus->key[gpus->nr], untrusted_key, length);
	for (i = 0; i < gpus->nr; i++)
		if (!strcmp(gpus->key[i], gpus->key[gpus->nr]))
			return -EEXIST;
	gpus->nr++;
	return 0;
}

int config_parse_gpus(const char *untrusted_text, struct config_gpus *gpus)
{
	const char *at = untrusted_text;
	size_t length;
	int ret;

	memset(gpus, 0, sizeof(*gpus));
	if (!*at) {
		gpus->nr = 1;
		return 0;
	}
	for (;; at += length + 1) {
		length = strcspn(at, ",");
		ret = config_add_gpu(gpus, at, length);
		if (ret || !at[length])
			return ret;
	}
}

static int config_read_gpus(struct xs_handle *xs, const char *back,
			    struct config_gpus *gpus)
{
	char untrusted_text[CONFIG_GPUS_LEN] = "";
	int ret;

	ret = store_read(xs, back, "gpu", untrusted_text,
			 sizeof(untrusted_text));
	return ret && ret != -ENOENT ? ret :
				       config_parse_gpus(untrusted_text, gpus);
}

int config_read(struct xs_handle *xs, const char *back, struct config *config,
		const char **bad_key)
{
	uint64_t value[CONFIG_NR_QUOTAS];
	unsigned int i;
	int ret;

	memset(config, 0, sizeof(*config));
	for (i = 0; i < CONFIG_NR_QUOTAS; i++) {
		*bad_key = config_quotas[i].key;
		ret = config_read_quota(xs, back, &config_quotas[i], &value[i]);
		if (ret)
			return ret;
	}
	ret = config_check(value, bad_key);
	if (ret)
		return ret;
	config->limits.max_pages = value[QUOTA_PAGES];
	config->limits.max_objects = (uint32_t)value[QUOTA_OBJECTS];
	config->limits.max_vms = (uint32_t)value[QUOTA_VMS];
	config->limits.max_mappings = (uint32_t)value[QUOTA_MAPPINGS];
	config->limits.max_jobs = (uint32_t)value[QUOTA_JOBS];
	config->max_vram = value[QUOTA_VRAM];
	config->trace = value[LIMIT_TRACE];
	config_settings(value, &config->settings);
	*bad_key = "policy";
	ret = config_read_policy(xs, back, &config->settings);
	if (ret)
		return ret;
	*bad_key = "gpu";
	return config_read_gpus(xs, back, &config->gpus);
}

static int config_read_gref(struct xs_handle *xs, const char *front,
			    const char *key, uint32_t *gref)
{
	uint64_t value;
	int ret;

	ret = store_read_number(xs, front, key, CONFIG_MAX_GREF, &value);
	if (!ret && !value)
		ret = -ERANGE;
	if (!ret)
		*gref = (uint32_t)value;
	return ret;
}

static int config_read_ring(struct xs_handle *xs, const char *front,
			    struct ipc_frontend *frontend)
{
	char key[sizeof(XENUSERPTR_FIELD_RING_REF) + 4];
	uint64_t order = 0;
	uint32_t i;
	int ret;

	ret = store_read_number(xs, front, XENUSERPTR_FIELD_RING_ORDER,
				XENUSERPTR_MAX_RING_ORDER, &order);
	if (ret && ret != -ENOENT)
		return ret;
	frontend->ring_order = (uint32_t)order;
	for (i = 0; i < 1U << frontend->ring_order; i++) {
		snprintf(key, sizeof(key), "%s%u", XENUSERPTR_FIELD_RING_REF,
			 i);
		ret = config_read_gref(xs, front, key, &frontend->ring_ref[i]);
		if (ret)
			return ret;
	}
	return 0;
}

int config_read_frontend(struct xs_handle *xs, const char *front,
			 struct ipc_frontend *frontend, const char **bad_key)
{
	uint64_t value;
	int ret;

	memset(frontend, 0, sizeof(*frontend));
	*bad_key = XENUSERPTR_FIELD_FE_VERSION;
	ret = store_read_number(xs, front, XENUSERPTR_FIELD_FE_VERSION,
				UINT32_MAX, &value);
	if (!ret && value != XENUSERPTR_PROTOCOL_VERSION)
		ret = -EPROTONOSUPPORT;
	if (ret)
		return ret;
	*bad_key = XENUSERPTR_FIELD_RING_REF;
	ret = config_read_ring(xs, front, frontend);
	if (ret)
		return ret;
	*bad_key = XENUSERPTR_FIELD_EVT_RING_REF;
	ret = config_read_gref(xs, front, XENUSERPTR_FIELD_EVT_RING_REF,
			       &frontend->evt_ref);
	if (ret)
		return ret;
	*bad_key = XENUSERPTR_FIELD_FENCE_REF;
	ret = config_read_gref(xs, front, XENUSERPTR_FIELD_FENCE_REF,
			       &frontend->fence_ref);
	if (ret)
		return ret;
	*bad_key = XENUSERPTR_FIELD_EVENT_CHANNEL;
	ret = store_read_number(xs, front, XENUSERPTR_FIELD_EVENT_CHANNEL,
				CONFIG_MAX_PORT, &value);
	frontend->event_channel = (uint32_t)value;
	return ret;
}
