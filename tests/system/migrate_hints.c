// SPDX-License-Identifier: MIT
/*
 * migrate-hints: what a program says about its memory, and how it lets go of
 * it while the host moves it.
 *
 * usage: migrate-hints advise
 *        migrate-hints forget
 *        migrate-hints let-go ROUNDS SEED
 *
 * advise: one object in parts of 2 MiB, each with its own advice (enum part).
 * Checks the call's errors. Prints "ready", "used" and "advised", and waits for
 * SIGUSR1 after each. After the first it runs jobs, after the second it takes
 * two pieces of advice back, after the third it checks all data.
 *
 * forget: frees two objects of GO_PAGES pages, one with and one without an
 * unregister. Prints "ready" and "again" before, "forgotten" after each, and waits
 * for SIGUSR1 each time.
 *
 * let-go: registers, uses and lets go, in a way and after a time chosen by SEED,
 * that often. Prints "ready" at the start. What the program keeps must hold what
 * it should, and new memory must stay as it is.
 *
 * Last line: "wrong 0". Exit code: 0 all right, 1 wrong, 99 it could not run.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mm.h"
#include "program.h"

#define PART_PAGES	512UL
#define PART_OCTETS	(PART_PAGES * MM_PAGE)

/* The parts that the GPU may write come first. */
enum part {
	PART_NORMAL,
	PART_VRAM,
	PART_RAM,
	PART_NEVER,
	PART_READ_WRITTEN,	/* read mostly, but the GPU may write it */
	PART_SOON,
	PART_READ,
	NR_PARTS,
};

static const uint32_t advice[NR_PARTS] = {
	[PART_NORMAL] = XUPTR_ADVICE_NORMAL,
	[PART_VRAM] = XUPTR_ADVICE_PREFER_VRAM,
	[PART_RAM] = XUPTR_ADVICE_PREFER_RAM,
	[PART_NEVER] = XUPTR_ADVICE_NEVER_MOVE,
	[PART_READ_WRITTEN] = XUPTR_ADVICE_READ_MOSTLY,
	[PART_SOON] = XUPTR_ADVICE_WILL_NEED,
	[PART_READ] = XUPTR_ADVICE_READ_MOSTLY,
};

static struct mm mm;

static void fill_all(uint32_t *memory, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		mm_fill(memory + i * MM_NUMBERS, (uint32_t)i);
}

static void expect(int want, int got, const char *what)
{
	if (want == got)
		return;
	printf("%s: want %d, got %d\n", what, want, got);
	mm.wrong++;
}

/* ---- advise ---- */

static int advise_range(uint32_t what, uint64_t offset, uint64_t length)
{
	return xuptr_advise(mm.device, mm.object, what, offset, length);
}

static int advise(enum part part, uint32_t what)
{
	return advise_range(what, part * PART_OCTETS, PART_OCTETS);
}

static void advise_badly(void)
{
	expect(-EINVAL, advise(0, XUPTR_ADVICE_NEVER_MOVE + 1), "unknown advice");
	expect(-EINVAL, advise_range(0, 0, 0), "no length");
	expect(-EINVAL, advise_range(0, 1, MM_PAGE), "offset within a page");
	expect(-EINVAL, advise_range(0, 0, MM_PAGE + 8), "length within a page");
	expect(-EINVAL, advise_range(0, NR_PARTS * PART_OCTETS, MM_PAGE), "behind the end");
	expect(-EINVAL, advise_range(0, MM_PAGE, NR_PARTS * PART_OCTETS), "beyond the end");
	expect(-EINVAL, advise_range(0, 0 - MM_PAGE, 2 * MM_PAGE), "overflow");
	expect(-ENOENT, xuptr_advise(mm.device, mm.object + 100, 0, 0, MM_PAGE), "no object");
}

static void parts_bind(void)
{
	const uint64_t read = PART_READ * PART_OCTETS;

	mm_need(xuptr_map(mm.device, mm.vm, mm.object, 0, read, MM_VA_DATA, 0), "xuptr_map");
	mm_need(xuptr_map(mm.device, mm.vm, mm.object, read, PART_OCTETS, MM_VA_DATA + read,
			  XUPTR_READONLY), "xuptr_map(readonly)");
}

