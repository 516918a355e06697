// SPDX-License-Identifier: MIT
/*
 * The ordered set of intervals under the GPU VA tree: a B+ tree. Decides
 * nothing about mappings; vatree.c does. Single-threaded.
 *
 * Rules that va_index_check() verifies (vacheck.c): every node but the root is
 * at least half full; leaves are all at the same depth and linked in order; the
 * key of a child in its parent equals the child's own key[0] and is not above
 * any start below it; the leftmost key of each level is 0; an inner node's
 * guide repeats every eighth of its keys.
 */
#include <errno.h>
#include <string.h>

#include "vaindex.h"

#define LEAF_MIN (VA_LEAF / 2)
#define FAN_MIN (VA_FAN / 2)

/* The way from the root (deepest level last) to a leaf. */
struct path {
	uint32_t node[VA_MAX_HEIGHT + 1];
	uint32_t pos[VA_MAX_HEIGHT + 1];	/* child taken */
};

uint64_t va_nodes_need(uint32_t nr, uint32_t nr_sets)
{
	uint64_t leaves = (uint64_t)nr / LEAF_MIN + nr_sets;

	return leaves + leaves / (FAN_MIN - 1) + nr_sets;
}

void va_nodes_init(struct va_nodes *nodes, struct va_node *node,
		   uint32_t *link, uint32_t nr)
{
	nodes->node = node;
	pool_init(&nodes->pool, link, nr);
}

void va_index_init(struct va_index *index)
{
	index->root = POOL_NONE;
	index->height = 0;
	index->nr = 0;
}

/* How many of the sorted keys are <= x; written so that it has no branches. */
static inline uint32_t keys_upto(const uint64_t *key, uint32_t nr, uint64_t x)
{
	const uint64_t *base = key;

	if (!nr)
		return 0;
	while (nr > 1) {
		uint32_t half = nr / 2;

		base += base[half - 1] <= x ? half : 0;
		nr -= half;
	}
	return (uint32_t)(base - key) + (*base <= x);
}

/* Which child of an inner node va belongs to. */
static inline uint32_t child_pos(const struct va_node *n, uint64_t va)
{
	uint32_t i, group = 0, pos;

	for (i = 0; i < VA_FAN / VA_GROUP - 1; i++)
		group += n->guide[i] <= va;
	group *= VA_GROUP;
	__builtin_prefetch(&n->inner.child[group]);
	pos = group;
	for (i = group; i < group + VA_GROUP; i++)
		pos += (n->inner.key[i] <= va) & (i < n->nr);
	return pos - 1;
}

/* After the keys of an inner node changed. */
static void guide_update(struct va_node *n)
{
	uint32_t i, first;

	for (i = 0; i < VA_FAN / VA_GROUP - 1; i++) {
		first = (i + 1) * VA_GROUP;
		n->guide[i] = first < n->nr ? n->inner.key[first] : UINT64_MAX;
	}
}

/* Start loading all of a leaf: the search in it is a chain of cache misses. */
static inline void prefetch(const struct va_node *n)
{
	const uint8_t *at = (const uint8_t *)n;
	size_t i;

	for (i = 0; i < sizeof(*n); i += 64)
		__builtin_prefetch(at + i);
}

static uint32_t descend(const struct va_nodes *nodes,
			const struct va_index *index, uint64_t va,
			struct path *path)
{
	uint32_t id = index->root;
	uint32_t level;

	for (level = 0; level < index->height; level++) {
		const struct va_node *n = &nodes->node[id];
		uint32_t pos = child_pos(n, va);

		path->node[level] = id;
		path->pos[level] = pos;
		id = n->inner.child[pos];
	}
	prefetch(&nodes->node[id]);
	return id;
}

/* Copy entries [from, from + nr) of src to place at of dst; may overlap. */
static void entries_copy(struct va_node *dst, uint32_t at,
			 const struct va_node *src, uint32_t from, uint32_t nr,
			 bool leaf)
{
	if (leaf) {
		memmove(dst->leaf.start + at, src->leaf.start + from,
			nr * sizeof(src->leaf.start[0]));
		memmove(dst->leaf.end + at, src->leaf.end + from,
			nr * sizeof(src->leaf.end[0]));
		memmove(dst->leaf.val + at, src->leaf.val + from,
			nr * sizeof(src->leaf.val[0]));
	} else {
		memmove(dst->inner.key + at, src->inner.key + from,
			nr * sizeof(src->inner.key[0]));
		memmove(dst->inner.child + at, src->inner.child + from,
			nr * sizeof(src->inner.child[0]));
	}
}

