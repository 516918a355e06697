// SPDX-License-Identifier: MIT
/*
 * migrate-hostile: a guest's program that makes it hard to move its memory, and
 * one that measures whether others notice.
 *
 * usage: migrate-hostile touch|refs|spin MIB
 *
 * touch: after each SIGUSR1 touches its memory and says how long that took:
 * "touched NUMBER MILLISECONDS".
 * refs: one of its pages is granted to dom0 a second time, by a gref that it
 * prints: "grefs: GREF". After SIGUSR1 it checks all.
 * spin: between two SIGUSR1 computes without any call, then checks all.
 * All print "ready" when the first job has run. Last line: "wrong 0". Exit code:
 * 0 all right, 1 wrong data, 99 it could not run.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mm.h"
#include "program.h"

#define REFS_PAGE	5

static struct mm mm;
static volatile sig_atomic_t spun;

/* There and back, so that the pattern stays. */
static void touch_all(void)
{
	size_t i;

	for (i = 0; i < mm.pages; i++) {
		volatile uint32_t *last = mm.memory + (i + 1) * MM_NUMBERS - 1;

		*last = ~*last;
		*last = ~*last;
	}
}

static void touch(void)
{
	unsigned int number;
	char line[64];
	double start;

	mm_step("ready");
	for (number = 1; ; number++) {
		start = now();
		touch_all();
		snprintf(line, sizeof(line), "touched %u %.1f", number, (now() - start) * 1000);
		mm_check(&mm, 0, mm.pages);
		if (mm.wrong)
			return;
		mm_step(line);
	}
}

static void on_go(int number)
{
	(void)number;
	spun = 1;
}

static void spin(void)
{
	sigset_t go;

	if (signal(SIGUSR1, on_go) == SIG_ERR)
		err(99, "signal");
	mm_step("ready");
	puts("spinning");
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	mm_need(-pthread_sigmask(SIG_UNBLOCK, &go, NULL), "pthread_sigmask");
	while (!spun)
		;
}

/* By rv_pages, which tells the gref. */
static void page_grant(const uint32_t *at)
{
	int fd = open("/dev/rv-pages", O_RDWR | O_CLOEXEC);
	char text[64];
	ssize_t length;

	length = snprintf(text, sizeof(text), "user 0 %lu", (unsigned long)(uintptr_t)at);
	if (fd < 0 || write(fd, text, (size_t)length) != length)
		err(99, "rv-pages");
	length = pread(fd, text, sizeof(text) - 1, 0);
	if (length <= 0)
		err(99, "answer of rv-pages");
	printf("grefs: %.*s", (int)length, text);
	close(fd);
}

static void memory_make(size_t pages, bool granted_twice)
{
	uint32_t *memory = mm_map(pages);
	size_t i;

	for (i = 0; i < pages; i++)
		mm_fill(memory + i * MM_NUMBERS, (uint32_t)i);
	if (granted_twice)
		page_grant(memory + REFS_PAGE * MM_NUMBERS);
	mm_open(&mm, pages);
	mm_register(&mm, memory, pages, 0);
	mm_bind(&mm, MM_VA_DATA, 0);
	mm_add(&mm);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(99, "usage: migrate-hostile touch|refs|spin MIB");
	mm_steps_begin();
	memory_make(strtoul(argv[2], NULL, 10) * 256, !strcmp(argv[1], "refs"));
	if (!strcmp(argv[1], "touch"))
		touch();
	else if (!strcmp(argv[1], "spin"))
		spin();
	else
		mm_step("ready");
	mm_check(&mm, 0, mm.pages);
	mm_add(&mm);
	mm_check(&mm, 0, mm.pages);
	mm_close(&mm);
	printf("jobs %u wrong %lu\n", mm.jobs, mm.wrong);
	return mm.wrong ? 1 : 0;
}
