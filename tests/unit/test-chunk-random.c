// SPDX-License-Identifier: MIT
/*
 * Random lives of migration against the fake world, which knows where the
 * newest data of each chunk is. Prints its seed; SEED and OPS override.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "migworld.h"
#include "random.h"

#define LIFE	2000U	/* actions */

/* Without failures nothing may be lost and no GPU may find nothing. */
static void live(struct rng *rng, bool losses, uint64_t *reads,
		 struct mig_stats *sum)
{
	struct source src = { .rng = rng };
	struct world *w = world_new(NULL);
	uint32_t i;

	w->losses = losses;
	for (i = 0; i < LIFE; i++)
		world_action(w, &src);
	sum->revokes += mig_stats(w->mig)->revokes;
	sum->copies_out += mig_stats(w->mig)->copies_out;
	sum->copies_home += mig_stats(w->mig)->copies_home;
	sum->rollbacks += mig_stats(w->mig)->rollbacks;
	sum->kills += mig_stats(w->mig)->kills;
	sum->losses += mig_stats(w->mig)->losses;
	sum->evictions += mig_stats(w->mig)->evictions;
	world_end(w);
	*reads += w->reads;
	world_free(w);
}

static void random_lives(void **state)
{
	struct mig_stats sum = { 0 };
	uint64_t reads = 0;
	struct rng rng;
	uint32_t i;

	(void)state;
	rng_seed(&rng, "chunk-random");
	for (i = 0; i < rng_ops() / LIFE; i++)
		live(&rng, i & 1, &reads, &sum);
	printf("%llu checked accesses, %llu revokes, %llu copies out, %llu home, %llu rollbacks, %llu kills, %llu losses, %llu evictions\n",
	       (unsigned long long)reads, (unsigned long long)sum.revokes,
	       (unsigned long long)sum.copies_out,
	       (unsigned long long)sum.copies_home,
	       (unsigned long long)sum.rollbacks,
	       (unsigned long long)sum.kills, (unsigned long long)sum.losses,
	       (unsigned long long)sum.evictions);
	assert_true(reads && sum.copies_home && sum.rollbacks);
}

/*
 * Seeds that once failed. A lost chunk waited for a VM that had never reached
 * its VRAM after the one that had was closed; its object could not be deleted. A
 * copy that had been given up ended when another object had the slot of its own. A stop
 * that failed was only tried again when it was too late: the world's clock had jumped.
 */
static void seeds_that_failed(void **state)
{
	static const uint64_t seeds[] = {
		UINT64_C(4765326446011145728), UINT64_C(4765505933648433026),
		UINT64_C(4765880442681080994),
	};
	struct mig_stats sum = { 0 };
	uint64_t reads = 0;
	uint32_t s, i;

	(void)state;
	for (s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
		struct rng rng = { .state = seeds[s] };

		for (i = 0; i < rng_ops() / LIFE; i++)
			live(&rng, i & 1, &reads, &sum);
	}
	assert_true(reads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lives),
		cmocka_unit_test(seeds_that_failed),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);	/* the seed, whatever happens */
	return cmocka_run_group_tests_name("chunk-random", tests, NULL, NULL);
}
