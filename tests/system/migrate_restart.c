// SPDX-License-Identifier: MIT
/*
 * migrate-restart: a program that goes on when its GPU's backend dies, again and
 * again: it opens the device anew, registers the same memory, and runs jobs.
 *
 * usage: migrate-restart SECONDS SEED MIB
 *
 * Each job adds 1 to the numbers of each page, while the threads of checker.h work
 * on a part of their own. A job that a dying backend took along has been done in
 * part: of each number it is then asked that it was added to once or not at all,
 * and the program adds what is missing. Prints "ready" when the first job has run;
 * the last line is "wrong 0". Exit code: 0 all right, 1 wrong data, 99 it could not
 * run.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "checker.h"
#include "gpu_cmd.h"
#include "program.h"
#include "xenuserptr.h"

#define PAGE	((size_t)XUPTR_PAGE_SIZE)
#define NUMBERS	(PAGE / sizeof(uint32_t))
#define GPU_NUMBERS	(NUMBERS / 2)	/* of the page; then comes the checker's cell */
#define PAUSE_NS	200000000U
#define VA_CMD	0x000010000000ULL
#define VA_DATA	0x001000000000ULL

static uint32_t *memory;
static size_t pages;
static struct checker checker;
static uint32_t jobs;
static unsigned long wrong, parted, connections;

static struct xuptr_device *device;
static uint32_t vm;
static struct gpu_cmd cmd;
static void *cmd_memory;
static size_t cmd_octets;

static void rest_ms(long ms)
{
	const struct timespec rest = { .tv_nsec = ms * 1000000 };

	nanosleep(&rest, NULL);
}

static void memory_make(void)
{
	size_t i;

	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cmd_octets = (pages * 32 + PAGE) / PAGE * PAGE;
	cmd_memory = aligned_alloc(PAGE, cmd_octets);
	if (memory == MAP_FAILED || !cmd_memory)
		err(99, "memory");
	checker_add(&checker, memory + GPU_NUMBERS, pages);
	memset(cmd_memory, 0, cmd_octets);
	gpu_cmd_begin(&cmd, cmd_memory, cmd_octets);
	for (i = 0; i < pages; i++)
		gpu_cmd_inc(&cmd, VA_DATA + i * PAGE, 1, GPU_NUMBERS);
}

static int object_add(void *start, size_t octets, uint64_t gpu_va)
{
	uint32_t object;
	int ret;

	ret = xuptr_register_one(device, start, octets, 0, &object);
	return ret ? ret : xuptr_map(device, vm, object, 0, octets, gpu_va, 0);
}

static int connect_once(void)
{
	int ret;

	ret = xuptr_open(NULL, &device);
	if (ret) {
		device = NULL;
		return ret;
	}
	ret = xuptr_vm_create(device, &vm);
	if (!ret)
		ret = object_add(cmd_memory, cmd_octets, VA_CMD);
	if (!ret)
		ret = object_add(memory, pages * PAGE, VA_DATA);
	return ret;
}

/* False: the time is over. */
static bool connect_again(double end)
{
	int ret = -ENODEV;

	while (now() < end) {
		xuptr_close(device);
		device = NULL;
		ret = connect_once();
		if (!ret) {
			connections++;
			return true;
		}
		rest_ms(100);
	}
	printf("no connection any more: %s\n", strerror(-ret));
	return false;
}

static int job_run(void)
{
	struct xuptr_sync done = { .signal = 1 };
	int ret = xuptr_fence_create(device, &done.syncobj);

	if (ret)
		return ret;
	ret = xuptr_exec(device, vm, 0, VA_CMD, gpu_cmd_octets(&cmd), &done, 1);
	if (!ret)
		ret = xuptr_fence_wait(device, done.syncobj, -1);
	xuptr_fence_destroy(device, done.syncobj);
	return ret;
}

/* Once or not at all: what is missing is added. */
static void page_finish(size_t page)
{
	uint32_t *number = memory + page * NUMBERS;
	unsigned long bad = 0;
	size_t i;

	for (i = 0; i < GPU_NUMBERS; i++) {
		bad += number[i] != jobs && number[i] != jobs + 1;
		number[i] = jobs + 1;
	}
	if (bad)
		printf("page %zu: %lu numbers are neither %u nor %u\n", page, bad,
		       jobs, jobs + 1);
	wrong += bad;
}

static void job_finish(int error)
{
	size_t page;

	printf("job %u: %s\n", jobs, strerror(-error));
	for (page = 0; page < pages; page++)
		page_finish(page);
	parted++;
	jobs++;
}

static void all_check(void)
{
	size_t page, i;

	for (page = 0; page < pages; page++) {
		unsigned long bad = 0;

		for (i = 0; i < GPU_NUMBERS; i++)
			bad += memory[page * NUMBERS + i] != jobs;
		if (bad)
			printf("page %zu: %lu numbers are wrong\n", page, bad);
		wrong += bad;
	}
	wrong += checker_check(&checker);
}

static void jobs_run(double end)
{
	bool connected = connect_again(end);
	int ret;

	while (connected && now() < end) {
		ret = job_run();
		if (ret) {
			job_finish(ret);
			connected = connect_again(end);
			continue;
		}
		if (!jobs++)
			puts("ready");
	}
}

int main(int argc, char **argv)
{
	uint64_t seed;

	if (argc < 4)
		errx(99, "usage: migrate-restart SECONDS SEED MIB");
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = strtoull(argv[2], NULL, 10) + 1;
	pages = strtoul(argv[3], NULL, 10) * 256;
	if (!pages)
		errx(99, "at least 1 MiB");
	memory_make();
	checker_start(&checker, seed, PAUSE_NS);
	jobs_run(now() + strtod(argv[1], NULL));
	checker_stop(&checker);
	xuptr_close(device);
	all_check();
	printf("seed %s: connections %lu jobs %u in part %lu wrong %lu\n", argv[2],
	       connections, jobs, parted, wrong);
	return wrong ? 1 : 0;
}
