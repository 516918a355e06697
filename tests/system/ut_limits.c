// SPDX-License-Identifier: MIT
/* Cases of limits: RLIMIT_MEMLOCK, quotas, grants. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <xf86drm.h>

#include "gpu_cmd.h"
#include "ut.h"

#define NOBODY	65534

static void become_nobody(rlim_t memlock)
{
	struct rlimit limit = { memlock, memlock };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		ut_error("setrlimit");
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		ut_error("setresuid");
}

/* 16 pages are allowed: 17 are refused, 16 work, and one more is refused. */
static void memlock_limit(void)
{
	unsigned char *memory = ut_pages(32);
	int fd = ut_node_open();
	uint32_t handle, more;

	become_nobody(16 * UT_PAGE);
	UT_ERRNO(__ut_create_one(fd, memory, 17 * UT_PAGE, 0, &handle), -ENOMEM);
	UT_ERRNO(__ut_create_one(fd, memory, 16 * UT_PAGE, 0, &handle), 0);
	UT_ERRNO(__ut_create_one(fd, memory + 20 * UT_PAGE, UT_PAGE, 0, &more), -ENOMEM);
	ut_destroy(fd, handle);
	close(fd);
}

static void info_is_plausible(void)
{
	struct drm_xen_userptr_info info;
	int fd = ut_node_open();

	UT_ERRNO(__ut_info(fd, &info), 0);
	UT_CHECK(info.gpu_name[0] && !info.gpu_name[sizeof(info.gpu_name) - 1], "gpu_name");
	UT_CHECK(info.va_start < info.va_end, "va range");
	UT_CHECK(info.page_sizes & UT_PAGE, "page_sizes %llx", info.page_sizes);
	UT_CHECK(info.nr_engines >= 1 && info.max_vms && info.max_objects &&
		 info.max_pages && info.max_ranges && info.max_bind_ops && info.max_jobs,
		 "a limit is zero");
	UT_CHECK(info.quarantined_pages == 0, "%llu pages in quarantine",
		 info.quarantined_pages);
	close(fd);
}

static void quota_vms(void)
{
	struct drm_xen_userptr_info info;
	int fd = ut_node_open();
	uint32_t vm, i;
	int ret = 0;

	UT_ERRNO(__ut_info(fd, &info), 0);
	for (i = 0; i <= info.max_vms && !ret; i++)
		ret = __ut_vm_create(fd, &vm);
	UT_CHECK(ret == -EDQUOT, "after %u VMs: %d", i, ret);
	close(fd);
}

static void quota_objects(void)
{
	unsigned char *page = ut_pages(1);
	struct drm_xen_userptr_info info;
	uint32_t handle, i;
	int fd = ut_node_open();
	int ret = 0;

	UT_ERRNO(__ut_info(fd, &info), 0);
	for (i = 0; i <= info.max_objects && !ret; i++)
		ret = __ut_create_one(fd, page, UT_PAGE, 0, &handle);
	UT_CHECK(ret == -EDQUOT, "after %u objects: %d", i, ret);
	UT_CHECK(i > 1, "no object at all could be made");
	close(fd);
}

/* More pages than the quota, by one object of the same page again and again. */
static void quota_pages(void)
{
	struct drm_xen_userptr_range *ranges;
	struct drm_xen_userptr_info info;
	struct drm_xen_userptr_create create;
	uint64_t nr, i, chunk = 256;
	unsigned char *memory = ut_pages(chunk);
	int fd = ut_node_open();

	UT_ERRNO(__ut_info(fd, &info), 0);
	nr = info.max_pages / chunk + 1;
	if (nr > info.max_ranges)
		ut_skip("the quota of pages is too large for one object");
	ranges = calloc(nr, sizeof(*ranges));
	if (!ranges)
		ut_error("calloc");
	for (i = 0; i < nr; i++) {
		ranges[i].addr = (uintptr_t)memory;
		ranges[i].length = chunk * UT_PAGE;
	}
	UT_ERRNO(__ut_create(fd, ranges, (uint32_t)nr, 0, &create), -EDQUOT);
	free(ranges);
	close(fd);
}