/* The first key of a node as its parent has to know it. */
static uint64_t node_key(const struct va_node *n, bool leaf)
{
	return leaf ? n->leaf.start[0] : n->inner.key[0];
}

static void child_insert(struct va_node *n, uint32_t pos, uint64_t key,
			 uint32_t child)
{
	entries_copy(n, pos + 1, n, pos, n->nr - pos, false);
	n->inner.key[pos] = key;
	n->inner.child[pos] = child;
	n->nr++;
	guide_update(n);
}

static void entry_insert(struct va_node *n, uint32_t pos, uint64_t start,
			 uint64_t end, uint32_t val)
{
	entries_copy(n, pos + 1, n, pos, n->nr - pos, true);
	n->leaf.start[pos] = start;
	n->leaf.end[pos] = end;
	n->leaf.val[pos] = val;
	n->nr++;
}

/* Does [start, end) touch the neighbours of place pos? */
static bool overlaps(const struct va_nodes *nodes, const struct va_node *n,
		     uint32_t pos, uint64_t start, uint64_t end)
{
	const struct va_node *m;

	if (pos) {
		if (n->leaf.end[pos - 1] > start)
			return true;
	} else if (n->prev != POOL_NONE) {
		m = &nodes->node[n->prev];
		if (m->leaf.end[m->nr - 1] > start)
			return true;
	}
	if (pos < n->nr)
		return n->leaf.start[pos] < end;
	return n->next != POOL_NONE &&
	       nodes->node[n->next].leaf.start[0] < end;
}

/* Nodes that an insertion into this full leaf takes from the pool. */
static uint32_t split_need(const struct va_nodes *nodes,
			   const struct va_index *index,
			   const struct path *path)
{
	uint32_t need = 1;
	uint32_t level = index->height;

	while (level && nodes->node[path->node[level - 1]].nr == VA_FAN) {
		need++;
		level--;
	}
	return level ? need : need + 1;
}

/* Move the upper half of a full node to a new one and return that. */
static uint32_t node_split(struct va_nodes *nodes, uint32_t id, bool leaf)
{
	uint32_t right = pool_get(&nodes->pool);
	struct va_node *n = &nodes->node[id];
	struct va_node *r = &nodes->node[right];
	uint32_t half = n->nr / 2;

	entries_copy(r, 0, n, half, n->nr - half, leaf);
	r->nr = n->nr - half;
	n->nr = half;
	if (!leaf) {
		guide_update(n);
		guide_update(r);
		return right;
	}
	r->next = n->next;
	r->prev = id;
	n->next = right;
	if (r->next != POOL_NONE)
		nodes->node[r->next].prev = right;
	return right;
}

static void root_grow(struct va_nodes *nodes, struct va_index *index,
		      uint64_t key, uint32_t right)
{
	uint32_t id = pool_get(&nodes->pool);
	struct va_node *n = &nodes->node[id];

	n->nr = 2;
	n->inner.key[0] = 0;
	n->inner.child[0] = index->root;
	n->inner.key[1] = key;
	n->inner.child[1] = right;
	guide_update(n);
	index->root = id;
	index->height++;
}

/* Tell the parents that the child on the path has a new right neighbour. */
static void split_ascend(struct va_nodes *nodes, struct va_index *index,
			 const struct path *path, uint64_t key, uint32_t right)
{
	uint32_t level = index->height;

	while (level--) {
		struct va_node *n = &nodes->node[path->node[level]];
		uint32_t pos = path->pos[level] + 1;
		uint32_t up;

		if (n->nr < VA_FAN) {
			child_insert(n, pos, key, right);
			return;
		}
		up = node_split(nodes, path->node[level], false);
		if (pos > n->nr)
			child_insert(&nodes->node[up], pos - n->nr, key, right);
		else
			child_insert(n, pos, key, right);
		key = nodes->node[up].inner.key[0];
		right = up;
	}
	root_grow(nodes, index, key, right);
}

static int insert_first(struct va_nodes *nodes, struct va_index *index,
			uint64_t start, uint64_t end, uint32_t val)
{
	uint32_t id = pool_get(&nodes->pool);
	struct va_node *n;

	if (id == POOL_NONE)
		return -ENOMEM;
	n = &nodes->node[id];
	n->nr = 0;
	n->next = POOL_NONE;
	n->prev = POOL_NONE;
	entry_insert(n, 0, start, end, val);
	index->root = id;
	index->height = 0;
	index->nr = 1;
	return 0;
}

