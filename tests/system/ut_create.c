// SPDX-License-Identifier: MIT
/* Cases of CREATE: what may be registered, and how everything else is refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gpu_cmd.h"
#include "ut.h"

/* CREATE of one range must fail so, and nothing may stay pinned. */
static void refuse_range(uint64_t addr, uint64_t length, uint32_t flags, int want)
{
	struct drm_xen_userptr_range range = { .addr = addr, .length = length };
	struct drm_xen_userptr_create create;
	unsigned long pinned = ut_status_kib("VmPin");
	int fd = ut_node_open();

	UT_ERRNO(__ut_create(fd, &range, 1, flags, &create), want);
	UT_CHECK(!create.handle, "a handle came with the error");
	UT_CHECK(ut_status_kib("VmPin") == pinned, "pages stayed pinned");
	close(fd);
}

static void register_release(void)
{
	unsigned long pinned = ut_status_kib("VmPin");
	void *memory = ut_pages(16);
	int fd = ut_node_open();
	uint32_t handle = ut_create_one(fd, memory, 16 * UT_PAGE, 0);

	UT_CHECK(ut_status_kib("VmPin") == pinned + 64, "VmPin %lu, was %lu",
		 ut_status_kib("VmPin"), pinned);
	ut_destroy(fd, handle);
	close(fd);
}

static void unaligned_address(void)
{
	refuse_range((uintptr_t)ut_pages(2) + 64, UT_PAGE, 0, -EINVAL);
}

static void unaligned_length(void)
{
	refuse_range((uintptr_t)ut_pages(2), UT_PAGE + 1, 0, -EINVAL);
}

static void zero_length(void)
{
	refuse_range((uintptr_t)ut_pages(1), 0, 0, -EINVAL);
}

static void length_overflow(void)
{
	refuse_range((uintptr_t)ut_pages(1), 0ULL - UT_PAGE, 0, -EINVAL);
}

static void kernel_address(void)
{
	refuse_range(0xffff888000000000ULL, UT_PAGE, 0, -EFAULT);
}

static void unknown_flag(void)
{
	refuse_range((uintptr_t)ut_pages(1), UT_PAGE, 1U << 31, -EINVAL);
}

static void prot_none(void)
{
	void *memory = ut_pages(2);

	mprotect(memory, 2 * UT_PAGE, PROT_NONE);
	refuse_range((uintptr_t)memory, 2 * UT_PAGE, 0, -EFAULT);
}

static void readonly_memory_writable(void)
{
	void *memory = ut_pages(2);

	mprotect(memory, 2 * UT_PAGE, PROT_READ);
	refuse_range((uintptr_t)memory, 2 * UT_PAGE, 0, -EACCES);
}

static void readonly_memory_readonly(void)
{
	void *memory = ut_pages(2);
	int fd = ut_node_open();

	mprotect(memory, 2 * UT_PAGE, PROT_READ);
	ut_destroy(fd, ut_create_one(fd, memory, 2 * UT_PAGE,
				     DRM_XEN_USERPTR_CREATE_READONLY));
	close(fd);
}

static void no_ranges(void)
{
	struct drm_xen_userptr_create create;
	int fd = ut_node_open();

	UT_ERRNO(__ut_create(fd, NULL, 0, 0, &create), -EINVAL);
	close(fd);
}

static void ranges_pointer_bad(void)
{
	struct drm_xen_userptr_create create;
	int fd = ut_node_open();

	UT_ERRNO(__ut_create(fd, (void *)8, 4, 0, &create), -EFAULT);
	close(fd);
}

static void too_many_ranges(void)
{
	struct drm_xen_userptr_info info;
	struct drm_xen_userptr_create create;
	struct drm_xen_userptr_range *ranges;
	void *page = ut_pages(1);
	int fd = ut_node_open();
	uint32_t i;

	UT_CHECK(!__ut_info(fd, &info), "INFO failed");
	ranges = calloc(info.max_ranges + 1ULL, sizeof(*ranges));
	if (!ranges)
		ut_error("calloc");
	for (i = 0; i <= info.max_ranges; i++) {
		ranges[i].addr = (uintptr_t)page;
		ranges[i].length = UT_PAGE;
	}
	UT_ERRNO(__ut_create(fd, ranges, info.max_ranges + 1, 0, &create), -E2BIG);
	free(ranges);
	close(fd);
}

/* The second of three ranges is a hole: its index is reported. */
static void hole_in_range(void)
{
	unsigned char *memory = ut_pages(6);
	struct drm_xen_userptr_range ranges[3];
	struct drm_xen_userptr_create create;
	unsigned long pinned = ut_status_kib("VmPin");
	int fd = ut_node_open();
	int i;

	munmap(memory + 3 * UT_PAGE, UT_PAGE);
	for (i = 0; i < 3; i++) {
		ranges[i].addr = (uintptr_t)memory + i * 2 * UT_PAGE;
		ranges[i].length = 2 * UT_PAGE;
	}
	UT_ERRNO(__ut_create(fd, ranges, 3, 0, &create), -EFAULT);
	UT_CHECK(create.error_range == 1, "error_range is %u", create.error_range);
	UT_CHECK(ut_status_kib("VmPin") == pinned, "pages stayed pinned");
	close(fd);
}

