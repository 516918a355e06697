// SPDX-License-Identifier: MIT
/*
 * The main job, as a user's program would be written: the host's GPU computes
 * on this guest program's own memory.
 *
 * usage: main-job [--mib N] [--file PATH]
 *
 * (a) saxpy in place on malloc'd floats, compared with the CPU's result;
 * (b) CRC32C and byte histogram of a file that is mapped shared and read-only;
 * (c) scattered ranges at one GPU address, and a second object sharing pages;
 * (d) everything freed: pins are back to the number from before.
 *
 * Prints one line a step: "row STEP | WHAT | RESULT | TIME". Exit code 0: all
 * results right; 1: one was wrong; 99: could not be run.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gpu_cmd.h"
#include "program.h"
#include "xenuserptr.h"

#define PAGE		((size_t)XUPTR_PAGE_SIZE)
#define MIB		(1024UL * 1024)

/* Where things go in the GPU's address space; far apart, nothing overlaps. */
#define VA_CMD		0x000010000000ULL
#define VA_RESULT	0x000020000000ULL
#define VA_DATA		0x000100000000ULL
#define VA_FILE		0x000200000000ULL

/* What the GPU writes for a file. */
struct digest {
	uint32_t histogram[256];
	uint32_t crc32c;
};

struct gpu {
	struct xuptr_device *device;
	uint32_t vm;
	void *cmd_memory;	/* one page, bound at VA_CMD */
	uint32_t cmd_object;
};

static int failures;

static void row(const char *step, const char *what, bool right, double seconds)
{
	printf("row %s | %s | %s | %.2f s\n", step, what, right ? "right" : "WRONG", seconds);
	failures += !right;
}

/* The job cannot go on: say which call failed and why. */
static void *pages_alloc(size_t octets)
{
	void *memory = aligned_alloc(PAGE, octets);

	if (!memory)
		err(99, "aligned_alloc");
	memset(memory, 0, octets);
	return memory;
}

static void gpu_open(struct gpu *gpu)
{
	struct xuptr_info info;

	need(xuptr_open(NULL, &gpu->device), "xuptr_open");
	need(xuptr_get_info(gpu->device, &info, sizeof(info)), "xuptr_get_info");
	printf("gpu %s, %u-bit addresses, %u engines\n", info.gpu_name, info.va_bits,
	       info.nr_engines);
	need(xuptr_vm_create(gpu->device, &gpu->vm), "xuptr_vm_create");
	gpu->cmd_memory = pages_alloc(PAGE);
	need(xuptr_register_one(gpu->device, gpu->cmd_memory, PAGE, 0, &gpu->cmd_object),
	     "xuptr_register_one(commands)");
	need(xuptr_map(gpu->device, gpu->vm, gpu->cmd_object, 0, PAGE, VA_CMD, 0),
	     "xuptr_map(commands)");
}

static void gpu_close(struct gpu *gpu)
{
	need(xuptr_unregister(gpu->device, gpu->cmd_object), "xuptr_unregister(commands)");
	need(xuptr_vm_destroy(gpu->device, gpu->vm), "xuptr_vm_destroy");
	xuptr_close(gpu->device);
	free(gpu->cmd_memory);
}

static void gpu_run(struct gpu *gpu, const struct gpu_cmd *cmd)
{
	struct xuptr_sync done = { .signal = 1 };

	need(xuptr_fence_create(gpu->device, &done.syncobj), "xuptr_fence_create");
	need(xuptr_exec(gpu->device, gpu->vm, 0, VA_CMD, gpu_cmd_octets(cmd), &done, 1),
	     "xuptr_exec");
	need(xuptr_fence_wait(gpu->device, done.syncobj, -1), "the job");
	need(xuptr_fence_destroy(gpu->device, done.syncobj), "xuptr_fence_destroy");
}

/* Register memory and bind all of it at va. */
static uint32_t memory_give(struct gpu *gpu, void *memory, size_t octets, uint64_t va,
			    uint32_t flags)
{
	uint32_t object;

	need(xuptr_register_one(gpu->device, memory, octets, flags, &object),
	     "xuptr_register_one");
	need(xuptr_map(gpu->device, gpu->vm, object, 0, octets, va, flags), "xuptr_map");
	return object;
}

