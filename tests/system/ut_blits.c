// SPDX-License-Identifier: MIT
/*
 * What IGT's gem_userptr_blits asks of a driver for userptr, by its names: overlapping
 * objects, memory that is unmapped before or after the object is closed, copies among
 * objects under load of all kinds, several processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xf86drm.h>

#include "ut_mem.h"

#define NR_OBJECTS	16
#define OBJECT_PAGES	16
#define ROUNDS		32
#define MEM_OCTETS	(UT_MEM_PAGES * UT_PAGE)

/* ------------------------------------------------- arguments and mappings */

/* One field wrong at a time, the rest right. */
static void input_checking(void)
{
	struct drm_xen_userptr_range range = { (uintptr_t)ut_pages(2), 2 * UT_PAGE };
	struct drm_xen_userptr_create create;
	int fd = ut_node_open();

	UT_ERRNO(__ut_create(fd, &range, 1, ~0U, &create), -EINVAL);
	UT_ERRNO(__ut_create(fd, &range, 0, 0, &create), -EINVAL);
	range.length = 0;
	UT_ERRNO(__ut_create(fd, &range, 1, 0, &create), -EINVAL);
	range.length = ~0ULL & ~(UT_PAGE - 1);
	UT_ERRNO(__ut_create(fd, &range, 1, 0, &create), -EINVAL);
	range.length = 2 * UT_PAGE;
	UT_ERRNO(__ut_create(fd, &range, 1, 0, &create), 0);
	close(fd);
}

static void usage_restrictions(void)
{
	unsigned char *at = ut_pages(2);
	int fd = ut_node_open();
	uint32_t handle;

	UT_ERRNO(__ut_create_one(fd, at + 1, UT_PAGE, 0, &handle), -EINVAL);
	UT_ERRNO(__ut_create_one(fd, at, UT_PAGE - 1, 0, &handle), -EINVAL);
	UT_ERRNO(__ut_create_one(fd, at + 1, UT_PAGE - 1, 0, &handle), -EINVAL);
	close(fd);
}

static void invalid_null_pointer(void)
{
	int fd = ut_node_open();
	uint32_t handle;

	UT_ERRNO(__ut_create_one(fd, NULL, UT_PAGE, 0, &handle), -EFAULT);
	close(fd);
}

