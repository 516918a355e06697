// SPDX-License-Identifier: MIT
/*
 * Starts moves of chunks at rest: what was asked for by hand, else what the
 * policy of the moment says, as far as nothing forbids it. Looks at a bounded
 * number of chunks per event, and at the others as time goes on.
 *
 * No livelock under pressure: a chunk is evicted only for one that was used
 * later, not before stay_ms, and comes back only when it was used again. So
 * without new jobs evictions end, and chunks that the same jobs use do not
 * evict each other. A GPU never needs a chunk in VRAM to go on, so nobody
 * waits for an eviction. A chunk that the guest takes back soon after it left
 * stays home for a time that doubles. Single-threaded.
 */
#include <errno.h>

#include "policy.h"
#include "userptrif.h"

#define PASS_CHUNKS	64U	/* looked at per event, or per ms */
#define VICTIM_CHUNKS	256U	/* of which one that goes is chosen */
#define MAX_BOUNCES	31U

void policy_kick(struct mig *mig)
{
	mig->pass_left = mig->chunk_pool.fresh;
}

static void pass_at(struct mig *mig, uint64_t when)
{
	if (when < mig->pass_at)
		mig->pass_at = when;
}

void policy_hold_off(struct mig *mig, struct chunk *chunk)
{
	const struct mig_settings *set = &mig->settings;
	uint64_t hold = (uint64_t)set->hold_ms << chunk->bounces;

	if (hold > set->hold_max_ms)
		hold = set->hold_max_ms;
	if (chunk->bounces < MAX_BOUNCES)
		chunk->bounces++;
	chunk->hold_until = mig->now + hold;
	mig->stats.bounces++;
}

void policy_wanted(struct mig *mig, struct chunk *chunk)
{
	bool out = !chunk_at_rest(chunk) && chunk->state <= CHUNK_BINDING_OUT;
	bool away = chunk_is_away(chunk);

	if (chunk->hurry || chunk->back || !(out || away))
		return;
	chunk->wish = WISH_NONE;
	if (out || mig->now - chunk->arrived < mig->settings.bounce_ms)
		policy_hold_off(mig, chunk);
	else
		chunk->bounces = 0;
}

static bool vm_works(const struct mig_vm *v)
{
	return v->jobs || v->asks != NONE;
}

/* A VM that has work, and has just had a pause for other chunks, runs first. */
static bool vms_rested(struct mig *mig, uint64_t vms)
{
	uint32_t vm;

	for_each_vm(vm, vms) {
		const struct mig_vm *v = &mig->vm[vm];
		uint64_t until = v->resumed + mig->settings.run_ms;

		if ((v->leaving && v->holders) ||
		    mig->resume_due & vm_bit(vm))
			return false;
		if (vm_works(v) && v->resumed && mig->now < until) {
			pass_at(mig, until);
			return false;
		}
	}
	return true;
}

static enum mig_why jobs_forbid(const struct mig *mig,
				const struct chunk *chunk, uint32_t gpu)
{
	uint64_t vms = chunk->users;
	uint32_t vm;

	for_each_vm(vm, vms) {
		const struct mig_vm *v = &mig->vm[vm];

		/* One that is about to start counts, or it never would. */
		if (!vm_works(v) || v->dead)
			continue;
		if (!(v->flags & MIG_VM_PREEMPT))
			return MIG_WHY_NO_STOP;
		if (v->gpu != gpu)
			return MIG_WHY_NO_PEER;
	}
	return MIG_WHY_NONE;
}