static void memory_take(struct gpu *gpu, uint32_t object, uint64_t va, size_t octets)
{
	need(xuptr_unmap(gpu->device, gpu->vm, va, octets), "xuptr_unmap");
	need(xuptr_unregister(gpu->device, object), "xuptr_unregister");
}

static void saxpy_fill(float *x, float *y, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		x[i] = (float)(i % 1013) * 0.25f - 100.0f;
		y[i] = (float)(i % 911) * 0.5f + 3.0f;
	}
}

/* How many elements differ from the CPU's own result, bit by bit. */
static size_t saxpy_compare(const float *x, const float *y, size_t nr, float a)
{
	size_t i, wrong = 0;

	for (i = 0; i < nr; i++) {
		volatile float product = a * ((float)(i % 1013) * 0.25f - 100.0f);
		float want = product + ((float)(i % 911) * 0.5f + 3.0f);
		float x_want = (float)(i % 1013) * 0.25f - 100.0f;

		wrong += memcmp(&want, &y[i], sizeof(want)) || memcmp(&x_want, &x[i], sizeof(want));
	}
	return wrong;
}

static void step_saxpy(struct gpu *gpu, size_t octets)
{
	const float a = 2.5f;
	float *x = pages_alloc(octets), *y = x + octets / sizeof(float) / 2;
	size_t nr = octets / sizeof(float) / 2;
	struct gpu_cmd cmd;
	uint32_t object;
	char what[64];
	double start;

	saxpy_fill(x, y, nr);
	start = now();
	object = memory_give(gpu, x, octets, VA_DATA, 0);
	snprintf(what, sizeof(what), "register %zu MiB of malloc'd memory", octets / MIB);
	row("a", what, true, now() - start);

	start = now();
	gpu_cmd_begin(&cmd, gpu->cmd_memory, PAGE);
	gpu_cmd_saxpy(&cmd, VA_DATA + octets / 2, a, VA_DATA, nr);
	gpu_run(gpu, &cmd);
	snprintf(what, sizeof(what), "saxpy of %zu floats in place", nr);
	row("a", what, saxpy_compare(x, y, nr, a) == 0, now() - start);
	memory_take(gpu, object, VA_DATA, octets);
	free(x);
}

/* CRC32C bit by bit: slow and easy to see. */
static uint32_t crc32c(const uint8_t *data, size_t nr)
{
	uint32_t table[256], crc = ~0U, i;
	int bit;

	for (i = 0; i < 256; i++) {
		uint32_t c = i;

		for (bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? 0x82f63b78U : 0);
		table[i] = c;
	}
	while (nr--)
		crc = (crc >> 8) ^ table[(crc ^ *data++) & 0xff];
	return ~crc;
}

static void digest_of(const uint8_t *data, size_t nr, struct digest *digest)
{
	size_t i;

	memset(digest, 0, sizeof(*digest));
	for (i = 0; i < nr; i++)
		digest->histogram[data[i]]++;
	digest->crc32c = crc32c(data, nr);
}