/* The vvar page of every process is a device mapping without struct pages. */
static void device_memory(void)
{
	unsigned long start = 0, end = 0;
	char line[256];
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "r");

	if (!maps)
		ut_error("/proc/self/maps");
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, "[vvar]") && sscanf(line, "%lx-%lx", &start, &end) == 2;
	fclose(maps);
	if (!found)
		ut_skip("no [vvar] mapping");
	refuse_range(start, UT_PAGE, DRM_XEN_USERPTR_CREATE_READONLY, -EFAULT);
}

static void secret_memory(void)
{
	int secret = (int)syscall(SYS_memfd_secret, 0);
	void *memory;

	if (secret < 0)
		ut_skip("memfd_secret is off in this kernel");
	if (ftruncate(secret, UT_PAGE))
		ut_error("ftruncate");
	memory = mmap(NULL, UT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
	if (memory == MAP_FAILED)
		ut_error("mmap");
	refuse_range((uintptr_t)memory, UT_PAGE, 0, -EFAULT);
}

/* Three scattered ranges, in another order than in memory, at one GPU address. */
static void scattered_ranges_contiguous(void)
{
	unsigned char *memory = ut_pages(8);
	struct drm_xen_userptr_range ranges[3] = {
		{ (uintptr_t)memory + 6 * UT_PAGE, UT_PAGE },
		{ (uintptr_t)memory, 2 * UT_PAGE },
		{ (uintptr_t)memory + 4 * UT_PAGE, UT_PAGE },
	};
	struct drm_xen_userptr_create create;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned int i;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	UT_ERRNO(__ut_create(ut.fd, ranges, 3, 0, &create), 0);
	UT_CHECK(create.size == 4 * UT_PAGE, "size %llu", create.size);
	ut_map(&ut, create.handle, create.size, UT_GPU_VA);
	for (i = 0; i < 4; i++)
		gpu_cmd_fill(&cmd, UT_GPU_VA + i * UT_PAGE, 0xa0 + i, UT_PAGE);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	for (i = 0; i < 4; i++) {
		static const unsigned int page_of[4] = { 6, 0, 1, 4 };
		uint32_t *words = (uint32_t *)(memory + page_of[i] * UT_PAGE);

		UT_CHECK(words[0] == 0xa0 + i && words[1023] == 0xa0 + i,
			 "page %u holds %x", page_of[i], words[0]);
	}
	UT_CHECK(!memory[2 * UT_PAGE] && !memory[7 * UT_PAGE], "a neighbour was written");
	ut_close(&ut);
}

/* One page in two objects: both GPU addresses reach it, in any order of release. */
static void objects_share_pages(void)
{
	unsigned char *memory = ut_pages(4);
	volatile uint32_t *shared = (uint32_t *)(memory + 2 * UT_PAGE);
	struct ut_batch batch;
	struct gpu_cmd cmd;
	uint32_t first, second;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	first = ut_create_one(ut.fd, memory, 3 * UT_PAGE, 0);
	second = ut_create_one(ut.fd, memory + 2 * UT_PAGE, 2 * UT_PAGE, 0);
	ut_map(&ut, first, 3 * UT_PAGE, UT_GPU_VA);
	ut_map(&ut, second, 2 * UT_PAGE, UT_GPU_VA * 2);
	gpu_cmd_inc(&cmd, UT_GPU_VA + 2 * UT_PAGE, 1, 1);
	gpu_cmd_inc(&cmd, UT_GPU_VA * 2, 1, 1);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	UT_CHECK(*shared == 2, "the shared page holds %u", *shared);
	ut_destroy(ut.fd, first);
	gpu_cmd_begin(&cmd, batch.memory, UT_PAGE);
	gpu_cmd_inc(&cmd, UT_GPU_VA * 2, 1, 1);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	UT_CHECK(*shared == 3, "after the first object: %u", *shared);
	ut_close(&ut);
}

const struct ut_case ut_create_cases[] = {
	{ "register_release", register_release },
	{ "unaligned_address", unaligned_address },
	{ "unaligned_length", unaligned_length },
	{ "zero_length", zero_length },
	{ "length_overflow", length_overflow },
	{ "kernel_address", kernel_address },
	{ "unknown_flag", unknown_flag },
	{ "prot_none", prot_none },
	{ "readonly_memory_writable", readonly_memory_writable },
	{ "readonly_memory_readonly", readonly_memory_readonly },
	{ "no_ranges", no_ranges },
	{ "ranges_pointer_bad", ranges_pointer_bad },
	{ "too_many_ranges", too_many_ranges },
	{ "hole_in_range", hole_in_range },
	{ "device_memory", device_memory },
	{ "secret_memory", secret_memory },
	{ "scattered_ranges_contiguous", scattered_ranges_contiguous },
	{ "objects_share_pages", objects_share_pages },
	{ NULL, NULL },
};
