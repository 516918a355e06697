// SPDX-License-Identifier: MIT
/*
 * Stop, resume, kill, time slices, stalls on faults, timeouts, processes that
 * die, and the deliberately broken order of release.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE
#define COPY	DRM_SOFTGPU_ENGINE_COPY
#define SYSTEM	DRM_SOFTGPU_PLACE_SYSTEM
#define MS	1000000ULL

static int control(struct test_ctx *t, uint32_t op)
{
	return sgt_vm_control(t->fd, t->vm, op, 0);
}

static int wait_stopped(struct test_ctx *t, uint64_t timeout_ns)
{
	return sgt_vm_control(t->fd, t->vm, DRM_SOFTGPU_VM_WAIT_STOPPED,
			      timeout_ns);
}

static uint32_t vm_state(struct test_ctx *t)
{
	struct drm_softgpu_vm_query query;

	return sgt_vm_query(t->fd, t->vm, &query) ? ~0u : query.state;
}

/* Submits what is in the stream; its fence is in *out. */
static int start(struct test_ctx *t, uint32_t *out)
{
	int err = sgt_sync_create(t->fd, out);

	if (!err)
		err = sgt_exec_out(t->fd, t->vm, COMPUTE, &t->stream, *out);
	sgt_stream_reset(&t->stream);
	return err;
}

static bool wait_running(struct test_ctx *t)
{
	struct drm_softgpu_vm_query query;
	int i;

	for (i = 0; i < 1000; i++) {
		if (sgt_vm_query(t->fd, t->vm, &query))
			return false;
		if (query.running)
			return true;
		usleep(2000);
	}
	return false;
}

/* A counter that runs while the job runs: COUNT increments of the words. */
#define LONG_PACKETS	1000
#define LONG_WORDS	4096

static void long_job(struct test_ctx *t, uint64_t va)
{
	int i;

	for (i = 0; i < LONG_PACKETS; i++)
		sgt_inc(&t->stream, va, 1, LONG_WORDS);
}

static void test_stop_resume(struct test_ctx *t)
{
	volatile uint32_t *p;
	struct buffer buf;
	uint32_t out, sum;

	BUFFER(t, &buf, DATA_VA, LONG_WORDS * 4, SYSTEM);
	p = buf.bo.map;
	EXPECT_EQ(t, wait_stopped(t, 0), -EINVAL);
	long_job(t, buf.va);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_running(t));
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, wait_stopped(t, LONG), 0);
	EXPECT_EQ(t, vm_state(t), DRM_SOFTGPU_VM_STOP_REQUESTED |
		  DRM_SOFTGPU_VM_STOPPED);
	sum = p[0] + p[LONG_WORDS - 1];
	EXPECT(t, sum < 2 * LONG_PACKETS);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, 100 * MS), -ETIME);
	EXPECT_EQ(t, p[0] + p[LONG_WORDS - 1], sum);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, 60 * SGT_SECOND), 0);
	EXPECT_EQ(t, p[0], LONG_PACKETS);
	EXPECT_EQ(t, p[LONG_WORDS - 1], LONG_PACKETS);
	sgt_sync_destroy(t->fd, out);
	buffer_destroy(t, &buf);
}

/* Stopped, rebound to other memory, resumed: as a migration does it. */
static void test_stop_rebind(struct test_ctx *t)
{
	struct buffer buf;
	struct sgt_bo vram;
	uint32_t out, i;

	BUFFER(t, &buf, DATA_VA, LONG_WORDS * 4, SYSTEM);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &vram, LONG_WORDS * 4,
				   DRM_SOFTGPU_PLACE_VRAM), 0);
	EXPECT_EQ(t, sgt_bo_map(t->fd, &vram), 0);
	long_job(t, buf.va);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_running(t));
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, wait_stopped(t, LONG), 0);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, buf.va, vram.size), 0);
	memcpy(vram.map, buf.bo.map, vram.size);
	memset(buf.bo.map, 0xee, vram.size);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, vram.handle, 0, vram.size, buf.va,
			      0), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, 60 * SGT_SECOND), 0);
	for (i = 0; i < LONG_WORDS; i++)
		EXPECT_EQ(t, ((uint32_t *)vram.map)[i], LONG_PACKETS);
	EXPECT_EQ(t, ((uint32_t *)buf.bo.map)[0], 0xeeeeeeee);
	sgt_bo_destroy(t->fd, &vram);
	sgt_sync_destroy(t->fd, out);
	buffer_destroy(t, &buf);
}

