// SPDX-License-Identifier: MIT
/*
 * migrate-gpus: the threads of checker.h and two GPUs of one device change the same
 * object, which is bound in an address space of each, while the host moves it.
 *
 * usage: migrate-gpus SECONDS SEED MIB [again]
 *        migrate-gpus steps GPU BUSY-SECONDS MIB
 *        migrate-gpus keep MIB
 *
 * The memory is a page less than MIB says, so that there are chunks of each size.
 * SECONDS: all at once, that long; the second GPU rests between two jobs, for memory
 * leaves home only while it has none. again: if the connection ends, it is begun
 * anew. steps: starts a job on that GPU which is busy so long ("busy"); SIGUSR1: a
 * job on the second GPU ("other"); SIGUSR1: touches every page ("touched");
 * SIGUSR1: waits for the busy job. keep: SIGUSR1: touches every page; there is no
 * backend any more. All begin with a job on each GPU, then say "ready"; keep and
 * steps wait for SIGUSR1 then.
 *
 * Each page has numbers for each GPU, numbers that both add to, and a cell of the
 * checker's. The last line ends with "wrong 0" if every change is there, once. Exit
 * code: 0 all right, 1 wrong data, 99 it could not run.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checker.h"
#include "mm.h"
#include "program.h"

#define NR_GPUS		2U
#define WORDS		128U
#define VA_BUSY		0x000020000000ULL
#define REST_NS		300000000U
#define CMD_OCTETS	64U	/* for a page, at most */

/* One page of the object. */
struct cell {
	uint32_t own[NR_GPUS][WORDS];
	uint32_t both[WORDS];
	struct checker_cell checked;
	uint8_t same[1520];	/* filled at the start */
};

_Static_assert(sizeof(struct cell) == 4096, "a cell is a page");

struct side {
	uint32_t gpu;
	uint32_t vm;
	struct gpu_cmd cmd;
	struct gpu_cmd busy;
	uint32_t jobs;		/* that all pages have seen */
	int error;		/* of the last job */
};

static struct xuptr_device *device;
static struct side sides[NR_GPUS] = { { .gpu = 0 }, { .gpu = 1 } };
static struct cell *cells;
static size_t nr_cells;
static struct checker checker;
static atomic_bool broken;
static unsigned long wrong, connections, parted;
static bool again;
static double end;

static void rest(uint64_t ns)
{
	const struct timespec time = { .tv_nsec = (long)ns };

	nanosleep(&time, NULL);
}

/* Numbers that both add to can be judged only if no job ends in part. */
static void side_make(struct side *side)
{
	size_t octets = (nr_cells * CMD_OCTETS / MM_PAGE + 1) * MM_PAGE, i;

	gpu_cmd_begin(&side->cmd, mm_map(octets / MM_PAGE), octets);
	gpu_cmd_begin(&side->busy, mm_map(1), MM_PAGE);
	for (i = 0; i < nr_cells; i++) {
		uint64_t va = MM_VA_DATA + i * MM_PAGE;

		gpu_cmd_inc(&side->cmd, va + side->gpu * sizeof(cells->own[0]), 1,
			    WORDS);
		if (!again)
			gpu_cmd_inc(&side->cmd, va + sizeof(cells->own), 1, WORDS);
	}
}

static void cells_make(size_t mib)
{
	size_t i;

	nr_cells = mib * 256 - 1;
	cells = mm_map(nr_cells);
	checker_add(&checker, &cells->checked, nr_cells);
	for (i = 0; i < nr_cells; i++)
		memset(cells[i].same, (uint8_t)i, sizeof(cells[i].same));
	for (i = 0; i < NR_GPUS; i++)
		side_make(&sides[i]);
}

static int side_bind(const struct side *side, void *memory, size_t octets, uint64_t va)
{
	uint32_t object;
	int ret = xuptr_register_one(device, memory, octets, 0, &object);

	return ret ? ret : xuptr_map(device, side->vm, object, 0, octets, va, 0);
}

static int side_connect(struct side *side, uint32_t object)
{
	int ret = xuptr_vm_create_on(device, side->gpu, &side->vm);

	if (!ret)
		ret = side_bind(side, side->cmd.words, side->cmd.max * sizeof(uint32_t),
				MM_VA_CMD);
	if (!ret)
		ret = side_bind(side, side->busy.words, MM_PAGE, VA_BUSY);
	if (!ret)
		ret = xuptr_map(device, side->vm, object, 0, nr_cells * MM_PAGE,
				MM_VA_DATA, 0);
	return ret;
}

/* One object, in an address space on each GPU. */
static int connect_once(void)
{
	struct xuptr_info info;
	uint32_t object, i;
	int ret;

	ret = xuptr_open(NULL, &device);
	if (ret) {
		device = NULL;
		return ret;
	}
	ret = xuptr_get_info(device, &info, sizeof(info));
	if (!ret && info.nr_gpus != NR_GPUS)
		errx(99, "%u GPUs", info.nr_gpus);
	if (!ret)
		ret = xuptr_register_one(device, cells, nr_cells * MM_PAGE, 0, &object);
	for (i = 0; !ret && i < NR_GPUS; i++)
		ret = side_connect(&sides[i], object);
	return ret;
}

static void disconnect(void)
{
	xuptr_close(device);
	device = NULL;
}