/* Jobs write all but the last part. */
static void parts_use(void)
{
	size_t all = mm.pages;

	mm.pages = PART_READ * PART_PAGES;
	mm_add(&mm);
	mm.pages = all;
}

static void parts_check(void)
{
	uint32_t jobs = mm.jobs;
	size_t i;

	mm_check(&mm, 0, PART_READ * PART_PAGES);
	mm.jobs = 0;
	mm_check(&mm, PART_READ * PART_PAGES, PART_PAGES);
	mm.jobs = jobs;
	for (i = 0; i < NR_PARTS; i++)
		expect(0, advise(i, XUPTR_ADVICE_NORMAL), "advice at the end");
}

static void advise_all(void)
{
	uint32_t *memory = mm_map(NR_PARTS * PART_PAGES);
	enum part part;

	mm_open(&mm, NR_PARTS * PART_PAGES);
	fill_all(memory, NR_PARTS * PART_PAGES);
	mm_register(&mm, memory, NR_PARTS * PART_PAGES, 0);
	parts_bind();
	advise_badly();
	for (part = 0; part < NR_PARTS; part++)
		mm_need(advise(part, advice[part]), "xuptr_advise");
	mm_step("ready");
	parts_use();
	mm_step("used");
	mm_need(advise(PART_VRAM, XUPTR_ADVICE_NEVER_MOVE), "xuptr_advise");
	mm_need(advise(PART_NEVER, XUPTR_ADVICE_NORMAL), "xuptr_advise");
	mm_step("advised");
	parts_use();
	parts_check();
	mm_close(&mm);
}

/* ---- let go ---- */

#define GO_PAGES	1024UL
#define GO_PART		300UL	/* not where a chunk begins */

static void unregister(void)
{
	mm_need(xuptr_unregister(mm.device, mm.object), "xuptr_unregister");
}

/* All must be there, although nothing says that it has come home. */
static void go_unregister(uint32_t *memory)
{
	unregister();
	mm_check(&mm, 0, GO_PAGES);
	munmap(memory, GO_PAGES * MM_PAGE);
}

static void go_free(uint32_t *memory)
{
	munmap(memory, GO_PAGES * MM_PAGE);
	unregister();
}

static void go_unregister_free(uint32_t *memory)
{
	unregister();
	munmap(memory, GO_PAGES * MM_PAGE);
}

/* The rest is used on. */
static void go_free_part(uint32_t *memory)
{
	munmap(memory + GO_PART * MM_NUMBERS, GO_PART * MM_PAGE);
	mm_add(&mm);
	mm_check(&mm, 0, GO_PART);
	mm_check(&mm, 2 * GO_PART, GO_PAGES - 2 * GO_PART);
	unregister();
	munmap(memory, GO_PAGES * MM_PAGE);
}

/* New pages are there at once, and the object says that it is not of them. */
static void go_discard(uint32_t *memory)
{
	struct xuptr_sync done = { .signal = 1 };
	size_t i;

	if (madvise(memory + GO_PART * MM_NUMBERS, GO_PART * MM_PAGE, MADV_DONTNEED))
		err(99, "madvise");
	for (i = GO_PART * MM_NUMBERS; i < 2 * GO_PART * MM_NUMBERS; i++)
		mm.wrong += memory[i] != 0;
	mm_need(xuptr_fence_create(mm.device, &done.syncobj), "xuptr_fence_create");
	expect(-ESTALE, xuptr_exec(mm.device, mm.vm, 0, MM_VA_CMD, gpu_cmd_octets(&mm.cmd),
				   &done, 1), "a job on memory that was discarded");
	mm_need(xuptr_fence_destroy(mm.device, done.syncobj), "xuptr_fence_destroy");
	mm_check(&mm, 0, GO_PART);
	unregister();
	munmap(memory, GO_PAGES * MM_PAGE);
}

static void go_unbind(uint32_t *memory)
{
	mm_need(xuptr_unmap(mm.device, mm.vm, MM_VA_DATA + GO_PART * MM_PAGE,
			    GO_PART * MM_PAGE), "xuptr_unmap");
	/* The GPU goes on with what is left of the mapping. */
	mm.pages = GO_PART;
	mm_add(&mm);
	mm.pages = GO_PAGES;
	unregister();
	mm_check(&mm, 0, GO_PART);
	mm.jobs--;
	mm_check(&mm, GO_PART, GO_PAGES - GO_PART);
	munmap(memory, GO_PAGES * MM_PAGE);
}

