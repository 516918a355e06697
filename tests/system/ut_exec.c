// SPDX-License-Identifier: MIT
/* Cases of EXEC: work, faults, fences, and what is refused. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include "gpu_cmd.h"
#include "ut.h"

#define BUSY_NS		2000000000ULL

struct job {
	struct ut ut;
	struct ut_batch batch;
	struct gpu_cmd cmd;
};

static void job_open(struct job *job)
{
	ut_open(&job->ut);
	ut_batch_open(&job->batch, &job->ut, &job->cmd);
}

static void refuse_exec(uint32_t vm_offset, uint32_t engine, uint32_t length, int want)
{
	uint32_t syncobj;
	struct job job;

	job_open(&job);
	job.ut.vm += vm_offset;
	UT_ERRNO(__ut_exec(&job.ut, engine, UT_CMD_VA, length, &syncobj), want);
	ut_close(&job.ut);
}

static void exec_unknown_vm(void)
{
	refuse_exec(12345, 0, 64, -ENOENT);
}

static void exec_bad_engine(void)
{
	refuse_exec(0, 4711, 64, -EINVAL);
}

static void exec_zero_length(void)
{
	refuse_exec(0, 0, 0, -EINVAL);
}

/* Waiting for the fence is all that is needed before the data is read. */
static void exec_store(void)
{
	volatile uint64_t *memory = ut_pages(1);
	uint32_t handle, round;
	struct job job;

	job_open(&job);
	handle = ut_create_one(job.ut.fd, (void *)(uintptr_t)memory, UT_PAGE, 0);
	ut_map(&job.ut, handle, UT_PAGE, UT_GPU_VA);
	for (round = 1; round <= 50; round++) {
		gpu_cmd_begin(&job.cmd, job.batch.memory, UT_PAGE);
		gpu_cmd_store(&job.cmd, UT_GPU_VA + 8, round);
		UT_ERRNO(ut_run(&job.batch, &job.cmd), 0);
		UT_CHECK(memory[1] == round, "round %u: memory holds %llu", round,
			 (unsigned long long)memory[1]);
	}
	ut_close(&job.ut);
}

/* A GPU fault is an error of its fence, and the next EXEC works. */
static void exec_unmapped_address(void)
{
	struct job job;

	job_open(&job);
	gpu_cmd_fill(&job.cmd, UT_GPU_VA, 1, 64);
	UT_ERRNO(ut_run(&job.batch, &job.cmd), -EFAULT);
	gpu_cmd_begin(&job.cmd, job.batch.memory, UT_PAGE);
	gpu_cmd_busy(&job.cmd, 1000);
	UT_ERRNO(ut_run(&job.batch, &job.cmd), 0);
	ut_close(&job.ut);
}

static void exec_commands_unmapped(void)
{
	uint32_t syncobj;
	struct job job;

	job_open(&job);
	UT_ERRNO(__ut_exec(&job.ut, 0, UT_GPU_VA * 4, 64, &syncobj), 0);
	UT_ERRNO(ut_fence_wait(job.ut.fd, syncobj), -EFAULT);
	ut_close(&job.ut);
}

static void exec_write_to_readonly(void)
{
	unsigned char *memory = ut_pages(1);
	uint32_t handle;
	struct job job;

	job_open(&job);
	handle = ut_create_one(job.ut.fd, memory, UT_PAGE, DRM_XEN_USERPTR_CREATE_READONLY);
	UT_ERRNO(__ut_map(&job.ut, handle, 0, UT_PAGE, UT_GPU_VA,
			  DRM_XEN_USERPTR_BIND_READONLY), 0);
	gpu_cmd_fill(&job.cmd, UT_GPU_VA, 0xff, 64);
	UT_ERRNO(ut_run(&job.batch, &job.cmd), -EFAULT);
	UT_CHECK(memory[0] == 0, "read-only memory was written");
	ut_close(&job.ut);
}

