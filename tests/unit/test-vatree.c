// SPDX-License-Identifier: MIT
/* The GPU VA tree: drm_gpuvm meaning, transactions, quota, and the index. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "random.h"
#include "vamodel.h"

static int setup(void **state)
{
	*state = vamodel_new(64, 0x10000, 4096);
	return 0;
}

static int teardown(void **state)
{
	vamodel_free(*state);
	return 0;
}

static const struct gpuva *at(struct vamodel *m, uint32_t page)
{
	return va_find(&m->pool, &m->space[0], 0x10000 + page * 4096u);
}

static void vatree_map_find(void **state)
{
	struct vamodel *m = *state;

	assert_null(at(m, 0));
	assert_int_equal(vamodel_map(m, 0, 4, 4, 1, 10, 0), 0);
	assert_null(at(m, 3));
	assert_int_equal(at(m, 7)->offset, 10 * 4096);
	assert_null(at(m, 8));
	vamodel_commit(m, 0);
	vamodel_compare(m);
}

static void vatree_unmap_middle_splits(void **state)
{
	struct vamodel *m = *state;

	vamodel_map(m, 0, 0, 16, 1, 100, 1);
	assert_int_equal(vamodel_unmap(m, 0, 4, 4), 0);
	assert_int_equal(m->space[0].index.nr, 2);
	assert_int_equal(at(m, 8)->offset, 108 * 4096);
	assert_int_equal(at(m, 8)->flags, 1);
	vamodel_commit(m, 0);
	assert_int_equal(m->owner[1].nr, 2);
	vamodel_compare(m);
}

static void vatree_map_replaces(void **state)
{
	struct vamodel *m = *state;

	vamodel_map(m, 0, 0, 4, 1, 0, 0);
	vamodel_map(m, 0, 4, 4, 2, 0, 0);
	vamodel_map(m, 0, 8, 4, 3, 0, 0);
	vamodel_commit(m, 0);
	assert_int_equal(vamodel_map(m, 0, 2, 8, 4, 0, 0), 0);
	vamodel_compare(m);
	vamodel_commit(m, 0);
	assert_int_equal(m->space[0].index.nr, 3);
	assert_int_equal(m->owner[2].nr, 0);
	vamodel_compare(m);
}

static void vatree_unmap_nothing(void **state)
{
	struct vamodel *m = *state;

	assert_int_equal(vamodel_unmap(m, 0, 0, 512), 0);
	vamodel_map(m, 0, 4, 1, 1, 0, 0);
	assert_int_equal(vamodel_unmap(m, 0, 0, 4), 0);
	assert_int_equal(vamodel_unmap(m, 0, 5, 4), 0);
	assert_int_equal(m->space[0].index.nr, 1);
}

static void vatree_empty_range(void **state)
{
	assert_int_equal(vamodel_map(*state, 0, 3, 0, 1, 0, 0), -EINVAL);
	assert_int_equal(vamodel_unmap(*state, 0, 3, 0), -EINVAL);
}

static void vatree_rollback(void **state)
{
	struct vamodel *m = *state;

	vamodel_map(m, 0, 0, 16, 1, 0, 0);
	vamodel_commit(m, 0);
	vamodel_unmap(m, 0, 4, 4);
	vamodel_map(m, 0, 2, 10, VA_NO_OWNER, 0, 0);
	vamodel_map(m, 0, 3, 1, 2, 7, 1);
	vamodel_unmap(m, 0, 0, 512);
	vamodel_map(m, 0, 100, 1, 2, 7, 1);
	vamodel_rollback(m, 0);
	assert_int_equal(m->space[0].index.nr, 1);
	assert_int_equal(m->owner[2].nr, 0);
	assert_int_equal(m->pool.free.used, 1);
	vamodel_compare(m);
}

/* At the quota a replacement still works, a split does not. */
static void vatree_quota(void **state)
{
	struct vamodel *m = *state;
	uint32_t i;

	for (i = 0; i < 64; i++)
		assert_int_equal(vamodel_map(m, i % 3, 4 * i, 3, 1, 0, 0), 0);
	for (i = 0; i < 3; i++)
		vamodel_commit(m, i);
	assert_int_equal(vamodel_map(m, 0, 500, 1, 1, 0, 0), -EDQUOT);
	assert_int_equal(vamodel_unmap(m, 0, 1, 1), -EDQUOT);
	assert_int_equal(vamodel_map(m, 0, 1, 1, 2, 0, 0), -EDQUOT);
	assert_int_equal(vamodel_map(m, 0, 0, 3, 2, 0, 0), 0);
	assert_int_equal(vamodel_unmap(m, 0, 0, 1), 0);
	vamodel_commit(m, 0);
	/* What a transaction removes stays reserved until it is committed. */
	assert_int_equal(vamodel_unmap(m, 0, 0, 4), 0);
	assert_int_equal(vamodel_map(m, 1, 500, 1, 1, 0, 0), -EDQUOT);
	vamodel_commit(m, 0);
	assert_int_equal(vamodel_map(m, 1, 500, 1, 1, 0, 0), 0);
	vamodel_rollback(m, 1);
	vamodel_compare(m);
}

