// SPDX-License-Identifier: MIT
/*
 * migrate-pressure: several address spaces of the GPU, each with an object of
 * its own, used in turn: together larger than VRAM, so that they take turns there.
 *
 * usage: migrate-pressure SECONDS SEED OBJECTS MIB
 *
 * Runs jobs on objects chosen by SEED, several in a row on each, while a thread
 * adds to numbers of pages chosen at random. Prints "ready" when each has been
 * used once; the last line is "wrong 0". Exit code: 0 all right, 1 wrong data,
 * 99 it could not run.
 */
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm.h"
#include "program.h"

#define MAX_OBJECTS	16
#define JOBS_IN_A_ROW	4
/* The last number of a page is the program's. */
#define OWN_NUMBER	(MM_NUMBERS - 1)

static struct mm mm[MAX_OBJECTS];
static uint32_t *added[MAX_OBJECTS];
static unsigned int nr_objects;
static size_t pages;
static atomic_bool stop;

static void *adder(void *context)
{
	uint64_t random = *(uint64_t *)context * 2 + 1;

	while (!stop) {
		const struct timespec rest = { .tv_nsec = 20000000 };
		unsigned int i = (unsigned int)(next_random(&random) % nr_objects);
		size_t page = next_random(&random) % pages;
		uint32_t *number = mm[i].memory + page * MM_NUMBERS + OWN_NUMBER;

		atomic_fetch_add((_Atomic uint32_t *)number, (uint32_t)page + 1);
		added[i][page] += (uint32_t)page + 1;
		nanosleep(&rest, NULL);
	}
	return NULL;
}

static void object_make(unsigned int i)
{
	uint32_t *memory = mm_map(pages);
	size_t page;

	for (page = 0; page < pages; page++)
		mm_fill(memory + page * MM_NUMBERS, (uint32_t)page);
	added[i] = calloc(pages, sizeof(*added[i]));
	if (!added[i])
		err(99, "memory");
	mm_open(&mm[i], pages);
	mm_register(&mm[i], memory, pages, 0);
	mm_bind(&mm[i], MM_VA_DATA, 0);
	mm_add(&mm[i]);
}

/* What the program added is taken away again: then the pattern must be there. */
static unsigned long object_check(unsigned int i)
{
	size_t page;

	for (page = 0; page < pages; page++)
		mm[i].memory[page * MM_NUMBERS + OWN_NUMBER] -= added[i][page];
	mm_check(&mm[i], 0, pages);
	return mm[i].wrong;
}

static unsigned long jobs_run(uint64_t seed, double seconds)
{
	uint64_t random = seed * 4 + 3;
	double end = now() + seconds;
	unsigned long jobs = 0;
	unsigned int i, n;

	while (now() < end) {
		i = (unsigned int)(next_random(&random) % nr_objects);
		for (n = 0; n < JOBS_IN_A_ROW; n++, jobs++)
			mm_add(&mm[i]);
	}
	return jobs;
}

int main(int argc, char **argv)
{
	unsigned long wrong = 0, jobs;
	pthread_t thread;
	unsigned int i;
	uint64_t seed;

	if (argc < 5)
		errx(99, "usage: migrate-pressure SECONDS SEED OBJECTS MIB");
	mm_steps_begin();
	seed = strtoull(argv[2], NULL, 10) + 1;
	nr_objects = (unsigned int)strtoul(argv[3], NULL, 10);
	pages = strtoul(argv[4], NULL, 10) * 256;
	if (!nr_objects || nr_objects > MAX_OBJECTS || !pages)
		errx(99, "1 to %d objects of at least 1 MiB", MAX_OBJECTS);
	for (i = 0; i < nr_objects; i++)
		object_make(i);
	puts("ready");
	mm_need(-pthread_create(&thread, NULL, adder, &seed), "pthread_create");
	jobs = jobs_run(seed, strtod(argv[1], NULL));
	stop = true;
	pthread_join(thread, NULL);
	for (i = 0; i < nr_objects; i++)
		wrong += object_check(i);
	for (i = 0; i < nr_objects; i++)
		mm_close(&mm[i]);
	printf("seed %s: jobs %lu wrong %lu\n", argv[2], jobs, wrong);
	return wrong ? 1 : 0;
}
