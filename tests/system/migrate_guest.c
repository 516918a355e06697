// SPDX-License-Identifier: MIT
/*
 * migrate-guest: two threads and the GPU change the same memory all the time,
 * while the host moves it. At the end every change must be there, once.
 *
 * usage: migrate-guest SECONDS SEED MIB [PAUSE-MS]
 *        migrate-guest hold|mergeable|keep|told|both|poll SEED MIB
 *        migrate-guest busy SEED MIB [MS]
 *
 * SECONDS: that long. A thread touches a page, then rests up to PAUSE-MS (2). The
 * memory is a page less than MIB says, so that there are chunks of each size.
 * hold: no threads; runs one job, waits for SIGUSR1, touches every page, and
 * runs one more.
 * mergeable: the same, and KSM may look at the memory.
 * keep: as hold, but without the last job, for which there is no backend.
 * told: waits for SIGUSR1, runs a job, waits for SIGUSR1, and says what the pages hold
 * and what it was told of, with no backend any more.
 * both: as hold, with jobs in two address spaces, before and after the touch.
 * poll: waits for SIGUSR1, starts a job that ends when it sees a number in the
 * memory, and another that waits for the first one's fence; waits for SIGUSR1, writes
 * the number.
 * busy: waits for SIGUSR1, runs a job, starts one that never looks at memory and takes MS
 * (a minute), waits for SIGUSR1, touches every page. Says how the job ended.
 *
 * Each page has a part for each: the GPU adds 1 to its numbers with each job, the
 * threads are those of checker.h. Prints "ready" when the first job has run, and at
 * the end what was done. Exit code: 0 all right, 1 wrong data, 99 it could not run.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "checker.h"
#include "gpu_cmd.h"
#include "program.h"
#include "xenuserptr.h"

#define PAGE	((size_t)XUPTR_PAGE_SIZE)
#define VA_CMD	0x000010000000ULL
#define VA_DATA	0x001000000000ULL

#define GPU_WORDS	256U	/* of 32 bit, at the start of the page */
#define TOLD_NS		60000000000LL

/* One page of the object. */
struct cell {
	uint32_t gpu[GPU_WORDS];
	struct checker_cell checked;
	_Atomic uint32_t word;		/* of a job that polls */
	uint8_t rest[2028];
};

_Static_assert(sizeof(struct cell) == 4096, "a cell is a page");

struct job {
	struct xuptr_device *device;
	uint32_t vm;
	uint32_t object;
	uint32_t cmd_object;
	struct gpu_cmd cmd;
	struct gpu_cmd other;		/* in the last page of the same memory */
	uint64_t count;
};

static struct cell *cells;
static size_t nr_cells;
static struct checker checker;
static unsigned long wrong;
static bool alone;		/* the backend has gone */
static uint64_t pause_ns = 2000000, busy_ns = 60000000000ULL;

static bool all_octets(const uint8_t *octets, size_t nr, uint8_t value)
{
	while (nr--)
		if (*octets++ != value)
			return false;
	return true;
}

static void cells_make(size_t nr)
{
	nr_cells = nr;
	cells = mmap(NULL, nr_cells * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cells == MAP_FAILED)
		err(99, "memory");
	checker_add(&checker, &cells->checked, nr_cells);
}

static void job_make(struct job *job)
{
	size_t octets = (nr_cells * 32 / PAGE + 2) * PAGE, i;
	char *memory;

	memory = aligned_alloc(PAGE, octets);
	if (!memory)
		err(99, "memory");
	memset(memory, 0, octets);
	gpu_cmd_begin(&job->cmd, memory, octets - PAGE);
	gpu_cmd_begin(&job->other, memory + octets - PAGE, PAGE);
	for (i = 0; i < nr_cells; i++)
		gpu_cmd_inc(&job->cmd, VA_DATA + i * PAGE, 1, GPU_WORDS);
	need(xuptr_open(NULL, &job->device), "xuptr_open");
	need(xuptr_vm_create(job->device, &job->vm), "xuptr_vm_create");
	need(xuptr_register_one(job->device, memory, octets, 0, &job->cmd_object),
	     "xuptr_register_one(commands)");
	need(xuptr_map(job->device, job->vm, job->cmd_object, 0, octets, VA_CMD, 0),
	     "xuptr_map(commands)");
	need(xuptr_lost_signal(job->device, SIGUSR2), "xuptr_lost_signal");
	need(xuptr_register_one(job->device, cells, nr_cells * PAGE, XUPTR_TELL_LOST,
				&job->object),
	     "xuptr_register_one");
	need(xuptr_map(job->device, job->vm, job->object, 0, nr_cells * PAGE, VA_DATA, 0),
	     "xuptr_map");
}

