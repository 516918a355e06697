// SPDX-License-Identifier: MIT
/*
 * Decides whether the structure of a set of intervals is sound, by the rules
 * at the start of vaindex.c. For tests, fuzzers and the self-check of the core;
 * the walk never needs it. Single-threaded.
 */
#include "vaindex.h"

/* What a check carries from one leaf to the next. */
struct check {
	uint32_t prev;
	uint64_t end;
	uint32_t nr;
	uint32_t nr_nodes;
};

static bool leaf_check(const struct va_nodes *nodes, uint32_t id, uint64_t key,
		       struct check *c)
{
	const struct va_node *n = &nodes->node[id];
	uint32_t i;

	if (n->prev != c->prev ||
	    (c->prev != POOL_NONE && nodes->node[c->prev].next != id))
		return false;
	for (i = 0; i < n->nr; i++) {
		if (n->leaf.start[i] < key || n->leaf.start[i] < c->end ||
		    n->leaf.end[i] <= n->leaf.start[i])
			return false;
		c->end = n->leaf.end[i];
	}
	c->prev = id;
	c->nr += n->nr;
	return true;
}

static bool guide_check(const struct va_node *n)
{
	uint32_t i, first;

	for (i = 0; i < VA_FAN / VA_GROUP - 1; i++) {
		first = (i + 1) * VA_GROUP;
		if (n->guide[i] != (first < n->nr ? n->inner.key[first] :
						    UINT64_MAX))
			return false;
	}
	return true;
}

static bool node_check(const struct va_nodes *nodes, uint32_t id,
		       uint32_t height, uint64_t key, bool root,
		       struct check *c)
{
	const struct va_node *n;
	uint32_t i, max = height ? VA_FAN : VA_LEAF;
	uint32_t min = root ? (height ? 2 : 1) : max / 2;

	if (id >= nodes->pool.fresh || height > VA_MAX_HEIGHT)
		return false;
	n = &nodes->node[id];
	c->nr_nodes++;
	if (n->nr < min || n->nr > max)
		return false;
	if (!height)
		return leaf_check(nodes, id, key, c);
	if (n->inner.key[0] != key || !guide_check(n))
		return false;
	for (i = 0; i < n->nr; i++) {
		if (i && n->inner.key[i] <= n->inner.key[i - 1])
			return false;
		if (!node_check(nodes, n->inner.child[i], height - 1,
				n->inner.key[i], false, c))
			return false;
	}
	return true;
}

bool va_index_check(const struct va_nodes *nodes, const struct va_index *index,
		    uint32_t *nr_nodes)
{
	struct check c = { .prev = POOL_NONE };

	if (index->root == POOL_NONE)
		return !index->nr;
	if (!node_check(nodes, index->root, index->height, 0, true, &c))
		return false;
	*nr_nodes += c.nr_nodes;
	return c.nr == index->nr && nodes->node[c.prev].next == POOL_NONE;
}
