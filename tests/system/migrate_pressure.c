// SPDX-License-Identifier: MIT
/*
 * migrate-pressure: several address spaces of the GPU, each with an object of
 * its own, used in turn: together larger than VRAM, so that they take turns there.
 *
 * usage: migrate-pressure SECONDS SEED OBJECTS MIB
 *        migrate-pressure in-order DIGITS OBJECTS MIB
 *
 * Runs jobs on objects chosen by SEED, several in a row on each, while the threads of
 * checker.h work on pages of all; or one at each SIGUSR1, on the object of the next digit,
 * and nothing else. Prints "ready" when each has been used once; the last line is
 * "wrong 0". Exit code: 0 all right, 1 wrong data, 99 it could not run.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"
#include "mm.h"
#include "program.h"

#define MAX_OBJECTS	16
#define JOBS_IN_A_ROW	4
#define PAUSE_NS	80000000U
/* Of a page; jobs change its first numbers. */
#define CHECKED		2048U

static struct mm mm[MAX_OBJECTS];
static struct checker checker;
static unsigned int nr_objects;
static size_t pages;

static struct checker_cell *cell(unsigned int i, size_t page)
{
	return (struct checker_cell *)((char *)mm[i].memory + page * MM_PAGE + CHECKED);
}

static void object_make(unsigned int i)
{
	uint32_t *memory = mm_map(pages);
	size_t page;

	for (page = 0; page < pages; page++)
		mm_fill(memory + page * MM_NUMBERS, (uint32_t)page);
	mm_open(&mm[i], pages);
	mm_register(&mm[i], memory, pages, 0);
	for (page = 0; page < pages; page++)
		memset(cell(i, page), 0, sizeof(struct checker_cell));
	checker_add(&checker, cell(i, 0), pages);
	mm_bind(&mm[i], MM_VA_DATA, 0);
	mm_add(&mm[i]);
}

/* With the pattern where the checker's cells were all of it must be there. */
static unsigned long object_check(unsigned int i)
{
	uint32_t pattern[MM_NUMBERS];
	size_t page;

	for (page = 0; page < pages; page++) {
		mm_fill(pattern, (uint32_t)page);
		memcpy(cell(i, page), (char *)pattern + CHECKED, sizeof(struct checker_cell));
	}
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

static unsigned long jobs_in_order(const char *digits)
{
	unsigned long jobs;

	for (jobs = 0; digits[jobs]; jobs++) {
		mm_step("ready");
		mm_add(&mm[(unsigned int)(digits[jobs] - '0') % nr_objects]);
	}
	mm_step("ready");
	return jobs;
}

static unsigned long jobs_and_threads(uint64_t seed, double seconds)
{
	unsigned long jobs;

	puts("ready");
	checker_start(&checker, seed, PAUSE_NS);
	jobs = jobs_run(seed, seconds);
	checker_stop(&checker);
	return jobs;
}

int main(int argc, char **argv)
{
	unsigned long wrong, jobs;
	unsigned int i;

	if (argc < 5)
		errx(99, "usage: migrate-pressure SECONDS SEED OBJECTS MIB");
	mm_steps_begin();
	nr_objects = (unsigned int)strtoul(argv[3], NULL, 10);
	pages = strtoul(argv[4], NULL, 10) * 256;
	if (!nr_objects || nr_objects > MAX_OBJECTS || !pages)
		errx(99, "1 to %d objects of at least 1 MiB", MAX_OBJECTS);
	for (i = 0; i < nr_objects; i++)
		object_make(i);
	jobs = !strcmp(argv[1], "in-order") ? jobs_in_order(argv[2]) :
	       jobs_and_threads(strtoull(argv[2], NULL, 10) + 1, strtod(argv[1], NULL));
	wrong = checker_check(&checker);
	for (i = 0; i < nr_objects; i++)
		wrong += object_check(i);
	for (i = 0; i < nr_objects; i++)
		mm_close(&mm[i]);
	printf("seed %s: jobs %lu wrong %lu\n", argv[2], jobs, wrong);
	return wrong ? 1 : 0;
}
