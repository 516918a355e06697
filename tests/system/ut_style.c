// SPDX-License-Identifier: MIT
/*
 * Unbinding and binding over parts of what is bound, as munmap and mmap would: the
 * shapes of IGT's xe_vm, by its names; and parts of the program's memory that go.
 * All our memory is userptr, so there is one case where xe_vm has two.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ut_mem.h"

#define MAX_BINDS	32

/*
 * @pages are bound in @binds equal parts, each an object of its own; then
 * [first, first + nr) is unbound, or something else is bound over it.
 */
struct style {
	unsigned int pages;
	unsigned int binds;
	unsigned int first;
	unsigned int nr;
	bool inval;	/* after the unbind other memory is mapped over all of it */
};

struct region {
	const struct style *style;
	struct ut ut;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned char *memory;
	uint32_t handle[MAX_BINDS];
};

static uint64_t va_of(unsigned int page)
{
	return UT_GPU_VA + page * UT_PAGE;
}

static bool in_middle(const struct style *s, unsigned int page)
{
	return page >= s->first && page < s->first + s->nr;
}

static uint32_t word_at(const unsigned char *memory, unsigned int page)
{
	return *(const volatile uint32_t *)(memory + page * UT_PAGE);
}

static void region_open(struct region *r, const struct style *s)
{
	unsigned int i, part = s->pages / s->binds;

	r->style = s;
	ut_open(&r->ut);
	ut_batch_open(&r->batch, &r->ut, &r->cmd);
	r->memory = ut_pages(s->pages);
	for (i = 0; i < s->binds; i++) {
		r->handle[i] = ut_create_one(r->ut.fd, r->memory + i * part * UT_PAGE,
					     part * UT_PAGE, 0);
		ut_map(&r->ut, r->handle[i], part * UT_PAGE, va_of(i * part));
	}
}

/* The GPU writes @value + page to every page, or to all but those in the middle. */
static void region_write(struct region *r, uint32_t value, bool middle)
{
	const struct style *s = r->style;
	unsigned int page;

	gpu_cmd_begin(&r->cmd, r->batch.memory, UT_PAGE);
	for (page = 0; page < s->pages; page++)
		if (middle || !in_middle(s, page))
			gpu_cmd_fill(&r->cmd, va_of(page), value + page, UT_PAGE);
	if (r->cmd.nr)
		UT_ERRNO(ut_run(&r->batch, &r->cmd), 0);
}

/* The memory shows that, and @rest in the middle if that was left out. */
static void region_check(struct region *r, uint32_t value, bool middle, uint32_t rest)
{
	const struct style *s = r->style;
	unsigned int page;
	uint32_t want;

	for (page = 0; page < s->pages; page++) {
		want = middle || !in_middle(s, page) ? value + page : rest;
		UT_CHECK(word_at(r->memory, page) == want, "page %u holds %#x, not %#x", page,
			 word_at(r->memory, page), want);
	}
}

static void expect_fault(struct region *r, unsigned int page)
{
	gpu_cmd_begin(&r->cmd, r->batch.memory, UT_PAGE);
	gpu_cmd_fill(&r->cmd, va_of(page), 7, 4);
	UT_ERRNO(ut_run(&r->batch, &r->cmd), -EFAULT);
}

/* What stayed bound works, what was unbound faults at both its ends. */
static void check_unbound(struct region *r, uint32_t value)
{
	memset(r->memory, 0, r->style->pages * UT_PAGE);
	region_write(r, value, false);
	region_check(r, value, false, 0);
	expect_fault(r, r->style->first);
	expect_fault(r, r->style->first + r->style->nr - 1);
}

