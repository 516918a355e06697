// SPDX-License-Identifier: MIT
/*
 * The shape of address spaces: large and mixed binds, binds that overlap, objects
 * made of thousands of ranges. ut_style.c has what xe_vm calls munmap and mmap style.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ut_mem.h"

#define BATCH_RANGES	4000

/* Every second page of one large mapping. */
static void partial_unbinds(void)
{
	unsigned int i;
	struct ut_mem m;

	ut_mem_open(&m);
	for (i = 0; i < UT_MEM_PAGES; i += 2)
		UT_ERRNO(__ut_unmap(&m.ut, UT_GPU_VA + i * UT_PAGE, UT_PAGE), 0);
	for (i = 1; i < UT_MEM_PAGES; i += 2)
		ut_mem_fill(&m, i, 1, 50 + i);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	for (i = 0; i < UT_MEM_PAGES; i++)
		UT_CHECK(ut_mem_word(&m, i) == (i & 1 ? 50 + i : 0), "page %u", i);
	ut_close(&m.ut);
}

/* Binds of two objects that overlap: the later one has the common part. */
static void bind_overlap(void)
{
	unsigned char *other = ut_pages(UT_MEM_PAGES);
	uint32_t handle;
	struct ut_mem m;

	ut_mem_open(&m);
	handle = ut_create_one(m.ut.fd, other, UT_MEM_PAGES * UT_PAGE, 0);
	ut_map(&m.ut, handle, UT_MEM_PAGES * UT_PAGE, UT_GPU_VA + 5 * UT_PAGE);
	gpu_cmd_fill(&m.cmd, UT_GPU_VA, 9, 13 * UT_PAGE);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 4) == 9 && ut_mem_word(&m, 5) == 0, "the first object");
	UT_CHECK(*(uint32_t *)other == 9 && *(uint32_t *)(other + 7 * UT_PAGE) == 9,
		 "the second object");
	ut_close(&m.ut);
}

/* Memory that is not there cannot be registered, and nothing is bound by trying. */
static void userptr_invalid(void)
{
	unsigned char *gone = ut_pages(2);
	uint32_t handle;
	struct ut_mem m;

	ut_mem_open(&m);
	UT_CHECK(!munmap(gone, 2 * UT_PAGE), "munmap");
	UT_ERRNO(__ut_create_one(m.ut.fd, gone, 2 * UT_PAGE, 0, &handle), -EFAULT);
	UT_ERRNO(__ut_map(&m.ut, handle, 0, UT_PAGE, UT_OUT_VA, 0), -ENOENT);
	gpu_cmd_fill(&m.cmd, UT_OUT_VA, 1, 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), -EFAULT);
	ut_close(&m.ut);
}

/* 32 MiB at @va, bound in @parts; the GPU writes to each MiB. */
static void large_binds(uint64_t va, unsigned int parts)
{
	const size_t octets = 32 << 20, part = octets / parts;
	unsigned char *memory = ut_pages(octets / UT_PAGE);
	struct ut_batch batch;
	struct gpu_cmd cmd;
	uint32_t handle;
	struct ut ut;
	size_t at;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	handle = ut_create_one(ut.fd, memory, octets, 0);
	for (at = 0; at < octets; at += part)
		UT_ERRNO(__ut_map(&ut, handle, at, part, va + at, 0), 0);
	for (at = 0; at < octets; at += 1 << 20)
		gpu_cmd_store(&cmd, va + at + 8, at + 1);
	gpu_cmd_store(&cmd, va + octets - 8, 0x1a57);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	for (at = 0; at < octets; at += 1 << 20)
		UT_CHECK(*(uint64_t *)(memory + at + 8) == at + 1, "at %zu", at);
	UT_CHECK(*(uint64_t *)(memory + octets - 8) == 0x1a57, "at the end");
	ut_close(&ut);
}

static void large_userptr_binds(void)
{
	large_binds(UT_GPU_VA, 1);
}

static void large_userptr_split_binds(void)
{
	large_binds(UT_GPU_VA, 2);
}

/* Where no large page of the GPU's tables begins. */
static void large_userptr_misaligned_binds(void)
{
	large_binds(UT_GPU_VA + UT_PAGE, 1);
}

static void large_userptr_split_misaligned_binds(void)
{
	large_binds(UT_GPU_VA + UT_PAGE, 2);
}

