/* SPDX-License-Identifier: MIT */
/* Histograms of the workers, for people. */
#ifndef XU_CTL_TIMES_H
#define XU_CTL_TIMES_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

/* What a histogram says, in us; bounds from above. All 0: nothing was timed. */
struct times_sum {
	uint64_t count;
	uint64_t p50;
	uint64_t p99;
	uint64_t max;
};

/**
 * times_sum() - of @nr buckets, bucket n: less than 2^n us
 * @max: the longest; no bound is above it
 */
void times_sum(const uint64_t *bucket, size_t nr, uint64_t max,
	       struct times_sum *sum);

/** times_text() - "12 us", "3.4 ms", "5.6 s" into @text of 16 octets */
void times_text(uint64_t us, char text[16]);

/** times_print() - a line for each that has happened; "times" of a device */
void times_print(struct json_object *times);

#endif /* XU_CTL_TIMES_H */
