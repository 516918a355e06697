// SPDX-License-Identifier: MIT
/*
 * Random lives of a core against the fake's arrays: every op must be legal
 * there, the trees must say what the page tables say, and in the end nothing
 * may be left. SEED and OPS in the environment choose another run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actions.h"
#include "internal.h"

#define LIFE 5000U	/* steps of one core */

/* Where no bind is in flight, tree and page table must agree. */
static void compare_idle(struct fake *fake)
{
	uint32_t vm;

	for (vm = 0; vm < fake->core->vm_pool.fresh; vm++)
		if (fake->core->vm[vm].used &&
		    va_busy(&fake->core->vm[vm].space))
			return;
	fake_compare(fake);
}

/* What the lives were made of: a random test that does nothing must show. */
struct census {
	unsigned int ops[CORE_OP_FENCE + 1];
	unsigned int answers[XENUSERPTR_STATUS_BUSY + 1];
};

static void census_add(struct census *census, const struct fake *fake)
{
	unsigned int i;

	for (i = 0; i <= CORE_OP_FENCE; i++)
		census->ops[i] += fake->ops_by_type[i];
	for (i = 0; i <= XENUSERPTR_STATUS_BUSY; i++)
		census->answers[i] += fake->answers_by_status[i];
}

/* Every op happened, and every status that the core itself can give. */
static void census_judge(const struct census *census)
{
	static const uint32_t own[] = {
		XENUSERPTR_STATUS_OK, XENUSERPTR_STATUS_INVALID,
		XENUSERPTR_STATUS_NO_ENTRY, XENUSERPTR_STATUS_QUOTA,
		XENUSERPTR_STATUS_RANGE, XENUSERPTR_STATUS_ACCESS,
	};
	unsigned int i;

	printf("ops by type:");
	for (i = 0; i <= CORE_OP_FENCE; i++)
		printf(" %u", census->ops[i]);
	printf("\nanswers by status:");
	for (i = 0; i <= XENUSERPTR_STATUS_BUSY; i++)
		printf(" %u", census->answers[i]);
	printf("\n");
	for (i = 0; i <= CORE_OP_FENCE; i++)
		assert_true(census->ops[i] > 0);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_true(census->answers[own[i]] > 0);
}

static void lives(struct rng *rng, struct census *census)
{
	struct source src = { .rng = rng };
	uint32_t i, left = rng_ops();

	while (left) {
		struct fake *fake = fake_new(&actions_limits, NULL);
		uint32_t nr = left < LIFE ? left : LIFE;

		fake->check_every = 61;
		for (i = 0; i < nr; i++) {
			action_honest(fake, &src);
			if (i % 64 == 0)
				compare_idle(fake);
		}
		actions_end(fake);
		census_add(census, fake);
		fake_free(fake);
		left -= nr;
	}
}

static void random_lives(void **state)
{
	struct census census = { .ops = { 0 } };
	struct rng rng;

	(void)state;
	rng_seed(&rng, "random_lives");
	lives(&rng, &census);
	census_judge(&census);
}

/*
 * Seeds that once failed. The check took a buffer for forgotten whose next user
 * was woken and had not run, between two parts of the ops of one event.
 */
static void seeds_that_failed(void **state)
{
	struct rng rng = { .state = UINT64_C(4765356472988474160) };
	struct census census = { .ops = { 0 } };

	(void)state;
	lives(&rng, &census);
	census_judge(&census);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lives),
		cmocka_unit_test(seeds_that_failed),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
