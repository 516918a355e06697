// SPDX-License-Identifier: MIT
/* Addresses of the mover: no two ranges overlap, and all of the space can be used. */
#include "cm.h"

#include <stdlib.h>

#include "space.h"

#define UNIT	4096U
#define UNITS	64U
#define START	(UINT64_C(1) << 31)

static void whole_space_is_used(void **state)
{
	struct space_range *range[UNITS];
	struct space space;
	unsigned int i;

	(void)state;
	space_init(&space, START, START + UNITS * UNIT, UNIT);
	assert_null(space_get(&space, 0));
	assert_null(space_get(&space, (UNITS + 1) * UNIT));
	assert_null(space_get(&space, UINT64_MAX));
	for (i = 0; i < UNITS; i++) {
		range[i] = space_get(&space, 1);
		assert_non_null(range[i]);
		assert_int_equal(range[i]->start, START + i * UNIT);
	}
	assert_null(space_get(&space, 1));
	/* Two gaps of one do not hold two; neighbours do. */
	space_put(&space, range[3]);
	space_put(&space, range[7]);
	assert_null(space_get(&space, 2 * UNIT));
	space_put(&space, range[4]);
	range[3] = space_get(&space, 2 * UNIT);
	assert_non_null(range[3]);
	assert_int_equal(range[3]->start, START + 3 * UNIT);
	space_put(&space, NULL);
	space_fini(&space);
}

/* Every unit has at most one owner, whatever the order. */
static void ranges_never_overlap(void **state)
{
	struct space_range *range[16] = { NULL };
	unsigned char owner[UNITS] = { 0 };
	struct space space;
	unsigned int n, i, j, given = 0;
	unsigned int seed = 1;

	(void)state;
	space_init(&space, START, START + UNITS * UNIT, UNIT);
	for (n = 0; n < 20000; n++) {
		i = (unsigned int)rand_r(&seed) % 16;
		if (range[i]) {
			for (j = 0; j < UNITS; j++)
				owner[j] = owner[j] == i + 1 ? 0 : owner[j];
			space_put(&space, range[i]);
			range[i] = NULL;
			continue;
		}
		range[i] = space_get(&space, (1 + (unsigned int)rand_r(&seed) % 12) * UNIT);
		if (!range[i])
			continue;
		given++;
		assert_true(range[i]->start >= START);
		for (j = 0; j < range[i]->length / UNIT; j++) {
			unsigned int at = (unsigned int)((range[i]->start - START) / UNIT) + j;

			assert_true(at < UNITS);
			assert_int_equal(owner[at], 0);
			owner[at] = (unsigned char)(i + 1);
		}
	}
	assert_true(given > 5000);
	space_fini(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_space_is_used),
		cmocka_unit_test(ranges_never_overlap),
	};

	return cmocka_run_group_tests_name("space", tests, NULL, NULL);
}