static int insert_split(struct va_nodes *nodes, struct va_index *index,
			const struct path *path, uint32_t id, uint64_t start,
			uint64_t end, uint32_t val)
{
	struct va_node *n = &nodes->node[id];
	uint32_t right, pos;

	if (split_need(nodes, index, path) >
	    nodes->pool.nr - nodes->pool.used)
		return -ENOMEM;
	right = node_split(nodes, id, true);
	if (start > nodes->node[right].leaf.start[0])
		n = &nodes->node[right];
	pos = keys_upto(n->leaf.start, n->nr, start);
	entry_insert(n, pos, start, end, val);
	split_ascend(nodes, index, path, nodes->node[right].leaf.start[0],
		     right);
	return 0;
}

int va_index_insert(struct va_nodes *nodes, struct va_index *index,
		    uint64_t start, uint64_t end, uint32_t val)
{
	struct path path;
	struct va_node *n;
	uint32_t id, pos;
	int ret = 0;

	if (start >= end)
		return -EINVAL;
	if (index->root == POOL_NONE)
		return insert_first(nodes, index, start, end, val);
	id = descend(nodes, index, start, &path);
	n = &nodes->node[id];
	pos = keys_upto(n->leaf.start, n->nr, start);
	if (overlaps(nodes, n, pos, start, end))
		return -EEXIST;
	if (n->nr < VA_LEAF)
		entry_insert(n, pos, start, end, val);
	else
		ret = insert_split(nodes, index, &path, id, start, end, val);
	if (!ret)
		index->nr++;
	return ret;
}

static void entry_delete(struct va_node *n, uint32_t pos, bool leaf)
{
	entries_copy(n, pos, n, pos + 1, n->nr - pos - 1, leaf);
	n->nr--;
	if (!leaf)
		guide_update(n);
}

/* Take one entry over from the fuller neighbour. */
static void borrow(struct va_node *l, struct va_node *r, bool to_left,
		   bool leaf)
{
	if (to_left) {
		entries_copy(l, l->nr, r, 0, 1, leaf);
		l->nr++;
		entry_delete(r, 0, leaf);
	} else {
		entries_copy(r, 1, r, 0, r->nr, leaf);
		entries_copy(r, 0, l, l->nr - 1, 1, leaf);
		r->nr++;
		l->nr--;
	}
	if (!leaf) {
		guide_update(l);
		guide_update(r);
	}
}

static void merge(struct va_nodes *nodes, uint32_t left, uint32_t right,
		  bool leaf)
{
	struct va_node *l = &nodes->node[left];
	const struct va_node *r = &nodes->node[right];

	entries_copy(l, l->nr, r, 0, r->nr, leaf);
	l->nr += r->nr;
	if (leaf) {
		l->next = r->next;
		if (l->next != POOL_NONE)
			nodes->node[l->next].prev = left;
	} else {
		guide_update(l);
	}
	pool_put(&nodes->pool, right);
}

/* Bring the child at pos back to half full. True: the parent lost a child. */
static bool child_refill(struct va_nodes *nodes, struct va_node *parent,
			 uint32_t pos, bool leaf)
{
	uint32_t min = leaf ? LEAF_MIN : FAN_MIN;
	uint32_t lpos = pos ? pos - 1 : 0;
	uint32_t left = parent->inner.child[lpos];
	uint32_t right = parent->inner.child[lpos + 1];
	struct va_node *l = &nodes->node[left];
	struct va_node *r = &nodes->node[right];

	if (l->nr + r->nr >= 2 * min) {
		borrow(l, r, l->nr < r->nr, leaf);
		parent->inner.key[lpos + 1] = node_key(r, leaf);
		guide_update(parent);
		return false;
	}
	merge(nodes, left, right, leaf);
	entry_delete(parent, lpos + 1, false);
	return true;
}

static void remove_ascend(struct va_nodes *nodes, struct va_index *index,
			  const struct path *path, uint32_t leaf)
{
	uint32_t level = index->height;
	uint32_t child = leaf;
	bool is_leaf = true;

	while (level--) {
		struct va_node *parent = &nodes->node[path->node[level]];

		if (nodes->node[child].nr >= (is_leaf ? LEAF_MIN : FAN_MIN))
			return;
		if (!child_refill(nodes, parent, path->pos[level], is_leaf))
			return;
		child = path->node[level];
		is_leaf = false;
	}
	if (index->height && nodes->node[index->root].nr == 1) {
		child = index->root;
		index->root = nodes->node[child].inner.child[0];
		index->height--;
		pool_put(&nodes->pool, child);
	} else if (!index->height && !nodes->node[index->root].nr) {
		pool_put(&nodes->pool, index->root);
		index->root = POOL_NONE;
	}
}

