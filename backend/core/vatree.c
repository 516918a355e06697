// SPDX-License-Identifier: MIT
/*
 * Decides how a map or unmap changes the mappings of a GPU address space:
 * what is replaced, what is split, and how to go back. Walk A: bind.c calls it
 * after a request was validated and before the adapter is asked; so the tree
 * is ahead of the GPU until the commit. Single-threaded.
 *
 * Why changes are made at once and undone on failure: the operations of one
 * VM_BIND may overlap each other, so their exact need is only known by doing
 * them. Why 2 * max records are enough: NEW and LIVE ones are charged to the
 * quota, and each OLD one is part of the base that stays charged.
 */
#include <errno.h>

#include "vatree.h"

uint64_t va_records_need(uint32_t max)
{
	return 2 * (uint64_t)max;
}

void va_owner_init(struct va_owner *owner)
{
	owner->first = POOL_NONE;
	owner->nr = 0;
}

void va_space_init(struct va_space *space)
{
	va_index_init(&space->index);
	space->base = 0;
	space->created = POOL_NONE;
	space->retired = POOL_NONE;
}

static void owner_link(struct va_pool *pool, uint32_t id)
{
	struct gpuva *va = &pool->va[id];
	struct va_owner *owner;

	if (va->owner == VA_NO_OWNER)
		return;
	owner = &pool->owner[va->owner];
	va->owner_prev = POOL_NONE;
	va->owner_next = owner->first;
	if (owner->first != POOL_NONE)
		pool->va[owner->first].owner_prev = id;
	owner->first = id;
	owner->nr++;
}

static void owner_unlink(struct va_pool *pool, uint32_t id)
{
	const struct gpuva *va = &pool->va[id];
	struct va_owner *owner;

	if (va->owner == VA_NO_OWNER)
		return;
	owner = &pool->owner[va->owner];
	if (va->owner_prev != POOL_NONE)
		pool->va[va->owner_prev].owner_next = va->owner_next;
	else
		owner->first = va->owner_next;
	if (va->owner_next != POOL_NONE)
		pool->va[va->owner_next].owner_prev = va->owner_prev;
	owner->nr--;
}

static void tx_link(struct va_pool *pool, uint32_t *head, uint32_t id)
{
	struct gpuva *va = &pool->va[id];

	va->tx_prev = POOL_NONE;
	va->tx_next = *head;
	if (*head != POOL_NONE)
		pool->va[*head].tx_prev = id;
	*head = id;
}

static void tx_unlink(struct va_pool *pool, uint32_t *head, uint32_t id)
{
	const struct gpuva *va = &pool->va[id];

	if (va->tx_prev != POOL_NONE)
		pool->va[va->tx_prev].tx_next = va->tx_next;
	else
		*head = va->tx_next;
	if (va->tx_next != POOL_NONE)
		pool->va[va->tx_next].tx_prev = va->tx_prev;
}

static void va_free(struct va_pool *pool, uint32_t id)
{
	owner_unlink(pool, id);
	pool_put(&pool->free, id);
}

/* The charge of a space is max(base, mappings now). */
static bool charge_one(struct va_pool *pool, const struct va_space *space)
{
	if (space->index.nr < space->base)
		return true;
	if (pool->charged == pool->max)
		return false;
	pool->charged++;
	return true;
}

static void uncharge_one(struct va_pool *pool, const struct va_space *space)
{
	if (space->index.nr >= space->base)
		pool->charged--;
}

static int va_create(struct va_pool *pool, struct va_space *space,
		     const struct va_range *range)
{
	struct gpuva *va;
	uint32_t id;
	int ret;

	if (!charge_one(pool, space))
		return -EDQUOT;
	id = pool_get(&pool->free);
	ret = id == POOL_NONE ? -ENOMEM :
	      va_index_insert(&pool->nodes, &space->index, range->start,
			      range->end, id);
	if (ret) {
		uncharge_one(pool, space);
		if (id != POOL_NONE)
			pool_put(&pool->free, id);
		return ret;
	}
	va = &pool->va[id];
	va->start = range->start;
	va->end = range->end;
	va->offset = range->offset;
	va->owner = range->owner;
	va->flags = range->flags;
	va->is_kept = range->is_kept;
	va->state = VA_NEW;
	owner_link(pool, id);
	tx_link(pool, &space->created, id);
	return 0;
}

