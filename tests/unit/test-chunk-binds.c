// SPDX-License-Identifier: MIT
/* Who maps a chunk and where: the tree against the fake's page tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "actions.h"
#include "fake.h"
#include "internal.h"
#include "migrate.h"
#include "random.h"

#define RO XENUSERPTR_BIND_READONLY

static struct fake *mapped(void)
{
	struct fake *fake = fake_new(NULL, NULL);
	const struct xen_userptrif_bind_op ops[] = {
		fake_map(1, 0, 16, 10, 0),	/* 10..25 */
		fake_map(1, 4, 4, 40, RO),	/* 40..43 */
		fake_unmap(2, 14),		/* pages 4 and 5 */
		fake_map(2, 0, 4, 60, RO),
	};
	unsigned int i;

	fake_vm_create(fake, 1);
	fake_vm_create(fake, 2);
	fake_obj_create(fake, 1, 16, 0);
	fake_obj_create(fake, 2, 4, 0);
	fake_run(fake);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		fake_bind(fake, 1, &ops[i]);
		fake_run(fake);
	}
	return fake;
}

static void access_of_pages(void **state)
{
	struct fake *fake = mapped();
	const struct core *core = fake->core;

	(void)state;
	assert_int_equal(core_chunk_access(core, 0, 0, 0, 16),
			 MIG_ACCESS_WRITE);
	assert_int_equal(core_chunk_access(core, 0, 0, 4, 2), MIG_ACCESS_READ);
	assert_int_equal(core_chunk_access(core, 0, 0, 5, 2),
			 MIG_ACCESS_WRITE);
	assert_int_equal(core_chunk_access(core, 0, 1, 0, 1), MIG_ACCESS_READ);
	assert_int_equal(core_chunk_access(core, 1, 0, 0, 16),
			 MIG_ACCESS_NONE);
	fake_free(fake);
}

static void binds_of_pages(void **state)
{
	struct fake *fake = mapped();
	struct core_bind binds[8], rest[8];
	uint32_t nr, i;

	(void)state;
	nr = core_chunk_binds(fake->core, 0, 0, 3, 4, 0, binds, 8);
	assert_int_equal(nr, 3);	/* page 3; page 6; pages 4 to 6 again */
	for (i = 0; i < nr; i++) {
		uint64_t page = binds[i].offset / FAKE_PAGE;
		uint64_t va = (binds[i].gpu_va - FAKE_VA_START) / FAKE_PAGE;

		assert_int_equal(binds[i].op, XENUSERPTR_BIND_MAP);
		if (binds[i].flags & RO)
			assert_true(page == 4 && va == 40 &&
				    binds[i].length == 3 * FAKE_PAGE);
		else
			assert_true(va == page + 10 &&
				    binds[i].length == FAKE_PAGE);
		/* A long list can be had in parts. */
		assert_int_equal(core_chunk_binds(fake->core, 0, 0, 3, 4, i,
						  rest, 1), 1);
		assert_memory_equal(rest, &binds[i], sizeof(rest[0]));
	}
	assert_int_equal(core_chunk_binds(fake->core, 0, 0, 3, 4, 3, binds, 8),
			 0);
	assert_int_equal(core_chunk_binds(fake->core, 1, 0, 0, 16, 0, binds,
					  8), 0);
	fake_free(fake);
}

/* A change that is planned, and not carried out yet, changes nothing of what is bound. */
static void binds_of_what_is_planned(void **state)
{
	const struct xen_userptrif_bind_op ops[] = {
		fake_unmap(12, 1),
		fake_map(2, 0, 1, 20, 0),
	};
	struct fake *fake = mapped();
	struct core_bind before[8], planned[8];
	uint32_t i, nr;

	(void)state;
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		nr = core_chunk_binds(fake->core, 0, 0, 0, 16, 0, before, 8);
		fake_bind(fake, 1, &ops[i]);
		assert_int_equal(core_chunk_binds(fake->core, 0, 0, 0, 16, 0, planned, 8), nr);
		assert_memory_equal(planned, before, nr * sizeof(before[0]));
		assert_int_equal(core_chunk_access(fake->core, 0, 0, 2, 1),
				 i ? MIG_ACCESS_NONE : MIG_ACCESS_WRITE);
		fake_run(fake);
	}
	assert_int_equal(core_chunk_access(fake->core, 0, 0, 2, 1), MIG_ACCESS_NONE);
	fake_free(fake);
}

