/* SPDX-License-Identifier: MIT */
/*
 * Tables in one piece of memory of the caller: measured without memory, then
 * taken for real, by the same code. Single-threaded.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "idmap.h"
#include "pool.h"

struct arena {
	uint8_t *mem;		/* NULL: only measure */
	size_t used;		/* octets */
	bool overflow;		/* size_t did not hold the size */
};

/* Room for nr items, aligned to a cache line; NULL when only measuring. */
void *arena_take(struct arena *arena, uint64_t nr, size_t size);
/* The same with the table behind it, which is initialised unless measuring. */
void arena_take_pool(struct arena *arena, struct pool *pool, uint32_t nr);
void arena_take_idmap(struct arena *arena, struct idmap *map, uint32_t nr,
		      uint64_t seed);

#endif
