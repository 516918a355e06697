// SPDX-License-Identifier: MIT
/*
 * Objects made of the program's own memory: the GPU sees what the CPU sees,
 * through every change of the address space.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE
#define SIZE	(64 * SGT_PAGE)
#define WORDS	(SIZE / 4)

static int userptr(struct test_ctx *t, void *addr, uint64_t size,
		   uint32_t flags, uint32_t *handle)
{
	struct drm_softgpu_gem_userptr args = {
		.addr = (uintptr_t)addr,
		.size = size,
		.flags = flags,
	};

	if (drmIoctl(t->fd, DRM_IOCTL_SOFTGPU_GEM_USERPTR, &args))
		return -errno;
	*handle = args.handle;
	return 0;
}

/* SIZE bytes of anonymous memory as an object bound at DATA_VA. */
static bool setup(struct test_ctx *t, uint32_t **mem, uint32_t *handle)
{
	*mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*mem == MAP_FAILED || userptr(t, *mem, SIZE, 0, handle) ||
	    sgt_bind(t->fd, t->vm, *handle, 0, SIZE, DATA_VA, 0)) {
		test_fail(t, __func__, __LINE__, "cannot set up");
		return false;
	}
	return true;
}

static int inc_all(struct test_ctx *t)
{
	sgt_inc(&t->stream, DATA_VA, 1, WORDS);
	return run_stream(t, COMPUTE);
}

static void test_basic(struct test_ctx *t)
{
	uint32_t *mem, handle, i;

	if (!setup(t, &mem, &handle))
		return;
	for (i = 0; i < WORDS; i++)
		mem[i] = i;
	EXPECT_EQ(t, inc_all(t), 0);
	for (i = 0; i < WORDS; i++)
		EXPECT_EQ(t, mem[i], i + 1);
	drmCloseBufferHandle(t->fd, handle);
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, mem[7], 9);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, SIZE), 0);
	munmap(mem, SIZE);
}

/* New pages at the same addresses: the job works on the new ones. */
static void test_dontneed(struct test_ctx *t)
{
	struct drm_softgpu_counters before, after;
	uint32_t *mem, handle;

	if (!setup(t, &mem, &handle))
		return;
	mem[0] = 100;
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, sgt_counters(t->fd, &before), 0);
	EXPECT_EQ(t, madvise(mem, SIZE, MADV_DONTNEED), 0);
	EXPECT_EQ(t, sgt_counters(t->fd, &after), 0);
	EXPECT(t, after.notifier_calls > before.notifier_calls);
	EXPECT(t, after.ptes_cleared - before.ptes_cleared >= SIZE / SGT_PAGE);
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, mem[0], 1);
	EXPECT_EQ(t, mem[WORDS - 1], 1);
	munmap(mem, SIZE);
}

static void test_fork(struct test_ctx *t)
{
	uint32_t *mem, handle;
	int status;
	pid_t pid;

	if (!setup(t, &mem, &handle))
		return;
	EXPECT_EQ(t, inc_all(t), 0);
	pid = fork();
	if (!pid) {
		usleep(200000);
		_exit(mem[3] == 1 && mem[WORDS - 1] == 1 ? 0 : 1);
	}
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, mem[3], 2);
	mem[3] = 10;
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, mem[3], 11);
	EXPECT_EQ(t, waitpid(pid, &status, 0), pid);
	EXPECT_EQ(t, status, 0);
	munmap(mem, SIZE);
}

static void test_unmapped(struct test_ctx *t)
{
	uint32_t *mem, handle;

	if (!setup(t, &mem, &handle))
		return;
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, munmap((char *)mem + SIZE / 2, SGT_PAGE), 0);
	EXPECT_EQ(t, inc_all(t), -EFAULT);
	EXPECT(t, mmap((char *)mem + SIZE / 2, SGT_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	       MAP_FAILED);
	EXPECT_EQ(t, inc_all(t), 0);
	EXPECT_EQ(t, mem[0], 2);
	EXPECT_EQ(t, mem[WORDS / 2], 1);
	munmap(mem, SIZE);
	EXPECT_EQ(t, run_stream(t, COMPUTE), -EFAULT);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, SIZE), 0);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
}

static void test_readonly(struct test_ctx *t)
{
	uint32_t handle = 0, other = 0;
	void *mem;

	mem = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(t, mem != MAP_FAILED);
	EXPECT_EQ(t, userptr(t, mem, SIZE, 0, &other), 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, other, 0, SIZE, DATA_VA, 0),
		  -EFAULT);
	EXPECT_EQ(t, userptr(t, mem, SIZE, DRM_SOFTGPU_USERPTR_READONLY,
			     &handle), 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, handle, 0, SIZE, DATA_VA, 0),
		  -EACCES);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, handle, 0, SIZE, DATA_VA,
			      DRM_SOFTGPU_BIND_READONLY), 0);
	EXPECT_EQ(t, inc_all(t), -EFAULT);
	munmap(mem, SIZE);
}

