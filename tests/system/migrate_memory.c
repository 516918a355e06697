// SPDX-License-Identifier: MIT
/*
 * migrate-memory: memory of each kind that a program may register, while the
 * host moves it.
 *
 * usage: migrate-memory KIND MIB [FILE]
 *
 * Registers memory of that kind, runs a job on it and prints "ready". After
 * SIGUSR1 (the host has moved it) it runs another job and prints "used". After
 * the next SIGUSR1 it does with it what is usual for memory of that kind, checks
 * all of it, and runs one more job. Last line: "wrong 0". Exit code: 0 all
 * right, 1 wrong data, 77 the guest has no such memory, 99 it could not run.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm.h"

#define HUGE_PAGE	(2UL << 20)
/* A transfer of a disk, and how often a page may be away when it starts. */
#define IO_OCTETS	(64UL << 10)
#define IO_TRIES	1000

static const char *file_name;
static struct mm mm;

static void fill_all(void *memory, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		mm_fill((uint32_t *)memory + i * MM_NUMBERS, (uint32_t)i);
}

/* Registered, used, moved, used there. */
static void register_and_move(void *memory, size_t pages)
{
	mm_register(&mm, memory, pages, 0);
	mm_bind(&mm, MM_VA_DATA, 0);
	mm_add(&mm);
	mm_step("ready");
	mm_add(&mm);
	mm_step("used");
}

/* There and back: a change that the pattern does not know. */
static void turn(uint32_t *page)
{
	page[MM_NUMBERS - 1] = ~page[MM_NUMBERS - 1];
}

static void use_at_last(void)
{
	mm_check(&mm, 0, mm.pages);
	mm_add(&mm);
	mm_check(&mm, 0, mm.pages);
}

static int file_open(int flags)
{
	int fd = open(file_name, flags | O_CLOEXEC);

	if (fd < 0)
		err(99, "%s", file_name);
	return fd;
}

static void must_read(int fd, void *to, size_t octets, off_t from)
{
	ssize_t got;

	for (; octets; octets -= (size_t)got, from += got) {
		got = pread(fd, to, octets, from);
		if (got <= 0)
			err(99, "pread");
		to = (char *)to + got;
	}
}

static void compare(const char *what, const void *have, const void *want, size_t octets)
{
	if (memcmp(have, want, octets)) {
		printf("%s differs\n", what);
		mm.wrong++;
	}
}

/* ---- anonymous ---- */

static void anonymous(size_t pages)
{
	void *memory = mm_map(pages);

	fill_all(memory, pages);
	register_and_move(memory, pages);
	use_at_last();
}

/* Chunks of every size, none of them where the guest's own large pages are. */
static void odd(size_t pages)
{
	uint32_t *memory = mm_map(pages + 3);

	fill_all(memory + 3 * MM_NUMBERS, pages - 11);
	register_and_move(memory + 3 * MM_NUMBERS, pages - 11);
	use_at_last();
}

/*
 * From the heap, not in a mapping of its own. The pages at its ends have other things too:
 * those stay where they are, and what is in them.
 */
static void heap(size_t pages)
{
	size_t octets = (pages + 1) * MM_PAGE, before;
	char *memory, *ends;

	if (!mallopt(M_MMAP_THRESHOLD, 1 << 30))
		err(99, "mallopt");
	memory = malloc(octets);
	ends = malloc(octets);
	if (!memory || !ends)
		err(99, "malloc");
	before = (MM_PAGE - (uintptr_t)memory % MM_PAGE) % MM_PAGE;
	memset(memory, 0x5a, octets);
	memset(ends, 0x5a, octets);
	fill_all(memory + before, pages);
	register_and_move(memory + before, pages);
	use_at_last();
	/* Now that all has gone out and come home. */
	compare("the first part of a page", memory, ends, before);
	compare("the last part of a page", memory + before + pages * MM_PAGE, ends,
		MM_PAGE - before);
	free(ends);
}