static enum mig_why leave_forbidden(const struct mig *mig,
				    const struct chunk *chunk, uint32_t gpu)
{
	if (chunk->state == CHUNK_LOST)
		return MIG_WHY_LOST;
	if (chunk->stays)
		return chunk->why == MIG_WHY_REFUSED ? MIG_WHY_REFUSED :
						       MIG_WHY_ALIAS;
	if (chunk->advice == XENUSERPTR_ADVICE_NEVER_MOVE)
		return MIG_WHY_NEVER_MOVE;
	if (chunk->nr < mig->settings.vram_page)
		return MIG_WHY_SMALL;
	if (chunk->holds)
		return MIG_WHY_HELD;
	/* Something of an earlier walk could not be unbound. */
	if (chunk->at_vram || chunk->vram || mig->gpus_gone >> gpu & 1)
		return MIG_WHY_FAILED;
	if (mig->settings.home_gpus >> gpu & 1)
		return MIG_WHY_NO_VRAM;
	if (mig->copies_stuck)
		return MIG_WHY_NOT_STOPPED;
	return jobs_forbid(mig, chunk, gpu);
}

/* The next one that is away, and will be the last. */
static uint32_t away_next(struct mig *mig)
{
	uint32_t slot = mig->away.first;

	chunk_list_del(mig, &mig->away, LIST_AWAY, slot);
	chunk_list_add(mig, &mig->away, LIST_AWAY, slot);
	return slot;
}

/*
 * Of those that may go for a chunk last used then, the one unused longest; of
 * many, the best of some, and another time of others.
 */
static uint32_t victim_find(struct mig *mig, uint32_t gpu, uint64_t last)
{
	uint32_t i, slot, found = NONE;

	for (i = 0; i < mig->away.nr && i < VICTIM_CHUNKS; i++) {
		const struct chunk *chunk;
		uint64_t use;

		slot = away_next(mig);
		chunk = &mig->chunk[slot];
		use = policy_last_use(mig, chunk);
		if (chunk->gpu != gpu || chunk->holds || use >= last)
			continue;
		if (mig->now < chunk->arrived + mig->settings.stay_ms) {
			pass_at(mig, chunk->arrived + mig->settings.stay_ms);
			continue;
		}
		last = use;
		found = slot;
	}
	return found;
}

/* Is a chunk on its way home whose VRAM will do? */
static bool room_comes(const struct mig *mig, uint32_t gpu)
{
	uint32_t slot = mig->active.first;

	for (; slot != NONE; slot = mig->chunk[slot].links[LIST_ACTIVE].next)
		if (mig->chunk[slot].state >= CHUNK_STOPPING_HOME &&
		    mig->chunk[slot].vram && mig->chunk[slot].gpu == gpu)
			return true;
	return false;
}

/* Room for it in VRAM, or somebody who goes. */
static bool room_make(struct mig *mig, const struct chunk *chunk, uint32_t gpu)
{
	bool full = mig->now < mig->gpu_full[gpu];
	uint64_t last = policy_last_use(mig, chunk);
	uint32_t victim;

	if (!full && mig->vram_used + chunk->nr <= mig->settings.vram_pages)
		return true;
	if (full)
		pass_at(mig, mig->gpu_full[gpu]);
	if (!policies[mig->settings.policy].evicts ||
	    last <= mig->no_victim[gpu] || room_comes(mig, gpu))
		return false;
	victim = victim_find(mig, gpu, last);
	mig->no_victim[gpu] = victim == NONE ? last : mig->no_victim[gpu];
	if (victim != NONE) {
		mig->stats.evictions++;
		mig->chunk[victim].evicted = mig->execs;
		chunk_event(mig, victim, CHUNK_EV_RETURN);
	}
	return false;
}

/*
 * The GPU that used it last; by hand: the one that was named. Whose VRAM holds
 * nothing reads home frames: what it used stays home until another one uses it.
 */
static uint32_t gpu_choose(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t vms = chunk->users;
	uint32_t vm, gpu = chunk->gpu;
	uint64_t last = 0;

	if (chunk->wish == WISH_VRAM)
		return gpu;
	for_each_vm(vm, vms)
		if (mig->vm[vm].last_exec >= last) {
			last = mig->vm[vm].last_exec;
			gpu = mig->vm[vm].gpu;
		}
	return gpu;
}