/* The in-fence holds the job back until the guest signals it. */
static void exec_in_fence(void)
{
	volatile uint32_t *memory = ut_pages(1);
	struct drm_xen_userptr_sync syncs[2] = {
		{ .flags = 0 }, { .flags = DRM_XEN_USERPTR_SYNC_SIGNAL },
	};
	struct drm_xen_userptr_exec exec = {
		.cmd_va = UT_CMD_VA, .syncs = (uintptr_t)syncs, .nr_syncs = 2,
	};
	uint32_t handle, gate, syncobj;
	struct job job;

	job_open(&job);
	handle = ut_create_one(job.ut.fd, (void *)(uintptr_t)memory, UT_PAGE, 0);
	ut_map(&job.ut, handle, UT_PAGE, UT_GPU_VA);

	gpu_cmd_busy(&job.cmd, BUSY_NS / 10);
	gpu_cmd_inc(&job.cmd, UT_GPU_VA, 1, 1);
	UT_ERRNO(__ut_exec(&job.ut, 0, UT_CMD_VA, gpu_cmd_octets(&job.cmd), &gate), 0);

	/* On the other engine, so that only the fence can hold it back. */
	gpu_cmd_begin(&job.cmd, (char *)job.batch.memory + UT_PAGE, UT_PAGE);
	gpu_cmd_copy(&job.cmd, UT_GPU_VA + 64, UT_GPU_VA, 4);
	if (drmSyncobjCreate(job.ut.fd, 0, &syncobj))
		ut_error("drmSyncobjCreate");
	syncs[0].handle = gate;
	syncs[1].handle = syncobj;
	exec.vm_id = job.ut.vm;
	exec.engine = 1;
	exec.cmd_va = UT_CMD_VA + UT_PAGE;
	exec.cmd_length = gpu_cmd_octets(&job.cmd);
	UT_CHECK(!drmIoctl(job.ut.fd, DRM_IOCTL_XEN_USERPTR_EXEC, &exec), "EXEC: %s",
		 strerror(errno));
	UT_ERRNO(ut_fence_wait(job.ut.fd, syncobj), 0);
	UT_CHECK(memory[16] == 1, "the copy saw %u", memory[16]);
	ut_close(&job.ut);
}

/* Out-fences as points of a timeline; a later EXEC waits for one. */
static void exec_timeline(void)
{
	volatile uint32_t *memory = ut_pages(1);
	struct drm_xen_userptr_sync sync = {
		.flags = DRM_XEN_USERPTR_SYNC_SIGNAL | DRM_XEN_USERPTR_SYNC_TIMELINE,
	};
	struct drm_xen_userptr_exec exec = {
		.cmd_va = UT_CMD_VA, .syncs = (uintptr_t)&sync, .nr_syncs = 1,
	};
	uint64_t point = 0;
	uint32_t handle;
	struct job job;

	job_open(&job);
	handle = ut_create_one(job.ut.fd, (void *)(uintptr_t)memory, UT_PAGE, 0);
	ut_map(&job.ut, handle, UT_PAGE, UT_GPU_VA);
	gpu_cmd_inc(&job.cmd, UT_GPU_VA, 1, 1);
	if (drmSyncobjCreate(job.ut.fd, 0, &sync.handle))
		ut_error("drmSyncobjCreate");
	exec.vm_id = job.ut.vm;
	exec.cmd_length = gpu_cmd_octets(&job.cmd);
	for (sync.point = 1; sync.point <= 5; sync.point++)
		UT_CHECK(!drmIoctl(job.ut.fd, DRM_IOCTL_XEN_USERPTR_EXEC, &exec),
			 "EXEC %llu: %s", sync.point, strerror(errno));
	point = 5;
	UT_CHECK(!drmSyncobjTimelineWait(job.ut.fd, &sync.handle, &point, 1, INT64_MAX,
					 DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, NULL),
		 "timeline wait: %s", strerror(errno));
	UT_CHECK(memory[0] == 5, "five jobs left %u", memory[0]);
	ut_close(&job.ut);
}

/* The job runs when its VM goes: the fence says so, and soon. */
static void vm_destroy_cancels(void)
{
	uint32_t syncobj;
	struct job job;

	job_open(&job);
	gpu_cmd_busy(&job.cmd, 30 * BUSY_NS);
	UT_ERRNO(__ut_exec(&job.ut, 0, UT_CMD_VA, gpu_cmd_octets(&job.cmd), &syncobj), 0);
	UT_ERRNO(__ut_vm_destroy(job.ut.fd, job.ut.vm), 0);
	UT_ERRNO(ut_fence_wait(job.ut.fd, syncobj), -ECANCELED);
	ut_close(&job.ut);
}

const struct ut_case ut_exec_cases[] = {
	{ "exec_unknown_vm", exec_unknown_vm },
	{ "exec_bad_engine", exec_bad_engine },
	{ "exec_zero_length", exec_zero_length },
	{ "exec_store", exec_store },
	{ "exec_unmapped_address", exec_unmapped_address },
	{ "exec_commands_unmapped", exec_commands_unmapped },
	{ "exec_write_to_readonly", exec_write_to_readonly },
	{ "exec_in_fence", exec_in_fence },
	{ "exec_timeline", exec_timeline },
	{ "vm_destroy_cancels", vm_destroy_cancels },
	{ NULL, NULL },
};