static void test_stop_fence(struct test_ctx *t)
{
	struct buffer buf;
	uint32_t out, stopped, idle;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &stopped), 0);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &idle), 0);
	EXPECT_EQ(t, sgt_vm_stop_sync(t->fd, t->vm, idle), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, idle, 0), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_NO_PREEMPT,
		   DRM_SOFTGPU_SWITCH_NO_PREEMPT);
	sgt_poll(&t->stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_running(t));
	EXPECT_EQ(t, sgt_vm_stop_sync(t->fd, t->vm, stopped), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, stopped, 100 * MS), -ETIME);
	EXPECT_EQ(t, wait_stopped(t, 50 * MS), -ETIME);
	EXPECT_EQ(t, vm_state(t), DRM_SOFTGPU_VM_STOP_REQUESTED);
	*(volatile uint32_t *)buf.bo.map = 1;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, stopped, LONG), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), 0);
	EXPECT_EQ(t, wait_stopped(t, 0), 0);
	sgt_sync_destroy(t->fd, out);
	sgt_sync_destroy(t->fd, stopped);
	sgt_sync_destroy(t->fd, idle);
	buffer_destroy(t, &buf);
}

/* With the switch nothing has stopped before a KILL, though nothing runs. */
static void test_slow_stop(struct test_ctx *t)
{
	uint32_t stopped;

	EXPECT_EQ(t, sgt_sync_create(t->fd, &stopped), 0);
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_SLOW_STOP,
		   DRM_SOFTGPU_SWITCH_SLOW_STOP);
	EXPECT_EQ(t, sgt_vm_stop_sync(t->fd, t->vm, stopped), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, stopped, 50 * MS), -ETIME);
	EXPECT_EQ(t, vm_state(t), DRM_SOFTGPU_VM_STOP_REQUESTED);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_KILL), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, stopped, LONG), 0);
	EXPECT_EQ(t, wait_stopped(t, 0), 0);
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_SLOW_STOP, 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, sgt_vm_stop_sync(t->fd, t->vm, stopped), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, stopped, LONG), 0);
	sgt_sync_destroy(t->fd, stopped);
}

/* A stopped VM takes jobs and does not run them. */
static void test_stop_queues(struct test_ctx *t)
{
	struct buffer buf;
	uint32_t out;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	sgt_store(&t->stream, buf.va, 1);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, 50 * MS), -ETIME);
	EXPECT_EQ(t, wait_stopped(t, 0), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), 0);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 1);
	sgt_sync_destroy(t->fd, out);
	buffer_destroy(t, &buf);
}

/* Two GPUs: both stops are under way before either is waited for. */
static void test_stop_two_gpus(struct test_ctx *t)
{
	struct test_ctx other = { .fd = sgt_open(1) };
	uint32_t out[2];

	if (other.fd < 0)
		SKIP(t, "only one softgpu");
	other.vm = sgt_vm_create(other.fd, 0);
	EXPECT_EQ(t, sgt_stream_create(other.fd, other.vm, &other.stream,
				       STREAM_VA, STREAM_SIZE), 0);
	sgt_busy(&t->stream, SGT_SECOND);
	sgt_busy(&other.stream, SGT_SECOND);
	EXPECT_EQ(t, start(t, &out[0]), 0);
	EXPECT_EQ(t, start(&other, &out[1]), 0);
	EXPECT(t, wait_running(t) && wait_running(&other));
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, control(&other, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, wait_stopped(t, SGT_SECOND), 0);
	EXPECT_EQ(t, wait_stopped(&other, SGT_SECOND), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, control(&other, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out[0], LONG), 0);
	EXPECT_EQ(t, sgt_sync_wait(other.fd, out[1], LONG), 0);
	sgt_bo_destroy(other.fd, &other.stream.bo);
	close(other.fd);
}

static void kill_poll(struct test_ctx *t, bool stop_first)
{
	struct buffer buf;
	uint32_t running, queued, later;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	sgt_poll(&t->stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, start(t, &running), 0);
	EXPECT(t, wait_running(t));
	sgt_poll(&t->stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, start(t, &queued), 0);
	if (stop_first) {
		EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
		EXPECT_EQ(t, wait_stopped(t, LONG), 0);
	}
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_KILL), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, running, LONG), -ECANCELED);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, queued, LONG), -ECANCELED);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	sgt_store(&t->stream, buf.va, 5);
	EXPECT_EQ(t, start(t, &later), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, later, LONG), 0);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 5);
	sgt_sync_destroy(t->fd, running);
	sgt_sync_destroy(t->fd, queued);
	sgt_sync_destroy(t->fd, later);
	buffer_destroy(t, &buf);
}

