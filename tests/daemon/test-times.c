// SPDX-License-Identifier: MIT
/* What userptrctl says of histograms. */
#include "cm.h"

#include "migrate.h"
#include "times.h"

#define NR	MIG_BUCKETS

static void nothing_was_timed(void **state)
{
	const uint64_t bucket[NR] = { 0 };
	struct times_sum sum = { 1, 1, 1, 1 };

	(void)state;
	times_sum(bucket, NR, 0, &sum);
	assert_int_equal(sum.count, 0);
	assert_int_equal(sum.p50, 0);
	assert_int_equal(sum.p99, 0);
	assert_int_equal(sum.max, 0);
	times_sum(bucket, 0, 7, &sum);
	assert_int_equal(sum.count, 0);
}

/* The bound is the bucket's upper end, and never above the longest. */
static void bounds(void **state)
{
	uint64_t bucket[NR] = { 0 };
	struct times_sum sum;

	(void)state;
	bucket[4] = 1;		/* 8 to 15 us */
	times_sum(bucket, NR, 11, &sum);
	assert_int_equal(sum.count, 1);
	assert_int_equal(sum.p50, 11);
	assert_int_equal(sum.p99, 11);
	bucket[4] = 980;
	bucket[10] = 20;	/* 512 to 1023 us */
	times_sum(bucket, NR, 600, &sum);
	assert_int_equal(sum.count, 1000);
	assert_int_equal(sum.p50, 16);
	assert_int_equal(sum.p99, 600);
	bucket[10] = 9;
	times_sum(bucket, NR, 1000, &sum);
	assert_int_equal(sum.p99, 16);
	assert_int_equal(sum.max, 1000);
}

static void texts(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
		{ 0, "0 us" }, { 999, "999 us" }, { 1000, "1.0 ms" },
		{ 1550, "1.6 ms" }, { 250000, "250.0 ms" },
		{ 2500000, "2.5 s" },
	};
	char text[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		times_text(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_was_timed),
		cmocka_unit_test(bounds),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests_name("times", tests, NULL, NULL);
}