/* @after: a fence that it waits for in the guest, or 0. */
static uint32_t cmd_start(struct job *job, const struct gpu_cmd *cmd, uint32_t after)
{
	struct xuptr_sync sync[2] = { { .signal = 1 }, { .syncobj = after } };
	uint64_t va = VA_CMD + (uint64_t)((char *)cmd->words - (char *)job->cmd.words);

	need(xuptr_fence_create(job->device, &sync[0].syncobj), "xuptr_fence_create");
	need(xuptr_exec(job->device, job->vm, 0, va, gpu_cmd_octets(cmd), sync, after ? 2 : 1),
	     "xuptr_exec");
	return sync[0].syncobj;
}

static uint32_t job_start(struct job *job)
{
	return cmd_start(job, &job->cmd, 0);
}

static int job_wait(struct job *job, uint32_t syncobj)
{
	int ret = xuptr_fence_wait(job->device, syncobj, -1);

	need(xuptr_fence_destroy(job->device, syncobj), "xuptr_fence_destroy");
	return ret;
}

static void job_run(struct job *job)
{
	need(job_wait(job, job_start(job)), "the job");
	job->count++;
}

static void cells_check(uint64_t jobs)
{
	size_t i, w;

	for (i = 0; i < nr_cells; i++) {
		size_t before = wrong;

		for (w = 0; w < GPU_WORDS; w++)
			wrong += cells[i].gpu[w] != (uint32_t)jobs;
		wrong += !all_octets(cells[i].rest, sizeof(cells[i].rest), 0);
		if (wrong != before)
			printf("page %zu: GPU %u of %lu jobs\n", i, cells[i].gpu[0],
			       (unsigned long)jobs);
	}
	wrong += checker_check(&checker);
}

static void all_at_once(struct job *job, uint64_t seed, double seconds)
{
	double end = now() + seconds;

	checker_start(&checker, seed, pause_ns);
	while (now() < end)
		job_run(job);
	checker_stop(&checker);
}

/* SIGUSR1 is blocked from the start, so none is lost. */
static void usr1_wait(const char *why)
{
	sigset_t usr1;
	int number;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	need(-pthread_sigmask(SIG_BLOCK, &usr1, NULL), "pthread_sigmask");
	puts(why);
	need(-sigwait(&usr1, &number), "sigwait");
}

static void hold(struct job *job)
{
	usr1_wait("ready");
	checker_touch(&checker);
	job_run(job);
}

static void keep(void)
{
	usr1_wait("ready");
	alone = true;
	checker_touch(&checker);
}

/* The same memory in another address space, which knows nothing of the first. */
static void both(struct job *job)
{
	struct job second = *job;

	need(xuptr_vm_create(job->device, &second.vm), "xuptr_vm_create");
	need(xuptr_map(job->device, second.vm, job->cmd_object, 0, (nr_cells * 32 / PAGE + 2) * PAGE,
		       VA_CMD, 0), "xuptr_map(commands)");
	need(xuptr_map(job->device, second.vm, job->object, 0, nr_cells * PAGE, VA_DATA, 0),
	     "xuptr_map");
	usr1_wait("ready");
	job_run(&second);
	job->count = second.count;
	job_run(job);
	usr1_wait("both");
	checker_touch(&checker);
	second.count = job->count;
	job_run(&second);
	job->count = second.count;
	job_run(job);
}

/* The commands lie in memory of their own: only the number is moved. */
static void poll_word(struct job *job)
{
	size_t i = nr_cells / 2;
	uint32_t first, second;

	usr1_wait("ready");
	gpu_cmd_poll(&job->other, VA_DATA + i * PAGE + offsetof(struct cell, word), 7, ~0U);
	first = cmd_start(job, &job->other, 0);
	second = cmd_start(job, &job->cmd, first);
	usr1_wait("polling");
	atomic_store(&cells[i].word, 7);
	printf("fence %d\n", job_wait(job, first));
	printf("fence that waited %d\n", job_wait(job, second));
	job->count++;
}