/* What was asked for by hand waits for jobs and holders, and for nothing else. */
static void leave_refuse(struct chunk *chunk, enum mig_why why)
{
	chunk->why = (uint8_t)why;
	if (why != MIG_WHY_HELD && why != MIG_WHY_NO_STOP &&
	    why != MIG_WHY_NO_PEER)
		chunk->wish = WISH_NONE;
}

static void chunk_leave(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint32_t gpu = gpu_choose(mig, chunk);
	enum mig_why why = leave_forbidden(mig, chunk, gpu);

	if (why != MIG_WHY_NONE) {
		leave_refuse(chunk, why);
		return;
	}
	if (mig->now < chunk->hold_until && chunk->wish != WISH_VRAM) {
		chunk->why = MIG_WHY_BOUNCED;
		pass_at(mig, chunk->hold_until);
		return;
	}
	if (chunk->evicted && chunk->wish != WISH_VRAM &&
	    policy_last_use(mig, chunk) <= chunk->evicted)
		return;
	if (mig->leaving >= mig->settings.max_active ||
	    !vms_rested(mig, chunk->users))
		return;
	if (!room_make(mig, chunk, gpu)) {
		leave_refuse(chunk, MIG_WHY_NO_VRAM);
		return;
	}
	chunk->gpu = (uint8_t)gpu;
	chunk->wish = WISH_NONE;
	chunk->evicted = 0;
	chunk_event(mig, slot, CHUNK_EV_LEAVE);
}

static enum policy_place place_of(const struct mig *mig,
				  const struct chunk *chunk)
{
	if (chunk->wish == WISH_VRAM)
		return POLICY_VRAM;
	if (chunk->wish == WISH_RAM || chunk->stays ||
	    chunk->advice == XENUSERPTR_ADVICE_NEVER_MOVE)
		return POLICY_RAM;
	return policies[mig->settings.policy].place(mig, chunk);
}

/* Nothing stays in VRAM of that GPU; jobs go on between two tries. */
static bool home_is_due(struct mig *mig, const struct chunk *chunk)
{
	return mig->settings.home_gpus >> chunk->gpu & 1 &&
	       vms_rested(mig, chunk->users);
}

static void policy_look(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];
	enum policy_place place;

	if (!chunk->used || !chunk_at_rest(chunk) || chunk->holds)
		return;
	place = place_of(mig, chunk);
	if (chunk->state == CHUNK_HOME && place == POLICY_VRAM)
		chunk_leave(mig, slot);
	if (!chunk_is_away(chunk))
		return;
	if (place == POLICY_RAM || home_is_due(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_RETURN);
}

void policy_begin(struct mig *mig)
{
	mig->looks = PASS_CHUNKS;
}

/* With no room the next chunk that comes to rest starts the pass again. */
bool policy_waits(const struct mig *mig)
{
	return mig->pass_left && mig->leaving < mig->settings.max_active;
}

bool policy_pending(const struct mig *mig)
{
	return mig->looks && policy_waits(mig);
}

bool policy_run(struct mig *mig)
{
	uint32_t gpu;

	for (gpu = 0; gpu < MIG_MAX_GPUS; gpu++)
		mig->no_victim[gpu] = 0;
	for (; mig->looks && mig->pass_left; mig->looks--, mig->pass_left--) {
		if (++mig->cursor >= mig->chunk_pool.fresh)
			mig->cursor = 0;
		policy_look(mig, mig->cursor);
	}
	return true;
}

/* -EINVAL if the range is not one of a known object. */
static int for_each_of_range(struct mig *mig, const struct mig_event *ev,
			     void (*fn)(struct mig *mig, uint32_t slot,
					const struct mig_event *ev))
{
	uint32_t slot = mig_range_first(mig, ev->obj, ev->first, ev->nr);
	uint32_t end = ev->first + ev->nr;

	if (slot == NONE)
		return -EINVAL;
	for (; slot != NONE; slot = mig_range_next(mig, slot, end))
		fn(mig, slot, ev);
	policy_kick(mig);
	return 0;
}