static void test_arguments(struct test_ctx *t)
{
	uint32_t handle = 0;
	char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int prime;

	EXPECT_EQ(t, userptr(t, mem + 8, SGT_PAGE, 0, &handle), -EINVAL);
	EXPECT_EQ(t, userptr(t, mem, 100, 0, &handle), -EINVAL);
	EXPECT_EQ(t, userptr(t, mem, 0, 0, &handle), -EINVAL);
	EXPECT_EQ(t, userptr(t, mem, SIZE, 2, &handle), -EINVAL);
	EXPECT_EQ(t, userptr(t, (void *)-SGT_PAGE, 2 * SGT_PAGE, 0, &handle),
		  -EINVAL);
	EXPECT_EQ(t, userptr(t, (void *)(1ULL << 60), SGT_PAGE, 0, &handle),
		  -EFAULT);
	EXPECT_EQ(t, userptr(t, mem, SIZE, 0, &handle), 0);
	EXPECT(t, drmPrimeHandleToFD(t->fd, handle, 0, &prime) < 0);
	EXPECT_EQ(t, errno, EINVAL);
	munmap(mem, SIZE);
}

/* munmap() under a running job waits for it. */
static void test_unmap_busy(struct test_ctx *t)
{
	uint32_t *mem, handle, out;
	uint64_t begin;

	if (!setup(t, &mem, &handle))
		return;
	EXPECT_EQ(t, sgt_sync_create(t->fd, &out), 0);
	sgt_busy(&t->stream, 300000000);
	sgt_inc(&t->stream, DATA_VA, 1, WORDS);
	begin = sgt_now_ns();
	EXPECT_EQ(t, sgt_exec_out(t->fd, t->vm, COMPUTE, &t->stream, out), 0);
	EXPECT_EQ(t, munmap(mem, SIZE), 0);
	EXPECT(t, sgt_now_ns() - begin >= 300000000);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, 0), 0);
	sgt_sync_destroy(t->fd, out);
}

struct churn {
	void *mem;
	volatile bool stop;
};

static void *churn_thread(void *arg)
{
	struct churn *churn = arg;

	while (!churn->stop) {
		madvise(churn->mem, SIZE, MADV_DONTNEED);
		usleep(500);
	}
	return NULL;
}

/* Pages come and go while jobs start: no fault, no use after invalidate. */
static void test_churn(struct test_ctx *t)
{
	struct churn churn = {};
	uint32_t *mem, handle;
	pthread_t thread;
	int i;

	if (!setup(t, &mem, &handle))
		return;
	churn.mem = mem;
	EXPECT_EQ(t, pthread_create(&thread, NULL, churn_thread, &churn), 0);
	sgt_inc(&t->stream, DATA_VA, 1, WORDS);
	for (i = 0; i < 60; i++) {
		int ret = sgt_run(t->fd, t->vm, COMPUTE, &t->stream);

		if (ret) {
			test_fail(t, __func__, __LINE__, "job %d: %d", i, ret);
			break;
		}
	}
	churn.stop = true;
	pthread_join(thread, NULL);
	munmap(mem, SIZE);
}

/* The memory's owner dies with the job running. */
static void test_owner_killed(struct test_ctx *t)
{
	struct test_ctx child = {};
	uint32_t *mem, handle, out;
	int status;
	pid_t pid = fork();

	if (!pid) {
		child.fd = sgt_open(0);
		child.vm = sgt_vm_create(child.fd, 0);
		if (sgt_stream_create(child.fd, child.vm, &child.stream,
				      STREAM_VA, STREAM_SIZE) ||
		    !setup(&child, &mem, &handle) ||
		    sgt_sync_create(child.fd, &out))
			_exit(1);
		sgt_poll(&child.stream, DATA_VA, 1, ~0u);
		if (sgt_exec_out(child.fd, child.vm, COMPUTE, &child.stream,
				 out))
			_exit(1);
		abort();
	}
	EXPECT_EQ(t, waitpid(pid, &status, 0), pid);
	EXPECT(t, WIFSIGNALED(status));
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
}

const struct test userptr_tests[] = {
	{ "userptr-basic", test_basic, false },
	{ "userptr-dontneed", test_dontneed, false },
	{ "userptr-fork", test_fork, false },
	{ "userptr-unmapped", test_unmapped, false },
	{ "userptr-readonly", test_readonly, false },
	{ "userptr-arguments", test_arguments, false },
	{ "userptr-unmap-busy", test_unmap_busy, false },
	{ "userptr-churn", test_churn, false },
	{ "userptr-owner-killed", test_owner_killed, false },
	{ NULL, NULL, false },
};
