// SPDX-License-Identifier: MIT
/*
 * Registered memory and processes: fork, exec, exit and death, work that is
 * under way when memory goes, and threads that race.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ut_mem.h"

static pid_t must_fork(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		ut_error("fork");
	return child;
}

static void expect_child(pid_t child, int want)
{
	int status;

	UT_CHECK(waitpid(child, &status, 0) == child, "waitpid");
	UT_CHECK(status == want, "the child ended with status %#x", status);
}

/* The child has a copy: the parent's GPU does not write there. */
static void fork_cow(void)
{
	int to_child[2], to_parent[2];
	struct ut_mem m;
	pid_t child;
	char go = 0;

	if (pipe(to_child) || pipe(to_parent))
		ut_error("pipe");
	ut_mem_open(&m);
	memset(m.memory, 1, UT_MEM_PAGES * UT_PAGE);
	child = must_fork();
	if (!child) {
		memset(m.memory, 2, UT_PAGE);
		if (write(to_parent[1], &go, 1) != 1 || read(to_child[0], &go, 1) != 1)
			_exit(2);
		_exit(m.memory[0] == 2 && m.memory[5 * UT_PAGE] == 1 ? 0 : 1);
	}
	UT_CHECK(read(to_parent[0], &go, 1) == 1, "read");
	UT_CHECK(m.memory[0] == 1, "the parent sees what the child wrote");
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x03030303);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(m.memory[0] == 3 && m.memory[5 * UT_PAGE] == 3, "the parent's memory");
	UT_CHECK(write(to_child[1], &go, 1) == 1, "write");
	expect_child(child, 0);
	ut_mem_begin(&m);
	ut_mem_fill(&m, 0, 1, 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(m.memory[0] == 4, "after the child's end");
	ut_close(&m.ut);
}

/* run in a child that ends by @signal (0: exit) with everything registered. */
static void end_in_child(bool busy, int signal)
{
	pid_t child = must_fork();
	uint32_t syncobj;
	struct ut_mem m;

	if (!child) {
		ut_mem_open(&m);
		if (busy) {
			gpu_cmd_busy(&m.cmd, 5 * UT_SOME_TIME_NS);
			UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd),
					   &syncobj), 0);
		}
		if (signal)
			raise(signal);
		_exit(0);
	}
	expect_child(child, signal);
}

static void process_exit(void)
{
	end_in_child(false, 0);
}

static void process_exit_busy(void)
{
	end_in_child(true, 0);
}

static void process_killed_busy(void)
{
	end_in_child(true, SIGKILL);
}

/* A new program in the same process has none of the old one's memory. */
static void exec_releases(void)
{
	pid_t child = must_fork();
	struct ut_mem m;

	if (!child) {
		ut_mem_open(&m);
		execl("/proc/self/exe", "userptr-test", "pinned_nothing", NULL);
		_exit(99);
	}
	expect_child(child, 0);
}

static void pinned_nothing(void)
{
	UT_CHECK(ut_pinned_pages() == 0, "%lu pages pinned", ut_pinned_pages());
}

/* Unbinding under a running job ends soon, and the job never writes afterwards. */
static void unbind_while_busy(void)
{
	uint32_t syncobj;
	struct ut_mem m;
	int error;

	ut_mem_open(&m);
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x88);
	UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj), 0);
	UT_ERRNO(__ut_unmap(&m.ut, UT_GPU_VA, UT_MEM_PAGES * UT_PAGE), 0);
	error = ut_fence_wait(m.ut.fd, syncobj);
	UT_CHECK(error == 0 || error == -EFAULT, "the fence says %d", error);
	memset(m.memory, UT_MEM_NEW, UT_MEM_PAGES * UT_PAGE);
	ut_destroy(m.ut.fd, m.handle);
	ut_mem_check_new(&m);
	ut_close(&m.ut);
}

static void unmap_while_busy(void)
{
	uint32_t syncobj;
	struct ut_mem m;
	int error;

	ut_mem_open(&m);
	gpu_cmd_busy(&m.cmd, UT_SOME_TIME_NS);
	ut_mem_fill(&m, 0, 2, 0x99);
	UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj), 0);
	ut_mem_drop(&m, 4, 4);
	error = ut_fence_wait(m.ut.fd, syncobj);
	UT_CHECK(error == 0 || error == -EFAULT, "the fence says %d", error);
	ut_mem_check_kept(&m, 0x0f, 0xb00);
	ut_close(&m.ut);
}