/* Is there nothing to do? What is lost goes nowhere. */
static bool chunk_is_there(const struct chunk *chunk, bool vram)
{
	if (chunk->state == CHUNK_LOST || chunk->state == CHUNK_LOST_UNBINDING)
		return true;
	return vram ? chunk->state == CHUNK_DEVICE ||
		      chunk->state == CHUNK_SHARED :
		      chunk->state == CHUNK_HOME;
}

/* On its way already: it turns back, or goes on. */
static void chunk_wish(struct mig *mig, uint32_t slot,
		       const struct mig_event *ev)
{
	struct chunk *chunk = &mig->chunk[slot];
	bool vram = ev->place == MIG_PLACE_VRAM;

	chunk->wish = vram ? WISH_VRAM : WISH_RAM;
	if (chunk_is_there(chunk, vram))
		chunk->wish = WISH_NONE;
	if (vram && chunk->state == CHUNK_HOME)
		chunk->gpu = (uint8_t)ev->gpu;
	if (!vram && !chunk_at_rest(chunk))
		chunk_event(mig, slot, CHUNK_EV_RETURN);
}

static void chunk_reserved(struct mig *mig, uint32_t slot,
			   const struct mig_event *ev)
{
	(void)ev;
	mig->chunk[slot].why = MIG_WHY_RESERVED;
}

int mig_move(struct mig *mig, const struct mig_event *ev)
{
	if (ev->gpu >= MIG_MAX_GPUS || ev->place > MIG_PLACE_HOST)
		return -EINVAL;
	if (ev->place == MIG_PLACE_RAM || ev->place == MIG_PLACE_VRAM)
		return for_each_of_range(mig, ev, chunk_wish);
	if (for_each_of_range(mig, ev, chunk_reserved))
		return -EINVAL;
	return -EOPNOTSUPP;
}

/* Is all of the chunk meant? */
static bool is_whole(const struct chunk *chunk, const struct mig_event *ev)
{
	return ev->first <= chunk->first &&
	       ev->nr - (chunk->first - ev->first) >= chunk->nr;
}

/* Memory of flags stays home from now on, and comes home if it is away. */
static void chunk_advise(struct mig *mig, uint32_t slot,
			 const struct mig_event *ev)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (chunk->advice == XENUSERPTR_ADVICE_NEVER_MOVE &&
	    !is_whole(chunk, ev))
		return;		/* may be meant for another part of it */
	chunk->advice = (uint8_t)ev->advice;
	if (ev->advice == XENUSERPTR_ADVICE_NEVER_MOVE &&
	    !chunk_at_rest(chunk))
		chunk_event(mig, slot, CHUNK_EV_RETURN);
	chunk_touch(mig, slot);
}

int mig_advise(struct mig *mig, const struct mig_event *ev)
{
	if (ev->advice > XENUSERPTR_ADVICE_NEVER_MOVE)
		return -EINVAL;
	return for_each_of_range(mig, ev, chunk_advise);
}

static void chunk_discard(struct mig *mig, uint32_t slot,
			  const struct mig_event *ev)
{
	struct chunk *chunk = &mig->chunk[slot];

	(void)mig;
	chunk->discarded |= is_whole(chunk, ev);
}

int mig_discard(struct mig *mig, const struct mig_event *ev)
{
	return for_each_of_range(mig, ev, chunk_discard);
}

static void chunk_alias(struct mig *mig, uint32_t slot,
			const struct mig_event *ev)
{
	struct chunk *chunk = &mig->chunk[slot];

	(void)ev;
	chunk->stays = true;
	chunk->why = MIG_WHY_ALIAS;
	if (!chunk_at_rest(chunk))
		chunk_event(mig, slot, CHUNK_EV_RETURN);
	chunk_touch(mig, slot);
}

int mig_alias(struct mig *mig, const struct mig_event *ev)
{
	return for_each_of_range(mig, ev, chunk_alias);
}
