// SPDX-License-Identifier: MIT
/*
 * mig_check(): recounts everything of the engine and says which invariant is
 * broken. Reads only.
 *
 * Numbers (DESIGN.md section 9), as far as they are pure: 3 nothing is copied
 * that the guest or a GPU could change; 5 counters equal a recount; 7 what is
 * not at rest has an op, a stop or a deadline that moves it on, and the guest
 * is not kept out of a chunk that rests at home; 9 who can reach a copy can
 * reach the newest one; 10 a chunk that somebody wants has a deadline, or waits
 * for a call of the backend.
 */
#include "chunk.h"

static bool vms_still(const struct mig *mig, uint64_t vms)
{
	uint32_t vm;

	for_each_vm(vm, vms)
		if (!mig_vm_is_stopped(mig, vm) && !mig->vm[vm].wedged)
			return false;
	return true;
}

static uint64_t vms_wedged(const struct mig *mig, uint64_t vms)
{
	uint64_t found = 0;
	uint32_t vm;

	for_each_vm(vm, vms)
		if (mig->vm[vm].wedged)
			found |= vm_bit(vm);
	return found;
}

static bool state_copies(uint32_t state)
{
	return state == CHUNK_COPYING_OUT || state == CHUNK_COPYING_HOME ||
	       state == CHUNK_COPYING_CPU;
}

/* Invariant 3. */
static bool copy_sound(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t mapped = chunk->at_home | chunk->at_vram;

	if (!state_copies(chunk->state))
		return true;
	if (chunk->guest == MIG_ACCESS_WRITE ||
	    (chunk->guest == MIG_ACCESS_READ && !chunk->shared))
		return false;
	return vms_still(mig, chunk->users) &&
	       !(mapped & ~vms_wedged(mig, mapped)) &&
	       !(chunk->users & ~chunk->stopping);
}

/* Invariant 9: nobody can use a copy that is not the newest. */
static bool copies_sound(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t stale = 0;

	if (chunk->marked)
		return true;	/* there is no newest one any more */
	switch (chunk_facts[chunk->state].newest) {
	case NEWEST_HOME:
		stale = chunk->at_vram;
		if (!chunk->clean)
			return false;
		break;
	case NEWEST_BOTH:
		if (!chunk->clean)
			return false;
		return chunk->state != CHUNK_SHARED ||
		       (chunk->guest == MIG_ACCESS_READ && !chunk->writers &&
			!chunk->at_home);
	case NEWEST_VRAM:
		stale = chunk->at_home;
		if (chunk->guest != MIG_ACCESS_NONE)
			return false;
		if (chunk->state == CHUNK_DEVICE && chunk->clean)
			return false;
		break;
	case NEWEST_FLAG:
		if (chunk->guest == MIG_ACCESS_WRITE ||
		    (chunk->guest == MIG_ACCESS_READ && !chunk->clean))
			return false;
		break;
	case NEWEST_NOWHERE:
		break;
	}
	return vms_still(mig, stale);
}

static bool on_one_list(const struct chunk *chunk)
{
	return chunk->on[LIST_ACTIVE] == !chunk_at_rest(chunk) &&
	       chunk->on[LIST_AWAY] == chunk_is_away(chunk) &&
	       (!chunk->on[LIST_DUE] ||
		chunk_facts[chunk->state].op != NO_OP);
}

/* Invariant 7: something will move it on. */
static bool chunk_moves_on(const struct mig *mig, const struct chunk *chunk)
{
	if (chunk_at_rest(chunk))
		return chunk->state != CHUNK_MAPPED &&
		       chunk->state != CHUNK_HOST &&
		       (chunk->state != CHUNK_HOME ||
			chunk->guest == MIG_ACCESS_WRITE);
	if (chunk_facts[chunk->state].op != NO_OP)
		return chunk->emitted != chunk->on[LIST_DUE];
	return chunk_next_time(mig, chunk) != MIG_NEVER &&
	       (chunk->state == CHUNK_DRAIN_WAIT ||
		!chunk_stopped(mig, chunk));
}

/* Invariant 10: wanted, so it moves, or a call of the backend holds it. */
static bool want_sound(const struct mig *mig, const struct chunk *chunk)
{
	if (!chunk->hurry || !chunk_at_rest(chunk))
		return true;
	(void)mig;
	return chunk->holds;
}

static int chunk_check(const struct mig *mig, const struct chunk *chunk)
{
	if (!copy_sound(mig, chunk))
		return 3;
	if (!copies_sound(mig, chunk))
		return 9;
	if (!on_one_list(chunk) || !chunk_moves_on(mig, chunk))
		return 7;
	if (!want_sound(mig, chunk))
		return 10;
	if (chunk->bad != chunk_bad(mig, chunk) ||
	    chunk->writers & ~chunk->users)
		return 5;
	return 0;
}

