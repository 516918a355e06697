// SPDX-License-Identifier: MIT
/*
 * What the guest's kernel does to memory by itself, and kinds of memory that are not
 * plain pages: merging, swapping, large pages, guard regions, copy-on-write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ut_mem.h"

#define HUGE_OCTETS	((size_t)2 << 20)
#define MEM_OCTETS	(UT_MEM_PAGES * UT_PAGE)
#define PLAIN_PAGES	64

/* Not in every libc yet. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

/* The frame behind an address, 0 if none is there. */
static uint64_t frame_of(const void *at)
{
	int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (file < 0 ||
	    pread(file, &entry, 8, (off_t)((uintptr_t)at / UT_PAGE * 8)) != 8)
		ut_error("pagemap");
	close(file);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

static void frames_of(const unsigned char *at, unsigned int nr, uint64_t *frame)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		frame[i] = frame_of(at + i * UT_PAGE);
}

static bool text_write(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (file < 0)
		return false;
	done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return done;
}

/* CPU and GPU see each other's writes, through the frames of @frame. */
static void check_same_memory(struct ut_mem *m, const uint64_t *frame)
{
	uint64_t now[UT_MEM_PAGES];
	unsigned int i;

	frames_of(m->memory, UT_MEM_PAGES, now);
	for (i = 0; i < UT_MEM_PAGES; i++)
		UT_CHECK(frame[i] && now[i] == frame[i], "page %u moved", i);
	ut_mem_begin(m);
	ut_mem_fill(m, 0, UT_MEM_PAGES / 2, 0xbeef);
	gpu_cmd_copy(&m->cmd, UT_GPU_VA + 6 * UT_PAGE, UT_GPU_VA + 7 * UT_PAGE, UT_PAGE);
	memset(m->memory + 7 * UT_PAGE, 0x3c, UT_PAGE);
	UT_ERRNO(ut_run(&m->batch, &m->cmd), 0);
	UT_CHECK(ut_mem_word(m, 3) == 0xbeef, "the GPU's write is not there");
	UT_CHECK(ut_mem_word(m, 6) == 0x3c3c3c3c, "the GPU did not read what the CPU wrote");
}

/* --------------------------------------------------------------- merging */

static void ksm_start(void)
{
	if (!text_write("/sys/kernel/mm/ksm/pages_to_scan", "4096") ||
	    !text_write("/sys/kernel/mm/ksm/sleep_millisecs", "20"))
		ut_skip("this kernel merges nothing");
	text_write("/sys/kernel/mm/ksm/smart_scan", "0");
	if (!text_write("/sys/kernel/mm/ksm/run", "1"))
		ut_error("ksm/run");
}

static void ksm_stop(void)
{
	if (!text_write("/sys/kernel/mm/ksm/run", "2") ||
	    !text_write("/sys/kernel/mm/ksm/run", "0"))
		ut_error("ksm/run");
}

/* Every page of the same content, and all to be merged. */
static unsigned char *mergeable_pages(unsigned int nr)
{
	unsigned char *at = ut_pages(nr);

	memset(at, 0x6d, nr * UT_PAGE);
	UT_CHECK(!madvise(at, nr * UT_PAGE, MADV_MERGEABLE), "madvise: %s", strerror(errno));
	return at;
}

static bool all_merged(const unsigned char *at, unsigned int nr)
{
	uint64_t frame[PLAIN_PAGES];
	unsigned int i;

	frames_of(at, nr, frame);
	for (i = 1; i < nr; i++)
		if (frame[i] != frame[0])
			return false;
	return true;
}

/* Nothing announces it. */
static void wait_merged(const unsigned char *at, unsigned int nr)
{
	int tries;

	for (tries = 0; tries < 3000 && !all_merged(at, nr); tries++)
		usleep(20000);
	if (!all_merged(at, nr))
		ut_error("nothing was merged");
}

/* Registered pages are pinned, so never merged; looking at them makes nothing stale. */
static void ksm(void)
{
	unsigned char *plain, *memory = mergeable_pages(UT_MEM_PAGES);
	uint64_t frame[UT_MEM_PAGES];
	struct ut_mem m;

	ut_mem_open_at(&m, memory);
	frames_of(memory, UT_MEM_PAGES, frame);
	plain = mergeable_pages(PLAIN_PAGES);
	ksm_start();
	wait_merged(plain, PLAIN_PAGES);
	check_same_memory(&m, frame);
	ksm_stop();
	ut_close(&m.ut);
}