/* Large and small objects in turn, side by side from @va on; each gets its number. */
static void mixed_sizes(uint64_t va)
{
	static const unsigned int pages[] = { 512, 1, 1024, 3, 512, 16 };
	enum { NR = sizeof(pages) / sizeof(pages[0]) };
	unsigned char *memory[NR];
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned int i;
	struct ut ut;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	for (i = 0; i < NR; va += pages[i++] * UT_PAGE) {
		memory[i] = ut_pages(pages[i]);
		ut_map(&ut, ut_create_one(ut.fd, memory[i], pages[i] * UT_PAGE, 0),
		       pages[i] * UT_PAGE, va);
		gpu_cmd_store(&cmd, va, i + 1);
		gpu_cmd_store(&cmd, va + pages[i] * UT_PAGE - 8, i + 101);
	}
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	for (i = 0; i < NR; i++)
		UT_CHECK(*(uint64_t *)memory[i] == i + 1 &&
			 *(uint64_t *)(memory[i] + pages[i] * UT_PAGE - 8) == i + 101, "object %u", i);
	ut_close(&ut);
}

static void mixed_userptr_binds(void)
{
	mixed_sizes(UT_GPU_VA);
}

static void mixed_userptr_misaligned_binds(void)
{
	mixed_sizes(UT_GPU_VA + UT_PAGE);
}

/* Maps, null maps and unmaps in one array. */
static void mixed_binds(void)
{
	struct drm_xen_userptr_bind_op op[4] = { 0 };
	struct drm_xen_userptr_info info;
	struct ut_mem m;

	ut_mem_open(&m);
	UT_ERRNO(__ut_info(m.ut.fd, &info), 0);
	if (!(info.features & DRM_XEN_USERPTR_FEATURE_SPARSE))
		ut_skip("the GPU has no null mappings");
	op[0] = (struct drm_xen_userptr_bind_op){
		.op = DRM_XEN_USERPTR_BIND_MAP_NULL, .gpu_va = UT_GPU_VA + UT_PAGE,
		.length = 4 * UT_PAGE,
	};
	op[1] = (struct drm_xen_userptr_bind_op){
		.op = DRM_XEN_USERPTR_BIND_MAP, .handle = m.handle, .offset = 7 * UT_PAGE,
		.gpu_va = UT_GPU_VA + 2 * UT_PAGE, .length = UT_PAGE,
	};
	op[2] = (struct drm_xen_userptr_bind_op){
		.op = DRM_XEN_USERPTR_BIND_UNMAP, .gpu_va = UT_GPU_VA + 6 * UT_PAGE,
		.length = UT_PAGE,
	};
	UT_ERRNO(__ut_bind(m.ut.fd, m.ut.vm, op, 3, NULL), 0);
	ut_mem_fill(&m, 0, 6, 11);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	UT_CHECK(ut_mem_word(&m, 0) == 11 && ut_mem_word(&m, 5) == 11, "what stayed");
	UT_CHECK(ut_mem_word(&m, 7) == 11, "what was bound in the null mapping");
	UT_CHECK(!ut_mem_word(&m, 1) && !ut_mem_word(&m, 2) && !ut_mem_word(&m, 3),
		 "a null mapping was written through");
	ut_mem_begin(&m);
	gpu_cmd_fill(&m.cmd, UT_GPU_VA + 6 * UT_PAGE, 1, 4);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), -EFAULT);
	ut_close(&m.ut);
}

/* Ranges of one to four pages, with holes between them, shuffled. */
static uint32_t ranges_make(struct drm_xen_userptr_range *range)
{
	unsigned char *memory = ut_pages(BATCH_RANGES * 5);
	uint32_t i, j, pages, total = 0;
	struct drm_xen_userptr_range swap;

	srand(1);
	for (i = 0; i < BATCH_RANGES; i++) {
		pages = 1 + (i * 7 + 3) % 4;
		range[i].addr = (uintptr_t)memory + i * 5 * UT_PAGE;
		range[i].length = pages * UT_PAGE;
		total += pages;
		j = (uint32_t)rand() % (i + 1);
		swap = range[i];
		range[i] = range[j];
		range[j] = swap;
	}
	return total;
}

/* Thousands of scattered ranges are one buffer for the GPU. */
static void batch_4000_ranges(void)
{
	static struct drm_xen_userptr_range range[BATCH_RANGES];
	uint32_t i, total = ranges_make(range), *words;
	struct drm_xen_userptr_create create;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	struct ut ut;
	uint64_t at;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	for (i = 0; i < BATCH_RANGES; i++) {
		words = (uint32_t *)(uintptr_t)range[i].addr;
		words[0] = i;
		words[range[i].length / 4 - 1] = ~i;
	}
	UT_ERRNO(__ut_create(ut.fd, range, BATCH_RANGES, 0, &create), 0);
	UT_CHECK(create.size == total * UT_PAGE, "size %llu", create.size);
	ut_map(&ut, create.handle, create.size, UT_GPU_VA);
	gpu_cmd_inc(&cmd, UT_GPU_VA, 3, create.size / 4);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	for (i = 0; i < BATCH_RANGES; i++) {
		words = (uint32_t *)(uintptr_t)range[i].addr;
		UT_CHECK(words[0] == i + 3 && words[range[i].length / 4 - 1] == ~i + 3 &&
			 words[1] == 3, "range %u: %u %u %u", i, words[0], words[1],
			 words[range[i].length / 4 - 1]);
	}
	/* The order is that of the array: the first word of each range, by address. */
	for (i = 0, at = 0; i < BATCH_RANGES; at += range[i++].length) {
		if (i % 100)
			continue;
		gpu_cmd_begin(&cmd, batch.memory, UT_PAGE);
		gpu_cmd_copy(&cmd, UT_CMD_VA + 2 * UT_PAGE, UT_GPU_VA + at, 4);
		UT_ERRNO(ut_run(&batch, &cmd), 0);
		words = (uint32_t *)((char *)batch.memory + 2 * UT_PAGE);
		UT_CHECK(words[0] == i + 3, "range %u is at the wrong place", i);
	}
	ut_close(&ut);
}

