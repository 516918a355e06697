// SPDX-License-Identifier: MIT
/*
 * Ops of chunks that are due, in their order: what somebody waits for first. At
 * most MIG_MAX_COPIES copies of GPUs are in flight; the others are held until
 * one of them ends, and their deadlines begin when they are emitted.
 * Single-threaded.
 */
#include "chunk.h"

static bool is_urgent(const struct chunk *chunk)
{
	return chunk->hurry || chunk->back;
}

static void due_put(struct mig *mig, uint32_t slot, enum chunk_due due)
{
	mig->chunk[slot].due = (uint8_t)due;
	chunk_list_add(mig, &mig->due[due], LIST_DUE, slot);
}

void chunk_due_add(struct mig *mig, uint32_t slot)
{
	due_put(mig, slot, is_urgent(&mig->chunk[slot]) ? DUE_URGENT : DUE_SOON);
}

void chunk_due_del(struct mig *mig, uint32_t slot)
{
	chunk_list_del(mig, &mig->due[mig->chunk[slot].due], LIST_DUE, slot);
}

static void due_hold(struct mig *mig, uint32_t slot)
{
	due_put(mig, slot, is_urgent(&mig->chunk[slot]) ? DUE_HELD_URGENT :
							  DUE_HELD);
}

static bool is_held(const struct chunk *chunk)
{
	return chunk->due == DUE_HELD || chunk->due == DUE_HELD_URGENT;
}

void chunk_due_hurry(struct mig *mig, uint32_t slot)
{
	if (!mig->chunk[slot].on[LIST_DUE])
		return;
	chunk_due_del(mig, slot);
	if (is_held(&mig->chunk[slot]))
		due_hold(mig, slot);
	else
		chunk_due_add(mig, slot);
}

/* One for each copy that has ended. */
void chunk_copy_ended(struct mig *mig, struct chunk *chunk)
{
	uint32_t slot = mig->due[DUE_HELD_URGENT].first;

	if (!chunk->copies)
		return;
	chunk->copies = false;
	mig->copies--;
	if (slot == NONE)
		slot = mig->due[DUE_HELD].first;
	if (slot == NONE)
		return;
	chunk_due_del(mig, slot);
	chunk_due_add(mig, slot);
}

/* Behind a copy that does not end they would never begin. */
void chunk_copies_fail(struct mig *mig)
{
	uint32_t due, slot;

	for (due = DUE_HELD_URGENT; due <= DUE_HELD; due++)
		while ((slot = mig->due[due].first) != NONE)
			chunk_skip(mig, slot, MIG_FAILED);
}

/* False: it has to wait. */
static bool copy_begin(struct mig *mig, struct chunk *chunk)
{
	if (!chunk_gpu_copies(chunk))
		return true;
	if (mig->copies == MIG_MAX_COPIES)
		return false;
	mig->copies++;
	chunk->copies = true;
	chunk->since = mig->now;
	return true;
}

bool chunk_due_emit(struct mig *mig, enum chunk_due due, struct mig_op *op)
{
	uint32_t slot;

	while ((slot = mig->due[due].first) != NONE) {
		chunk_due_del(mig, slot);
		if (copy_begin(mig, &mig->chunk[slot])) {
			chunk_emit(mig, slot, op);
			return true;
		}
		due_hold(mig, slot);
	}
	return false;
}

uint32_t chunk_due_nr(const struct mig *mig)
{
	return mig->due[DUE_URGENT].nr + mig->due[DUE_SOON].nr;
}
