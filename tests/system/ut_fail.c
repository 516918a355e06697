// SPDX-License-Identifier: MIT
/*
 * One program's whole use of the GPU, with the first call that can fail failing, then the
 * second, and so on until none is left: each time the program is told or all is
 * right, and what was taken is given back.
 *
 * alloc_fail_each_step uses the driver's parameter fail_nth, fail_nth_of_kernel the
 * kernel's own fault injection; ut_fail_once is for scenarios, which let the
 * module in dom0 fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <xf86drm.h>

#include "ut_mem.h"

#define FAIL_NTH	"/sys/module/xen_userptr/parameters/fail_nth"
#define MAX_STEPS	1000
#define NR_RANGES	3
#define RANGE_PAGES	5
#define OCTETS		(NR_RANGES * RANGE_PAGES * UT_PAGE)

struct use {
	struct ut ut;
	unsigned char *memory;		/* ranges with a page between them */
	unsigned char *commands;
	uint32_t object, command_object;
	uint32_t binary, timeline;	/* syncobjs */
	uint32_t length;		/* of the job */
	const char *at;			/* the call that was made last */
};

static unsigned char *use_range(const struct use *use, unsigned int i)
{
	return use->memory + i * (RANGE_PAGES + 1) * UT_PAGE;
}

static int use_register(struct use *use)
{
	struct drm_xen_userptr_range range[NR_RANGES];
	struct drm_xen_userptr_create create;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_RANGES; i++)
		range[i] = (struct drm_xen_userptr_range){
			.addr = (uintptr_t)use_range(use, i), .length = RANGE_PAGES * UT_PAGE,
		};
	ret = __ut_create(use->ut.fd, range, NR_RANGES, 0, &create);
	use->object = create.handle;
	return ret ? ret : __ut_create_one(use->ut.fd, use->commands, UT_PAGE,
					   DRM_XEN_USERPTR_CREATE_READONLY, &use->command_object);
}

static int use_bind(struct use *use)
{
	struct drm_xen_userptr_bind_op op[] = {
		{ .op = DRM_XEN_USERPTR_BIND_MAP, .handle = use->object, .length = OCTETS,
		  .gpu_va = UT_GPU_VA },
		{ .op = DRM_XEN_USERPTR_BIND_UNMAP, .length = UT_PAGE,
		  .gpu_va = UT_GPU_VA + UT_PAGE },
		{ .op = DRM_XEN_USERPTR_BIND_MAP, .flags = DRM_XEN_USERPTR_BIND_READONLY,
		  .handle = use->command_object, .length = UT_PAGE, .gpu_va = UT_CMD_VA },
	};

	return __ut_bind(use->ut.fd, use->ut.vm, op, 3, NULL);
}

/* Signals a binary syncobj and a point of a timeline. */
static int use_exec(struct use *use)
{
	struct drm_xen_userptr_sync sync[] = {
		{ .handle = use->binary, .flags = DRM_XEN_USERPTR_SYNC_SIGNAL },
		{ .handle = use->timeline, .point = 1,
		  .flags = DRM_XEN_USERPTR_SYNC_SIGNAL | DRM_XEN_USERPTR_SYNC_TIMELINE },
	};
	struct drm_xen_userptr_exec arg = {
		.vm_id = use->ut.vm, .cmd_va = UT_CMD_VA, .cmd_length = use->length,
		.syncs = (uintptr_t)sync, .nr_syncs = 2,
	};

	return drmIoctl(use->ut.fd, DRM_IOCTL_XEN_USERPTR_EXEC, &arg) ? -errno : 0;
}

static int use_info(struct use *use)
{
	struct drm_xen_userptr_info info;

	return __ut_info(use->ut.fd, &info);
}

static int use_vm(struct use *use)
{
	return __ut_vm_create(use->ut.fd, &use->ut.vm);
}

static int use_wait(struct use *use)
{
	int error = 0, ret = __ut_fence_wait(use->ut.fd, use->binary, &error);

	return ret ? ret : error;
}

/* Everything from here on may fail; what was done before must not hurt then. */
static int use_steps(struct use *use)
{
	static const struct {
		const char *name;
		int (*run)(struct use *use);
	} steps[] = {
		{ "info", use_info }, { "vm_create", use_vm }, { "create", use_register },
		{ "bind", use_bind }, { "exec", use_exec }, { "wait", use_wait },
	};
	struct gpu_cmd cmd;
	size_t i;
	int ret = 0;

	gpu_cmd_begin(&cmd, use->commands, UT_PAGE);
	gpu_cmd_fill(&cmd, UT_GPU_VA + OCTETS - UT_PAGE, 0x5151, UT_PAGE);
	use->length = gpu_cmd_octets(&cmd);
	for (i = 0; !ret && i < sizeof(steps) / sizeof(steps[0]); i++) {
		use->at = steps[i].name;
		ret = steps[i].run(use);
	}
	return ret;
}

static void use_check(const struct use *use, int ret)
{
	const unsigned char *last = use_range(use, NR_RANGES - 1) + (RANGE_PAGES - 1) * UT_PAGE;
	bool done = *(volatile const uint32_t *)last == 0x5151;

	if (!ret)
		UT_CHECK(done, "no error, but the job did not run");
	/* drm_syncobj_export_sync_file() says so if there is no memory for the file. */
	if (ret == -EINVAL && !strcmp(use->at, "wait"))
		return;
	UT_CHECK(!ret || ret == -ENOMEM || ret == -ENOSPC || ret == -EIO || ret == -EAGAIN ||
		 ret == -EFAULT || ret == -ENOBUFS, "the error of %s is %d", use->at, ret);
}