/* Drop the entry at pos of the leaf that the path leads to. */
static void remove_at(struct va_nodes *nodes, struct va_index *index,
		      const struct path *path, uint32_t leaf, uint32_t pos)
{
	struct va_node *n = &nodes->node[leaf];

	entry_delete(n, pos, true);
	index->nr--;
	if (n->nr < LEAF_MIN)
		remove_ascend(nodes, index, path, leaf);
}

int va_index_remove(struct va_nodes *nodes, struct va_index *index,
		    uint64_t start)
{
	struct path path;
	const struct va_node *n;
	uint32_t id, pos;

	if (index->root == POOL_NONE)
		return -ENOENT;
	id = descend(nodes, index, start, &path);
	n = &nodes->node[id];
	pos = keys_upto(n->leaf.start, n->nr, start);
	if (!pos || n->leaf.start[pos - 1] != start)
		return -ENOENT;
	remove_at(nodes, index, &path, id, pos - 1);
	return 0;
}

/* Load the entry at (leaf, pos); pos may be one past the leaf's last. */
static bool cursor_load(const struct va_nodes *nodes, struct va_cursor *cur)
{
	const struct va_node *n = &nodes->node[cur->leaf];

	if (cur->pos == n->nr) {
		if (n->next == POOL_NONE)
			return false;
		cur->leaf = n->next;
		cur->pos = 0;
		n = &nodes->node[cur->leaf];
	}
	cur->start = n->leaf.start[cur->pos];
	cur->end = n->leaf.end[cur->pos];
	cur->val = n->leaf.val[cur->pos];
	return true;
}

/* The first entry with end > va, seen from the leaf where va belongs. */
static bool cursor_find(const struct va_nodes *nodes, uint32_t leaf,
			uint64_t va, struct va_cursor *cur)
{
	const struct va_node *n = &nodes->node[leaf];

	cur->leaf = leaf;
	cur->pos = keys_upto(n->leaf.start, n->nr, va);
	if (cur->pos) {
		if (n->leaf.end[cur->pos - 1] > va)
			cur->pos--;
	} else if (n->prev != POOL_NONE) {
		n = &nodes->node[n->prev];
		if (n->leaf.end[n->nr - 1] > va) {
			cur->leaf = nodes->node[leaf].prev;
			cur->pos = n->nr - 1;
		}
	}
	return cursor_load(nodes, cur);
}

bool va_index_first(const struct va_nodes *nodes, const struct va_index *index,
		    uint64_t va, struct va_cursor *cur)
{
	struct path path;

	if (index->root == POOL_NONE)
		return false;
	return cursor_find(nodes, descend(nodes, index, va, &path), va, cur);
}

bool va_index_next(const struct va_nodes *nodes, struct va_cursor *cur)
{
	cur->pos++;
	return cursor_load(nodes, cur);
}

bool va_index_take(struct va_nodes *nodes, struct va_index *index,
		   uint64_t start, uint64_t end, struct va_cursor *taken)
{
	struct path path;
	uint32_t leaf;

	if (index->root == POOL_NONE)
		return false;
	leaf = descend(nodes, index, start, &path);
	if (!cursor_find(nodes, leaf, start, taken) || taken->start >= end)
		return false;
	/* In a neighbour the path would lead to the wrong leaf. */
	if (taken->leaf == leaf)
		remove_at(nodes, index, &path, leaf, taken->pos);
	else
		va_index_remove(nodes, index, taken->start);
	return true;
}

/* Give back the nodes of one level below id, leaves excepted. */
static void clear_below(struct va_nodes *nodes, uint32_t id, uint32_t height)
{
	uint32_t i;

	if (height > VA_MAX_HEIGHT)
		return;
	for (i = 0; height && i < nodes->node[id].nr; i++)
		clear_below(nodes, nodes->node[id].inner.child[i], height - 1);
	pool_put(&nodes->pool, id);
}

void va_index_clear(struct va_nodes *nodes, struct va_index *index)
{
	if (index->root != POOL_NONE)
		clear_below(nodes, index->root, index->height);
	va_index_init(index);
}
