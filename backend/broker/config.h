/* SPDX-License-Identifier: MIT */
/*
 * Values of a device's xenstore nodes: the toolstack's quotas and the
 * frontend's keys. The latter are a stranger's; each is checked on its own.
 */
#ifndef XU_CONFIG_H
#define XU_CONFIG_H

#include <stdint.h>
#include <xenstore.h>

#include "core.h"
#include "ipc.h"

#define CONFIG_GPU_LEN	64
/* Of the node with all of them. */
#define CONFIG_GPUS_LEN	128

/* Which GPUs: PCI addresses, render nodes, or one "" for the first there is. */
struct config_gpus {
	uint32_t nr;
	char key[XENUSERPTR_MAX_GPUS][CONFIG_GPU_LEN];
};

struct config {
	struct core_limits limits;	/* max_requests, max_bind_ops unset */
	uint64_t max_vram;
	uint64_t trace;			/* events to be recorded */
	struct mig_settings settings;	/* of moving memory; VRAM is the
					 * worker's to fill in */
	struct config_gpus gpus;
};

enum config_index {
	QUOTA_PAGES,
	QUOTA_OBJECTS,
	QUOTA_VMS,
	QUOTA_MAPPINGS,
	QUOTA_JOBS,
	QUOTA_VRAM,
	LIMIT_KILL_MS,
	LIMIT_LOST_MS,
	LIMIT_COPY_MS,
	LIMIT_TRACE,
	CONFIG_NR_QUOTAS,
};

/* One quota: name, default, largest value, what it limits. */
struct config_quota {
	const char *key;
	uint64_t value;
	uint64_t max;
	const char *text;
};

/** config_policy() - enum mig_policy_id of a name, or -1 */
int config_policy(const char *name);

extern const struct config_quota config_quotas[CONFIG_NR_QUOTAS];

/**
 * config_parse() - the value of a quota, as the store or a user says it
 * @value: written on success only
 *
 * Returns 0, -EINVAL (no number), or -ERANGE (too large, or 0 where that would
 * switch the device off).
 */
int config_parse(const struct config_quota *quota, const char *untrusted_text,
		 uint64_t *value);

/**
 * config_parse_gpus() - the node "gpu": keys with "," between
 * @gpus: (out) valid on success only
 *
 * Returns 0, -EINVAL (an empty key among others, or one that is too long),
 * -E2BIG (more than XENUSERPTR_MAX_GPUS), or -EEXIST (one stands there twice).
 */
int config_parse_gpus(const char *untrusted_text, struct config_gpus *gpus);

/**
 * config_check() - do the values fit together?
 * @value: one for each of config_quotas, each by itself right
 * @bad_key: (out) on failure: the key that is to blame
 *
 * Returns 0 or -ERANGE.
 */
int config_check(const uint64_t *value, const char **bad_key);

/**
 * config_read() - quotas and GPU of the backend's node
 * @bad_key: (out) on failure: the key that is to blame
 *
 * Keys that are not there have their default. Returns 0 or -errno.
 */
int config_read(struct xs_handle *xs, const char *back, struct config *config,
		const char **bad_key);

/**
 * config_read_frontend() - the frontend's keys for a connection
 *
 * Returns 0, -EPROTONOSUPPORT (version), or -errno with *@bad_key.
 */
int config_read_frontend(struct xs_handle *xs, const char *front,
			 struct ipc_frontend *frontend, const char **bad_key);

#endif /* XU_CONFIG_H */
