/* SPDX-License-Identifier: MIT */
/*
 * The GPU VA tree: mappings (gpuvas) of GPU address spaces, with drm_gpuvm
 * meaning. A map over old mappings replaces what it covers, an unmap in the
 * middle splits. A library of its own: it knows nothing of requests, objects
 * or adapters; an "owner" is any number that the caller gives a meaning, and
 * each owner has a list of its mappings.
 *
 * Changes are made in a transaction per space: va_map() and va_unmap() change
 * the tree at once, then either va_commit() forgets the old state or
 * va_rollback() brings it back. Neither can fail.
 *
 * All memory is the caller's. Not thread-safe. Addresses, offsets and lengths
 * are octets; the library asks for no alignment.
 */
#ifndef XU_VATREE_H
#define XU_VATREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"
#include "vaindex.h"

#define VA_NO_OWNER UINT32_MAX	/* backed by nothing: a null mapping */

/* State of a record inside a transaction. */
enum va_state {
	VA_LIVE,	/* in the tree, was there before the transaction */
	VA_NEW,		/* in the tree, made by the transaction */
	VA_OLD,		/* out of the tree, kept for a rollback */
};

struct gpuva {
	uint64_t start;
	uint64_t end;		/* one past the last octet */
	uint64_t offset;	/* of start, in the owner; 0 without owner */
	uint32_t owner;
	uint16_t flags;		/* the caller's; split parts inherit them */
	uint8_t state;		/* enum va_state */
	uint8_t is_kept;	/* NEW: mapped as before, what a split has left */
	uint32_t owner_next;	/* list of the owner */
	uint32_t owner_prev;
	uint32_t tx_next;	/* list of the transaction, NEW and OLD only */
	uint32_t tx_prev;
};

struct va_owner {
	uint32_t first;		/* POOL_NONE: no mapping */
	uint32_t nr;		/* LIVE, NEW and OLD ones */
};

/* What all spaces share. */
struct va_pool {
	struct gpuva *va;
	struct pool free;	/* of va */
	struct va_nodes nodes;
	struct va_owner *owner;
	uint32_t max;		/* quota: mappings of all spaces */
	uint32_t charged;	/* mappings used or reserved, <= max */
};

struct va_space {
	struct va_index index;
	uint32_t base;		/* mappings before the transaction */
	uint32_t created;	/* first NEW record */
	uint32_t retired;	/* first OLD record */
};

/* A mapping to make. */
struct va_range {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint32_t owner;
	uint16_t flags;
	bool is_kept;		/* false; see struct gpuva */
};

/** va_records_need() - records for a quota of @max: old and new at once */
uint64_t va_records_need(uint32_t max);

void va_owner_init(struct va_owner *owner);
void va_space_init(struct va_space *space);

/**
 * va_map() - map a range, replacing what was there
 *
 * Returns 0, -EINVAL (empty range), or -EDQUOT: more mappings than the quota
 * allows. After an error the transaction is half done: call va_rollback().
 */
int va_map(struct va_pool *pool, struct va_space *space,
	   const struct va_range *range);

/** va_unmap() - unmap [start, end), as va_map(); nothing mapped is fine */
int va_unmap(struct va_pool *pool, struct va_space *space, uint64_t start,
	     uint64_t end);

/** va_commit() - keep the changes; the reserve for a rollback is released */
void va_commit(struct va_pool *pool, struct va_space *space);

/** va_rollback() - bring back the state of before the first change */
void va_rollback(struct va_pool *pool, struct va_space *space);

/** va_clear() - drop every mapping; no transaction may be open. O(n) */
void va_clear(struct va_pool *pool, struct va_space *space);

/** va_find() - the mapping that contains @va, or NULL */
const struct gpuva *va_find(const struct va_pool *pool,
			    const struct va_space *space, uint64_t va);

/** va_busy() - is a transaction open? */
static inline bool va_busy(const struct va_space *space)
{
	return space->created != POOL_NONE || space->retired != POOL_NONE;
}

#endif /* XU_VATREE_H */