/* Jobs that wait behind a long one fill the quota; then EXEC says so. */
static void quota_jobs(void)
{
	struct drm_xen_userptr_info info;
	uint32_t *syncobjs, i, queued;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	struct ut ut;
	int ret = 0;

	ut_open(&ut);
	UT_ERRNO(__ut_info(ut.fd, &info), 0);
	syncobjs = calloc(info.max_jobs + 1ULL, sizeof(*syncobjs));
	if (!syncobjs)
		ut_error("calloc");
	ut_batch_open(&batch, &ut, &cmd);
	gpu_cmd_busy(&cmd, 10000000000ULL);
	for (i = 0; i <= info.max_jobs && !ret; i++)
		ret = __ut_exec(&ut, 0, UT_CMD_VA, gpu_cmd_octets(&cmd), &syncobjs[i]);
	queued = ret ? i - 1 : i;
	UT_CHECK(ret == -EBUSY, "after %u jobs: %d", queued, ret);
	UT_ERRNO(__ut_vm_destroy(ut.fd, ut.vm), 0);
	for (i = 0; i < queued; i++) {
		ret = ut_fence_wait(ut.fd, syncobjs[i]);
		UT_CHECK(ret == -ECANCELED, "job %u: %d", i, ret);
	}
	free(syncobjs);
	ut_close(&ut);
}

/*
 * Take grants until there are none for us: the call says so, what was got can
 * be used and given back. The scenario keeps disk and network busy meanwhile.
 */
static void grants_exhausted(void)
{
	enum { CHUNK = 1024, MAX = 512 };
	uint32_t handles[MAX], i = 0, j;
	int fd = ut_node_open();
	int ret = 0;

	while (i < MAX && !ret) {
		void *memory = ut_pages(CHUNK);

		ret = __ut_create_one(fd, memory, CHUNK * UT_PAGE, 0, &handles[i]);
		i += !ret;
	}
	UT_CHECK(ret == -ENOSPC, "after %u objects of %d pages: %d", i, CHUNK, ret);
	for (j = 0; j < i; j++)
		ut_destroy(fd, handles[j]);
	close(fd);
}

/* CREATE and close again and again, until somebody kills the program. */
static void create_forever(void)
{
	unsigned char *memory = ut_pages(512);
	int fd = ut_node_open();

	puts("running");
	for (;;)
		ut_destroy(fd, ut_create_one(fd, memory, 512 * UT_PAGE, 0));
}

/* EXEC again and again, until somebody kills the program. */
static void exec_forever(void)
{
	struct ut_batch batch;
	struct gpu_cmd cmd;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	gpu_cmd_busy(&cmd, 3000000);
	puts("running");
	for (;;)
		UT_ERRNO(ut_run(&batch, &cmd), 0);
}

/* The host's budget is used up, or so the scenario has seen to. */
static void budget_used_up(void)
{
	unsigned char *memory = ut_pages(2048);
	unsigned long pinned = ut_status_kib("VmPin");
	int fd = ut_node_open();
	uint32_t handle;

	UT_ERRNO(__ut_create_one(fd, memory, 2048 * UT_PAGE, 0, &handle), -ENOBUFS);
	UT_CHECK(ut_status_kib("VmPin") == pinned, "pages stayed pinned");
	ut_destroy(fd, ut_create_one(fd, memory, 16 * UT_PAGE, 0));
	close(fd);
}

/* Without a backend there is no node, or it says so. */
static void no_backend(void)
{
	struct drm_xen_userptr_info info;
	int fd = ut_node_open();

	UT_ERRNO(__ut_info(fd, &info), -ENODEV);
	close(fd);
}

/* These need a scenario around them, so --list leaves them out. */
const struct ut_case ut_scenario_cases[] = {
	{ "create_forever", create_forever },
	{ "exec_forever", exec_forever },
	{ "budget_used_up", budget_used_up },
	{ "grants_exhausted", grants_exhausted },
	{ "no_backend", no_backend },
	{ NULL, NULL },
};

const struct ut_case ut_limit_cases[] = {
	{ "memlock_limit", memlock_limit },
	{ "info_is_plausible", info_is_plausible },
	{ "quota_vms", quota_vms },
	{ "quota_objects", quota_objects },
	{ "quota_pages", quota_pages },
	{ "quota_jobs", quota_jobs },
	{ NULL, NULL },
};