static unsigned long grants_now(void)
{
	FILE *file = fopen("/sys/bus/xen/devices/userptr-0/userptr/grants", "r");
	unsigned long grants = 0;

	if (!file || fscanf(file, "%lu", &grants) != 1)
		ut_error("sysfs: grants");
	fclose(file);
	return grants;
}

static void wait_nothing_left(unsigned int step)
{
	int tries;

	for (tries = 0; tries < 2000 && (grants_now() || ut_pinned_pages()); tries++)
		usleep(5000);
	UT_CHECK(!grants_now() && !ut_pinned_pages(), "step %u: %lu grants, %lu pins left", step,
		 grants_now(), ut_pinned_pages());
}

static void use_open(struct use *use)
{
	use->ut.fd = ut_node_open();
	memset(use_range(use, NR_RANGES - 1), 0, RANGE_PAGES * UT_PAGE);
	if (drmSyncobjCreate(use->ut.fd, 0, &use->binary) ||
	    drmSyncobjCreate(use->ut.fd, 0, &use->timeline))
		ut_error("syncobj");
}

static void use_memory(struct use *use)
{
	use->memory = ut_pages(NR_RANGES * (RANGE_PAGES + 1));
	use->commands = ut_pages(1);
}

static unsigned int param_get(void)
{
	FILE *file = fopen(FAIL_NTH, "r");
	unsigned int left;

	if (!file || fscanf(file, "%u", &left) != 1)
		ut_error(FAIL_NTH);
	fclose(file);
	return left;
}

static void param_set(unsigned int nth)
{
	FILE *file = fopen(FAIL_NTH, "w");

	if (!file || fprintf(file, "%u", nth) < 0 || fclose(file))
		ut_error(FAIL_NTH);
}

/* The first thing that can fail is opening the node. */
static void open_fails(void)
{
	int fd;

	param_set(1);
	fd = ut_node_open_nth(0);
	UT_CHECK(fd < 0, "the node was opened");
	UT_CHECK(!param_get(), "nothing was made to fail");
	close(ut_node_open());
}

static void alloc_fail_each_step(void)
{
	unsigned int step, left = 0, failed = 0;
	struct use use;
	int ret = 0;

	use_memory(&use);
	for (step = 1; !left && step < MAX_STEPS; step++) {
		use_open(&use);
		param_set(step);
		ret = use_steps(&use);
		left = param_get();
		param_set(0);
		close(use.ut.fd);
		failed += ret != 0;
		use_check(&use, ret);
		wait_nothing_left(step);
	}
	UT_CHECK(left && !ret, "calls still fail after %u steps: %d", step, ret);
	printf("%u steps, %u of them with an error\n", step - 1, failed);
	UT_CHECK(failed > 20, "only %u calls failed", failed);
}

/* ------------------------------------------------- the kernel's injection */

static bool kernel_allows(void)
{
	static const char *const settings[][2] = {
		{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
		/* No call trace of what is made to fail. */
		{ "/sys/kernel/debug/failslab/verbose", "0" },
		{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
	};
	unsigned int i;
	int file;

	/* Where it is mounted already, this fails. */
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		file = open(settings[i][0], O_WRONLY | O_CLOEXEC);
		if (file < 0)
			return false;
		if (write(file, settings[i][1], 1) != 1)
			ut_error(settings[i][0]);
		close(file);
	}
	return true;
}

/* Returns whether the call that was to fail was not reached. */
static bool kernel_step(struct use *use, int file, unsigned int step, int *ret)
{
	char text[16] = { 0 };

	use_open(use);
	snprintf(text, sizeof(text), "%u", step);
	if (pwrite(file, text, strlen(text), 0) < 0)
		ut_error("fail-nth");
	*ret = use_steps(use);
	memset(text, 0, sizeof(text));
	if (pread(file, text, sizeof(text) - 1, 0) < 0 || pwrite(file, "0", 1, 0) != 1)
		ut_error("fail-nth");
	close(use->ut.fd);
	return atoi(text) != 0;
}

static void fail_nth_of_kernel(void)
{
	int file = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC), ret = 0;
	unsigned int step, failed = 0;
	bool over = false;
	struct use use;

	if (file < 0 || !kernel_allows())
		ut_skip("this kernel cannot let allocations fail");
	use_memory(&use);
	for (step = 1; !over && step < MAX_STEPS; step++) {
		over = kernel_step(&use, file, step, &ret);
		failed += ret != 0;
		use_check(&use, ret);
		wait_nothing_left(step);
	}
	UT_CHECK(over && !ret, "calls still fail after %u steps", step);
	printf("%u steps, %u of them with an error\n", step - 1, failed);
	UT_CHECK(failed > 20, "only %u calls failed", failed);
}

/* Once; the scenario has chosen what fails in the module of dom0. */
void ut_fail_once(void)
{
	struct use use;
	int ret;

	use_memory(&use);
	use_open(&use);
	ret = use_steps(&use);
	close(use.ut.fd);
	printf("%d\n", ret);
	use_check(&use, ret);
	wait_nothing_left(0);
}

const struct ut_case ut_fail_cases[] = {
	{ "open_fails", open_fails },
	{ "alloc_fail_each_step", alloc_fail_each_step },
	{ "fail_nth_of_kernel", fail_nth_of_kernel },
	{ NULL, NULL },
};
