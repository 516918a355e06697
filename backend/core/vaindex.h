/* SPDX-License-Identifier: MIT */
/*
 * An ordered set of half-open intervals [start, end) that never overlap, each
 * with a 32-bit value: the lower half of the GPU VA tree. A B+ tree with wide
 * nodes, because with a million intervals the cost is cache misses: large
 * leaves keep the inner nodes few, and an inner node is searched with three
 * cache lines (its guide, a group of keys, their children). Many sets share one
 * pool of nodes, which the caller gives. Every call is O(log n),
 * allocates from the pool only, and is not thread-safe.
 */
#ifndef XU_VAINDEX_H
#define XU_VAINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

#define VA_LEAF		96U	/* intervals of a leaf */
#define VA_FAN		56U	/* children of an inner node */
#define VA_GROUP	8U	/* keys of a cache line */
#define VA_MAX_HEIGHT	8U	/* levels above the leaves; 2^32 intervals fit */

struct va_node {
	uint32_t nr;
	uint32_t next;		/* leaf: neighbour to the right */
	uint32_t prev;		/* leaf: neighbour to the left */
	uint32_t pad;
	/* inner: the first key of each group but the first; UINT64_MAX: none */
	uint64_t guide[VA_FAN / VA_GROUP - 1];
	union {
		struct {
			uint64_t start[VA_LEAF];
			uint64_t end[VA_LEAF];
			uint32_t val[VA_LEAF];
		} leaf;
		struct {
			/* key[i]: no start below child[i] is smaller */
			uint64_t key[VA_FAN];
			uint32_t child[VA_FAN];
		} inner;
	};
};

struct va_nodes {
	struct va_node *node;
	struct pool pool;
};

struct va_index {
	uint32_t root;		/* POOL_NONE: empty */
	uint32_t height;	/* levels above the leaves */
	uint32_t nr;		/* intervals */
};

/* A place in a set; valid until the set is changed. */
struct va_cursor {
	uint32_t leaf;
	uint32_t pos;
	uint64_t start;
	uint64_t end;
	uint32_t val;
};

/**
 * va_nodes_need() - nodes that @nr intervals in @nr_sets sets can need
 *
 * With that many nodes va_index_insert() never says -ENOMEM as long as the
 * sets together hold at most @nr intervals.
 */
uint64_t va_nodes_need(uint32_t nr, uint32_t nr_sets);

/** va_nodes_init() - @node and @link have @nr entries and stay the caller's */
void va_nodes_init(struct va_nodes *nodes, struct va_node *node,
		   uint32_t *link, uint32_t nr);

void va_index_init(struct va_index *index);

/**
 * va_index_insert() - add [start, end)
 *
 * Returns 0, -EEXIST (it overlaps another one), -EINVAL (empty) or -ENOMEM;
 * on an error nothing has changed.
 */
int va_index_insert(struct va_nodes *nodes, struct va_index *index,
		    uint64_t start, uint64_t end, uint32_t val);

/** va_index_remove() - drop the interval that begins at @start, or -ENOENT */
int va_index_remove(struct va_nodes *nodes, struct va_index *index,
		    uint64_t start);

/**
 * va_index_take() - drop the first interval that overlaps [start, end)
 * @taken: which one it was; its place (leaf, pos) means nothing
 *
 * False: none overlaps. The same as va_index_first() and va_index_remove(),
 * with one way down instead of two.
 */
bool va_index_take(struct va_nodes *nodes, struct va_index *index,
		   uint64_t start, uint64_t end, struct va_cursor *taken);

/** va_index_first() - the first interval with end > @va; false: there is none */
bool va_index_first(const struct va_nodes *nodes, const struct va_index *index,
		    uint64_t va, struct va_cursor *cur);

/** va_index_next() - the interval after @cur; false: it was the last */
bool va_index_next(const struct va_nodes *nodes, struct va_cursor *cur);

/** va_index_clear() - drop everything, O(n) */
void va_index_clear(struct va_nodes *nodes, struct va_index *index);

/** va_index_check() - is the structure sound? Adds its nodes to @nr_nodes. */
bool va_index_check(const struct va_nodes *nodes, const struct va_index *index,
		    uint32_t *nr_nodes);

#endif /* XU_VAINDEX_H */
