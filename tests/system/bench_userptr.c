// SPDX-License-Identifier: MIT
/*
 * Figures of a guest's program, for the scenario bench.
 *
 * usage: bench-userptr register MIB ROUNDS
 *        bench-userptr hold MIB FIFO
 *
 * register: prints the seconds of each round of register and unregister, to the
 *           moment when the last page is no longer pinned.
 * hold:     registers MIB in objects of at most 256 MiB, prints "held", and keeps
 *           them until something opens FIFO for writing and closes it.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "program.h"
#include "xenuserptr.h"

#define MIB		((size_t)1 << 20)
#define OBJECT_MIB	256U

static void *memory_alloc(size_t octets)
{
	void *memory = aligned_alloc(XUPTR_PAGE_SIZE, octets);

	if (!memory)
		err(99, "aligned_alloc");
	memset(memory, 1, octets);
	return memory;
}

static unsigned long pinned_kib(void)
{
	unsigned long value = 0;
	char line[128];
	FILE *file = fopen("/proc/self/status", "r");

	if (!file)
		err(99, "/proc/self/status");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmPin: %lu", &value) == 1)
			break;
	fclose(file);
	return value;
}

/* Unpinning follows the host's answer; nothing announces it. */
static void pins_wait(void)
{
	const struct timespec pause = { .tv_nsec = 500000 };

	while (pinned_kib())
		nanosleep(&pause, NULL);
}

static void rounds_register(struct xuptr_device *device, size_t octets, unsigned long rounds)
{
	void *memory = memory_alloc(octets);
	uint32_t object;
	double start;

	while (rounds--) {
		start = now();
		need(xuptr_register_one(device, memory, octets, 0, &object), "register");
		need(xuptr_unregister(device, object), "unregister");
		pins_wait();
		printf("%.6f\n", now() - start);
	}
	free(memory);
}

static void hold(struct xuptr_device *device, size_t mib, const char *fifo)
{
	size_t left, part;
	uint32_t object;
	char octet;
	int fd;

	for (left = mib; left; left -= part) {
		part = left < OBJECT_MIB ? left : OBJECT_MIB;
		need(xuptr_register_one(device, memory_alloc(part * MIB), part * MIB, 0, &object),
		     "register");
	}
	puts("held");
	fflush(stdout);
	fd = open(fifo, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &octet, 1) < 0)
		err(99, "%s", fifo);
}

int main(int argc, char **argv)
{
	struct xuptr_device *device;
	unsigned long mib;

	if (argc != 4)
		errx(99, "usage: %s register MIB ROUNDS | hold MIB FIFO", argv[0]);
	mib = strtoul(argv[2], NULL, 10);
	need(xuptr_open(NULL, &device), "xuptr_open");
	if (!strcmp(argv[1], "register"))
		rounds_register(device, mib * MIB, strtoul(argv[3], NULL, 10));
	else
		hold(device, mib, argv[3]);
	xuptr_close(device);
	return 0;
}
