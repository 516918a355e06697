// SPDX-License-Identifier: MIT
/*
 * Walk over a chain of directory pages, for OBJ_CREATE and for indirect
 * VM_BIND. The adapter copies the pages, this file decides whether they make
 * a chain of exactly the announced length. A loop of any length shows: the
 * number of pages to read is fixed, and the last one must end the chain.
 * Single-threaded; the state is the caller's.
 */
#include <errno.h>
#include <string.h>

#include "core.h"

int core_dir_begin(struct core_dir_walk *walk, uint32_t first, uint32_t nr)
{
	if (!first || !nr)
		return -EPROTO;
	walk->left = nr;
	walk->next = first;
	return 0;
}

/* Is what follows the last entry zero? */
static bool rest_is_zero(const struct xen_userptrif_dir *untrusted_page,
			 uint32_t nr)
{
	static const uint32_t zero[XENUSERPTR_DIR_ENTRIES];

	return !memcmp(untrusted_page->gref + nr, zero,
		       (XENUSERPTR_DIR_ENTRIES - nr) * sizeof(zero[0]));
}

int core_dir_page(struct core_dir_walk *walk,
		  const struct xen_userptrif_dir *untrusted_page,
		  uint32_t *grefs)
{
	uint32_t next = untrusted_page->next;
	uint32_t nr = walk->left < XENUSERPTR_DIR_ENTRIES ?
		      walk->left : XENUSERPTR_DIR_ENTRIES;
	bool last = nr == walk->left;
	uint32_t i;

	if (!nr || last != !next || next == walk->next ||
	    !rest_is_zero(untrusted_page, nr))
		return -EPROTO;
	for (i = 0; i < nr; i++) {
		uint32_t untrusted_gref = untrusted_page->gref[i];

		if (!untrusted_gref)
			return -EPROTO;
		grefs[i] = untrusted_gref;
	}
	walk->left -= nr;
	walk->next = next;
	return (int)nr;
}
