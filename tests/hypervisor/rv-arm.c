// SPDX-License-Identifier: MIT
/*
 * Mappings that go while their grants are armed in batches: one thread arms all pages again
 * and again, and disarms those that are not going; another unmaps them one after the other.
 * A page that is not mapped must not stay armed: nobody could disarm it.
 */
#include "rv-back.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_bool going[BATCH];
static atomic_bool all_gone;

static void *unmap_all(void *arg)
{
	uint64_t seed = *(uint64_t *)arg;
	unsigned int order[BATCH], i, k, swap;

	for (i = 0; i < nr_pages; i++)
		order[i] = i;
	for (i = nr_pages - 1; i > 0; i--) {
		k = random_next(&seed) % (i + 1);
		swap = order[i], order[i] = order[k], order[k] = swap;
	}
	for (i = 0; i < nr_pages; i++) {
		atomic_store(&going[order[i]], true);
		if (xengnttab_unmap(gnt, pages[order[i]].home, 1))
			die("unmap");
	}
	atomic_store(&all_gone, true);
	return NULL;
}

/* How many pages are not going; which gets their numbers. */
static unsigned int staying(unsigned int *which)
{
	unsigned int i, nr = 0;

	for (i = 0; i < nr_pages; i++)
		if (!atomic_load(&going[i]))
			which[nr++] = i;
	return nr;
}

static unsigned int armed(void)
{
	struct gnttab_revocable_setup s;

	if (setup(GNTREV_SETUP_open, &s) != GNTST_okay)
		die("revocable_setup");
	return s.nr_pages;
}

void race_arm(uint64_t seed)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int all[BATCH], which[BATCH], nr, batches;
	pthread_t thread;

	if (nr_pages < 2 || nr_pages > BATCH)
		die("2 to %u pages are needed", BATCH);
	printf("seed %llu\n", (unsigned long long)seed);
	seed++;
	nr = staying(all);
	channel_open();
	arm_all();
	if (pthread_create(&thread, NULL, unmap_all, &seed))
		die("no thread");
	for (batches = 0; !atomic_load(&all_gone); batches++) {
		nr = staying(which);
		if (nr)
			op_pages(ops, which, nr, GNTREV_CMD_disarm, 0);
		op_pages(ops, all, nr_pages, GNTREV_CMD_arm, 0);
	}
	pthread_join(thread, NULL);
	op_pages(ops, all, nr_pages, GNTREV_CMD_query, 0);
	for (nr = 0; nr < nr_pages; nr++)
		if (ops[nr].status != GNTST_bad_gntref)
			die("gref %u is still mapped: status %d", ops[nr].ref, ops[nr].status);
	printf("race: arm: %u batches of %u pages while they were unmapped\n", batches, nr_pages);
	if (armed())
		die("%u pages are armed and not mapped", armed());
}
