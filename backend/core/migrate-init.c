// SPDX-License-Identifier: MIT
/*
 * Lays the engine's tables out in the caller's memory, as arena.c does for the
 * core: measured and taken by the same code. Single-threaded.
 */
#include "chunk.h"

#define ALIGN 64U

struct layout {
	uint8_t *mem;		/* NULL: only measure */
	size_t used;
	bool overflow;
};

static void *take(struct layout *layout, uint64_t nr, size_t size)
{
	size_t at = layout->used;
	size_t octets;

	if (nr > SIZE_MAX ||
	    __builtin_mul_overflow((size_t)nr, size, &octets) ||
	    __builtin_add_overflow(octets, ALIGN - 1, &octets) ||
	    __builtin_add_overflow(at, octets & ~(size_t)(ALIGN - 1),
				   &layout->used)) {
		layout->overflow = true;
		return NULL;
	}
	return layout->mem ? layout->mem + at : NULL;
}

static void take_map(struct layout *layout, struct idmap *map, uint32_t nr,
		     uint64_t seed)
{
	uint32_t entries = idmap_entries(nr);
	struct idmap_entry *entry = take(layout, entries, sizeof(*entry));

	if (layout->mem)
		idmap_init(map, entry, entries, seed);
}

static void take_tables(struct layout *layout, struct mig *mig,
			const struct mig_limits *limits)
{
	uint32_t chunks = mig_max_chunks(limits);
	uint32_t *chunk_link = take(layout, chunks, sizeof(*chunk_link));
	uint32_t *ask_link = take(layout, limits->max_asks, sizeof(*ask_link));

	mig->chunk = take(layout, chunks, sizeof(*mig->chunk));
	mig->obj = take(layout, limits->max_objects, sizeof(*mig->obj));
	mig->ask = take(layout, limits->max_asks, sizeof(*mig->ask));
	mig->free_due = take(layout, chunks / 64 + 1, sizeof(uint64_t));
	mig->tell_due = take(layout, chunks / 64 + 1, sizeof(uint64_t));
	take_map(layout, &mig->chunk_ids, chunks, limits->hash_seed);
	take_map(layout, &mig->tokens, limits->max_asks, limits->hash_seed);
	if (!layout->mem)
		return;
	pool_init(&mig->chunk_pool, chunk_link, chunks);
	pool_init(&mig->ask_pool, ask_link, limits->max_asks);
	mig->max_chunks = chunks;
}

size_t mig_size(const struct mig_limits *limits)
{
	struct layout layout = { 0 };
	struct mig mig;

	if (!limits->max_pages || !limits->max_objects || !limits->max_asks ||
	    limits->max_objects > MIG_MAX_CHUNKS ||
	    limits->max_asks > MIG_MAX_CHUNKS || !mig_max_chunks(limits))
		return 0;
	take(&layout, 1, sizeof(struct mig));
	take_tables(&layout, &mig, limits);
	return layout.overflow ? 0 : layout.used;
}

struct mig *mig_init(void *mem, const struct mig_limits *limits,
		     const struct mig_settings *settings)
{
	struct layout layout = { .mem = mem };
	struct mig *mig = mem;

	if (!mig_size(limits) || !mig_settings_valid(settings))
		return NULL;
	take(&layout, 1, sizeof(*mig));
	take_tables(&layout, mig, limits);
	mig->limits = *limits;
	mig->settings = *settings;
	mig->pass_at = MIG_NEVER;
	mig->ready_first = NONE;
	list_init(&mig->active);
	list_init(&mig->urgent);
	list_init(&mig->due);
	list_init(&mig->journal);
	return mig;
}
