/* SPDX-License-Identifier: MIT */
/*
 * Which page of which object a gref is: WANT and LOST records of the module
 * name grefs. A table by gref, as grefs are small numbers: 8 octets for each
 * that the guest's grant table has room for, as far as it uses it.
 *
 * A gref that is in two places (two objects share a page, or one has it twice)
 * is an alias until none of them is left: such pages stay home.
 */
#ifndef XU_GREFS_H
#define XU_GREFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grefs {
	uint64_t *entry;
	size_t nr;
};

/* Whose page an alias is: of an object that was there, or of the one that is added. */
enum grefs_side { GREFS_OLD, GREFS_NEW, GREFS_NR_SIDES };

/* Called for each page that turns out to be an alias; both places. */
typedef void (*grefs_alias)(void *context, enum grefs_side side, uint32_t obj,
			    uint32_t page);

/**
 * grefs_add() - the pages of an object that the module has mapped
 * @grefs: @nr of them, none 0
 *
 * Returns 0, or -ENOMEM and nothing has changed.
 */
int grefs_add(struct grefs *table, uint32_t obj, const uint32_t *grefs,
	      uint32_t nr, grefs_alias alias, void *context);

/** grefs_remove() - the same pages; those with gref 0 were removed before */
void grefs_remove(struct grefs *table, const uint32_t *grefs, uint32_t nr);

/** grefs_find() - false: no page, or not only one */
bool grefs_find(const struct grefs *table, uint32_t gref, uint32_t *obj,
		uint32_t *page);

void grefs_fini(struct grefs *table);

#endif /* XU_GREFS_H */