/* A page of the driver's own file is no memory of the program's. */
static void invalid_mapping(void)
{
	unsigned char *at = ut_pages(3);
	int fd = ut_node_open(), zero = open("/dev/mem", O_RDWR | O_CLOEXEC);
	uint32_t handle;
	void *device;

	UT_CHECK(mmap(NULL, UT_PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED,
		 "the render node can be mapped");
	if (zero < 0)
		ut_skip("no /dev/mem");
	device = mmap(at + UT_PAGE, UT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, zero,
		      0xa0000);
	if (device == MAP_FAILED)
		ut_skip("no mapping of a device");
	UT_ERRNO(__ut_create_one(fd, at, 3 * UT_PAGE, 0, &handle), -EFAULT);
	UT_ERRNO(__ut_create_one(fd, at + UT_PAGE, UT_PAGE, 0, &handle), -EFAULT);
	UT_CHECK(ut_pinned_pages() == 0, "%lu pages stay pinned", ut_pinned_pages());
	close(fd);
}

/* Five pages, each there, unmapped or read-only; the three in the middle are registered. */
static int probe_once(int fd, unsigned int pass)
{
	unsigned char *at = ut_pages(5);
	unsigned int page, mode;
	uint32_t handle;
	int want = 0;

	for (page = 0; page < 5; page++, pass /= 3) {
		mode = pass % 3;
		if (mode == 1)
			munmap(at + page * UT_PAGE, UT_PAGE);
		else if (mode == 2)
			mprotect(at + page * UT_PAGE, UT_PAGE, PROT_READ);
		/* The first page that cannot be had says why. */
		if (page >= 1 && page <= 3 && mode && !want)
			want = mode == 1 ? -EFAULT : -EACCES;
	}
	UT_ERRNO(__ut_create_one(fd, at + UT_PAGE, 3 * UT_PAGE, 0, &handle), want);
	if (!want)
		ut_destroy(fd, handle);
	munmap(at, 5 * UT_PAGE);
	return want;
}

static void probe(void)
{
	unsigned int pass, worked = 0;
	int fd = ut_node_open();

	for (pass = 0; pass < 3 * 3 * 3 * 3 * 3; pass++)
		worked += !probe_once(fd, pass);
	UT_CHECK(worked == 9, "%u of 9 worked", worked);
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
	close(fd);
}

/* No privilege is needed, only the right to open the render node and to lock memory. */
static void access_control(void)
{
	int fd = ut_node_open(), status;
	pid_t child = fork();
	uint32_t handle;

	if (child < 0)
		ut_error("fork");
	if (!child) {
		if (setgid(65534) || setuid(65534))
			ut_error("setuid");
		UT_ERRNO(__ut_create_one(fd, ut_pages(2), 2 * UT_PAGE, 0, &handle), 0);
		exit(0);
	}
	UT_CHECK(waitpid(child, &status, 0) == child && !status, "the child ended with %#x", status);
	close(fd);
}

/* ----------------------------------------------------- objects and unmapping */

static void create_destroy(void)
{
	int fd = ut_node_open();
	unsigned int i;
	void *at;

	for (i = 0; i < 4 * ROUNDS; i++) {
		at = ut_pages(1);
		ut_destroy(fd, ut_create_one(fd, at, UT_PAGE, 0));
		munmap(at, UT_PAGE);
	}
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
	close(fd);
}

/* Objects that begin and end before, in and behind another: all are the same memory. */
static void overlap(void)
{
	static const struct { unsigned char first, nr; } part[] = {
		{ 0, 8 }, { 0, 4 }, { 3, 1 }, { 2, 4 }, { 5, 3 }, { 7, 1 }, { 1, 7 },
	};
	const unsigned int nr = sizeof(part) / sizeof(part[0]);
	unsigned int i, page, want;
	uint32_t handle;
	struct ut_mem m;

	ut_mem_open(&m);
	for (i = 0; i < nr; i++) {
		handle = ut_create_one(m.ut.fd, m.memory + part[i].first * UT_PAGE,
				       part[i].nr * UT_PAGE, 0);
		ut_map(&m.ut, handle, part[i].nr * UT_PAGE, UT_OUT_VA + i * MEM_OCTETS);
		gpu_cmd_inc(&m.cmd, UT_OUT_VA + i * MEM_OCTETS, 1, part[i].nr * UT_PAGE / 4);
	}
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	for (page = 0; page < UT_MEM_PAGES; page++) {
		for (i = 0, want = 0; i < nr; i++)
			want += page >= part[i].first && page < part[i].first + part[i].nr;
		UT_CHECK(ut_mem_word(&m, page) == want, "page %u: %u", page, ut_mem_word(&m, page));
	}
	ut_close(&m.ut);
}

/* Objects side by side; the GPU copies each to the next, so all get the first's data. */
struct set {
	struct ut ut;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned char *memory[NR_OBJECTS];
	uint32_t handle[NR_OBJECTS];
};

static uint64_t set_va(unsigned int i)
{
	return UT_GPU_VA + i * OBJECT_PAGES * UT_PAGE;
}

static void set_open(struct set *s, bool populate)
{
	unsigned int i;

	ut_open(&s->ut);
	ut_batch_open(&s->batch, &s->ut, &s->cmd);
	for (i = 0; i < NR_OBJECTS; i++) {
		s->memory[i] = mmap(NULL, OBJECT_PAGES * UT_PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		UT_CHECK(s->memory[i] != MAP_FAILED, "mmap");
		if (populate)
			memset(s->memory[i], (int)i, OBJECT_PAGES * UT_PAGE);
		s->handle[i] = ut_create_one(s->ut.fd, s->memory[i], OBJECT_PAGES * UT_PAGE, 0);
		ut_map(&s->ut, s->handle[i], OBJECT_PAGES * UT_PAGE, set_va(i));
	}
}

/* A seed goes in at one end and comes out at the other. */
static void set_copy(struct set *s, uint32_t seed)
{
	const size_t octets = OBJECT_PAGES * UT_PAGE;
	uint32_t *first = (uint32_t *)(void *)s->memory[0];
	unsigned int i;
	size_t at;

	for (at = 0; at < octets / 4; at++)
		first[at] = seed + (uint32_t)at * 2654435761U;
	gpu_cmd_begin(&s->cmd, s->batch.memory, UT_PAGE);
	for (i = 1; i < NR_OBJECTS; i++)
		gpu_cmd_copy(&s->cmd, set_va(i), set_va(i - 1), octets);
	UT_ERRNO(ut_run(&s->batch, &s->cmd), 0);
	for (i = 1; i < NR_OBJECTS; i++)
		UT_CHECK(!memcmp(s->memory[i], first, octets), "object %u differs", i);
}

static void set_unmap(struct set *s)
{
	unsigned int i;

	for (i = 0; i < NR_OBJECTS; i++)
		UT_CHECK(!munmap(s->memory[i], OBJECT_PAGES * UT_PAGE), "munmap");
}

static void coherency(void)
{
	struct set s;

	set_open(&s, true);
	set_copy(&s, 1);
	set_copy(&s, 2);
	ut_close(&s.ut);
}

/* The memory goes while objects and binds are there. */
static void unmap_round(bool close_first)
{
	struct set s;

	set_open(&s, true);
	set_copy(&s, 3);
	if (close_first)
		ut_close(&s.ut);
	set_unmap(&s);
	munmap(s.batch.memory, 4 * UT_PAGE);
	if (!close_first)
		ut_close(&s.ut);
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
}

static void unmap(void)
{
	unmap_round(false);
}

static void unmap_cycles(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		unmap_round(false);
}

static void unmap_after_close(void)
{
	unmap_round(true);
}

/* ------------------------------------------ copies under load of some kind */

static void copy_rounds(bool populate)
{
	unsigned int i;
	struct set s;

	set_open(&s, populate);
	for (i = 0; i < 4; i++)
		set_copy(&s, i * 77);
	ut_close(&s.ut);
}

/* Never touched before: registering makes the pages be there. */
static void minor_normal(void)
{
	copy_rounds(false);
}

static void mlocked_normal(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		ut_error("mlockall");
	copy_rounds(true);
}

/* From a file, whose pages have to be read first. */
static void major_normal(void)
{
	char path[] = "/tmp/ut-major-XXXXXX";
	int file = mkstemp(path);
	struct ut_mem m;
	void *at;

	if (file < 0 || unlink(path) || ftruncate(file, MEM_OCTETS))
		ut_error("a file");
	at = mmap(NULL, MEM_OCTETS, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	UT_CHECK(at != MAP_FAILED, "mmap");
	madvise(at, MEM_OCTETS, MADV_DONTNEED);
	ut_mem_open_at(&m, at);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x3a3a);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 6) == 0x3a3a, "the file's page holds %#x", ut_mem_word(&m, 6));
	ut_close(&m.ut);
}

