// SPDX-License-Identifier: MIT
/*
 * Lays the engine's tables out in the caller's memory. Single-threaded.
 */
#include "arena.h"
#include "chunk.h"

static void take_tables(struct arena *arena, struct mig *mig,
			const struct mig_limits *limits)
{
	uint32_t chunks = mig_max_chunks(limits);

	mig->chunk = arena_take(arena, chunks, sizeof(*mig->chunk));
	mig->obj = arena_take(arena, limits->max_objects, sizeof(*mig->obj));
	mig->ask = arena_take(arena, limits->max_asks, sizeof(*mig->ask));
	mig->free_due = arena_take(arena, chunks / 64 + 1, sizeof(uint64_t));
	mig->tell_due = arena_take(arena, chunks / 64 + 1, sizeof(uint64_t));
	arena_take_idmap(arena, &mig->chunk_ids, chunks, limits->hash_seed);
	arena_take_idmap(arena, &mig->tokens, limits->max_asks, limits->hash_seed);
	arena_take_pool(arena, &mig->chunk_pool, chunks);
	arena_take_pool(arena, &mig->ask_pool, limits->max_asks);
	mig->max_chunks = chunks;
}

size_t mig_size(const struct mig_limits *limits)
{
	struct arena arena = { 0 };
	struct mig mig;

	if (!limits->max_pages || !limits->max_objects || !limits->max_asks ||
	    limits->max_objects > MIG_MAX_CHUNKS ||
	    limits->max_asks > MIG_MAX_CHUNKS || !mig_max_chunks(limits))
		return 0;
	arena_take(&arena, 1, sizeof(struct mig));
	take_tables(&arena, &mig, limits);
	return arena.overflow ? 0 : arena.used;
}

struct mig *mig_init(void *mem, const struct mig_limits *limits,
		     const struct mig_settings *settings)
{
	struct arena arena = { .mem = mem };
	struct mig *mig = mem;
	uint32_t due;

	if (!mig_size(limits) || !mig_settings_valid(settings))
		return NULL;
	arena_take(&arena, 1, sizeof(*mig));
	take_tables(&arena, mig, limits);
	mig->limits = *limits;
	mig->settings = *settings;
	mig->pass_at = MIG_NEVER;
	mig->ready_first = NONE;
	list_init(&mig->active);
	for (due = 0; due < CHUNK_NR_DUE; due++)
		list_init(&mig->due[due]);
	list_init(&mig->journal);
	list_init(&mig->away);
	return mig;
}
