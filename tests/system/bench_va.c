// SPDX-License-Identifier: MIT
/*
 * Figures of address spaces and jobs, for the scenario bench-va: each prints lines
 * "sample NAME VALUE".
 *
 * usage: bench-va create ROUNDS     CREATE of 4,000 ranges and of one range, as large
 *        bench-va mixed ROUNDS      the same with ranges of 4 KiB and one of 256 MiB
 *        bench-va munmap ROUNDS     the notifier's time: 4 KiB and 256 MiB unmapped
 *        bench-va part ROUNDS       the same: a page of 128 KiB and of 256 MiB
 *        bench-va exec ROUNDS       an empty job, to its fence: median; notifications
 *        bench-va queue JOBS        many at once: jobs for one notification
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "gpu_cmd.h"
#include "program.h"
#include "xenuserptr.h"

#define NR_RANGES	4000U
#define RANGE_PAGES	8U
#define LARGE		((size_t)256 << 20)
#define CMD_VA		0x10000000ULL
#define NR_NOTIFIERS	3U
#define NR_PAGES	16U

static struct xuptr_device *device;

static char *memory_map(size_t octets)
{
	char *memory = mmap(NULL, octets, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(99, "mmap");
	memset(memory, 1, octets);
	return memory;
}

/* A number in the sysfs directory of the first device. */
static uint64_t stat_get(const char *name)
{
	char path[128];
	uint64_t value;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/xen/devices/userptr-0/userptr/%s", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%" SCNu64, &value) != 1)
		err(99, "%s", path);
	fclose(file);
	return value;
}

/* Nothing tells when the grants have ended. */
static void wait_released(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (stat_get("grants"))
		nanosleep(&pause, NULL);
}

static void create_once(const struct xuptr_range *ranges, uint32_t nr, const char *name)
{
	uint32_t object;
	double start = now();

	need(xuptr_register(device, ranges, nr, 0, &object, NULL), "register");
	printf("sample %s %.6f\n", name, now() - start);
	need(xuptr_unregister(device, object), "unregister");
	wait_released();
}

static void bench_create(unsigned long rounds)
{
	static struct xuptr_range range[NR_RANGES];
	size_t octets = RANGE_PAGES * XUPTR_PAGE_SIZE, stride = octets + XUPTR_PAGE_SIZE;
	char *scattered = memory_map(NR_RANGES * stride);
	struct xuptr_range one = { memory_map(NR_RANGES * octets), NR_RANGES * octets };
	uint32_t i;

	for (i = 0; i < NR_RANGES; i++) {
		range[i].addr = scattered + i * stride;
		range[i].length = octets;
	}
	while (rounds--) {
		create_once(&one, 1, "create_one");
		create_once(range, NR_RANGES, "create_ranges");
	}
}

/* One range of 256 MiB among 3,999 single pages. */
static void bench_mixed(unsigned long rounds)
{
	static struct xuptr_range range[NR_RANGES];
	size_t octets = LARGE + (NR_RANGES - 1) * XUPTR_PAGE_SIZE;
	char *scattered = memory_map(NR_RANGES * 2 * XUPTR_PAGE_SIZE);
	struct xuptr_range one = { memory_map(octets), octets };
	uint32_t i;

	for (i = 0; i < NR_RANGES; i++) {
		range[i].addr = scattered + i * 2 * XUPTR_PAGE_SIZE;
		range[i].length = XUPTR_PAGE_SIZE;
	}
	range[NR_RANGES / 2].addr = memory_map(LARGE);
	range[NR_RANGES / 2].length = LARGE;
	while (rounds--) {
		create_once(&one, 1, "create_one_large");
		create_once(range, NR_RANGES, "create_mixed");
	}
}

struct notified {
	uint64_t calls, ns;
};

static struct notified notified_now(void)
{
	return (struct notified){ stat_get("notifier_calls"), stat_get("notifier_ns") };
}

/*
 * The mean over the calls since @before, @nr and what the kernel has called them for of its
 * own accord: the first finds nothing in a cache.
 */
static void notified_print(struct notified before, unsigned int nr, const char *name)
{
	struct notified after = notified_now();
	uint64_t calls = after.calls - before.calls;

	if (calls < nr)
		errx(99, "%" PRIu64 " of %u notifiers were called", calls, nr);
	printf("sample %s %.1f\n", name, (double)(after.ns - before.ns) / calls);
}

/* Several objects of the same memory, so that one munmap calls as many notifiers. */
static void munmap_whole(size_t octets, const char *name)
{
	void *memory = memory_map(octets);
	uint32_t object[NR_NOTIFIERS];
	struct notified before;
	unsigned int i;

	for (i = 0; i < NR_NOTIFIERS; i++)
		need(xuptr_register_one(device, memory, octets, 0, &object[i]), "register");
	before = notified_now();
	munmap(memory, octets);
	notified_print(before, NR_NOTIFIERS, name);
	for (i = 0; i < NR_NOTIFIERS; i++)
		need(xuptr_unregister(device, object[i]), "unregister");
	wait_released();
}

static void bench_munmap(unsigned long rounds)
{
	while (rounds--) {
		munmap_whole(XUPTR_PAGE_SIZE, "notifier_small");
		munmap_whole(LARGE, "notifier_large");
	}
}