static void test_kill(struct test_ctx *t)
{
	kill_poll(t, false);
}

static void test_kill_stopped(struct test_ctx *t)
{
	kill_poll(t, true);
}

static void test_ignore_kill(struct test_ctx *t)
{
	struct drm_softgpu_info info;
	struct buffer buf;
	uint32_t out;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_NO_PREEMPT |
		   DRM_SOFTGPU_SWITCH_IGNORE_KILL,
		   DRM_SOFTGPU_SWITCH_NO_PREEMPT |
		   DRM_SOFTGPU_SWITCH_IGNORE_KILL);
	EXPECT_EQ(t, sgt_info(t->fd, &info), 0);
	EXPECT(t, !(info.features & (DRM_SOFTGPU_FEATURE_KILL |
				     DRM_SOFTGPU_FEATURE_PREEMPT)));
	sgt_poll(&t->stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_running(t));
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_KILL), 0);
	EXPECT_EQ(t, wait_stopped(t, 200 * MS), -ETIME);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, 0), -ETIME);
	*(volatile uint32_t *)buf.bo.map = 1;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), 0);
	sgt_sync_destroy(t->fd, out);
	buffer_destroy(t, &buf);
}

/* Two VMs on one engine: a job that polls does not keep the other away. */
static void test_time_slices(struct test_ctx *t)
{
	struct test_ctx other = { .fd = sgt_open(0) };
	struct buffer mine, theirs;
	uint32_t polling;

	other.vm = sgt_vm_create(other.fd, 0);
	BUFFER(t, &mine, DATA_VA, SGT_PAGE, SYSTEM);
	BUFFER(&other, &theirs, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_stream_create(other.fd, other.vm, &other.stream,
				       STREAM_VA, STREAM_SIZE), 0);
	sgt_poll(&t->stream, mine.va, 1, ~0u);
	EXPECT_EQ(t, start(t, &polling), 0);
	EXPECT(t, wait_running(t));
	sgt_store(&other.stream, theirs.va, 1);
	EXPECT_EQ(t, run_stream(&other, COMPUTE), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, polling, 0), -ETIME);
	*(volatile uint32_t *)mine.bo.map = 1;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, polling, LONG), 0);
	sgt_sync_destroy(t->fd, polling);
	buffer_destroy(&other, &theirs);
	sgt_bo_destroy(other.fd, &other.stream.bo);
	close(other.fd);
	buffer_destroy(t, &mine);
}

/* In a VM that stalls on faults: wait for STALLED, false after 2 s. */
static bool wait_stalled(struct test_ctx *t)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (vm_state(t) & DRM_SOFTGPU_VM_STALLED)
			return true;
		usleep(2000);
	}
	return false;
}

static bool fault_mode_vm(struct test_ctx *t)
{
	int vm = sgt_vm_create(t->fd, DRM_SOFTGPU_VM_CREATE_FAULT_MODE);

	if (vm < 0)
		return false;
	sgt_bo_destroy(t->fd, &t->stream.bo);
	sgt_vm_destroy(t->fd, t->vm);
	t->vm = vm;
	return !sgt_stream_create(t->fd, t->vm, &t->stream, STREAM_VA,
				  STREAM_SIZE);
}

static void test_stall(struct test_ctx *t)
{
	struct drm_softgpu_vm_query query;
	uint32_t out, i;
	struct sgt_bo bo;

	EXPECT(t, fault_mode_vm(t));
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, 2 * SGT_PAGE, SYSTEM), 0);
	EXPECT_EQ(t, sgt_bo_map(t->fd, &bo), 0);
	sgt_inc(&t->stream, DATA_VA, 3, 2048);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_stalled(t));
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, bo.handle, 0, SGT_PAGE, DATA_VA,
			      0), 0);
	for (i = 0; i < 1000; i++) {
		EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
		if (query.fault_va == DATA_VA + SGT_PAGE)
			break;
		usleep(2000);
	}
	EXPECT_EQ(t, query.fault_va, DATA_VA + SGT_PAGE);
	EXPECT(t, wait_stalled(t));
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_STOP), 0);
	EXPECT_EQ(t, wait_stopped(t, 0), 0);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, bo.handle, 0, 2 * SGT_PAGE,
			      DATA_VA, 0), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), 0);
	for (i = 0; i < 2048; i++)
		EXPECT_EQ(t, ((uint32_t *)bo.map)[i], 3);
	sgt_sync_destroy(t->fd, out);
	sgt_bo_destroy(t->fd, &bo);
}

