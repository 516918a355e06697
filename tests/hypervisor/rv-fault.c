// SPDX-License-Identifier: MIT
/*
 * Measures a guest that has many page faults: prints the nanoseconds of a loop that has
 * none, and of mapping, touching and unmapping memory.
 *
 * With "spin" it only keeps its processor busy until it is killed, in a way that lets an
 * emulator which runs one processor at a time go on with the others.
 */
#include "rv.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LOOPS 3000000
#define PAGES 2048
#define ROUNDS 4

static uint64_t loop(void)
{
	uint64_t start = now_ns(), state = 1, sum = 0;
	unsigned int i;

	for (i = 0; i < LOOPS; i++)
		sum += random_next(&state);
	/* The compiler must not leave it out. */
	__asm__ volatile("" : : "r"(sum));
	return now_ns() - start;
}

static uint64_t fault(void)
{
	uint64_t start = now_ns();
	volatile uint8_t *p;
	unsigned int i, k;
	void *area;

	for (i = 0; i < ROUNDS; i++) {
		area = mmap(NULL, PAGES * RV_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (area == MAP_FAILED || madvise(area, PAGES * RV_PAGE, MADV_NOHUGEPAGE))
			die("no memory");
		p = area;
		for (k = 0; k < PAGES; k++)
			p[k * RV_PAGE] = 1;
		munmap(area, PAGES * RV_PAGE);
	}
	return now_ns() - start;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "spin"))
		for (;;)
			__builtin_ia32_pause();
	printf("loop %llu\n", (unsigned long long)loop());
	printf("fault %llu\n", (unsigned long long)fault());
	return 0;
}