/* Made and removed again inside one transaction: uses nothing up. */
static void vatree_transients(void **state)
{
	struct vamodel *m = *state;
	uint32_t i;

	for (i = 0; i < 10000; i++) {
		assert_int_equal(vamodel_map(m, 0, 1, 2, 1, 0, 0), 0);
		assert_int_equal(vamodel_unmap(m, 0, 1, 2), 0);
	}
	assert_int_equal(m->pool.free.used, 0);
	vamodel_commit(m, 0);
}

static void vatree_clear(void **state)
{
	struct vamodel *m = *state;
	uint32_t i;

	for (i = 0; i < 60; i++)
		vamodel_map(m, 0, 8 * i, 8, i % 8, 0, 0);
	vamodel_map(m, 1, 0, 8, 1, 0, 0);
	vamodel_commit(m, 1);
	vamodel_clear(m, 0);
	assert_int_equal(m->pool.charged, 1);
	assert_int_equal(m->owner[1].nr, 1);
	vamodel_compare(m);
	vamodel_clear(m, 1);
	assert_int_equal(m->pool.nodes.pool.used, 0);
}

static void random_step(struct vamodel *m, struct rng *rng)
{
	uint32_t s = rng_below(rng, VAMODEL_SPACES);
	uint32_t page = rng_below(rng, VAMODEL_PAGES);
	uint32_t nr = 1 + rng_below(rng, rng_below(rng, 8) ? 4 : 128);
	uint32_t owner = rng_below(rng, VAMODEL_OWNERS + 1);

	if (page + nr > VAMODEL_PAGES)
		nr = VAMODEL_PAGES - page;
	if (owner == VAMODEL_OWNERS)
		owner = VA_NO_OWNER;
	switch (rng_below(rng, 16)) {
	case 0:
		vamodel_rollback(m, s);
		break;
	case 1 ... 3:
		vamodel_commit(m, s);
		break;
	case 4 ... 7:
		vamodel_unmap(m, s, page, nr);
		break;
	default:
		vamodel_map(m, s, page, nr, owner, rng_below(rng, 1000),
			    (uint16_t)rng_below(rng, 2));
		break;
	}
}

/* The tree against the naive model, at both ends of the address range. */
static void vatree_random(void **state)
{
	static const struct {
		uint32_t max;
		uint64_t base, scale;
	} runs[] = {
		{ 2000, 0, 4096 }, { 100, 0, 1 },
		{ 700, UINT64_MAX - VAMODEL_PAGES * 65536, 65536 },
		{ 1, UINT64_C(1) << 63, 2 << 20 },
	};
	uint32_t i, r, nr = rng_ops() / 4;
	struct rng rng;

	(void)state;
	rng_seed(&rng, "vatree_random");
	for (r = 0; r < 4; r++) {
		struct vamodel *m = vamodel_new(runs[r].max, runs[r].base,
						runs[r].scale);

		for (i = 0; i < nr; i++) {
			random_step(m, &rng);
			if (i % 1024 == 0)
				vamodel_compare(m);
		}
		for (i = 0; i < VAMODEL_SPACES; i++)
			vamodel_clear(m, i);
		assert_int_equal(m->pool.free.used, 0);
		assert_int_equal(m->pool.nodes.pool.used, 0);
		vamodel_free(m);
	}
}