/* Merged before: registering gives the program pages of its own again. */
static void ksm_merged_before(void)
{
	unsigned char *at = mergeable_pages(PLAIN_PAGES);
	uint64_t frame[UT_MEM_PAGES];
	uint32_t handle;
	struct ut_mem m;

	ksm_start();
	wait_merged(at, PLAIN_PAGES);
	ut_mem_open_at(&m, at);
	handle = ut_create_one(m.ut.fd, at + MEM_OCTETS, UT_PAGE, DRM_XEN_USERPTR_CREATE_READONLY);
	UT_ERRNO(__ut_map(&m.ut, handle, 0, UT_PAGE, UT_OUT_VA, DRM_XEN_USERPTR_BIND_READONLY), 0);
	frames_of(at, UT_MEM_PAGES, frame);
	check_same_memory(&m, frame);
	UT_CHECK(at[PLAIN_PAGES * UT_PAGE - 1] == 0x6d, "the GPU wrote to merged pages");
	at[MEM_OCTETS] = 0x11;
	ut_mem_begin(&m);
	gpu_cmd_copy(&m.cmd, UT_GPU_VA, UT_OUT_VA, 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 0x6d6d6d11, "the GPU read %#x", ut_mem_word(&m, 0));
	ksm_stop();
	ut_close(&m.ut);
}

/* -------------------------------------------------------------- swapping */

static bool has_swap(void)
{
	FILE *file = fopen("/proc/swaps", "r");
	char line[256];
	int lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	return lines > 1;
}

/* Pinned pages stay; what is in swap comes back when it is registered. */
static void swapping(void)
{
	unsigned char *plain = ut_pages(PLAIN_PAGES);
	uint64_t frame[UT_MEM_PAGES];
	struct ut_mem m, back;
	size_t i;

	if (!has_swap())
		ut_skip("no swap");
	ut_mem_open(&m);
	frames_of(m.memory, UT_MEM_PAGES, frame);
	for (i = 0; i < PLAIN_PAGES * UT_PAGE; i++)
		plain[i] = (unsigned char)(i / 7);
	UT_CHECK(!madvise(m.memory, MEM_OCTETS, MADV_PAGEOUT), "madvise: %s", strerror(errno));
	UT_CHECK(!madvise(plain, PLAIN_PAGES * UT_PAGE, MADV_PAGEOUT), "madvise");
	UT_CHECK(!frame_of(plain), "the other memory was not swapped out");
	UT_CHECK(ut_status_kib("VmSwap") >= UT_MEM_PAGES * 4, "nothing is in swap");
	check_same_memory(&m, frame);
	ut_mem_open_at(&back, plain);
	frames_of(plain, UT_MEM_PAGES, frame);
	UT_CHECK(!memcmp(plain + 5, "\0\0\1\1\1\1\1\1\1\2", 10), "not what was swapped out");
	check_same_memory(&back, frame);
	for (i = MEM_OCTETS; i < PLAIN_PAGES * UT_PAGE; i++)
		UT_CHECK(plain[i] == (unsigned char)(i / 7), "octet %zu", i);
	ut_close(&back.ut);
	ut_close(&m.ut);
}

/* ----------------------------------------------------------- large pages */

/* The GPU fills it all, then a part from within. */
static void check_large(unsigned char *at, size_t octets)
{
	struct ut_mem m;
	size_t i;

	ut_mem_open_size(&m, at, octets);
	gpu_cmd_fill(&m.cmd, UT_GPU_VA, 0x77, octets);
	gpu_cmd_fill(&m.cmd, UT_GPU_VA + octets / 2, 0x88, UT_PAGE);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	for (i = 0; i < octets; i += 4)
		UT_CHECK(*(uint32_t *)(at + i) ==
			 (i >= octets / 2 && i < octets / 2 + UT_PAGE ? 0x88 : 0x77), "at %#zx", i);
	ut_close(&m.ut);
}

