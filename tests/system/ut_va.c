// SPDX-License-Identifier: MIT
/*
 * The shape of address spaces: unbinding and binding over parts of what is
 * bound, as munmap and mmap would, large and mixed binds, objects made of
 * thousands of ranges.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ut_mem.h"

#define NR_BINDS	16	/* objects of one page, side by side */
#define BATCH_RANGES	4000

/* Many objects, each one page, bound next to each other from UT_GPU_VA on. */
struct row {
	struct ut ut;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned char *memory;
	uint32_t handle[NR_BINDS];
};

static void row_open(struct row *r)
{
	unsigned int i;

	ut_open(&r->ut);
	ut_batch_open(&r->batch, &r->ut, &r->cmd);
	r->memory = ut_pages(NR_BINDS);
	for (i = 0; i < NR_BINDS; i++) {
		r->handle[i] = ut_create_one(r->ut.fd, r->memory + i * UT_PAGE, UT_PAGE, 0);
		ut_map(&r->ut, r->handle[i], UT_PAGE, UT_GPU_VA + i * UT_PAGE);
	}
}

static uint32_t row_word(const struct row *r, unsigned int page)
{
	return *(volatile uint32_t *)(r->memory + page * UT_PAGE);
}

/* Every page but [first, end) is still bound to its memory; these fault. */
static void row_check(struct row *r, unsigned int first, unsigned int end)
{
	unsigned int i;

	gpu_cmd_begin(&r->cmd, r->batch.memory, UT_PAGE);
	for (i = 0; i < NR_BINDS; i++)
		if (i < first || i >= end)
			gpu_cmd_fill(&r->cmd, UT_GPU_VA + i * UT_PAGE, 100 + i, UT_PAGE);
	if (r->cmd.nr)
		UT_ERRNO(ut_run(&r->batch, &r->cmd), 0);
	for (i = 0; i < NR_BINDS; i++)
		UT_CHECK(row_word(r, i) == (i < first || i >= end ? 100 + i : 0),
			 "page %u holds %u", i, row_word(r, i));
	for (i = first; i < end; i++) {
		gpu_cmd_begin(&r->cmd, r->batch.memory, UT_PAGE);
		gpu_cmd_fill(&r->cmd, UT_GPU_VA + i * UT_PAGE, 7, 4);
		UT_ERRNO(ut_run(&r->batch, &r->cmd), -EFAULT);
	}
}