/* Several processes, each with a file of its own, at once. */
static void forked(bool locked)
{
	pid_t child[3];
	unsigned int i;
	int status;

	fflush(stdout);
	for (i = 0; i < 3; i++) {
		child[i] = fork();
		if (child[i] < 0)
			ut_error("fork");
		if (!child[i]) {
			if (locked)
				mlocked_normal();
			else
				copy_rounds(true);
			exit(0);
		}
	}
	for (i = 0; i < 3; i++)
		UT_CHECK(waitpid(child[i], &status, 0) == child[i] && !status,
			 "child %u ended with %#x", i, status);
}

static void forked_normal(void)
{
	forked(false);
}

static void forked_mlocked(void)
{
	forked(true);
}

/* A child may use what it has inherited: the file, and the objects in it. */
static void forked_access(void)
{
	struct ut_mem m;
	int status;
	pid_t child;

	ut_mem_open(&m);
	fflush(stdout);
	child = fork();
	if (child < 0)
		ut_error("fork");
	if (!child) {
		/* The commands are in memory that is registered: the parent's, not the copy. */
		UT_ERRNO(__ut_mem_map_page(&m, 0), 0);
		exit(0);
	}
	UT_CHECK(waitpid(child, &status, 0) == child && !status, "the child ended with %#x", status);
	gpu_cmd_fill(&m.cmd, UT_OUT_VA, 0x77, UT_PAGE);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 0x77, "what the child bound does not work");
	ut_close(&m.ut);
}

/* ------------------------------------------------------------- hard times */

static atomic_bool stop;

/* Threads that change the address space all the time. */
static void *mm_thread(void *arg)
{
	void *at;

	(void)arg;
	while (!stop) {
		at = ut_pages(4);
		munmap(at, 4 * UT_PAGE);
	}
	return NULL;
}

static void thread_start(pthread_t *id, void *(*run)(void *), void *arg)
{
	stop = false;
	if (pthread_create(id, NULL, run, arg))
		ut_error("pthread_create");
}

static void thread_stop(pthread_t id)
{
	stop = true;
	pthread_join(id, NULL);
}