/* ---- which pages a VM_BIND touches ---- */

#define NR_LIST	4U
#define PAGES	16U	/* of object 1, with slot 0; object 2 has 4 */

/* Plan it, and say of each page of both objects whether it is among the spans. */
static uint32_t touched(struct fake *fake, bool pages[2][PAGES],
			const struct xen_userptrif_bind_op *ops, uint32_t nr)
{
	struct core_span spans[64];
	uint32_t i, n, page;

	memset(pages, 0, 2 * PAGES * sizeof(pages[0][0]));
	fake_bind_list(fake, 1, 1, ops, nr);
	fake_complete(fake, 0, XENUSERPTR_STATUS_OK);	/* the list is read */
	n = core_bind_spans(fake->core, 0, spans, 64);
	assert_in_range(n, 0, 64);
	assert_int_equal(core_bind_spans(fake->core, 0, NULL, 0), n);
	for (i = 0; i < n; i++)
		for (page = spans[i].first; page < spans[i].first + spans[i].nr; page++)
			pages[spans[i].obj][page] = true;
	return n;
}

static void spans_leave_out_what_a_split_keeps(void **state)
{
	const struct xen_userptrif_bind_op cut = fake_unmap(1, 18);	/* page 8 of 0..15 */
	struct fake *fake = mapped();
	bool pages[2][PAGES];
	uint32_t page;

	(void)state;
	assert_int_equal(touched(fake, pages, &cut, 1), 1);
	for (page = 0; page < PAGES; page++)
		assert_int_equal(pages[0][page], page == 8);
	fake_run(fake);
	fake_free(fake);
}

static struct xen_userptrif_bind_op random_op(struct rng *rng)
{
	uint32_t obj = 1 + rng_below(rng, 2), most = obj == 1 ? PAGES : 4;
	uint32_t nr = 1 + rng_below(rng, most), va = 5 + rng_below(rng, 60);

	if (rng_below(rng, 3))
		return fake_map(obj, rng_below(rng, most - nr + 1), nr, va,
				rng_below(rng, 2) ? RO : 0);
	return fake_unmap(nr, va);
}

/* What the page tables showed or show in what an operation covers, and nothing else. */
static void expect_touched(const struct fake_pte *before, bool pages[2][PAGES],
			   const struct xen_userptrif_bind_op *ops, uint32_t nr,
			   struct fake *fake)
{
	const struct fake_pte *after = fake->vm[0].pte;
	bool may[2][PAGES] = { { false } };
	uint32_t i, va, op;

	for (op = 0; op < nr; op++)
		for (i = 0; i < ops[op].length / FAKE_PAGE; i++) {
			va = (uint32_t)((ops[op].gpu_va - FAKE_VA_START) / FAKE_PAGE) + i;
			if (before[va].kind)
				may[before[va].obj][before[va].page] = true;
			if (after[va].kind)
				may[after[va].obj][after[va].page] = true;
			if (before[va].kind)
				assert_true(pages[before[va].obj][before[va].page]);
			if (after[va].kind)
				assert_true(pages[after[va].obj][after[va].page]);
		}
	for (i = 0; i < PAGES; i++)
		assert_true((may[0][i] || !pages[0][i]) && (may[1][i] || !pages[1][i]));
}