/* @inval: the program's memory goes first, as free() without unregister. */
static void unbind_part(unsigned int first, unsigned int end, bool inval)
{
	struct row r;
	unsigned int i;

	row_open(&r);
	if (inval)
		for (i = first; i < end; i++) {
			munmap(r.memory + i * UT_PAGE, UT_PAGE);
			UT_CHECK(mmap(r.memory + i * UT_PAGE, UT_PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
				 MAP_FAILED, "mmap");
		}
	UT_ERRNO(__ut_unmap(&r.ut, UT_GPU_VA + first * UT_PAGE, (end - first) * UT_PAGE), 0);
	row_check(&r, first, end);
	ut_close(&r.ut);
}

static void munmap_style_unbind_front(void)
{
	unbind_part(0, 4, false);
}

static void munmap_style_unbind_end(void)
{
	unbind_part(12, 16, false);
}

static void munmap_style_unbind_either_side(void)
{
	unbind_part(6, 10, false);
}

static void munmap_style_unbind_all(void)
{
	unbind_part(0, NR_BINDS, false);
}

static void munmap_style_unbind_userptr_inval_front(void)
{
	unbind_part(0, 4, true);
}

static void munmap_style_unbind_userptr_inval_end(void)
{
	unbind_part(12, 16, true);
}

static void munmap_style_unbind_userptr_inval_either_side(void)
{
	unbind_part(6, 10, true);
}

static void munmap_style_unbind_userptr_inval_all(void)
{
	unbind_part(0, NR_BINDS, true);
}

/* Every second page of one large mapping. */
static void munmap_style_unbind_many(void)
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

/* One object bound over [first, end) of the row takes just these places. */
static void bind_part(unsigned int first, unsigned int end)
{
	unsigned char *other = ut_pages(NR_BINDS);
	uint32_t handle, want, got;
	struct row r;
	unsigned int i;

	row_open(&r);
	handle = ut_create_one(r.ut.fd, other, NR_BINDS * UT_PAGE, 0);
	UT_ERRNO(__ut_map(&r.ut, handle, 0, (end - first) * UT_PAGE,
			  UT_GPU_VA + first * UT_PAGE, 0), 0);
	for (i = 0; i < NR_BINDS; i++)
		gpu_cmd_fill(&r.cmd, UT_GPU_VA + i * UT_PAGE, 100 + i, UT_PAGE);
	UT_ERRNO(ut_run(&r.batch, &r.cmd), 0);
	for (i = 0; i < NR_BINDS; i++) {
		want = i < first || i >= end ? 100 + i : 0;
		UT_CHECK(row_word(&r, i) == want, "old page %u: %u", i, row_word(&r, i));
		got = *(uint32_t *)(other + i * UT_PAGE);
		want = i < end - first ? 100 + first + i : 0;
		UT_CHECK(got == want, "new page %u: %u", i, got);
	}
	ut_close(&r.ut);
}

static void mmap_style_bind_front(void)
{
	bind_part(0, 4);
}

static void mmap_style_bind_end(void)
{
	bind_part(12, 16);
}

static void mmap_style_bind_either_side(void)
{
	bind_part(6, 10);
}

static void mmap_style_bind_many(void)
{
	bind_part(1, 15);
}

static void mmap_style_bind_all(void)
{
	bind_part(0, NR_BINDS);
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

static void large_bind(void)
{
	const size_t octets = 32 << 20;
	unsigned char *memory = ut_pages(octets / UT_PAGE);
	struct ut_batch batch;
	struct gpu_cmd cmd;
	uint32_t handle;
	struct ut ut;
	size_t at;

	ut_open(&ut);
	ut_batch_open(&batch, &ut, &cmd);
	handle = ut_create_one(ut.fd, memory, octets, 0);
	ut_map(&ut, handle, octets, UT_GPU_VA);
	for (at = 0; at < octets; at += 1 << 20)
		gpu_cmd_store(&cmd, UT_GPU_VA + at + 8, at + 1);
	UT_ERRNO(ut_run(&batch, &cmd), 0);
	for (at = 0; at < octets; at += 1 << 20)
		UT_CHECK(*(uint64_t *)(memory + at + 8) == at + 1, "at %zu", at);
	ut_close(&ut);
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
	{ "munmap_style_unbind_front", munmap_style_unbind_front },
	{ "munmap_style_unbind_end", munmap_style_unbind_end },
	{ "munmap_style_unbind_either_side", munmap_style_unbind_either_side },
	{ "munmap_style_unbind_all", munmap_style_unbind_all },
	{ "munmap_style_unbind_many", munmap_style_unbind_many },
	{ "munmap_style_unbind_userptr_inval_front", munmap_style_unbind_userptr_inval_front },
	{ "munmap_style_unbind_userptr_inval_end", munmap_style_unbind_userptr_inval_end },
	{ "munmap_style_unbind_userptr_inval_either_side",
	  munmap_style_unbind_userptr_inval_either_side },
	{ "munmap_style_unbind_userptr_inval_all", munmap_style_unbind_userptr_inval_all },
	{ "mmap_style_bind_front", mmap_style_bind_front },
	{ "mmap_style_bind_end", mmap_style_bind_end },
	{ "mmap_style_bind_either_side", mmap_style_bind_either_side },
	{ "mmap_style_bind_many", mmap_style_bind_many },
	{ "mmap_style_bind_all", mmap_style_bind_all },
	{ "bind_overlap", bind_overlap },
	{ "large_bind", large_bind },
	{ "mixed_binds", mixed_binds },
	{ "batch_4000_ranges", batch_4000_ranges },
	{ "batch_error_range", batch_error_range },
	{ NULL, NULL },
};