static volatile sig_atomic_t lost_signals;

static void on_lost(int number)
{
	(void)number;
	lost_signals = lost_signals + 1;
}

/* What the host said of contents that are gone. @wait: for the first, nanoseconds. */
static void lost_print(struct job *job, int64_t wait)
{
	unsigned long long octets = 0;
	struct xuptr_lost lost;

	for (; !xuptr_lost_read(job->device, wait, &lost); wait = 0)
		octets += lost.object == job->object ? lost.length : 0;
	printf("told of %llu octets by %d signals\n", octets, (int)lost_signals);
}

/*
 * The last job ran in VRAM, so a page holds its number, or it was cleared: what the host
 * lost is nothing, and never what it was before.
 */
static void stale_print(struct job *job)
{
	size_t i, stale = 0, gone = 0;

	for (i = 0; i < nr_cells; i++)
		if (cells[i].gpu[0] != (uint32_t)job->count)
			*(cells[i].gpu[0] ? &stale : &gone) += 1;
	printf("stale %zu gone %zu\n", stale, gone);
}

static void __attribute__((noreturn)) told(struct job *job)
{
	usr1_wait("ready");
	job_run(job);
	usr1_wait("ran");
	stale_print(job);
	/* With nobody who served it any more the guest hears of that from the next backend. */
	lost_print(job, TOLD_NS);
	/* What is gone is wrong by any count. */
	exit(0);
}

static void busy(struct job *job)
{
	uint32_t syncobj;
	double start;
	int err;

	usr1_wait("ready");
	job_run(job);
	gpu_cmd_busy(&job->other, busy_ns);
	syncobj = cmd_start(job, &job->other, 0);
	usr1_wait("busy");
	start = now();
	checker_touch(&checker);
	printf("touched in %.0f ms\n", (now() - start) * 1000);
	stale_print(job);
	printf("fence %d\n", job_wait(job, syncobj));
	lost_print(job, 0);
	err = job_wait(job, job_start(job));
	printf("fence of the next %d\n", err);
	job->count += !err;
}

static void mode_run(struct job *job, const char *mode, uint64_t seed)
{
	if (!strcmp(mode, "hold") || !strcmp(mode, "mergeable")) {
		hold(job);
	} else if (!strcmp(mode, "keep")) {
		keep();
	} else if (!strcmp(mode, "told")) {
		told(job);
	} else if (!strcmp(mode, "both")) {
		both(job);
	} else if (!strcmp(mode, "poll")) {
		poll_word(job);
	} else if (!strcmp(mode, "busy")) {
		busy(job);
	} else {
		puts("ready");
		all_at_once(job, seed, strtod(mode, NULL));
	}
}

int main(int argc, char **argv)
{
	struct job job = { 0 };
	uint64_t seed;

	if (argc < 4)
		errx(99, "usage: migrate-guest SECONDS SEED MIB");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 4)
		pause_ns = busy_ns = strtoull(argv[4], NULL, 10) * 1000000;
	seed = strtoull(argv[2], NULL, 10) + 1;
	printf("seed %s\n", argv[2]);
	signal(SIGUSR2, on_lost);
	cells_make(strtoul(argv[3], NULL, 10) * 256 - (strtod(argv[1], NULL) > 0));
	if (!strcmp(argv[1], "mergeable") && madvise(cells, nr_cells * PAGE, MADV_MERGEABLE))
		err(99, "no KSM");
	job_make(&job);
	job_run(&job);
	mode_run(&job, argv[1], seed);
	cells_check(job.count);
	printf("jobs %lu wrong %lu\n", (unsigned long)job.count, wrong);
	if (!alone) {
		need(xuptr_unregister(job.device, job.object), "xuptr_unregister");
		need(xuptr_unregister(job.device, job.cmd_object), "xuptr_unregister");
	}
	xuptr_close(job.device);
	return wrong ? 1 : 0;
}