/* Single pages, one after another, of @memory from @page on. */
static void munmap_pages(char *memory, size_t page, const char *name)
{
	struct notified before = notified_now();
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		munmap(memory + (page + 2 * i) * XUPTR_PAGE_SIZE, XUPTR_PAGE_SIZE);
	notified_print(before, NR_PAGES, name);
}

/* One page of a large object, one of a small. */
static void bench_part(unsigned long rounds)
{
	size_t octets = 2 * NR_PAGES * XUPTR_PAGE_SIZE, page = LARGE / XUPTR_PAGE_SIZE / 2;
	char *large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *small;
	uint32_t large_object, object;

	/* Splitting a large page calls the notifier once more. */
	if (large == MAP_FAILED || madvise(large, LARGE, MADV_NOHUGEPAGE))
		err(99, "madvise");
	memset(large, 1, LARGE);
	need(xuptr_register_one(device, large, LARGE, 0, &large_object), "register");
	while (rounds--) {
		small = memory_map(octets);
		need(xuptr_register_one(device, small, octets, 0, &object), "register");
		munmap_pages(small, 0, "notifier_page_of_small");
		munmap_pages(large, page, "notifier_page_of_large");
		page += 2 * NR_PAGES;
		munmap(small, octets);
		need(xuptr_unregister(device, object), "unregister");
	}
}

/* A VM with an empty job at CMD_VA; returns its length. */
static uint32_t job_make(uint32_t *vm)
{
	void *memory = memory_map(XUPTR_PAGE_SIZE);
	struct gpu_cmd cmd;
	uint32_t object;

	need(xuptr_register_one(device, memory, XUPTR_PAGE_SIZE, 0, &object), "register");
	need(xuptr_vm_create(device, vm), "vm_create");
	need(xuptr_map(device, *vm, object, 0, XUPTR_PAGE_SIZE, CMD_VA, 0), "map");
	gpu_cmd_begin(&cmd, memory, XUPTR_PAGE_SIZE);
	gpu_cmd_busy(&cmd, 0);
	return gpu_cmd_octets(&cmd);
}

static uint32_t job_queue(uint32_t vm, uint32_t length)
{
	struct xuptr_sync sync = { .signal = 1 };

	need(xuptr_fence_create(device, &sync.syncobj), "fence_create");
	need(xuptr_exec(device, vm, 0, CMD_VA, length, &sync, 1), "exec");
	return sync.syncobj;
}

static void job_wait(uint32_t syncobj)
{
	need(xuptr_fence_wait(device, syncobj, -1), "fence_wait");
	need(xuptr_fence_destroy(device, syncobj), "fence_destroy");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench_exec(unsigned long rounds)
{
	double *took = calloc(rounds + 1, sizeof(*took)), start;
	uint64_t sent, received;
	uint32_t vm, length = job_make(&vm);
	unsigned long i;

	if (!took)
		err(99, "memory");
	job_wait(job_queue(vm, length));
	sent = stat_get("notifications");
	received = stat_get("interrupts");
	for (i = 0; i < rounds; i++) {
		start = now();
		job_wait(job_queue(vm, length));
		took[i] = now() - start;
	}
	qsort(took, rounds, sizeof(*took), by_size);
	printf("sample exec_round_trip %.6f\n", took[rounds / 2]);
	free(took);
	printf("sample exec_sent %.2f\n", (double)(stat_get("notifications") - sent) / rounds);
	printf("sample exec_received %.2f\n", (double)(stat_get("interrupts") - received) / rounds);
}

static void bench_queue(unsigned long jobs)
{
	uint32_t vm, length = job_make(&vm);
	uint32_t *syncobj = calloc(jobs, sizeof(*syncobj));
	uint64_t sent, received;
	unsigned long i;

	if (!syncobj)
		err(99, "memory");
	sent = stat_get("notifications");
	received = stat_get("interrupts");
	for (i = 0; i < jobs; i++)
		syncobj[i] = job_queue(vm, length);
	for (i = 0; i < jobs; i++)
		job_wait(syncobj[i]);
	printf("sample queue_sent %.2f\n", (double)jobs / (stat_get("notifications") - sent));
	printf("sample queue_received %.2f\n", (double)jobs / (stat_get("interrupts") - received));
	free(syncobj);
}

static const struct {
	const char *name;
	void (*run)(unsigned long nr);
} benches[] = {
	{ "create", bench_create }, { "mixed", bench_mixed }, { "munmap", bench_munmap },
	{ "part", bench_part },
	{ "exec", bench_exec }, { "queue", bench_queue },
};

int main(int argc, char **argv)
{
	size_t i;

	need(xuptr_open(NULL, &device), "xuptr_open");
	for (i = 0; argc == 3 && i < sizeof(benches) / sizeof(benches[0]); i++)
		if (!strcmp(argv[1], benches[i].name)) {
			benches[i].run(strtoul(argv[2], NULL, 10));
			xuptr_close(device);
			return 0;
		}
	errx(99, "usage: %s create|mixed|munmap|part|exec|queue NUMBER", argv[0]);
}