static void step_file(struct gpu *gpu, const char *path)
{
	struct digest *result = pages_alloc(PAGE), want;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t object, result_object;
	struct gpu_cmd cmd;
	struct stat st;
	size_t octets;
	double start;
	void *data;

	if (fd < 0 || fstat(fd, &st) || st.st_size == 0)
		err(99, "%s", path);
	octets = ((size_t)st.st_size + PAGE - 1) / PAGE * PAGE;
	data = mmap(NULL, octets, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		err(99, "mmap %s", path);
	close(fd);

	start = now();
	object = memory_give(gpu, data, octets, VA_FILE, XUPTR_READONLY);
	result_object = memory_give(gpu, result, PAGE, VA_RESULT, 0);
	gpu_cmd_begin(&cmd, gpu->cmd_memory, PAGE);
	gpu_cmd_histogram(&cmd, VA_RESULT, VA_FILE, (uint64_t)st.st_size);
	gpu_cmd_crc32c(&cmd, VA_RESULT + offsetof(struct digest, crc32c), VA_FILE,
		       (uint64_t)st.st_size);
	gpu_run(gpu, &cmd);
	digest_of(data, (size_t)st.st_size, &want);
	row("b", "CRC32C of a file mapped read-only", result->crc32c == want.crc32c,
	    now() - start);
	row("b", "its byte histogram",
	    !memcmp(result->histogram, want.histogram, sizeof(want.histogram)), now() - start);
	memory_take(gpu, result_object, VA_RESULT, PAGE);
	memory_take(gpu, object, VA_FILE, octets);
	munmap(data, octets);
	free(result);
}

/* Every third page of memory, the last one first, as one buffer. */
#define SCATTERED	64U

static uint32_t scattered_give(struct gpu *gpu, uint8_t *memory)
{
	struct xuptr_range ranges[SCATTERED];
	uint32_t object, i, bad = 0;
	int ret;

	for (i = 0; i < SCATTERED; i++) {
		ranges[i].addr = memory + (size_t)(SCATTERED - 1 - i) * 3 * PAGE;
		ranges[i].length = PAGE;
	}
	ret = xuptr_register(gpu->device, ranges, SCATTERED, 0, &object, &bad);
	if (ret)
		errx(99, "xuptr_register(range %u): %s", bad, strerror(-ret));
	need(xuptr_map(gpu->device, gpu->vm, object, 0, SCATTERED * PAGE, VA_DATA, 0),
	     "xuptr_map(scattered)");
	return object;
}

static bool scattered_right(const uint8_t *memory)
{
	const size_t words = PAGE / sizeof(uint32_t);
	size_t page, word;

	for (page = 0; page < SCATTERED * 3; page++) {
		const uint32_t *p = (const uint32_t *)(memory + page * PAGE);
		/* The second object covers the first three pages of memory. */
		uint32_t want = (page % 3 == 0 ? 7 : 0) + (page < 3 ? 1 : 0);

		for (word = 0; word < words; word++)
			if (p[word] != want)
				return false;
	}
	return true;
}

static void step_scattered(struct gpu *gpu)
{
	uint8_t *memory = pages_alloc(SCATTERED * 3 * PAGE);
	uint32_t object = scattered_give(gpu, memory), second;
	double start = now();
	struct gpu_cmd cmd;

	second = memory_give(gpu, memory, 3 * PAGE, VA_FILE, 0);
	gpu_cmd_begin(&cmd, gpu->cmd_memory, PAGE);
	gpu_cmd_fill(&cmd, VA_DATA, 7, SCATTERED * PAGE);
	gpu_cmd_inc(&cmd, VA_FILE, 1, 3 * PAGE / sizeof(uint32_t));
	gpu_run(gpu, &cmd);
	row("c", "64 scattered ranges at one address, pages shared by two objects",
	    scattered_right(memory), now() - start);
	memory_take(gpu, second, VA_FILE, 3 * PAGE);
	memory_take(gpu, object, VA_DATA, SCATTERED * PAGE);
	free(memory);
}

static unsigned long pinned_kib(void)
{
	unsigned long value = 0;
	char line[128];
	bool found = false;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "VmPin: %lu", &value) == 1;
	if (!found)
		errx(99, "no VmPin in /proc/self/status");
	fclose(file);
	return value;
}

/*
 * Unpinning follows the host's answer and closing does not wait for it. No
 * event tells when VmPin falls, so look again for a bounded time.
 */
static bool pinned_settles(unsigned long kib)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	double limit = now() + 30;

	while (pinned_kib() != kib && now() < limit)
		nanosleep(&pause, NULL);
	return pinned_kib() == kib;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "file", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = "/proc/self/exe";
	unsigned long pinned, mib = 64;
	struct gpu gpu;
	double start;
	int option;

	while ((option = getopt_long(argc, argv, "m:f:", options, NULL)) != -1) {
		if (option == 'm')
			mib = strtoul(optarg, NULL, 10);
		else if (option == 'f')
			file = optarg;
		else
			return 99;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pinned = pinned_kib();
	gpu_open(&gpu);
	step_saxpy(&gpu, mib * MIB);
	step_file(&gpu, file);
	step_scattered(&gpu);
	start = now();
	gpu_close(&gpu);
	row("d", "all freed: pinned memory is what it was", pinned_settles(pinned),
	    now() - start);
	return failures ? 1 : 0;
}
