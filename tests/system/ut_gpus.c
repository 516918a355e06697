// SPDX-License-Identifier: MIT
/*
 * Two GPUs in one guest: the same memory registered on both, jobs on both, and
 * release while both are busy.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xf86drm.h>

#include "ut_mem.h"

#define NR_GPUS		2

struct gpus {
	struct ut ut[NR_GPUS];
	struct ut_batch batch[NR_GPUS];
	struct gpu_cmd cmd[NR_GPUS];
	uint32_t handle[NR_GPUS];
	unsigned char *memory;
};

static void gpus_open(struct gpus *g)
{
	unsigned int i;

	g->memory = ut_pages(UT_MEM_PAGES);
	for (i = 0; i < NR_GPUS; i++) {
		g->ut[i].fd = ut_node_open_nth(i);
		if (g->ut[i].fd < 0)
			ut_skip("one GPU only");
		UT_ERRNO(__ut_vm_create(g->ut[i].fd, &g->ut[i].vm), 0);
		ut_batch_open(&g->batch[i], &g->ut[i], &g->cmd[i]);
		g->handle[i] = ut_create_one(g->ut[i].fd, g->memory, UT_MEM_PAGES * UT_PAGE, 0);
		ut_map(&g->ut[i], g->handle[i], UT_MEM_PAGES * UT_PAGE,
		       UT_GPU_VA + i * 0x400000);
	}
}

static void gpus_close(struct gpus *g)
{
	unsigned int i;

	for (i = 0; i < NR_GPUS; i++)
		ut_close(&g->ut[i]);
}

/* Both count in the same words, at once and atomically. */
static void gpus_share_memory(void)
{
	uint32_t syncobj[NR_GPUS], round, i;
	struct gpus g;

	gpus_open(&g);
	for (i = 0; i < NR_GPUS; i++)
		gpu_cmd_inc(&g.cmd[i], UT_GPU_VA + i * 0x400000, 1,
			    UT_MEM_PAGES * UT_PAGE / 4);
	for (round = 1; round <= 20; round++) {
		for (i = 0; i < NR_GPUS; i++)
			UT_ERRNO(__ut_exec(&g.ut[i], 0, UT_CMD_VA, gpu_cmd_octets(&g.cmd[i]),
					   &syncobj[i]), 0);
		for (i = 0; i < NR_GPUS; i++)
			UT_ERRNO(ut_fence_wait(g.ut[i].fd, syncobj[i]), 0);
	}
	for (i = 0; i < UT_MEM_PAGES * UT_PAGE / 4; i++)
		UT_CHECK(((uint32_t *)g.memory)[i] == 20 * NR_GPUS, "word %u: %u", i,
			 ((uint32_t *)g.memory)[i]);
	gpus_close(&g);
}

/* The job of one GPU waits for a job of the other, through a sync_file. */
static void gpus_fences(void)
{
	struct drm_xen_userptr_sync syncs[2] = { { .flags = 0 },
						 { .flags = DRM_XEN_USERPTR_SYNC_SIGNAL } };
	struct drm_xen_userptr_exec exec = {
		.cmd_va = UT_CMD_VA, .syncs = (uintptr_t)syncs, .nr_syncs = 2,
	};
	uint32_t first, second;
	struct gpus g;
	int file;

	gpus_open(&g);
	gpu_cmd_busy(&g.cmd[0], UT_SOME_TIME_NS);
	gpu_cmd_store(&g.cmd[0], UT_GPU_VA, 0x1234);
	gpu_cmd_copy(&g.cmd[1], UT_GPU_VA + 0x400000 + UT_PAGE, UT_GPU_VA + 0x400000, 8);
	UT_ERRNO(__ut_exec(&g.ut[0], 0, UT_CMD_VA, gpu_cmd_octets(&g.cmd[0]), &first), 0);
	if (drmSyncobjExportSyncFile(g.ut[0].fd, first, &file) ||
	    drmSyncobjCreate(g.ut[1].fd, 0, &syncs[0].handle) ||
	    drmSyncobjImportSyncFile(g.ut[1].fd, syncs[0].handle, file) ||
	    drmSyncobjCreate(g.ut[1].fd, 0, &second))
		ut_error("syncobjs");
	close(file);
	syncs[1].handle = second;
	exec.vm_id = g.ut[1].vm;
	exec.cmd_length = gpu_cmd_octets(&g.cmd[1]);
	UT_CHECK(!drmIoctl(g.ut[1].fd, DRM_IOCTL_XEN_USERPTR_EXEC, &exec), "EXEC: %s",
		 strerror(errno));
	UT_ERRNO(ut_fence_wait(g.ut[1].fd, second), 0);
	UT_CHECK(*(uint64_t *)(g.memory + UT_PAGE) == 0x1234, "the second GPU was early");
	UT_ERRNO(ut_fence_wait(g.ut[0].fd, first), 0);
	gpus_close(&g);
}