static int job_start(const struct side *side, uint64_t va, const struct gpu_cmd *cmd,
		     uint32_t *syncobj)
{
	struct xuptr_sync done = { .signal = 1 };
	int ret = xuptr_fence_create(device, &done.syncobj);

	*syncobj = done.syncobj;
	return ret ? ret : xuptr_exec(device, side->vm, 0, va, gpu_cmd_octets(cmd), &done, 1);
}

static int job_wait(uint32_t syncobj)
{
	int ret = xuptr_fence_wait(device, syncobj, -1);

	xuptr_fence_destroy(device, syncobj);
	return ret;
}

static int job_run(struct side *side)
{
	uint32_t syncobj;
	int ret = job_start(side, MM_VA_CMD, &side->cmd, &syncobj);

	if (!ret)
		ret = job_wait(syncobj);
	side->jobs += !ret;
	return ret;
}

/* Once or not at all: what is missing is added. */
static void side_finish(struct side *side)
{
	size_t i, w;

	printf("GPU %u, job %u: %s\n", side->gpu, side->jobs, strerror(-side->error));
	for (i = 0; i < nr_cells; i++)
		for (w = 0; w < WORDS; w++) {
			uint32_t *number = &cells[i].own[side->gpu][w];

			wrong += *number != side->jobs && *number != side->jobs + 1;
			*number = side->jobs + 1;
		}
	side->jobs++;
	side->error = 0;
	parted++;
}

static void *side_main(void *context)
{
	struct side *side = context;
	uint64_t random = side->gpu + 77;

	while (now() < end && !broken) {
		side->error = job_run(side);
		if (side->error)
			broken = true;
		else if (side->gpu)
			rest(next_random(&random) % REST_NS);
	}
	return NULL;
}

static void sides_run(void)
{
	pthread_t threads[NR_GPUS];
	unsigned int i;

	broken = false;
	for (i = 0; i < NR_GPUS; i++)
		need(-pthread_create(&threads[i], NULL, side_main, &sides[i]),
		     "pthread_create");
	for (i = 0; i < NR_GPUS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < NR_GPUS; i++)
		if (sides[i].error && !again)
			errx(99, "GPU %u: %s", i, strerror(-sides[i].error));
		else if (sides[i].error)
			side_finish(&sides[i]);
}

/* False: the time is over. */
static bool connect_again(void)
{
	while (now() < end) {
		disconnect();
		if (!connect_once()) {
			connections++;
			return true;
		}
		rest(REST_NS / 3);
	}
	return false;
}

static void all_at_once(double seconds, uint64_t seed)
{
	checker_start(&checker, seed, REST_NS);
	end = now() + seconds;
	do {
		sides_run();
	} while (connect_again());
	checker_stop(&checker);
}

static void steps(uint32_t gpu, uint64_t busy_seconds)
{
	struct side *side = &sides[gpu];
	uint32_t syncobj;

	gpu_cmd_busy(&side->busy, busy_seconds * 1000000000U);
	mm_step("ready");
	need(job_start(side, VA_BUSY, &side->busy, &syncobj), "the busy job");
	mm_step("busy");
	need(job_run(&sides[1]), "the job of the second GPU");
	mm_step("other");
	checker_touch(&checker);
	mm_step("touched");
	printf("fence %d\n", job_wait(syncobj));
	need(job_run(&sides[0]), "the last job of the first GPU");
	need(job_run(&sides[1]), "the last job of the second GPU");
}

static void cells_check(void)
{
	uint32_t sum = again ? 0 : sides[0].jobs + sides[1].jobs;
	size_t i, w;

	for (i = 0; i < nr_cells; i++) {
		unsigned long bad = 0;

		for (w = 0; w < WORDS; w++)
			bad += (cells[i].own[0][w] != sides[0].jobs) +
			       (cells[i].own[1][w] != sides[1].jobs) +
			       (cells[i].both[w] != sum);
		for (w = 0; w < sizeof(cells[i].same); w++)
			bad += cells[i].same[w] != (uint8_t)i;
		if (bad)
			printf("page %zu: %lu bad, GPUs %u %u both %u\n", i, bad,
			       cells[i].own[0][0], cells[i].own[1][0], cells[i].both[0]);
		wrong += bad;
	}
	wrong += checker_check(&checker);
}

static void begin(size_t mib)
{
	uint32_t i;

	if (!mib)
		errx(99, "at least 1 MiB");
	cells_make(mib);
	need(connect_once(), "the connection");
	connections++;
	for (i = 0; i < NR_GPUS; i++)
		need(job_run(&sides[i]), "the first job");
}

int main(int argc, char **argv)
{
	mm_steps_begin();
	if (argc < 3)
		errx(99, "usage: migrate-gpus SECONDS SEED MIB [again]");
	again = argc > 4 && !strcmp(argv[4], "again");
	begin(strtoul(argv[argc - 1 - again], NULL, 10));
	if (!strcmp(argv[1], "keep")) {
		mm_step("ready");
		checker_touch(&checker);
	} else if (!strcmp(argv[1], "steps") && argc == 5) {
		steps(strtoul(argv[2], NULL, 10) % NR_GPUS, strtoull(argv[3], NULL, 10));
	} else {
		puts("ready");
		all_at_once(strtod(argv[1], NULL), strtoull(argv[2], NULL, 10));
	}
	disconnect();
	cells_check();
	printf("connections %lu jobs %u %u in part %lu wrong %lu\n", connections,
	       sides[0].jobs, sides[1].jobs, parted, wrong);
	return wrong ? 1 : 0;
}
