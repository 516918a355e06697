// SPDX-License-Identifier: MIT
/*
 * migrate-shared: memory that no mapping of the GPU can write, so that it is in
 * VRAM and at home at once, until somebody writes.
 *
 * usage: migrate-shared write|bind|read MIB
 *
 * Prints "ready" when the GPU has read all of it once. After SIGUSR1 (the host
 * has shared it) both sides read all of it: "used". After the next SIGUSR1:
 * write: changes one number in the middle: "written". bind: binds it once more,
 * for writing, and has the GPU write: "bound". After the last SIGUSR1 both must
 * see all changes. read: nobody writes. Last line: "wrong 0". Exit code: 0 all
 * right, 1 wrong data, 99 it could not run.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm.h"
#include "program.h"

#define VA_WRITE	0x002000000000ULL

static struct mm mm;
static uint32_t *out;

/* Sum of all numbers: every one is read. */
static uint64_t read_all(void)
{
	const volatile uint32_t *numbers = mm.memory;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < mm.pages * MM_NUMBERS; i++)
		sum += numbers[i];
	return sum;
}

static void both_read(void)
{
	size_t octets = mm_copy_out(&mm);

	if (memcmp(out, mm.memory, octets)) {
		puts("the GPU and the program differ");
		mm.wrong++;
	}
}

static void times_read(const char *where)
{
	double start = now(), end = start + 3;
	unsigned int rounds = 0;

	while (now() < end) {
		read_all();
		rounds++;
	}
	printf("reads %s: %.1f MiB/s\n", where,
	       rounds * (double)mm.pages / 256 / (now() - start));
}

static void write_one(void)
{
	mm.memory[mm.pages / 2 * MM_NUMBERS + 7]++;
	mm_step("written");
	both_read();
	mm.memory[mm.pages / 2 * MM_NUMBERS + 7]--;
}

/* The GPU writes through its new mapping and reads through the old one. */
static void bind_for_writing(void)
{
	size_t i;

	mm_bind(&mm, VA_WRITE, 0);
	mm_begin(&mm);
	for (i = 0; i < mm.pages; i++)
		gpu_cmd_inc(&mm.cmd, VA_WRITE + i * MM_PAGE, 1, MM_WORDS);
	mm_need(mm_run(&mm), "the job");
	mm.jobs++;
	mm_step("bound");
	both_read();
}

static void walk(const char *mode)
{
	both_read();
	times_read("at home");
	mm_step("ready");
	both_read();
	times_read("when shared");
	mm_step("used");
	if (!strcmp(mode, "write"))
		write_one();
	else if (!strcmp(mode, "bind"))
		bind_for_writing();
	both_read();
	mm_check(&mm, 0, mm.pages);
}

int main(int argc, char **argv)
{
	uint32_t *memory, out_object;
	size_t pages, i;

	if (argc < 3)
		errx(99, "usage: migrate-shared write|bind|read MIB");
	mm_steps_begin();
	pages = strtoul(argv[2], NULL, 10) * 256;
	memory = mm_map(pages);
	for (i = 0; i < pages; i++)
		mm_fill(memory + i * MM_NUMBERS, (uint32_t)i);
	mm_open(&mm, pages);
	mm_register(&mm, memory, pages, 0);
	mm_bind(&mm, MM_VA_DATA, XUPTR_READONLY);
	out = mm_out(&mm, &out_object);
	walk(argv[1]);
	mm_need(xuptr_unregister(mm.device, out_object), "xuptr_unregister(results)");
	mm_close(&mm);
	printf("wrong %lu\n", mm.wrong);
	return mm.wrong ? 1 : 0;
}
