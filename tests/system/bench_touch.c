// SPDX-License-Identifier: MIT
/*
 * bench-touch: how long a program waits for a page that the host has moved to
 * VRAM, from its first touch until it runs again.
 *
 * usage: bench-touch touch|job PAGES ROUNDS
 *
 * Prints "ready"; then, at each SIGUSR1, times in ns, and "ready" again. After the last
 * round "wrong 0", if nothing was lost.
 * touch: at most 15 pages, so that each is a chunk. "touch NS" for a write to each.
 * job: "job NS" for one that changes all of it, the same as bench-vram's.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm.h"

/* Long enough that what else a submission costs is a few hundredths. */
#define JOB_ROUNDS	32

/* Several times what a chunk of one page takes. */
#define REST_NS		20000000

static struct mm mm;

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The last number of a page is no job's. */
static uint64_t touch(size_t page)
{
	volatile uint32_t *number = mm.memory + page * MM_NUMBERS + MM_NUMBERS - 1;
	uint64_t start = now_ns();

	*number += 1;
	return now_ns() - start;
}

/* The worker has ended what the last touch began, as before that of a bare want. */
static void rest(void)
{
	const struct timespec time = { .tv_nsec = REST_NS };

	mm_need(nanosleep(&time, NULL), "nanosleep");
}

static void pages_touch(void)
{
	uint64_t ns[16];
	size_t page;

	for (page = 0; page < mm.pages; page++) {
		rest();
		ns[page] = touch(page);
	}
	for (page = 0; page < mm.pages; page++)
		printf("touch %llu\n", (unsigned long long)ns[page]);
}

static void pages_check(uint32_t touches)
{
	size_t page;

	for (page = 0; page < mm.pages; page++)
		mm.memory[page * MM_NUMBERS + MM_NUMBERS - 1] -= touches;
	mm_check(&mm, 0, mm.pages);
}

/* What it adds it takes away again. */
static void job_time(void)
{
	uint64_t count = mm.pages * MM_NUMBERS, start;
	unsigned int i;

	mm_begin(&mm);
	for (i = 0; i < JOB_ROUNDS; i++) {
		gpu_cmd_inc(&mm.cmd, MM_VA_DATA, 1, count);
		gpu_cmd_inc(&mm.cmd, MM_VA_DATA, UINT32_MAX, count);
	}
	start = now_ns();
	mm_need(mm_run(&mm), "the job");
	printf("job %llu\n", (unsigned long long)(now_ns() - start));
}

static void rounds_run(bool jobs, uint32_t rounds)
{
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		mm_step("ready");
		if (jobs)
			job_time();
		else
			pages_touch();
	}
	puts("ready");
}

int main(int argc, char **argv)
{
	size_t pages = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, page;
	uint32_t rounds = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	bool jobs = argc == 4 && !strcmp(argv[1], "job");
	uint32_t *memory;

	if (!pages || (!jobs && pages > 15) || !rounds)
		errx(99, "usage: bench-touch touch|job PAGES ROUNDS");
	mm_steps_begin();
	memory = mm_map(pages);
	for (page = 0; page < pages; page++)
		mm_fill(memory + page * MM_NUMBERS, (uint32_t)page);
	mm_open(&mm, pages);
	mm_register(&mm, memory, pages, 0);
	mm_bind(&mm, MM_VA_DATA, 0);
	mm_add(&mm);
	rounds_run(jobs, rounds);
	pages_check(jobs ? 0 : rounds);
	printf("wrong %lu\n", mm.wrong);
	mm_close(&mm);
	return mm.wrong ? 1 : 0;
}