/* An object of one device is foreign to the other. */
static void gpus_prime_refused(void)
{
	uint32_t handle;
	struct gpus g;
	int prime;

	gpus_open(&g);
	UT_CHECK(!drmPrimeHandleToFD(g.ut[0].fd, g.handle[0], DRM_CLOEXEC, &prime), "export");
	UT_CHECK(drmPrimeFDToHandle(g.ut[1].fd, prime, &handle), "the import worked");
	UT_CHECK(errno == EINVAL || errno == EOPNOTSUPP, "import: %s", strerror(errno));
	close(prime);
	gpus_close(&g);
}

static void both_busy(struct gpus *g, uint32_t *syncobj)
{
	unsigned int i;

	for (i = 0; i < NR_GPUS; i++) {
		gpu_cmd_busy(&g->cmd[i], UT_SOME_TIME_NS);
		gpu_cmd_fill(&g->cmd[i], UT_GPU_VA + i * 0x400000, 0x11, 4 * UT_PAGE);
		UT_ERRNO(__ut_exec(&g->ut[i], 0, UT_CMD_VA, gpu_cmd_octets(&g->cmd[i]),
				   &syncobj[i]), 0);
	}
}

/* munmap returns at once although both GPUs are at work; then all is given back. */
static void gpus_munmap_busy(void)
{
	unsigned long base = ut_pinned_pages();
	uint32_t syncobj[NR_GPUS], i;
	struct gpus g;
	int error;

	gpus_open(&g);
	both_busy(&g, syncobj);
	UT_CHECK(!munmap(g.memory, UT_MEM_PAGES * UT_PAGE), "munmap");
	for (i = 0; i < NR_GPUS; i++) {
		error = ut_fence_wait(g.ut[i].fd, syncobj[i]);
		UT_CHECK(error == 0 || error == -EFAULT, "GPU %u: %d", i, error);
	}
	UT_CHECK(ut_wait_pinned(base + NR_GPUS * 4), "%lu pages pinned", ut_pinned_pages());
	gpus_close(&g);
}

static void gpus_partial_unmap(void)
{
	unsigned long base = ut_pinned_pages();
	struct gpus g;
	unsigned int i;

	gpus_open(&g);
	UT_CHECK(!munmap(g.memory + 4 * UT_PAGE, 4 * UT_PAGE), "munmap");
	UT_CHECK(ut_wait_pinned(base + NR_GPUS * (4 + 4)), "%lu pages pinned",
		 ut_pinned_pages());
	for (i = 0; i < NR_GPUS; i++) {
		gpu_cmd_inc(&g.cmd[i], UT_GPU_VA + i * 0x400000, 1, 4 * UT_PAGE / 4);
		UT_ERRNO(ut_run(&g.batch[i], &g.cmd[i]), 0);
	}
	UT_CHECK(*(uint32_t *)(g.memory + 3 * UT_PAGE) == NR_GPUS, "what is left");
	gpus_close(&g);
}

/* The process ends while both are busy. */
static void gpus_exit_busy(void)
{
	uint32_t syncobj[NR_GPUS];
	struct gpus g;
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child < 0)
		ut_error("fork");
	if (!child) {
		gpus_open(&g);
		both_busy(&g, syncobj);
		_exit(0);
	}
	UT_CHECK(waitpid(child, &status, 0) == child && !WEXITSTATUS(status), "the child");
}

const struct ut_case ut_gpus_cases[] = {
	{ "gpus_share_memory", gpus_share_memory },
	{ "gpus_fences", gpus_fences },
	{ "gpus_prime_refused", gpus_prime_refused },
	{ "gpus_munmap_busy", gpus_munmap_busy },
	{ "gpus_partial_unmap", gpus_partial_unmap },
	{ "gpus_exit_busy", gpus_exit_busy },
	{ NULL, NULL },
};