/* A set of single octets against an array of bits, deep enough for 4 levels. */
static void vaindex_random(void **state)
{
	enum { RANGE = 500000, STEPS = 1000000 };
	uint32_t need = (uint32_t)va_nodes_need(RANGE, 1);
	struct va_nodes nodes;
	struct va_node *node = calloc(need, sizeof(*node));
	uint32_t *link = calloc(need, sizeof(*link));
	bool *set = calloc(RANGE, sizeof(*set));
	struct va_index index;
	uint32_t i, nr = 0, nr_nodes = 0, height = 0;
	struct va_cursor cur;
	struct rng rng;

	(void)state;
	rng_seed(&rng, "vaindex_random");
	va_nodes_init(&nodes, node, link, need);
	va_index_init(&index);
	for (i = 0; i < STEPS; i++) {
		/* Grow first, then shrink. */
		uint32_t x = rng_below(&rng, RANGE);
		bool add = rng_below(&rng, 16) < (i < STEPS / 2 ? 13 : 3);
		int ret = add ? va_index_insert(&nodes, &index, x, x + 1, x) :
				va_index_remove(&nodes, &index, x);

		assert_int_equal(ret, add ? (set[x] ? -EEXIST : 0) :
					    (set[x] ? 0 : -ENOENT));
		nr += add && !set[x];
		nr -= !add && set[x];
		set[x] = add;
		if (index.height > height)
			height = index.height;
	}
	assert_true(height >= 3);
	assert_true(va_index_check(&nodes, &index, &nr_nodes));
	assert_int_equal(nr_nodes, nodes.pool.used);
	assert_int_equal(index.nr, nr);
	for (i = 0; i < RANGE; i++)
		assert_int_equal(va_index_first(&nodes, &index, i, &cur) &&
				 cur.start == i, set[i]);
	va_index_clear(&nodes, &index);
	assert_int_equal(nodes.pool.used, 0);
	free(node);
	free(link);
	free(set);
}

/* Without nodes an insertion fails and changes nothing. */
static void vaindex_no_memory(void **state)
{
	struct va_node node[3];
	uint32_t link[3], i, nr_nodes = 0;
	struct va_nodes nodes;
	struct va_index index;
	int ret = 0;

	(void)state;
	va_nodes_init(&nodes, node, link, 3);
	va_index_init(&index);
	for (i = 0; !ret; i++)
		ret = va_index_insert(&nodes, &index, i, i + 1, i);
	assert_int_equal(ret, -ENOMEM);
	assert_true(index.nr > VA_LEAF);
	assert_true(va_index_check(&nodes, &index, &nr_nodes));
	va_nodes_init(&nodes, node, link, 0);
	va_index_init(&index);
	assert_int_equal(va_index_insert(&nodes, &index, 0, 1, 0), -ENOMEM);
	assert_int_equal(va_index_insert(&nodes, &index, 1, 1, 0), -EINVAL);
}

/* The check must see each kind of damage, else it proves nothing. */
static void vaindex_check_sees_damage(void **state)
{
	struct va_node node[8];
	uint32_t link[8], i, nr_nodes = 0;
	struct va_nodes nodes;
	struct va_index index;
	struct va_node *root;

	(void)state;
	va_nodes_init(&nodes, node, link, 8);
	va_index_init(&index);
	for (i = 0; i < 2 * VA_LEAF; i++)
		va_index_insert(&nodes, &index, i * 4, i * 4 + 4, i);
	root = &node[index.root];
	assert_int_equal(index.height, 1);
	node[root->inner.child[0]].leaf.end[3]++;
	assert_false(va_index_check(&nodes, &index, &nr_nodes));
	node[root->inner.child[0]].leaf.end[3]--;
	node[root->inner.child[1]].leaf.start[0]--;
	assert_false(va_index_check(&nodes, &index, &nr_nodes));
	node[root->inner.child[1]].leaf.start[0]++;
	root->inner.key[1]++;
	assert_false(va_index_check(&nodes, &index, &nr_nodes));
	root->inner.key[1]--;
	root->guide[0]--;
	assert_false(va_index_check(&nodes, &index, &nr_nodes));
	root->guide[0]++;
	index.nr++;
	assert_false(va_index_check(&nodes, &index, &nr_nodes));
	index.nr--;
	node[root->inner.child[1]].prev = POOL_NONE;
	assert_false(va_index_check(&nodes, &index, &nr_nodes));
	node[root->inner.child[1]].prev = root->inner.child[0];
	assert_true(va_index_check(&nodes, &index, &nr_nodes));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vatree_map_find),
		T(vatree_unmap_middle_splits),
		T(vatree_map_replaces),
		T(vatree_unmap_nothing),
		T(vatree_empty_range),
		T(vatree_rollback),
		T(vatree_quota),
		T(vatree_transients),
		T(vatree_clear),
		cmocka_unit_test(vatree_random),
		cmocka_unit_test(vaindex_random),
		cmocka_unit_test(vaindex_no_memory),
		cmocka_unit_test(vaindex_check_sees_damage),
	};

	return cmocka_run_group_tests_name("vatree", tests, NULL, NULL);
}