struct recount {
	uint64_t vram;
	uint32_t active;
	uint32_t due;
	uint32_t copies;
	uint32_t leaving;
	uint32_t lost_vram;
	uint32_t holds;
	uint32_t chunks;
	uint32_t bad[MIG_MAX_VMS];
	uint32_t holders[MIG_MAX_VMS];
};

static void recount_mask(uint32_t *counts, uint64_t mask)
{
	uint32_t vm;

	for_each_vm(vm, mask)
		counts[vm]++;
}

static void recount_chunk(struct recount *re, const struct chunk *chunk)
{
	re->chunks++;
	re->vram += chunk->vram ? chunk->nr : 0;
	re->active += chunk->on[LIST_ACTIVE];
	re->due += chunk->on[LIST_DUE];
	re->copies += chunk->copies;
	re->holds += chunk->holds;
	re->leaving += chunk->state >= CHUNK_ALLOCATING &&
		       chunk->state <= CHUNK_BINDING_OUT;
	re->lost_vram += chunk->vram && (chunk->state == CHUNK_LOST ||
					 chunk->state == CHUNK_LOST_UNBINDING);
	recount_mask(re->bad, chunk->bad);
	recount_mask(re->holders, chunk->stopping);
}

static bool vms_sound(const struct mig *mig, const struct recount *re)
{
	uint32_t vm;

	for (vm = 0; vm < MIG_MAX_VMS; vm++) {
		const struct mig_vm *v = &mig->vm[vm];

		if (re->bad[vm] != (v->used ? v->bad : 0) ||
		    re->holders[vm] != (v->used ? v->holders : 0))
			return false;
		if (!v->used || v->dead || v->wedged || !v->flags)
			continue;
		/* Stopped exactly as long as somebody wants it so. */
		if ((v->state != MIG_VM_RUNNING) !=
		    (v->holders || mig->resume_due & vm_bit(vm)))
			return false;
	}
	return true;
}

/* Chunks that asks hold or wait for; UINT32_MAX: an ask is broken. */
static uint32_t ask_holds(const struct mig *mig, const struct mig_asked *ask)
{
	uint32_t slot, nr = 0;

	if (ask->kind == MIG_ASK_EXEC)
		return ask->ready || mig->vm[ask->vm].bad ? 0 : UINT32_MAX;
	slot = mig_range_first(mig, ask->obj, ask->first, ask->nr);
	for (; slot != NONE;
	     slot = mig_range_next(mig, slot, ask->first + ask->nr))
		nr++;
	if (ask->pending > nr || ask->ready != !ask->pending)
		return UINT32_MAX;
	return nr - ask->pending;
}

static int asks_check(const struct mig *mig, const struct recount *re)
{
	uint32_t i, nr, holds = 0, used = 0;

	for (i = 0; i < mig->ask_pool.fresh; i++) {
		if (!mig->ask[i].used)
			continue;
		used++;
		nr = ask_holds(mig, &mig->ask[i]);
		if (nr == UINT32_MAX)
			return 10;
		holds += nr;
	}
	return holds == re->holds && used == mig->ask_pool.used ? 0 : 5;
}

static uint32_t due_all(const struct mig *mig)
{
	uint32_t due, nr = 0;

	for (due = 0; due < CHUNK_NR_DUE; due++)
		nr += mig->due[due].nr;
	return nr;
}

/* Invariant 7: the end of a copy lets one that is held begin. */
static bool held_sound(const struct mig *mig)
{
	return mig->copies == MIG_MAX_COPIES ||
	       !(mig->due[DUE_HELD].nr + mig->due[DUE_HELD_URGENT].nr);
}

int mig_check(const struct mig *mig)
{
	struct recount re = { 0 };
	uint32_t i;
	int ret;

	for (i = 0; i < mig->chunk_pool.fresh; i++) {
		if (!mig->chunk[i].used)
			continue;
		ret = chunk_check(mig, &mig->chunk[i]);
		if (ret)
			return ret;
		recount_chunk(&re, &mig->chunk[i]);
	}
	if (re.vram != mig->vram_used || re.active != mig->active.nr ||
	    re.due != due_all(mig) || re.copies != mig->copies ||
	    re.leaving != mig->leaving || re.lost_vram != mig->lost_vram ||
	    re.chunks != mig->chunk_pool.used ||
	    re.chunks != mig->chunk_ids.nr || !vms_sound(mig, &re))
		return 5;
	return held_sound(mig) ? asks_check(mig, &re) : 7;
}