/* Thousands of single pages and one range as large as the grants allow, in one object. */
static void batch_mixed_sizes(void)
{
	static struct drm_xen_userptr_range range[BATCH_RANGES];
	const uint32_t middle = BATCH_RANGES / 2, large = 16384;
	unsigned char *small = ut_pages(2 * BATCH_RANGES), *big = ut_pages(large);
	uint64_t big_va = UT_GPU_VA + middle * UT_PAGE;
	struct drm_xen_userptr_create create;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	struct ut ut;
	uint32_t i;

	for (i = 0; i < BATCH_RANGES; i++)
		range[i] = (struct drm_xen_userptr_range){
			.addr = (uintptr_t)(i == middle ? big : small + i * 2 * UT_PAGE),
			.length = i == middle ? large * UT_PAGE : UT_PAGE,
		};
	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	UT_ERRNO(__ut_create(ut.fd, range, BATCH_RANGES, 0, &create), 0);
	UT_CHECK(create.size == (BATCH_RANGES - 1 + large) * UT_PAGE, "size %llu", create.size);
	ut_map(&ut, create.handle, create.size, UT_GPU_VA);
	gpu_cmd_store(&cmd, big_va - 8, 1);
	gpu_cmd_store(&cmd, big_va, 2);
	gpu_cmd_store(&cmd, big_va + large * UT_PAGE - 8, 3);
	gpu_cmd_store(&cmd, big_va + large * UT_PAGE, 4);
	gpu_cmd_store(&cmd, UT_GPU_VA + create.size - 8, 5);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	UT_CHECK(*(uint64_t *)(small + (middle - 1) * 2 * UT_PAGE + UT_PAGE - 8) == 1, "before it");
	UT_CHECK(*(uint64_t *)big == 2 && *(uint64_t *)(big + large * UT_PAGE - 8) == 3, "its ends");
	UT_CHECK(*(uint64_t *)(small + (middle + 1) * 2 * UT_PAGE) == 4, "behind it");
	UT_CHECK(*(uint64_t *)(small + (BATCH_RANGES - 1) * 2 * UT_PAGE + UT_PAGE - 8) == 5, "the end");
	ut_close(&ut);
}

/* All or nothing: the bad range is named, and nothing stays pinned. */
static void batch_error_range(void)
{
	static struct drm_xen_userptr_range range[BATCH_RANGES];
	struct drm_xen_userptr_create create;
	unsigned long before;
	struct ut ut;

	ranges_make(range);
	ut_open(&ut);
	before = ut_pinned_pages();
	munmap((void *)(uintptr_t)range[3210].addr, UT_PAGE);
	UT_ERRNO(__ut_create(ut.fd, range, BATCH_RANGES, 0, &create), -EFAULT);
	UT_CHECK(create.error_range == 3210, "error_range %u", create.error_range);
	UT_CHECK(ut_pinned_pages() == before, "%lu pages pinned", ut_pinned_pages());
	range[3998].length = UT_PAGE / 2;
	UT_ERRNO(__ut_create(ut.fd, range, BATCH_RANGES, 0, &create), -EINVAL);
	UT_CHECK(create.error_range == 3998, "error_range %u", create.error_range);
	ut_close(&ut);
}

const struct ut_case ut_va_cases[] = {
	{ "partial_unbinds", partial_unbinds },
	{ "bind_overlap", bind_overlap },
	{ "userptr_invalid", userptr_invalid },
	{ "large_userptr_binds", large_userptr_binds },
	{ "large_userptr_split_binds", large_userptr_split_binds },
	{ "large_userptr_misaligned_binds", large_userptr_misaligned_binds },
	{ "large_userptr_split_misaligned_binds", large_userptr_split_misaligned_binds },
	{ "mixed_userptr_binds", mixed_userptr_binds },
	{ "mixed_userptr_misaligned_binds", mixed_userptr_misaligned_binds },
	{ "mixed_binds", mixed_binds },
	{ "batch_4000_ranges", batch_4000_ranges },
	{ "batch_mixed_sizes", batch_mixed_sizes },
	{ "batch_error_range", batch_error_range },
	{ NULL, NULL },
};