static void huge_page(void)
{
	unsigned char *at = mmap(NULL, 2 * HUGE_OCTETS, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	UT_CHECK(at != MAP_FAILED, "mmap");
	at = (unsigned char *)(((uintptr_t)at + HUGE_OCTETS - 1) & ~(HUGE_OCTETS - 1));
	madvise(at, HUGE_OCTETS, MADV_HUGEPAGE);
	memset(at, 1, HUGE_OCTETS);
	if (frame_of(at) % 512 && madvise(at, HUGE_OCTETS, MADV_COLLAPSE))
		ut_skip("no large page");
	UT_CHECK(frame_of(at) % 512 == 0 && frame_of(at + HUGE_OCTETS - 1) == frame_of(at) + 511,
		 "not a large page");
	check_large(at, HUGE_OCTETS);
	UT_CHECK(frame_of(at + HUGE_OCTETS - 1) == frame_of(at) + 511, "the large page is gone");
}

static void hugetlbfs(void)
{
	unsigned char *at;

	if (!text_write("/proc/sys/vm/nr_hugepages", "2"))
		ut_skip("no hugetlbfs");
	at = mmap(NULL, HUGE_OCTETS, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (at == MAP_FAILED)
		ut_skip("no memory for large pages");
	memset(at, 1, HUGE_OCTETS);
	check_large(at, HUGE_OCTETS);
	UT_CHECK(!munmap(at, HUGE_OCTETS), "munmap");
	text_write("/proc/sys/vm/nr_hugepages", "0");
}

/* ------------------------------------------- kinds of mappings and copies */

/* A page that must not be touched cannot be registered, nor what is around it. */
static void guard_region(void)
{
	unsigned char *at = ut_pages(4);
	struct drm_xen_userptr_range range = { .addr = (uintptr_t)at, .length = 4 * UT_PAGE };
	struct drm_xen_userptr_create create;
	int fd = ut_node_open();

	if (madvise(at + 2 * UT_PAGE, UT_PAGE, MADV_GUARD_INSTALL))
		ut_skip("this kernel has no guard regions");
	UT_ERRNO(__ut_create(fd, &range, 1, 0, &create), -EFAULT);
	UT_CHECK(ut_pinned_pages() == 0, "%lu pages stay pinned", ut_pinned_pages());
	close(fd);
}

/*
 * Registered read-only before it was ever written, and with a child that shares it:
 * what the program writes later is what the GPU reads.
 */
static void readonly_cow(void)
{
	unsigned char *fresh = mmap(NULL, UT_PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t handle;
	struct ut_mem m;
	pid_t child;

	UT_CHECK(fresh != MAP_FAILED && !*(volatile unsigned char *)fresh, "mmap");
	ut_mem_open(&m);
	child = fork();
	if (child < 0)
		ut_error("fork");
	if (!child) {
		pause();
		_exit(0);
	}
	handle = ut_create_one(m.ut.fd, fresh, UT_PAGE, DRM_XEN_USERPTR_CREATE_READONLY);
	UT_ERRNO(__ut_map(&m.ut, handle, 0, UT_PAGE, UT_OUT_VA, DRM_XEN_USERPTR_BIND_READONLY), 0);
	fresh[0] = 0x42;
	gpu_cmd_copy(&m.cmd, UT_GPU_VA, UT_OUT_VA, 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 0x42, "the GPU read %#x", ut_mem_word(&m, 0));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ut_close(&m.ut);
}

/* New memory over a part of the old: that part is gone, the rest works on. */
static void map_fixed_invalidate_overlap(void)
{
	struct ut_mem m;
	void *at;

	ut_mem_open(&m);
	at = mmap(m.memory, 3 * UT_PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	UT_CHECK(at == m.memory, "mmap: %s", strerror(errno));
	memset(at, 0xaa, 3 * UT_PAGE);
	ut_mem_check_kept(&m, 0xf8, 0x500);
	UT_CHECK(ut_mem_word(&m, 2) == 0xaaaaaaaa, "new memory was written");
	ut_close(&m.ut);
}

const struct ut_case ut_mm_cases[] = {
	{ "ksm", ksm },
	{ "ksm_merged_before", ksm_merged_before },
	{ "swapping", swapping },
	{ "huge_page", huge_page },
	{ "hugetlbfs", hugetlbfs },
	{ "guard_region", guard_region },
	{ "readonly_cow", readonly_cow },
	{ "map_fixed_invalidate_overlap", map_fixed_invalidate_overlap },
	{ NULL, NULL },
};