/* What was copied before the fault is not copied again. */
static void test_stall_copy(struct test_ctx *t)
{
	const uint64_t dst = DATA_VA + (1 << 20), all = 8 * SGT_PAGE;
	struct drm_softgpu_vm_query query;
	struct sgt_bo a, b;
	uint32_t out, i;

	EXPECT(t, fault_mode_vm(t));
	EXPECT_EQ(t, sgt_bo_create(t->fd, &a, all, SYSTEM), 0);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &b, all, SYSTEM), 0);
	EXPECT_EQ(t, sgt_bo_map(t->fd, &a) ?: sgt_bo_map(t->fd, &b), 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, a.handle, 0, all, DATA_VA, 0), 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, b.handle, 0, 5 * SGT_PAGE, dst, 0), 0);
	memset(a.map, 1, all);
	sgt_copy(&t->stream, dst, DATA_VA, all);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_stalled(t));
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.fault_va, dst + 5 * SGT_PAGE);
	memset(a.map, 2, all);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, b.handle, 0, all, dst, 0), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), 0);
	for (i = 0; i < all; i++)
		EXPECT_EQ(t, ((uint8_t *)b.map)[i], i < 5 * SGT_PAGE ? 1 : 2);
	sgt_sync_destroy(t->fd, out);
	sgt_bo_destroy(t->fd, &a);
	sgt_bo_destroy(t->fd, &b);
}

static void test_stall_kill(struct test_ctx *t)
{
	uint32_t out;

	EXPECT(t, fault_mode_vm(t));
	sgt_store(&t->stream, DATA_VA, 3);
	EXPECT_EQ(t, start(t, &out), 0);
	EXPECT(t, wait_stalled(t));
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_KILL), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), -ECANCELED);
	EXPECT_EQ(t, vm_state(t), 0);
	sgt_sync_destroy(t->fd, out);
}

static void test_stall_off(struct test_ctx *t)
{
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_NO_FAULT_MODE,
		   DRM_SOFTGPU_SWITCH_NO_FAULT_MODE);
	EXPECT_EQ(t, sgt_vm_create(t->fd, DRM_SOFTGPU_VM_CREATE_FAULT_MODE),
		  -EOPNOTSUPP);
	EXPECT_EQ(t, sgt_vm_create(t->fd, 4), -EINVAL);
}

static bool set_param(const char *name, unsigned int value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/softgpu/parameters/%s",
		 name);
	file = fopen(path, "w");
	if (!file)
		return false;
	fprintf(file, "%u\n", value);
	return fclose(file) == 0;
}

static void timeout_of(struct test_ctx *t, const char *param, bool stop,
		       unsigned int usual)
{
	struct buffer buf;
	uint32_t out;
	int ret;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT(t, set_param(param, 300));
	if (stop)
		control(t, DRM_SOFTGPU_VM_STOP);
	sgt_poll(&t->stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, start(t, &out), 0);
	ret = sgt_sync_wait(t->fd, out, LONG);
	EXPECT(t, set_param(param, usual));
	EXPECT_EQ(t, ret, -ETIME);
	EXPECT_EQ(t, control(t, DRM_SOFTGPU_VM_RESUME), 0);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	sgt_sync_destroy(t->fd, out);
	buffer_destroy(t, &buf);
}

static void test_job_timeout(struct test_ctx *t)
{
	timeout_of(t, "job_timeout_ms", false, 10000);
}

static void test_stop_timeout(struct test_ctx *t)
{
	timeout_of(t, "stop_timeout_ms", true, 60000);
}

/* The file goes while its job runs and others wait behind it. */
static void test_close_busy(struct test_ctx *t)
{
	struct buffer buf;
	uint32_t out;
	int i;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	for (i = 0; i < 5; i++) {
		sgt_poll(&t->stream, buf.va, 1, ~0u);
		EXPECT_EQ(t, start(t, &out), 0);
	}
	EXPECT(t, wait_running(t));
	EXPECT_EQ(t, sgt_vm_destroy(t->fd, t->vm), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out, LONG), -ECANCELED);
	sgt_bo_destroy(t->fd, &buf.bo);
}