static void random_spans(void **state)
{
	struct xen_userptrif_bind_op ops[NR_LIST];
	struct fake_pte before[FAKE_PAGES];
	struct fake *fake = mapped();
	bool pages[2][PAGES];
	struct rng rng;
	uint32_t i, n, nr;

	(void)state;
	rng_seed(&rng, "chunk-spans");
	for (i = 0; i < rng_ops() / 20; i++) {
		nr = 1 + rng_below(&rng, NR_LIST);
		for (n = 0; n < nr; n++)
			ops[n] = random_op(&rng);
		memcpy(before, fake->vm[0].pte, sizeof(before));
		n = touched(fake, pages, ops, nr);
		fake_run(fake);
		if (n)
			expect_touched(before, pages, ops, nr, fake);
		else	/* refused, or there was nothing to unmap */
			assert_memory_equal(before, fake->vm[0].pte, sizeof(before));
	}
	fake_free(fake);
}

/* Take what the page tables show of a page out of a copy of them. */
static void remove_bind(struct fake_pte *pte, const struct core_bind *bind,
			uint32_t obj)
{
	uint64_t va = (bind->gpu_va - FAKE_VA_START) / FAKE_PAGE;
	uint64_t i;

	for (i = 0; i < bind->length / FAKE_PAGE; i++, va++) {
		assert_int_equal(pte[va].kind, XENUSERPTR_BIND_MAP);
		assert_int_equal(pte[va].obj, obj);
		assert_int_equal(pte[va].page, bind->offset / FAKE_PAGE + i);
		assert_int_equal(pte[va].readonly, !!(bind->flags & RO));
		pte[va].kind = 0;
	}
}

/* Exactly the page table entries of a range are found, each once. */
static void compare(const struct fake *fake, uint32_t vm, uint32_t obj,
		    uint32_t first, uint32_t nr)
{
	struct fake_pte pte[FAKE_PAGES];
	struct core_bind binds[64];
	uint32_t access, i, n, found = MIG_ACCESS_NONE;

	memcpy(pte, fake->vm[vm].pte, sizeof(pte));
	n = core_chunk_binds(fake->core, vm, obj, first, nr, 0, binds, 64);
	for (i = 0; i < n; i++)
		remove_bind(pte, &binds[i], obj);
	access = core_chunk_access(fake->core, vm, obj, first, nr);
	for (i = 0; i < FAKE_PAGES; i++) {
		const struct fake_pte *was = &fake->vm[vm].pte[i];
		bool in = was->kind == XENUSERPTR_BIND_MAP && was->obj == obj &&
			  was->page >= first && was->page - first < nr;

		assert_int_equal(pte[i].kind, in ? 0 : was->kind);
		if (in && !was->readonly)
			found = MIG_ACCESS_WRITE;
		else if (in && found == MIG_ACCESS_NONE)
			found = MIG_ACCESS_READ;
	}
	assert_int_equal(access, found);
}

static void random_binds(void **state)
{
	struct xen_userptrif_bind_op list[16];
	struct fake *fake = fake_new(&actions_limits, NULL);
	struct source src = { 0 };
	struct rng rng;
	uint32_t i, obj, vm, first;

	(void)state;
	rng_seed(&rng, "chunk-binds");
	src.rng = &rng;
	for (i = 0; i < 16; i++)
		list[i] = fake_unmap(1, i);
	for (i = 0; i < rng_ops() / 20; i++) {
		action_honest(fake, &src);
		if (i % 50)
			continue;
		fake->any_list = list;
		fake_run(fake);
		for (obj = 0; obj < actions_limits.max_objects; obj++)
			for (vm = 0; vm < actions_limits.max_vms; vm++) {
				first = rng_below(&rng, 20);
				if (fake->obj[obj].mapped &&
				    fake->vm[vm].open)
					compare(fake, vm, obj, first,
						1 + rng_below(&rng, 20));
			}
	}
	actions_end(fake);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_of_pages),
		cmocka_unit_test(binds_of_pages),
		cmocka_unit_test(binds_of_what_is_planned),
		cmocka_unit_test(spans_leave_out_what_a_split_keeps),
		cmocka_unit_test(random_spans),
		cmocka_unit_test(random_binds),
	};

	return cmocka_run_group_tests_name("chunk-binds", tests, NULL, NULL);
}
