/* SPDX-License-Identifier: MIT */
/*
 * Addresses in an address space of the mover's own: which ranges are in use.
 * One thread.
 */
#ifndef XU_SPACE_H
#define XU_SPACE_H

#include <stdint.h>

/* A range in use; those of a space are in the order of their addresses. */
struct space_range {
	struct space_range *prev;
	struct space_range *next;
	uint64_t start;
	uint64_t length;
};

struct space {
	struct space_range all;	/* of length 0, first and last of the ring */
	struct space_range *at;	/* the search begins behind it */
	uint64_t end;
	uint64_t unit;
};

/** space_init() - from @start to @end, both multiples of @unit */
void space_init(struct space *space, uint64_t start, uint64_t end,
		uint64_t unit);

/** space_fini() - free what is in use; one of zeros is fine */
void space_fini(struct space *space);

/** space_get() - a range that begins at a multiple of the unit, or NULL */
struct space_range *space_get(struct space *space, uint64_t length);

/** space_put() - give it back; NULL is fine */
void space_put(struct space *space, struct space_range *range);

#endif /* XU_SPACE_H */
