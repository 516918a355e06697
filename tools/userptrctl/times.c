// SPDX-License-Identifier: MIT
/* Histograms of the workers, for people: median, 99th percentile, longest. */
#include "times.h"

#include <stdio.h>
#include <string.h>

#include "migrate.h"

static const struct {
	const char *name;
	const char *text;
} times_words[MIG_NR_TIMES] = {
#define X(id, name, text) { #name, text },
	MIG_TIMES(X)
#undef X
};

/* The least 2^n below which so many of a thousand lie. */
static uint64_t times_bound(const uint64_t *bucket, size_t nr, uint64_t count,
			    unsigned int permille)
{
	uint64_t need = (count * permille + 999) / 1000;
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		seen += bucket[i];
		if (seen >= need)
			break;
	}
	return (uint64_t)1 << i;
}

static uint64_t times_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void times_sum(const uint64_t *bucket, size_t nr, uint64_t max,
	       struct times_sum *sum)
{
	size_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < nr; i++)
		sum->count += bucket[i];
	if (!sum->count)
		return;
	sum->p50 = times_least(times_bound(bucket, nr, sum->count, 500), max);
	sum->p99 = times_least(times_bound(bucket, nr, sum->count, 990), max);
	sum->max = max;
}

void times_text(uint64_t us, char text[16])
{
	if (us < 1000)
		snprintf(text, 16, "%u us", (unsigned int)us);
	else if (us < 1000000)
		snprintf(text, 16, "%.1f ms", (double)us / 1e3);
	else
		snprintf(text, 16, "%.1f s", (double)us / 1e6);
}

static uint64_t times_number(struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

static void times_line(struct json_object *time, const char *what)
{
	struct json_object *buckets = json_object_object_get(time, "buckets");
	uint64_t bucket[MIG_BUCKETS] = { 0 };
	char p50[16], p99[16], max[16];
	struct times_sum sum;
	size_t i, nr = 0;

	if (json_object_is_type(buckets, json_type_array))
		nr = json_object_array_length(buckets);
	if (nr > MIG_BUCKETS)
		nr = MIG_BUCKETS;
	for (i = 0; i < nr; i++)
		bucket[i] = json_object_get_uint64(
				json_object_array_get_idx(buckets, i));
	times_sum(bucket, nr, times_number(time, "max_us"), &sum);
	if (!sum.count)
		return;
	times_text(sum.p50, p50);
	times_text(sum.p99, p99);
	times_text(sum.max, max);
	printf("  %12llu  %s: p50 %s, p99 %s, max %s\n",
	       (unsigned long long)sum.count, what, p50, p99, max);
}

void times_print(struct json_object *times)
{
	size_t i;

	for (i = 0; i < MIG_NR_TIMES; i++)
		times_line(json_object_object_get(times, times_words[i].name),
			   times_words[i].text);
}
