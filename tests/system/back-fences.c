// SPDX-License-Identifier: MIT
/*
 * Cases of back-test about fences that outlive the dma-buf: what waits for them,
 * and what does not.
 */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "back-lib.h"

/* More than the module's queue runs works at a time, on any kernel. */
#define HELD 1100
#define COOKIE_FREE 9999

/* An import that is nothing but its fence any more. */
static int fence_left(int dmabuf)
{
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	uint32_t add = 1;

	CHECK(ioctl(importer, XU_FENCE, &add) == 0);
	CHECK(ioctl(importer, XU_DETACH) == 0);
	return importer;
}

static void fence_signal(int importer)
{
	uint32_t signal_it = 0;

	CHECK(ioctl(importer, XU_FENCE, &signal_it) == 0);
	close(importer);
}

static void two_fences(int fd, int first)
{
	int dmabuf = map(fd, 0, 4, 41), importers[2];

	CHECK(dmabuf >= 0);
	for (int i = 0; i < 2; i++)
		importers[i] = fence_left(dmabuf);
	close(dmabuf);
	CHECK(!readable(fd, QUIET_MS));
	fence_signal(importers[first]);
	CHECK(!readable(fd, QUIET_MS));
	CHECK(stats(fd).mapped == 4);
	fence_signal(importers[!first]);
	expect_unmapped(fd, 41);
}

/* All of them have to signal, in whatever order they do. */
static void test_fences_of_two(void)
{
	int fd = back_bound(MAX_GREFS);

	two_fences(fd, 0);
	two_fences(fd, 1);
	close(fd);
}

static void descriptors_allow(rlim_t nr)
{
	struct rlimit limit = { nr, nr };

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void expect_all_unmapped(int fd)
{
	struct xen_userptr_back_record r;
	bool seen[HELD] = { false };

	for (int i = 0; i < HELD; i++) {
		r = record_next(fd);
		CHECK(r.type == XEN_USERPTR_BACK_UNMAPPED);
		CHECK(r.cookie < HELD && !seen[r.cookie]);
		seen[r.cookie] = true;
	}
	CHECK(stats(fd).mapped == 0);
}

/*
 * An object without a fence ends meanwhile. Then the script looks at the workers,
 * and writes a line.
 */
static void test_fences_many(void)
{
	int fd = back_bound(MAX_GREFS), importers[HELD], dmabuf;
	char c;

	descriptors_allow(HELD + 64);
	for (uint32_t i = 0; i < HELD; i++) {
		dmabuf = map(fd, i % ngrefs, 1, i);
		CHECK(dmabuf >= 0);
		importers[i] = fence_left(dmabuf);
		close(dmabuf);
	}
	close(map(fd, 0, 1, COOKIE_FREE));
	expect_unmapped(fd, COOKIE_FREE);
	CHECK(stats(fd).mapped == HELD);
	printf("held\n");
	fflush(stdout);
	CHECK(read(STDIN_FILENO, &c, 1) >= 0);
	for (int i = 0; i < HELD; i++)
		fence_signal(importers[i]);
	expect_all_unmapped(fd);
	close(fd);
}

const struct back_case fences_cases[] = {
	{ "fences_of_two", test_fences_of_two },
	{ "fences_many", test_fences_many },
	{ NULL, NULL },
};