static const struct {
	const char *name;
	void (*run)(uint32_t *memory);
} ways[] = {
	{ "unregister", go_unregister },
	{ "free", go_free },
	{ "unregister and free", go_unregister_free },
	{ "free a part", go_free_part },
	{ "discard", go_discard },
	{ "unbind", go_unbind },
};

#define NR_WAYS (sizeof(ways) / sizeof(ways[0]))

static uint32_t *object_use(uint64_t *random)
{
	struct timespec rest = { 0 };
	uint32_t *memory = mm_map(GO_PAGES);
	unsigned int i;

	fill_all(memory, GO_PAGES);
	mm_register(&mm, memory, GO_PAGES, 0);
	mm_bind(&mm, MM_VA_DATA, 0);
	mm.jobs = 0;
	for (i = 0; i < 2; i++)
		mm_add(&mm);
	rest.tv_nsec = (long)(next_random(random) % 200) * 1000000;
	nanosleep(&rest, NULL);
	return memory;
}

/* A process with everything under way ends, by itself or not. */
static void end_in_child(uint64_t *random, bool killed)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		err(99, "fork");
	if (!child) {
		mm_open(&mm, GO_PAGES);
		object_use(random);
		if (killed)
			raise(SIGKILL);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child)
		err(99, "waitpid");
	expect(killed ? SIGKILL : 0, status, "end of the child");
}

/* It begins where the last object was, as a rule. */
static void new_memory_check(uint32_t *memory)
{
	size_t i;

	for (i = 0; i < GO_PAGES; i++)
		mm.wrong += !mm_holds(memory + i * MM_NUMBERS, (uint32_t)i + 77, 0);
	if (mm.wrong)
		puts("new memory was changed");
	munmap(memory, GO_PAGES * MM_PAGE);
}

static void forget(void)
{
	static const char *const steps[] = { "ready", "again" };
	uint32_t *memory;
	unsigned int i;

	mm_open(&mm, GO_PAGES);
	for (i = 0; i < 2; i++) {
		memory = mm_map(GO_PAGES);
		fill_all(memory, GO_PAGES);
		mm_register(&mm, memory, GO_PAGES, 0);
		mm_bind(&mm, MM_VA_DATA, 0);
		mm_add(&mm);
		mm_step(steps[i]);
		munmap(memory, GO_PAGES * MM_PAGE);
		if (i)
			unregister();
		mm_step(i ? "forgotten again" : "forgotten");
	}
	mm_need(xuptr_unregister(mm.device, mm.cmd_object), "xuptr_unregister(commands)");
	xuptr_close(mm.device);
}

static void let_go(unsigned int rounds, uint64_t seed)
{
	uint64_t random = seed * 2 + 1;
	unsigned int i, n, way;

	puts("ready");
	for (i = 0; i < 2; i++)
		end_in_child(&random, i);
	mm_open(&mm, GO_PAGES);
	for (i = 0; i < rounds && !mm.wrong; i++) {
		uint32_t *memory = object_use(&random), *fresh;

		way = next_random(&random) % NR_WAYS;
		printf("%s\n", ways[way].name);
		ways[way].run(memory);
		fresh = mm_map(GO_PAGES);
		for (n = 0; n < GO_PAGES; n++)
			mm_fill(fresh + n * MM_NUMBERS, n + 77);
		new_memory_check(fresh);
	}
	printf("seed %lu: rounds %u\n", (unsigned long)seed, i);
	mm_need(xuptr_unregister(mm.device, mm.cmd_object), "xuptr_unregister(commands)");
	xuptr_close(mm.device);
}

int main(int argc, char **argv)
{
	mm_steps_begin();
	if (argc == 2 && !strcmp(argv[1], "advise"))
		advise_all();
	else if (argc == 2 && !strcmp(argv[1], "forget"))
		forget();
	else if (argc == 4 && !strcmp(argv[1], "let-go"))
		let_go((unsigned int)strtoul(argv[2], NULL, 10),
		       strtoull(argv[3], NULL, 10));
	else
		errx(99, "usage: migrate-hints advise | forget | let-go ROUNDS SEED");
	printf("jobs %u wrong %lu\n", mm.jobs, mm.wrong);
	return mm.wrong ? 1 : 0;
}