/* A job that is too long to wait for keeps what it may use, and ends well. */
static void unmap_while_long_busy(void)
{
	unsigned long pinned;
	uint32_t syncobj;
	struct ut_mem m;

	ut_mem_open(&m);
	pinned = ut_pinned_pages();
	gpu_cmd_busy(&m.cmd, 20 * UT_SOME_TIME_NS);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x99);
	UT_ERRNO(__ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj), 0);
	ut_mem_drop(&m, 4, 2);
	UT_ERRNO(ut_fence_wait(m.ut.fd, syncobj), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 0x99 && ut_mem_word(&m, 7) == 0x99, "the rest");
	ut_mem_check_kept(&m, 0xff & ~0x30, 0xd00);
	/* Now the job is over, what was unmapped goes. */
	UT_CHECK(ut_wait_pinned(pinned - 2), "%lu pages stay pinned, of %lu", ut_pinned_pages(),
		 pinned);
	ut_close(&m.ut);
}

static atomic_bool race_over;

static void *race_thread(void *arg)
{
	const struct ut_mem *m = arg;

	while (!race_over) {
		madvise(m->memory + 2 * UT_PAGE, UT_PAGE, MADV_DONTNEED);
		usleep(500);
	}
	return NULL;
}

/* EXECs race with a thread that replaces the memory: each is told or works. */
static void invalidate_race(void)
{
	unsigned int i, ran = 0, refused = 0;
	uint32_t syncobj;
	pthread_t thread;
	struct ut_mem m;
	int ret;

	ut_mem_open(&m);
	ut_mem_fill(&m, 0, 1, 5);
	if (pthread_create(&thread, NULL, race_thread, &m))
		ut_error("pthread_create");
	for (i = 0; i < 100; i++) {
		ret = __ut_exec(&m.ut, 0, UT_CMD_VA, gpu_cmd_octets(&m.cmd), &syncobj);
		UT_CHECK(ret == 0 || ret == -ESTALE, "EXEC: %d", ret);
		if (!ret)
			UT_ERRNO(ut_fence_wait(m.ut.fd, syncobj), 0);
		ran += !ret;
		refused += ret != 0;
		if (ret) {
			ut_destroy(m.ut.fd, m.handle);
			ut_mem_bind(&m, m.memory, UT_MEM_PAGES * UT_PAGE);
		}
	}
	race_over = true;
	pthread_join(thread, NULL);
	printf("%u ran, %u refused\n", ran, refused);
	UT_CHECK(refused, "no EXEC noticed");
	ut_close(&m.ut);
}

/* Registration, work and munmap in all orders, again and again. */
static void stress_mm(void)
{
	unsigned int i;
	struct ut_mem m;

	ut_open(&m.ut);
	ut_batch_open(&m.batch, &m.ut, &m.cmd);
	for (i = 0; i < 60; i++) {
		ut_mem_bind(&m, ut_pages(UT_MEM_PAGES), UT_MEM_PAGES * UT_PAGE);
		ut_mem_begin(&m);
		ut_mem_fill(&m, 0, UT_MEM_PAGES, i);
		UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
		UT_CHECK(ut_mem_word(&m, 7) == i, "round %u", i);
		if (i % 3 == 0)
			ut_destroy(m.ut.fd, m.handle);
		ut_mem_drop(&m, i % 5, UT_MEM_PAGES - i % 5);
		if (i % 3 == 1)
			ut_destroy(m.ut.fd, m.handle);
		if (i % 5)
			ut_mem_drop(&m, 0, i % 5);
		if (i % 3 == 2)
			ut_destroy(m.ut.fd, m.handle);
	}
	ut_close(&m.ut);
}

const struct ut_case ut_process_cases[] = {
	{ "fork_cow", fork_cow },
	{ "process_exit", process_exit },
	{ "process_exit_busy", process_exit_busy },
	{ "process_killed_busy", process_killed_busy },
	{ "exec_releases", exec_releases },
	{ "pinned_nothing", pinned_nothing },
	{ "unbind_while_busy", unbind_while_busy },
	{ "unmap_while_busy", unmap_while_busy },
	{ "unmap_while_long_busy", unmap_while_long_busy },
	{ "invalidate_race", invalidate_race },
	{ "stress_mm", stress_mm },
	{ NULL, NULL },
};
