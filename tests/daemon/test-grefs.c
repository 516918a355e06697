// SPDX-License-Identifier: MIT
/* gref -> page, and what is an alias. */
#include "cm.h"

#include <errno.h>
#include <string.h>

#include "fake-fail.h"
#include "grefs.h"

static struct { enum grefs_side side; uint32_t obj, page; } aliases[64];
static unsigned int nr_aliases;

static void on_alias(void *context, enum grefs_side side, uint32_t obj,
		     uint32_t page)
{
	(void)context;
	assert_true(nr_aliases < 64);
	aliases[nr_aliases].side = side;
	aliases[nr_aliases].obj = obj;
	aliases[nr_aliases++].page = page;
}

static int add(struct grefs *table, uint32_t obj, const uint32_t *grefs,
	       uint32_t nr)
{
	nr_aliases = 0;
	return grefs_add(table, obj, grefs, nr, on_alias, NULL);
}

static void finds_its_page(void **state)
{
	const uint32_t grefs[] = { 8, 9, 70000, 10 };
	struct grefs table = { 0 };
	uint32_t obj = 0, page = 0;

	(void)state;
	assert_int_equal(add(&table, 65535, grefs, 4), 0);
	assert_int_equal(nr_aliases, 0);
	assert_true(grefs_find(&table, 70000, &obj, &page));
	assert_int_equal(obj, 65535);
	assert_int_equal(page, 2);
	assert_false(grefs_find(&table, 11, &obj, &page));
	assert_false(grefs_find(&table, UINT32_MAX, &obj, &page));
	grefs_remove(&table, grefs, 4);
	assert_false(grefs_find(&table, 8, &obj, &page));
	grefs_fini(&table);
}

/* Twice in one object: both places are told. */
static void twice_in_one(void **state)
{
	const uint32_t grefs[] = { 5, 6, 5 };
	struct grefs table = { 0 };
	uint32_t obj, page;

	(void)state;
	assert_int_equal(add(&table, 3, grefs, 3), 0);
	assert_int_equal(nr_aliases, 2);
	assert_int_equal(aliases[0].side, GREFS_OLD);
	assert_int_equal(aliases[0].page, 0);
	assert_int_equal(aliases[1].side, GREFS_NEW);
	assert_int_equal(aliases[1].page, 2);
	assert_false(grefs_find(&table, 5, &obj, &page));
	assert_true(grefs_find(&table, 6, &obj, &page));
	grefs_remove(&table, grefs, 3);
	assert_int_equal(add(&table, 4, grefs, 2), 0);
	assert_int_equal(nr_aliases, 0);
	grefs_fini(&table);
}

/* What is left of two still shares its page with a third that comes. */
static void alias_until_the_last(void **state)
{
	const uint32_t gref = 77;
	struct grefs table = { 0 };
	uint32_t obj, page;

	(void)state;
	assert_int_equal(add(&table, 1, &gref, 1), 0);
	assert_int_equal(add(&table, 2, &gref, 1), 0);
	assert_int_equal(nr_aliases, 2);
	grefs_remove(&table, &gref, 1);
	assert_false(grefs_find(&table, gref, &obj, &page));
	assert_int_equal(add(&table, 3, &gref, 1), 0);
	assert_int_equal(nr_aliases, 1);
	assert_int_equal(aliases[0].obj, 3);
	grefs_remove(&table, &gref, 1);
	grefs_remove(&table, &gref, 1);
	assert_int_equal(add(&table, 4, &gref, 1), 0);
	assert_int_equal(nr_aliases, 0);
	assert_true(grefs_find(&table, gref, &obj, &page));
	grefs_fini(&table);
}

/* A count that is full is never trusted again. */
static void too_many_users(void **state)
{
	const uint32_t gref = 4;
	struct grefs table = { 0 };
	uint32_t i, obj, page;

	(void)state;
	for (i = 0; i < UINT16_MAX + 10U; i++)
		assert_int_equal(add(&table, i & 0xff, &gref, 1), 0);
	for (i = 0; i < UINT16_MAX + 10U; i++)
		grefs_remove(&table, &gref, 1);
	assert_false(grefs_find(&table, gref, &obj, &page));
	assert_int_equal(add(&table, 1, &gref, 1), 0);
	assert_int_equal(nr_aliases, 1);
	grefs_fini(&table);
}

/* Pages that were given back have gref 0. */
static void given_back(void **state)
{
	uint32_t grefs[] = { 12, 13 };
	struct grefs table = { 0 };
	uint32_t obj, page;

	(void)state;
	assert_int_equal(add(&table, 1, grefs, 2), 0);
	grefs_remove(&table, &grefs[0], 1);
	grefs[0] = 0;
	assert_false(grefs_find(&table, 12, &obj, &page));
	grefs_remove(&table, grefs, 2);
	assert_false(grefs_find(&table, 13, &obj, &page));
	grefs_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_its_page),
		cmocka_unit_test(twice_in_one),
		cmocka_unit_test(alias_until_the_last),
		cmocka_unit_test(too_many_users),
		cmocka_unit_test(given_back),
	};

	return cmocka_run_group_tests_name("grefs", tests, NULL, NULL);
}
