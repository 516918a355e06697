/* SPDX-License-Identifier: MIT */
/*
 * What userptrctl top knows of two looks at the workers, and how it shows it. No
 * socket, no clock. Not thread-safe.
 */
#ifndef XU_CTL_TOP_TABLE_H
#define XU_CTL_TOP_TABLE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "hash.h"
#include "ipc.h"
#include "times.h"

#define TOP_TEXT	24U

/* Counters of a device of which the rate matters. */
#define TOP_RATES(X) \
	X(jobs,		"jobs") \
	X(mig_out,	"out_pages") \
	X(mig_home,	"home_pages") \
	X(mig_wants,	"wants") \
	X(mig_revokes,	"revokes") \
	X(mig_rollbacks, "rollbacks") \
	X(mig_kills,	"kills")

enum top_rate_id {
#define X(name, json) TOP_##name,
	TOP_RATES(X)
#undef X
	TOP_NR_RATES,
};

/* A number that counts up, in the last look and the one before. */
struct top_count {
	uint64_t now;
	uint64_t before;
};

struct top_key {
	uint32_t domid;
	uint32_t devid;
	uint32_t id;		/* of an object; of a device UINT32_MAX */
};

struct top_object {
	UT_hash_handle hh;
	struct top_key key;
	unsigned int look;	/* the last one that saw it */
	uint32_t pages;
	uint32_t vram;
	uint32_t lost;
	struct top_count out;
	struct top_count home;
};

struct top_device {
	UT_hash_handle hh;
	struct top_key key;
	unsigned int look;
	char state[TOP_TEXT];
	char driver[TOP_TEXT];
	uint64_t vram;		/* pages */
	struct top_count rate[TOP_NR_RATES];
	struct top_count want[MIG_BUCKETS];
};

/* Zero-initialise. */
struct top {
	unsigned int look;
	double seconds;		/* between the last two looks */
	struct top_device *devices; /* by traffic, after top_end() */
	struct top_object *objects;
};

/** top_begin() - the next look, so many seconds after the last */
void top_begin(struct top *top, double seconds);

/** top_device() - one of the daemon's document; 0 or -ENOMEM */
int top_device(struct top *top, struct json_object *device);

/** top_object() - one of a worker's report; 0 or -ENOMEM */
int top_object(struct top *top, uint32_t domid, uint32_t devid,
	       const struct ipc_entry *entry);

/** top_unknown() - the device's worker did not say what it has */
void top_unknown(struct top *top, uint32_t domid, uint32_t devid);

/** top_end() - forget what was not seen, sort the rest */
void top_end(struct top *top);

void top_free(struct top *top);

/** top_delta() - between the two looks */
uint64_t top_delta(const struct top_count *count);

/** top_print() - for people; at most @max_objects of these */
void top_print(const struct top *top, FILE *out, unsigned int max_objects);

/** top_json() - the caller's to put; NULL: no memory */
struct json_object *top_json(const struct top *top);

#endif /* XU_CTL_TOP_TABLE_H */