static void child_poll_for_ever(int ready)
{
	struct test_ctx t = { .fd = sgt_open(0) };
	struct buffer buf;
	uint32_t out;

	t.vm = sgt_vm_create(t.fd, 0);
	if (sgt_stream_create(t.fd, t.vm, &t.stream, STREAM_VA, STREAM_SIZE) ||
	    !buffer_create(&t, &buf, DATA_VA, 64 * SGT_PAGE,
			   DRM_SOFTGPU_PLACE_VRAM))
		_exit(1);
	sgt_poll(&t.stream, buf.va, 1, ~0u);
	if (start(&t, &out) || !wait_running(&t) || write(ready, "r", 1) != 1)
		_exit(1);
	sgt_sync_wait(t.fd, out, 60 * SGT_SECOND);
	_exit(0);
}

static void test_process_killed(struct test_ctx *t)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	EXPECT_EQ(t, pipe(ready), 0);
	pid = fork();
	EXPECT(t, pid >= 0);
	if (!pid)
		child_poll_for_ever(ready[1]);
	close(ready[1]);
	EXPECT_EQ(t, read(ready[0], &byte, 1), 1);
	close(ready[0]);
	kill(pid, SIGKILL);
	EXPECT_EQ(t, waitpid(pid, &status, 0), pid);
	EXPECT(t, WIFSIGNALED(status));
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
}

/* Unmapping without TLB flush: the next access is counted, and refused. */
static void test_broken_release(struct test_ctx *t)
{
	struct drm_softgpu_counters before, after;
	struct drm_softgpu_vm_query query;
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	sgt_store(&t->stream, buf.va, 1);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, sgt_counters(t->fd, &before), 0);
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_BROKEN_RELEASE,
		   DRM_SOFTGPU_SWITCH_BROKEN_RELEASE);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, buf.va, SGT_PAGE), 0);
	sgt_store(&t->stream, buf.va, 2);
	EXPECT_EQ(t, run_stream(t, COMPUTE), -EFAULT);
	EXPECT_EQ(t, sgt_counters(t->fd, &after), 0);
	EXPECT_EQ(t, after.use_after_invalidate - before.use_after_invalidate,
		  1);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT(t, query.fault_flags & DRM_SOFTGPU_FAULT_STALE);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 1);
	sgt_switch(t->fd, DRM_SOFTGPU_SWITCH_BROKEN_RELEASE, 0);
	buffer_destroy(t, &buf);
}

static void test_switch_arguments(struct test_ctx *t)
{
	EXPECT_EQ(t, sgt_switch(t->fd, 0, 0), 0);
	EXPECT_EQ(t, sgt_switch(t->fd, 1u << 31, 0), -EINVAL);
	EXPECT_EQ(t, sgt_switch(t->fd, 1, 2), -EINVAL);
	EXPECT_EQ(t, sgt_switch(t->fd, 1, 1), 0);
	EXPECT_EQ(t, sgt_switch(t->fd, 1, 0), 1);
}

const struct test control_tests[] = {
	{ "control-stop-resume", test_stop_resume, false },
	{ "control-stop-rebind", test_stop_rebind, false },
	{ "control-stop-fence", test_stop_fence, false },
	{ "control-slow-stop", test_slow_stop, false },
	{ "control-stop-queues", test_stop_queues, false },
	{ "control-stop-two-gpus", test_stop_two_gpus, false },
	{ "control-kill", test_kill, false },
	{ "control-kill-stopped", test_kill_stopped, false },
	{ "control-ignore-kill", test_ignore_kill, false },
	{ "control-time-slices", test_time_slices, false },
	{ "control-stall", test_stall, false },
	{ "control-stall-copy", test_stall_copy, false },
	{ "control-stall-kill", test_stall_kill, false },
	{ "control-stall-off", test_stall_off, false },
	{ "control-job-timeout", test_job_timeout, false },
	{ "control-stop-timeout", test_stop_timeout, false },
	{ "control-close-busy", test_close_busy, false },
	{ "control-process-killed", test_process_killed, false },
	{ "control-broken-release", test_broken_release, true },
	{ "control-switch-arguments", test_switch_arguments, false },
	{ NULL, NULL, false },
};
