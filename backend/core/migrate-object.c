// SPDX-License-Identifier: MIT
/*
 * Objects and their chunks: how an object is cut, who maps what, and which
 * chunk a page that somebody wants belongs to. Single-threaded.
 */
#include <errno.h>

#include "chunk.h"

static const uint32_t chunk_sizes[] = { CHUNK_MAX_PAGES, 16, 1 };
#define NR_SIZES (sizeof(chunk_sizes) / sizeof(chunk_sizes[0]))

/* Each object ends with at most 31 chunks of 16 pages and 15 of one. */
#define CHUNKS_OF_TAIL	46U

uint32_t mig_max_chunks(const struct mig_limits *limits)
{
	uint64_t nr = limits->max_pages / CHUNK_MAX_PAGES +
		      (uint64_t)CHUNKS_OF_TAIL * limits->max_objects;

	if (nr > limits->max_pages)
		nr = limits->max_pages;
	return nr > MIG_MAX_CHUNKS ? 0 : (uint32_t)nr;
}

uint32_t mig_chunk_pages(uint32_t nr_pages, uint32_t page)
{
	unsigned int i = 0;

	while (chunk_sizes[i] > 1 && (page % chunk_sizes[i] ||
				      nr_pages - page < chunk_sizes[i]))
		i++;
	return chunk_sizes[i];
}

/* First page of the chunk that has this page. */
static uint32_t chunk_first(uint32_t nr_pages, uint32_t page)
{
	unsigned int i;

	for (i = 0; i < NR_SIZES; i++)
		if (page < nr_pages - nr_pages % chunk_sizes[i])
			return page - page % chunk_sizes[i];
	return page;
}

static uint64_t chunk_key(uint32_t obj, uint32_t first)
{
	return (uint64_t)obj << 32 | first;
}

static bool obj_known(const struct mig *mig, uint32_t obj)
{
	return obj < mig->limits.max_objects && mig->obj[obj].used;
}

uint32_t mig_chunk_find(const struct mig *mig, uint32_t obj, uint32_t page)
{
	if (!obj_known(mig, obj) || page >= mig->obj[obj].nr_pages)
		return NONE;
	return idmap_find(&mig->chunk_ids,
			  chunk_key(obj, chunk_first(mig->obj[obj].nr_pages,
						     page)));
}

uint32_t mig_range_first(const struct mig *mig, uint32_t obj, uint32_t first,
			 uint32_t nr)
{
	if (!obj_known(mig, obj) || !nr ||
	    first >= mig->obj[obj].nr_pages ||
	    nr > mig->obj[obj].nr_pages - first)
		return NONE;
	return mig_chunk_find(mig, obj, first);
}

uint32_t mig_range_next(const struct mig *mig, uint32_t slot, uint32_t end)
{
	const struct chunk *chunk = &mig->chunk[slot];

	if (chunk->first + chunk->nr >= end)
		return NONE;
	return mig_chunk_find(mig, chunk->obj, chunk->first + chunk->nr);
}

static void chunk_init(struct mig *mig, uint32_t slot, uint32_t obj,
		       uint32_t first)
{
	struct mig_object *o = &mig->obj[obj];

	mig->chunk[slot] = (struct chunk){
		.used = true,
		.state = CHUNK_HOME,
		.guest = MIG_ACCESS_WRITE,
		.clean = true,
		.obj = obj,
		.first = first,
		.nr = mig_chunk_pages(o->nr_pages, first),
		.given_up = mig->chunk[slot].given_up,
		.obj_next = o->chunks,
		.obj_prev = NONE,
	};
	if (o->chunks != NONE)
		mig->chunk[o->chunks].obj_prev = slot;
	o->chunks = slot;
	idmap_insert(&mig->chunk_ids, chunk_key(obj, first), slot);
}

void mig_chunk_make(struct mig *mig, uint32_t slot, uint32_t obj,
		    uint32_t first)
{
	chunk_init(mig, slot, obj, first);
	chunk_touch(mig, slot);
}

static void chunk_destroy(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	mig->obj[chunk->obj].chunks = chunk->obj_next;
	idmap_remove(&mig->chunk_ids, chunk_key(chunk->obj, chunk->first));
	chunk->used = false;
	chunk_touch(mig, slot);
	pool_put(&mig->chunk_pool, slot);
}

static uint32_t chunks_needed(uint32_t nr_pages)
{
	uint32_t page = 0, nr = 0;

	for (; page < nr_pages; nr++)
		page += mig_chunk_pages(nr_pages, page);
	return nr;
}

