// SPDX-License-Identifier: MIT
/* The walk over directory pages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core.h"

#define PAGES 4U
#define ENTRIES XENUSERPTR_DIR_ENTRIES

/* A guest's memory: directory page g has gref g + 1. */
static struct xen_userptrif_dir dir[PAGES];

/* A right chain for n entries: entry i is 1000 + i. */
static void chain(uint32_t n)
{
	uint32_t i;

	memset(dir, 0, sizeof(dir));
	for (i = 0; i < n; i++) {
		struct xen_userptrif_dir *d = &dir[i / ENTRIES];

		d->gref[i % ENTRIES] = 1000 + i;
		if (i % ENTRIES == ENTRIES - 1 && i + 1 < n)
			d->next = i / ENTRIES + 2;
	}
}

/* Walks as the adapter does; returns entries or the error. */
static int walk(uint32_t n)
{
	static uint32_t grefs[PAGES * ENTRIES];
	struct core_dir_walk w;
	uint32_t total = 0, i;
	int ret = core_dir_begin(&w, 1, n);

	while (!ret && w.left) {
		assert_in_range(w.next, 1, PAGES);
		ret = core_dir_page(&w, &dir[w.next - 1], grefs + total);
		if (ret < 0)
			return ret;
		total += (uint32_t)ret;
		ret = 0;
	}
	for (i = 0; i < total; i++)
		assert_int_equal(grefs[i], 1000 + i);
	return ret ? ret : (int)total;
}

static void dir_lengths(void **state)
{
	static const uint32_t n[] = {
		1, 2, ENTRIES - 1, ENTRIES, ENTRIES + 1, 2 * ENTRIES,
		2 * ENTRIES + 1, PAGES * ENTRIES,
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		chain(n[i]);
		assert_int_equal(walk(n[i]), n[i]);
	}
}

static void dir_first_is_zero(void **state)
{
	struct core_dir_walk w;

	(void)state;
	assert_int_equal(core_dir_begin(&w, 0, 1), -EPROTO);
	assert_int_equal(core_dir_begin(&w, 1, 0), -EPROTO);
}

static void dir_zero_entry(void **state)
{
	(void)state;
	chain(2000);
	dir[1].gref[500] = 0;
	assert_int_equal(walk(2000), -EPROTO);
}

static void dir_too_short(void **state)
{
	(void)state;
	chain(2000);
	dir[0].next = 0;
	assert_int_equal(walk(2000), -EPROTO);
}

static void dir_too_long(void **state)
{
	(void)state;
	chain(2000);
	dir[1].next = 3;
	assert_int_equal(walk(2000), -EPROTO);
	chain(ENTRIES);
	dir[0].next = 2;
	assert_int_equal(walk(ENTRIES), -EPROTO);
}

static void dir_entries_after_last(void **state)
{
	(void)state;
	chain(2000);
	dir[1].gref[ENTRIES - 1] = 5;
	assert_int_equal(walk(2000), -EPROTO);
	chain(1);
	dir[0].gref[1] = 5;
	assert_int_equal(walk(1), -EPROTO);
}

/* Loops of one, two and three pages; only full pages can be in one. */
static void dir_loops(void **state)
{
	struct core_dir_walk w;
	uint32_t grefs[ENTRIES], pages, nr;
	int ret;

	(void)state;
	chain(2 * ENTRIES);
	dir[0].next = 1;
	assert_int_equal(walk(2 * ENTRIES), -EPROTO);
	for (nr = 2; nr < PAGES; nr++) {
		chain(PAGES * ENTRIES);
		dir[nr - 1].next = 1;
		core_dir_begin(&w, 1, PAGES * ENTRIES);
		pages = 0;
		do {
			ret = core_dir_page(&w, &dir[w.next - 1], grefs);
			pages++;
		} while (ret > 0 && w.left);
		assert_int_equal(ret, -EPROTO);
		assert_int_equal(pages, PAGES);
	}
}

/* A page that names itself is refused before it is read a second time. */
static void dir_self(void **state)
{
	struct core_dir_walk w;
	uint32_t grefs[ENTRIES];

	(void)state;
	chain(3 * ENTRIES);
	dir[0].next = 1;
	core_dir_begin(&w, 1, 3 * ENTRIES);
	assert_int_equal(core_dir_page(&w, &dir[0], grefs), -EPROTO);
}

/* A finished walk takes no further page. */
static void dir_after_the_end(void **state)
{
	struct core_dir_walk w;
	uint32_t grefs[ENTRIES];

	(void)state;
	chain(3);
	core_dir_begin(&w, 1, 3);
	assert_int_equal(core_dir_page(&w, &dir[0], grefs), 3);
	assert_int_equal(w.left, 0);
	assert_int_equal(core_dir_page(&w, &dir[0], grefs), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dir_lengths),
		cmocka_unit_test(dir_first_is_zero),
		cmocka_unit_test(dir_zero_entry),
		cmocka_unit_test(dir_too_short),
		cmocka_unit_test(dir_too_long),
		cmocka_unit_test(dir_entries_after_last),
		cmocka_unit_test(dir_loops),
		cmocka_unit_test(dir_self),
		cmocka_unit_test(dir_after_the_end),
	};

	return cmocka_run_group_tests_name("dir", tests, NULL, NULL);
}