/*
 * Registered a second time while it is away, with the device that was named if there was
 * one: it comes home for that, "registered", until SIGUSR1.
 */
static void again(size_t pages)
{
	void *memory = mm_map(pages);
	static struct mm second;

	second.node = file_name;
	fill_all(memory, pages);
	register_and_move(memory, pages);
	mm_open(&second, pages);
	mm_register(&second, memory, pages, 0);
	mm_step("registered");
	use_at_last();
	mm_close(&second);
}

/* ---- huge pages ---- */

/* kB of huge pages in the mapping at @memory, by the kernel's count. */
static unsigned long huge_kb(const void *memory)
{
	unsigned long start, end, kb = 0;
	bool inside = false;
	char line[256];
	FILE *file = fopen("/proc/self/smaps", "re");

	if (!file)
		err(99, "smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)memory && end > (uintptr_t)memory;
		else if (inside && !strncmp(line, "AnonHugePages:", 14))
			kb = strtoul(line + 14, NULL, 10);
	}
	fclose(file);
	return kb;
}

static uint32_t *huge_make(size_t pages)
{
	uintptr_t at = (uintptr_t)mm_map(pages + HUGE_PAGE / MM_PAGE);
	void *memory = (void *)((at + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);

	if (madvise(memory, pages * MM_PAGE, MADV_HUGEPAGE))
		err(77, "MADV_HUGEPAGE");
	fill_all(memory, pages);
	printf("huge pages: %lu kB\n", huge_kb(memory));
	if (!huge_kb(memory))
		errx(77, "no huge pages");
	return memory;
}

/* What is one page of the guest is split while it is away. */
static void huge(size_t pages)
{
	uint32_t *memory = huge_make(pages);
	uint32_t *middle = memory + (pages / 2 + 5) * MM_NUMBERS;

	register_and_move(memory, pages);
	if (mprotect(middle, MM_PAGE, PROT_READ))
		err(99, "mprotect");
	mm_check(&mm, 0, pages);
	if (mprotect(middle, MM_PAGE, PROT_READ | PROT_WRITE))
		err(99, "mprotect");
	turn(middle);
	turn(middle);
	use_at_last();
}

/* The object begins and ends inside of large pages. */
static void huge_odd(size_t pages)
{
	uint32_t *memory = huge_make(pages);
	size_t i;

	for (i = 0; i < pages - 6; i++)
		mm_fill(memory + (i + 3) * MM_NUMBERS, (uint32_t)i);
	register_and_move(memory + 3 * MM_NUMBERS, pages - 6);
	use_at_last();
}

static void hugetlb(size_t pages)
{
	void *memory = mmap(NULL, pages * MM_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		err(77, "MAP_HUGETLB");
	fill_all(memory, pages);
	register_and_move(memory, pages);
	use_at_last();
}

/* ---- files ---- */

/* The same pages of the cache, through calls instead of the mapping. */
static void file_check(int fd)
{
	uint32_t page[MM_NUMBERS];
	size_t i;

	for (i = 0; i < mm.pages; i++) {
		must_read(fd, page, sizeof(page), (off_t)(i * MM_PAGE));
		if (mm_holds(page, (uint32_t)i, mm.jobs))
			continue;
		printf("page %zu of the file is wrong\n", i);
		mm.wrong++;
	}
}

static void file_shared(size_t pages)
{
	int fd = memfd_create("data", MFD_CLOEXEC);
	uint32_t page[MM_NUMBERS];
	void *memory;

	if (fd < 0 || ftruncate(fd, (off_t)(pages * MM_PAGE)))
		err(99, "memfd_create");
	memory = mmap(NULL, pages * MM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		err(99, "mmap");
	fill_all(memory, pages);
	register_and_move(memory, pages);
	file_check(fd);
	must_read(fd, page, sizeof(page), MM_PAGE);
	turn(page);
	if (pwrite(fd, page, sizeof(page), MM_PAGE) != sizeof(page))
		err(99, "pwrite");
	turn(mm.memory + MM_NUMBERS);
	use_at_last();
	file_check(fd);
}

/* The pin made a copy: the file stays as it was. */
static void file_private(size_t pages)
{
	size_t octets = pages * MM_PAGE, i, w;
	uint32_t *before = mm_map(pages), *after = mm_map(pages);
	int fd = file_open(O_RDONLY);
	uint32_t *memory;

	memory = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		err(99, "mmap");
	must_read(fd, before, octets, 0);
	register_and_move(memory, pages);
	must_read(fd, after, octets, 0);
	compare("the file", after, before, octets);
	for (i = 0; i < pages; i++)
		for (w = 0; w < MM_WORDS; w++)
			before[i * MM_NUMBERS + w] += mm.jobs;
	compare("the private mapping", memory, before, octets);
}

/* Copies of both, made by the GPU and by the program, must be alike. */
static void file_read_once(int fd, uint32_t *out, const void *mapping, size_t octets)
{
	void *want = mm_map(octets / MM_PAGE);

	must_read(fd, want, octets, 0);
	compare("what the GPU read", out, want, mm_copy_out(&mm));
	compare("what the program read", mapping, want, octets);
	munmap(want, octets);
}

/* Both sides read all the time: nothing has to come home for that. */
static void file_read(size_t pages)
{
	size_t octets = pages * MM_PAGE;
	int fd = file_open(O_RDONLY);
	uint32_t out_object, *out;
	void *memory;

	memory = mmap(NULL, octets, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		err(99, "mmap");
	mm_register(&mm, memory, pages, XUPTR_READONLY);
	mm_bind(&mm, MM_VA_DATA, XUPTR_READONLY);
	out = mm_out(&mm, &out_object);
	file_read_once(fd, out, memory, octets);
	mm_step("ready");
	file_read_once(fd, out, memory, octets);
	mm_step("used");
	file_read_once(fd, out, memory, octets);
	mm_need(xuptr_unregister(mm.device, out_object), "xuptr_unregister(results)");
}

/* ---- other processes ---- */

static pid_t must_fork(void)
{
	pid_t child = fork();

	if (child < 0)
		err(99, "fork");
	return child;
}

static void child_end(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		err(99, "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		errx(99, "the child ended with %#x", status);
	mm.wrong += (unsigned long)WEXITSTATUS(status);
}

/* Another process changes every other page. */
static void shared(size_t pages)
{
	uint32_t *memory = mmap(NULL, pages * MM_PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t i;
	pid_t child;

	if (memory == MAP_FAILED)
		err(99, "mmap");
	fill_all(memory, pages);
	register_and_move(memory, pages);
	child = must_fork();
	if (!child) {
		mm_check(&mm, 0, pages);
		for (i = 0; i < pages; i += 2)
			turn(memory + i * MM_NUMBERS);
		_exit(mm.wrong ? 1 : 0);
	}
	child_end(child);
	for (i = 0; i < pages; i += 2)
		turn(memory + i * MM_NUMBERS);
	use_at_last();
}

/* The child has all that the GPU had done when it began, and nothing of later. */
static void fork_away(size_t pages)
{
	uint32_t *memory = mm_map(pages);
	int go[2];
	char octet;
	pid_t child;

	fill_all(memory, pages);
	register_and_move(memory, pages);
	if (pipe(go))
		err(99, "pipe");
	child = must_fork();
	if (!child) {
		if (read(go[0], &octet, 1) != 1)
			_exit(99);
		mm_check(&mm, 0, pages);
		memset(memory, 0, pages * MM_PAGE);
		_exit(mm.wrong ? 1 : 0);
	}
	mm_add(&mm);
	if (write(go[1], "", 1) != 1)
		err(99, "write");
	child_end(child);
	use_at_last();
}

/* Again and again, while the host moves the memory; the GPU works meanwhile. */
static void fork_often(size_t pages)
{
	uint32_t *memory = mm_map(pages), syncobj;
	int rounds = 0;
	pid_t child;

	fill_all(memory, pages);
	mm_register(&mm, memory, pages, 0);
	mm_bind(&mm, MM_VA_DATA, 0);
	mm_add(&mm);
	puts("ready");
	do {
		child = must_fork();
		if (!child) {
			mm_check(&mm, 0, pages);
			memset(memory, 0, pages * MM_PAGE);
			_exit(mm.wrong ? 1 : 0);
		}
		syncobj = mm_start(&mm);
		child_end(child);
		mm_need(mm_wait(&mm, syncobj), "the job");
		mm.jobs++;
		rounds++;
	} while (!mm_is_told());
	printf("forked %d times\n", rounds);
	use_at_last();
}

/* ---- a disk ---- */

/* May fail while a page is away, as the manual says; then it is on its way home. */
static unsigned int direct(int fd, void *memory, size_t octets, bool to_disk)
{
	unsigned int failed;
	ssize_t done;

	for (failed = 0; failed < IO_TRIES; failed++) {
		done = to_disk ? pwrite(fd, memory, octets, 0) : pread(fd, memory, octets, 0);
		if (done == (ssize_t)octets)
			return failed;
		if (done >= 0 || errno != EIO)
			err(99, "O_DIRECT");
	}
	errx(99, "O_DIRECT fails for ever");
}

/* What the GPU wrote goes to the disk, what the disk has reaches the GPU. */
static void direct_io(size_t pages)
{
	size_t octets = pages * MM_PAGE, at, i;
	unsigned int failed = 0;
	uint32_t *memory = mm_map(pages), *copy = mm_map(pages);
	int fd = file_open(O_RDWR | O_DIRECT);

	fill_all(memory, pages);
	register_and_move(memory, pages);
	for (at = 0; at < octets; at += IO_OCTETS) {
		failed += direct(fd, (char *)memory + at, IO_OCTETS, true);
		failed += direct(fd, (char *)copy + at, IO_OCTETS, false);
	}
	printf("writes that failed: %u\n", failed);
	for (i = 0; i < pages; i++)
		if (!mm_holds(copy + i * MM_NUMBERS, (uint32_t)i, mm.jobs))
			mm.wrong++;
	mm_step("written");
	for (failed = 0, at = 0; at < octets; at += IO_OCTETS) {
		failed += direct(fd, (char *)copy + at, IO_OCTETS, true);
		failed += direct(fd, (char *)memory + at, IO_OCTETS, false);
	}
	printf("reads that failed: %u\n", failed);
	use_at_last();
}

/* ---- */

static const struct {
	const char *name;
	void (*run)(size_t pages);
} kinds[] = {
	{ "anonymous", anonymous },
	{ "odd", odd },
	{ "malloc", heap },
	{ "again", again },
	{ "huge", huge },
	{ "huge-odd", huge_odd },
	{ "hugetlb", hugetlb },
	{ "file-shared", file_shared },
	{ "file-private", file_private },
	{ "file-read", file_read },
	{ "shared", shared },
	{ "fork", fork_away },
	{ "fork-often", fork_often },
	{ "direct", direct_io },
};

static void kind_run(const char *name, size_t pages)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name))
			continue;
		mm_open(&mm, pages);
		kinds[i].run(pages);
		mm_close(&mm);
		printf("jobs %u wrong %lu\n", mm.jobs, mm.wrong);
		return;
	}
	errx(99, "no memory of kind %s", name);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(99, "usage: migrate-memory KIND MIB [FILE]");
	mm_steps_begin();
	file_name = argc > 3 ? argv[3] : NULL;
	kind_run(argv[1], strtoul(argv[2], NULL, 10) * 256);
	return mm.wrong ? 1 : 0;
}