/* What the kernel can drop of its caches goes, again and again. */
static void stress_purge(void)
{
	int fd = ut_node_open(), caches = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	void *at = ut_pages(1);
	pthread_t id;
	int i;

	if (caches < 0)
		ut_error("drop_caches");
	thread_start(&id, mm_thread, NULL);
	for (i = 0; i < ROUNDS / 4; i++) {
		uint32_t handle = ut_create_one(fd, at, UT_PAGE, 0);

		UT_CHECK(write(caches, "3", 1) == 1, "drop_caches");
		ut_destroy(fd, handle);
	}
	thread_stop(id);
	close(caches);
	close(fd);
}

struct inval {
	unsigned char *at;
	size_t octets;
};

/* The same memory is mapped anew all the time. */
static void *inval_thread(void *arg)
{
	struct inval *inval = arg;

	while (!stop) {
		if (mmap(inval->at, inval->octets, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			ut_error("mmap");
		usleep(100);
	}
	return NULL;
}

/* Objects are made and closed of memory that goes at any moment between. */
static void invalidate_close(bool overlapping)
{
	unsigned char *at = ut_pages(UT_MEM_PAGES);
	struct inval inval = { at, MEM_OCTETS };
	unsigned int i, worked = 0;
	uint32_t handle, other = 0;
	int fd = ut_node_open(), ret;
	pthread_t id;

	thread_start(&id, inval_thread, &inval);
	for (i = 0; i < 2 * ROUNDS; i++) {
		ret = __ut_create_one(fd, at, MEM_OCTETS, 0, &handle);
		UT_CHECK(!ret || ret == -EFAULT || ret == -ESTALE, "CREATE: %d", ret);
		if (overlapping && !__ut_create_one(fd, at + UT_PAGE, UT_PAGE, 0, &other))
			ut_destroy(fd, other);
		if (!ret)
			ut_destroy(fd, handle);
		worked += !ret;
	}
	thread_stop(id);
	printf("%u of %u worked\n", worked, 2 * ROUNDS);
	UT_CHECK(worked, "no CREATE worked");
	munmap(at, MEM_OCTETS);
	UT_CHECK(ut_wait_pinned(0), "%lu pages stay pinned", ut_pinned_pages());
	close(fd);
}

static void stress_mm_invalidate_close(void)
{
	invalidate_close(false);
}

static void stress_mm_invalidate_close_overlap(void)
{
	invalidate_close(true);
}

/* The mappings around a registered page change, and the kernel merges and splits them. */
static void vma_merge(void)
{
	const unsigned int pages = 64, middle = 32;
	unsigned char *at = ut_pages(pages);
	uint32_t handle, syncobj;
	unsigned int i;
	struct ut_mem m;

	ut_mem_open(&m);
	handle = ut_create_one(m.ut.fd, at + middle * UT_PAGE, UT_PAGE, 0);
	ut_map(&m.ut, handle, UT_PAGE, UT_OUT_VA);
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	gpu_cmd_fill(&m.cmd, UT_OUT_VA, 0x600d, UT_PAGE);
	UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj), 0);
	for (i = 0; i < pages; i++)
		if (i != middle)
			UT_CHECK(mmap(at + i * UT_PAGE, UT_PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
				 MAP_FAILED, "mmap");
	UT_ERRNO(ut_fence_wait(m.ut.fd, syncobj), 0);
	UT_CHECK(*(uint32_t *)(void *)(at + middle * UT_PAGE) == 0x600d, "the page in the middle");
	UT_CHECK(!at[(middle - 1) * UT_PAGE] && !at[(middle + 1) * UT_PAGE], "its neighbours");
	ut_close(&m.ut);
}

const struct ut_case ut_blits_cases[] = {
	{ "input_checking", input_checking },
	{ "usage_restrictions", usage_restrictions },
	{ "invalid_null_pointer", invalid_null_pointer },
	{ "invalid_mapping", invalid_mapping },
	{ "probe", probe },
	{ "access_control", access_control },
	{ "create_destroy", create_destroy },
	{ "overlap", overlap },
	{ "coherency", coherency },
	{ "unmap", unmap },
	{ "unmap_cycles", unmap_cycles },
	{ "unmap_after_close", unmap_after_close },
	{ "minor_normal", minor_normal },
	{ "mlocked_normal", mlocked_normal },
	{ "major_normal", major_normal },
	{ "forked_normal", forked_normal },
	{ "forked_mlocked", forked_mlocked },
	{ "forked_access", forked_access },
	{ "stress_purge", stress_purge },
	{ "stress_mm_invalidate_close", stress_mm_invalidate_close },
	{ "stress_mm_invalidate_close_overlap", stress_mm_invalidate_close_overlap },
	{ "vma_merge", vma_merge },
	{ NULL, NULL },
};