int mig_obj_add(struct mig *mig, const struct mig_event *ev)
{
	struct mig_object *obj;
	uint32_t page, slot;

	if (ev->obj >= mig->limits.max_objects || mig->obj[ev->obj].used ||
	    !ev->nr || ev->flags & ~MIG_OBJ_READONLY)
		return -EINVAL;
	if (chunks_needed(ev->nr) > mig->max_chunks - mig->chunk_pool.used)
		return -ENOSPC;
	obj = &mig->obj[ev->obj];
	*obj = (struct mig_object){
		.nr_pages = ev->nr,
		.flags = ev->flags,
		.chunks = NONE,
		.asks = NONE,
		.used = true,
	};
	for (page = 0; page < ev->nr; page += mig->chunk[slot].nr) {
		slot = pool_get(&mig->chunk_pool);
		mig_chunk_make(mig, slot, ev->obj, page);
	}
	return 0;
}

/* Nothing would miss the chunk. */
static bool chunk_unused(const struct chunk *chunk)
{
	return (chunk->state == CHUNK_HOME || chunk->state == CHUNK_LOST) &&
	       !chunk->users && !chunk->at_vram && !chunk->stopping;
}

int mig_obj_del(struct mig *mig, const struct mig_event *ev)
{
	struct mig_object *obj;
	uint32_t slot;

	if (!obj_known(mig, ev->obj) || !mig_released(mig, ev->obj))
		return -EINVAL;
	obj = &mig->obj[ev->obj];
	for (slot = obj->chunks; slot != NONE; slot = mig->chunk[slot].obj_next)
		if (!chunk_unused(&mig->chunk[slot]) || mig_noted(mig, slot))
			return -EINVAL;
	mig_release_end(mig, ev->obj);
	while (obj->chunks != NONE)
		chunk_destroy(mig, obj->chunks);
	obj->used = false;
	return 0;
}

static void set_bit(uint64_t *mask, uint64_t bit, bool value)
{
	*mask = value ? *mask | bit : *mask & ~bit;
}

/* A chunk may get this user where it is. */
static bool uses_fit(const struct mig *mig, const struct chunk *chunk,
		     const struct mig_event *ev)
{
	bool reach = mig_vms_reach(mig, vm_bit(ev->vm), chunk->gpu);

	if (!chunk->holds)
		return false;
	if (ev->access == MIG_ACCESS_NONE || chunk->state == CHUNK_HOME)
		return true;
	if (chunk->state == CHUNK_SHARED)
		return reach && ev->access == MIG_ACCESS_READ;
	return reach && chunk->state == CHUNK_DEVICE;
}

static void chunk_use(struct mig *mig, uint32_t slot,
		      const struct mig_event *ev)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint64_t bit = vm_bit(ev->vm);
	bool maps = ev->access != MIG_ACCESS_NONE;
	bool home = chunk->state == CHUNK_HOME;

	set_bit(&chunk->users, bit, maps);
	set_bit(&chunk->writers, bit, ev->access == MIG_ACCESS_WRITE);
	if (home || !maps)
		set_bit(&chunk->at_home, bit, maps);
	if (chunk->state == CHUNK_SHARED || chunk->state == CHUNK_DEVICE)
		set_bit(&chunk->at_vram, bit, maps);
	chunk_changed(mig, slot);
}

int mig_uses(struct mig *mig, const struct mig_event *ev)
{
	uint32_t first = mig_range_first(mig, ev->obj, ev->first, ev->nr);
	uint32_t end = ev->first + ev->nr;
	uint32_t slot;

	if (first == NONE || ev->vm >= MIG_MAX_VMS || !mig->vm[ev->vm].used ||
	    ev->access > MIG_ACCESS_WRITE)
		return -EINVAL;
	if (ev->access == MIG_ACCESS_WRITE &&
	    mig->obj[ev->obj].flags & MIG_OBJ_READONLY)
		return -EINVAL;
	for (slot = first; slot != NONE; slot = mig_range_next(mig, slot, end))
		if (!uses_fit(mig, &mig->chunk[slot], ev))
			return -EINVAL;
	for (slot = first; slot != NONE; slot = mig_range_next(mig, slot, end))
		chunk_use(mig, slot, ev);
	return 0;
}

int chunk_wanted(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (!chunk_at_rest(chunk) || !chunk->holds)
		return chunk_event(mig, slot, CHUNK_EV_WANTED);
	if (chunk_is_away(chunk))
		chunk_hurry(mig, chunk);
	return 0;
}

int chunk_gone(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (!chunk_at_rest(chunk) || !chunk->holds)
		return chunk_event(mig, slot, CHUNK_EV_GONE);
	chunk->marked = true;
	return 0;
}

int mig_want(struct mig *mig, const struct mig_event *ev)
{
	uint32_t slot = mig_chunk_find(mig, ev->obj, ev->first);

	if (slot == NONE)
		return -EINVAL;
	mig->stats.wants++;
	policy_wanted(mig, &mig->chunk[slot]);
	return chunk_wanted(mig, slot);
}

int mig_gone(struct mig *mig, const struct mig_event *ev)
{
	uint32_t slot = mig_chunk_find(mig, ev->obj, ev->first);

	return slot == NONE ? -EINVAL : chunk_gone(mig, slot);
}
