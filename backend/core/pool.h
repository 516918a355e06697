/* SPDX-License-Identifier: MIT */
/*
 * Slots of a fixed table: a free list whose links live in an array of the
 * caller. Slots that were never used are not on the list, so that memory the
 * guest did not make us use stays untouched.
 */
#ifndef XU_POOL_H
#define XU_POOL_H

#include <stdint.h>

#define POOL_NONE UINT32_MAX

struct pool {
	uint32_t *link;		/* nr entries; of free slots only */
	uint32_t nr;
	uint32_t fresh;		/* slots from here on were never used */
	uint32_t free;		/* first free slot below fresh */
	uint32_t used;
};

static inline void pool_init(struct pool *pool, uint32_t *link, uint32_t nr)
{
	pool->link = link;
	pool->nr = nr;
	pool->fresh = 0;
	pool->free = POOL_NONE;
	pool->used = 0;
}

/* Returns a slot or POOL_NONE. */
static inline uint32_t pool_get(struct pool *pool)
{
	uint32_t slot = pool->free;

	if (slot != POOL_NONE)
		pool->free = pool->link[slot];
	else if (pool->fresh < pool->nr)
		slot = pool->fresh++;
	else
		return POOL_NONE;
	pool->used++;
	return slot;
}

static inline void pool_put(struct pool *pool, uint32_t slot)
{
	pool->link[slot] = pool->free;
	pool->free = slot;
	pool->used--;
}

#endif /* XU_POOL_H */