/* New memory at the old addresses is registered and bound where the old one still was. */
static uint32_t region_replace(struct region *r)
{
	const struct style *s = r->style;
	unsigned int end = s->first + s->nr;
	uint32_t handle;

	UT_CHECK(mmap(r->memory, s->pages * UT_PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == r->memory, "mmap");
	handle = ut_create_one(r->ut.fd, r->memory, s->pages * UT_PAGE, 0);
	if (s->first)
		ut_map(&r->ut, handle, s->first * UT_PAGE, UT_GPU_VA);
	if (end < s->pages)
		UT_ERRNO(__ut_map(&r->ut, handle, end * UT_PAGE, (s->pages - end) * UT_PAGE,
				  va_of(end), 0), 0);
	return handle;
}

static void unbind_run(const struct style *s)
{
	uint32_t handle = 0;
	struct region r;

	region_open(&r, s);
	region_write(&r, 0x100, true);
	region_check(&r, 0x100, true, 0);
	UT_ERRNO(__ut_unmap(&r.ut, va_of(s->first), s->nr * UT_PAGE), 0);
	check_unbound(&r, 0x200);
	if (s->inval) {
		handle = region_replace(&r);
		check_unbound(&r, 0x300);
	} else {
		handle = ut_create_one(r.ut.fd, r.memory, s->pages * UT_PAGE, 0);
	}
	UT_ERRNO(__ut_map(&r.ut, handle, s->first * UT_PAGE, s->nr * UT_PAGE, va_of(s->first), 0),
		 0);
	region_write(&r, 0x400, true);
	region_check(&r, 0x400, true, 0);
	ut_close(&r.ut);
}

static void bind_run(const struct style *s)
{
	unsigned char *other = ut_pages(s->pages);
	unsigned int page;
	uint32_t handle;
	struct region r;

	region_open(&r, s);
	region_write(&r, 0x100, true);
	handle = ut_create_one(r.ut.fd, other, s->pages * UT_PAGE, 0);
	UT_ERRNO(__ut_map(&r.ut, handle, s->first * UT_PAGE, s->nr * UT_PAGE, va_of(s->first), 0),
		 0);
	region_check(&r, 0x100, true, 0);
	memset(r.memory, 0, s->pages * UT_PAGE);
	region_write(&r, 0x200, true);
	region_check(&r, 0x200, false, 0);
	for (page = 0; page < s->pages; page++)
		UT_CHECK(word_at(other, page) == (in_middle(s, page) ? 0x200 + page : 0),
			 "page %u of the new object holds %#x", page, word_at(other, page));
	ut_close(&r.ut);
}

/* ------------------------------------------- parts of the program's memory */

enum { MIDDLE = 1, REMAP = 2, CPU_FAULT = 4 };

static void remap_check(struct ut_mem *m, unsigned int first, unsigned int nr)
{
	unsigned char *at = m->memory + first * UT_PAGE;
	uint32_t handle;
	unsigned int i;

	for (i = 0; i < nr; i++)
		UT_CHECK(word_at(at, i) == 0xaaaaaaaa, "new memory was written: %#x", word_at(at, i));
	handle = ut_create_one(m->ut.fd, at, nr * UT_PAGE, 0);
	ut_map(&m->ut, handle, nr * UT_PAGE, UT_OUT_VA);
	ut_mem_begin(m);
	gpu_cmd_fill(&m->cmd, UT_OUT_VA, 0x99, nr * UT_PAGE);
	UT_ERRNO(ut_run(&m->batch, &m->cmd), 0);
	UT_CHECK(word_at(at, nr - 1) == 0x99, "new memory does not work");
}

/*
 * The second half of an object's memory, or its middle, is unmapped, and perhaps other
 * memory mapped there; the rest is looked at by the CPU first, or not.
 */
static void partial_run(unsigned int how)
{
	unsigned int first = how & MIDDLE ? 2 : 4, nr = 4;
	unsigned int kept = 0xff & ~(0xfU << first);
	struct ut_mem m;

	ut_mem_open(&m);
	ut_mem_fill(&m, 0, UT_MEM_PAGES, 0x55);
	UT_ERRNO(ut_run(&m.batch, &m.cmd), 0);
	ut_mem_drop(&m, first, nr);
	if (how & REMAP) {
		UT_CHECK(mmap(m.memory + first * UT_PAGE, nr * UT_PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "mmap");
		memset(m.memory + first * UT_PAGE, 0xaa, nr * UT_PAGE);
	}
	if (how & CPU_FAULT)
		UT_CHECK(ut_mem_word(&m, 0) == 0x55 && ut_mem_word(&m, first - 1) == 0x55,
			 "what is left lost its data");
	ut_mem_check_kept(&m, kept, 0x700);
	if (how & REMAP)
		remap_check(&m, first, nr);
	ut_close(&m.ut);
}

/* ----------------------------------------------------------------- tables */

/* name; pages, binds, first, nr, inval */
#define UNBINDS(X) \
	X(munmap_style_unbind_userptr_all, 4, 2, 0, 4, false) \
	X(munmap_style_unbind_userptr_one_partial, 4, 1, 1, 2, false) \
	X(munmap_style_unbind_userptr_either_side_partial, 4, 2, 1, 2, false) \
	X(munmap_style_unbind_userptr_either_side_full, 4, 4, 1, 2, false) \
	X(munmap_style_unbind_userptr_end, 4, 2, 0, 3, false) \
	X(munmap_style_unbind_userptr_front, 4, 2, 1, 3, false) \
	X(munmap_style_unbind_userptr_many_all, 32, 16, 0, 32, false) \
	X(munmap_style_unbind_userptr_many_either_side_full, 32, 32, 8, 16, false) \
	X(munmap_style_unbind_userptr_many_end, 32, 4, 0, 26, false) \
	X(munmap_style_unbind_userptr_many_front, 32, 4, 6, 26, false) \
	X(munmap_style_unbind_userptr_inval_either_side_full, 4, 4, 1, 2, true) \
	X(munmap_style_unbind_userptr_inval_end, 4, 2, 0, 3, true) \
	X(munmap_style_unbind_userptr_inval_front, 4, 2, 1, 3, true) \
	X(munmap_style_unbind_userptr_inval_many_all, 32, 16, 0, 32, true) \
	X(munmap_style_unbind_userptr_inval_many_either_side_partial, 32, 16, 1, 30, true) \
	X(munmap_style_unbind_userptr_inval_many_either_side_full, 32, 32, 8, 16, true) \
	X(munmap_style_unbind_userptr_inval_many_end, 32, 4, 0, 26, true) \
	X(munmap_style_unbind_userptr_inval_many_front, 32, 4, 6, 26, true)

#define BINDS(X) \
	X(mmap_style_bind_userptr_all, 4, 2, 0, 4, false) \
	X(mmap_style_bind_userptr_one_partial, 4, 1, 1, 2, false) \
	X(mmap_style_bind_userptr_either_side_partial, 4, 2, 1, 2, false) \
	X(mmap_style_bind_userptr_either_side_full, 4, 4, 1, 2, false) \
	X(mmap_style_bind_end, 4, 2, 0, 3, false) \
	X(mmap_style_bind_front, 4, 2, 1, 3, false) \
	X(mmap_style_bind_many_all, 32, 16, 0, 32, false) \
	X(mmap_style_bind_many_either_side_partial, 32, 16, 1, 30, false)

/* Of IGT's xe_exec_system_allocator. */
#define PARTIALS(X) \
	X(partial_munmap_no_cpu_fault, 0) \
	X(partial_munmap_cpu_fault, CPU_FAULT) \
	X(partial_remap_no_cpu_fault, REMAP) \
	X(partial_remap_cpu_fault, REMAP | CPU_FAULT) \
	X(partial_middle_munmap_no_cpu_fault, MIDDLE) \
	X(partial_middle_munmap_cpu_fault, MIDDLE | CPU_FAULT) \
	X(partial_middle_remap_no_cpu_fault, MIDDLE | REMAP) \
	X(partial_middle_remap_cpu_fault, MIDDLE | REMAP | CPU_FAULT)

#define UNBIND_CASE(name, ...) \
	static void name(void) { unbind_run(&(const struct style){ __VA_ARGS__ }); }
#define BIND_CASE(name, ...) \
	static void name(void) { bind_run(&(const struct style){ __VA_ARGS__ }); }
#define PARTIAL_CASE(name, how) static void name(void) { partial_run(how); }
#define ENTRY(name, ...) { #name, name },

UNBINDS(UNBIND_CASE)
BINDS(BIND_CASE)
PARTIALS(PARTIAL_CASE)

const struct ut_case ut_style_cases[] = {
	UNBINDS(ENTRY)
	BINDS(ENTRY)
	PARTIALS(ENTRY)
	{ NULL, NULL },
};