/* It was taken out of the tree; keep it if a rollback wants it back. */
static void va_retire(struct va_pool *pool, struct va_space *space, uint32_t id)
{
	struct gpuva *va = &pool->va[id];

	uncharge_one(pool, space);
	if (va->state == VA_NEW) {
		tx_unlink(pool, &space->created, id);
		va_free(pool, id);
	} else {
		va->state = VA_OLD;
		tx_link(pool, &space->retired, id);
	}
}

/* The part [start, end) of a mapping, as a mapping of its own. */
static struct va_range part_of(const struct gpuva *va, uint64_t start,
			       uint64_t end)
{
	return (struct va_range){
		.start = start,
		.end = end,
		.offset = va->owner == VA_NO_OWNER ? 0 :
			  va->offset + (start - va->start),
		.owner = va->owner,
		.flags = va->flags,
		.is_kept = va->state != VA_NEW || va->is_kept,
	};
}

int va_unmap(struct va_pool *pool, struct va_space *space, uint64_t start,
	     uint64_t end)
{
	struct va_range rest[2];	/* what stays left and right */
	unsigned int i, nr = 0;
	struct va_cursor cur;
	bool more = true;
	int ret;

	if (start >= end)
		return -EINVAL;
	while (more && va_index_take(&pool->nodes, &space->index, start, end,
				     &cur)) {
		const struct gpuva *va = &pool->va[cur.val];

		if (cur.start < start)
			rest[nr++] = part_of(va, cur.start, start);
		if (cur.end > end)
			rest[nr++] = part_of(va, end, cur.end);
		va_retire(pool, space, cur.val);
		more = cur.end < end;
	}
	for (i = 0; i < nr; i++) {
		ret = va_create(pool, space, &rest[i]);
		if (ret)
			return ret;
	}
	return 0;
}

int va_map(struct va_pool *pool, struct va_space *space,
	   const struct va_range *range)
{
	int ret = va_create(pool, space, range);

	if (ret != -EEXIST && ret != -EDQUOT)
		return ret;
	/* Full or overlapping: make room first, then it may fit. */
	ret = va_unmap(pool, space, range->start, range->end);
	return ret ? ret : va_create(pool, space, range);
}

void va_commit(struct va_pool *pool, struct va_space *space)
{
	uint32_t id;

	while ((id = space->retired) != POOL_NONE) {
		space->retired = pool->va[id].tx_next;
		va_free(pool, id);
	}
	while ((id = space->created) != POOL_NONE) {
		space->created = pool->va[id].tx_next;
		pool->va[id].state = VA_LIVE;
	}
	if (space->base > space->index.nr)
		pool->charged -= space->base - space->index.nr;
	space->base = space->index.nr;
}

void va_rollback(struct va_pool *pool, struct va_space *space)
{
	uint32_t id;

	while ((id = space->created) != POOL_NONE) {
		va_index_remove(&pool->nodes, &space->index,
				pool->va[id].start);
		va_retire(pool, space, id);
	}
	while ((id = space->retired) != POOL_NONE) {
		struct gpuva *va = &pool->va[id];

		space->retired = va->tx_next;
		va->state = VA_LIVE;
		va_index_insert(&pool->nodes, &space->index, va->start,
				va->end, id);
	}
}

void va_clear(struct va_pool *pool, struct va_space *space)
{
	struct va_cursor cur;
	bool more = va_index_first(&pool->nodes, &space->index, 0, &cur);

	for (; more; more = va_index_next(&pool->nodes, &cur))
		va_free(pool, cur.val);
	va_index_clear(&pool->nodes, &space->index);
	pool->charged -= space->base;
	space->base = 0;
}

const struct gpuva *va_find(const struct va_pool *pool,
			    const struct va_space *space, uint64_t va)
{
	struct va_cursor cur;

	if (!va_index_first(&pool->nodes, &space->index, va, &cur) ||
	    cur.start > va)
		return NULL;
	return &pool->va[cur.val];
}
