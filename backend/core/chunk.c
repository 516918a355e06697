// SPDX-License-Identifier: MIT
/*
 * Performs what chunk-table.c says for one chunk. Walk B: leave -> revoke ->
 * extra references gone -> every VM stopped -> unbound -> copied -> bound ->
 * arrive; and back. Each step is one op, or none if there is nothing to do.
 *
 * Up to the arrival a chunk can turn back, because its home frames hold the
 * newest contents: no VM runs that could have written VRAM. From then on the
 * way home is walked to its end. Single-threaded.
 */
#include <errno.h>

#include "chunk.h"

static bool state_is_out(uint32_t state)
{
	return state >= CHUNK_ALLOCATING && state <= CHUNK_BINDING_OUT;
}

void chunk_touch(struct mig *mig, uint32_t slot)
{
	chunk_list_add(mig, &mig->journal, LIST_JOURNAL, slot);
}

void chunk_note(struct mig *mig, uint64_t *bits, uint32_t slot)
{
	uint64_t bit = UINT64_C(1) << slot % 64;

	if (!(bits[slot / 64] & bit))
		mig->nr_notes++;
	bits[slot / 64] |= bit;
}

uint64_t chunk_bad(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t users = chunk->users;
	uint64_t bad;

	if (chunk->state == CHUNK_LOST || chunk->state == CHUNK_LOSING ||
	    chunk->state == CHUNK_LOST_UNBINDING)
		return 0;
	users &= ~mig_vms_dead(mig, users);
	if (chunk->state == CHUNK_HOME || chunk->state == CHUNK_BINDING_HOME)
		return users & ~chunk->at_home;
	bad = users & ~mig_vms_reach(mig, users, chunk->gpu);
	if (chunk_at_rest(chunk))
		bad |= users & ~chunk->at_vram;
	return bad | mig_vms_stubborn(mig, users);
}

/* The VMs' counts of what they cannot reach follow. */
static void update_bad(struct mig *mig, struct chunk *chunk)
{
	uint64_t bad = chunk_bad(mig, chunk);
	uint64_t more = bad & ~chunk->bad;
	uint64_t less = chunk->bad & ~bad;
	uint32_t vm;

	chunk->bad = bad;
	for_each_vm(vm, more)
		mig->vm[vm].bad++;
	for_each_vm(vm, less) {
		mig->vm[vm].bad--;
		if (!mig->vm[vm].bad)
			mig_execs_go(mig, vm);
	}
}

void chunk_changed(struct mig *mig, uint32_t slot)
{
	update_bad(mig, &mig->chunk[slot]);
	chunk_touch(mig, slot);
}

void chunk_free_vram(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (!chunk->vram || chunk->at_vram)
		return;
	chunk->vram = false;
	mig->vram_used -= chunk->nr;
	mig->lost_vram -= chunk->state == CHUNK_LOST;
	chunk_note(mig, mig->free_due, slot);
}

void chunk_enter(struct mig *mig, uint32_t slot, enum chunk_state state)
{
	struct chunk *chunk = &mig->chunk[slot];
	bool was_out = state_is_out(chunk->state);

	mig->leaving += state_is_out(state);
	mig->leaving -= was_out;
	if (was_out && !state_is_out(state) && state != CHUNK_DEVICE &&
	    state != CHUNK_SHARED) {
		chunk_stats_rollback(mig, chunk);
		if (chunk->why == MIG_WHY_EXTRA_REFS ||
		    chunk->why == MIG_WHY_NOT_STOPPED ||
		    chunk->why == MIG_WHY_FAILED)
			policy_hold_off(mig, chunk);
	}
	chunk_stats_leave(mig, chunk, state);
	chunk->state = (uint8_t)state;
	chunk->since = mig->now;
	chunk->emitted = false;
	chunk->copy_killed = 0;
	if (chunk_at_rest(chunk))
		chunk_list_del(mig, &mig->active, LIST_ACTIVE, slot);
	else
		chunk_list_add(mig, &mig->active, LIST_ACTIVE, slot);
	if (chunk_is_away(chunk))
		chunk_list_add(mig, &mig->away, LIST_AWAY, slot);
	else
		chunk_list_del(mig, &mig->away, LIST_AWAY, slot);
	if (chunk_facts[state].op != NO_OP)
		chunk_due_add(mig, slot);
}

void chunk_skip(struct mig *mig, uint32_t slot, enum mig_status status)
{
	struct chunk *chunk = &mig->chunk[slot];
	struct mig_event done = { .status = status };

	chunk_due_del(mig, slot);
	chunk->op_vms = 0;
	chunk->emitted = true;
	chunk_done(mig, slot, &done);
}

void chunk_rested(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];
	bool away = chunk_is_away(chunk);

	if (chunk->holds)
		return;
	chunk_changed(mig, slot);
	if (chunk->marked) {
		chunk->marked = false;
		chunk_event(mig, slot, CHUNK_EV_GONE);
	} else if (away && chunk->hurry) {
		chunk_event(mig, slot, CHUNK_EV_WANTED);
	} else if (mig_asked_home(mig, slot) && away) {
		chunk_event(mig, slot, CHUNK_EV_RETURN);
	} else if (away && mig_exec_waits(mig, chunk->bad)) {
		chunk_event(mig, slot, CHUNK_EV_RETURN);
	} else if (chunk->state == CHUNK_HOME &&
		   mig_exec_waits(mig, chunk->bad)) {
		chunk_event(mig, slot, CHUNK_EV_VALIDATE);
	} else {
		mig_asks_hold(mig, slot);
		policy_kick(mig);
	}
}

static void do_nothing(struct mig *mig, uint32_t slot)
{
	(void)mig;
	(void)slot;
}

static void do_alloc(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->shared = !chunk->writers;
	chunk->clean = true;
	chunk->why = MIG_WHY_NONE;
	chunk->vram = true;
	mig->vram_used += chunk->nr;
}

static void do_revoke(struct mig *mig, uint32_t slot)
{
	mig->chunk[slot].drained = mig->now;
	mig->stats.revokes++;
}

/* References to a revoked page only get fewer: what found none is right. */
static void do_query(struct mig *mig, uint32_t slot)
{
	if (mig->chunk[slot].no_refs)
		chunk_skip(mig, slot, MIG_OK);
}

static void do_stop(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->killed = false;
	chunk_stop(mig, chunk, chunk->users | chunk->at_vram);
	if (chunk_stopped(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_STOPPED);
}

static uint64_t unbind_vms(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t vms = chunk->users | chunk->at_home | chunk->at_vram;

	if (chunk->state == CHUNK_LOST_UNBINDING)
		vms = chunk->at_vram;
	return vms & ~mig_vms_gone(mig, vms);
}

/* The old contents at home are as good as those that nobody wants. */
static void do_unbind(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (chunk->state == CHUNK_UNBINDING_HOME && chunk->discarded) {
		mig->stats.discards += !chunk->clean;
		chunk->clean = true;
	}
	if (!unbind_vms(mig, chunk))
		chunk_skip(mig, slot, MIG_OK);
}

static uint64_t bind_vms(const struct mig *mig, const struct chunk *chunk)
{
	if (chunk->state == CHUNK_BINDING_OUT)
		return mig_vms_reach(mig, chunk->users, chunk->gpu);
	return chunk_bad(mig, chunk);
}

static void do_bind_vram(struct mig *mig, uint32_t slot)
{
	mig->stats.copies_out++;
	if (!bind_vms(mig, &mig->chunk[slot]))
		chunk_skip(mig, slot, MIG_OK);
}

/* Behind a copy that does not end no other would. */
static void do_copy_home(struct mig *mig, uint32_t slot)
{
	if (mig->copies_stuck)
		chunk_skip(mig, slot, MIG_FAILED);
}

static void do_rest(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->clean = chunk->shared;
	chunk_resume(mig, chunk, chunk->stopping);
	chunk_rested(mig, slot);
}

static void do_arrive(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->moves++;
	chunk->arrived = mig->now;
	/* It may have been said on the way. */
	chunk->wish = WISH_NONE;
	chunk_stats_out(mig, chunk);
	do_rest(mig, slot);
}

/* The guest waits for no GPU: VMs that lost their mapping get it back afterwards. */
static void do_restore(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint64_t unbound = chunk->users & ~chunk->at_home;

	mig->stats.copies_home += !chunk->clean;
	chunk->clean = true;
	chunk_resume(mig, chunk, ~(chunk->at_vram | unbound));
}

static void do_bind_home(struct mig *mig, uint32_t slot)
{
	if (!bind_vms(mig, &mig->chunk[slot]))
		chunk_skip(mig, slot, MIG_OK);
}

/* Jobs go on, but not those of VMs whose mapping of VRAM could not be taken away. */
static void do_settle(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk_resume(mig, chunk, ~chunk->at_vram);
	chunk->guest = MIG_ACCESS_WRITE;
	chunk->clean = true;
	chunk->hurry = false;
	chunk->adrift = false;
	chunk->back = false;
	chunk->shared = false;
	if (chunk->wish == WISH_RAM) {
		chunk->wish = WISH_NONE;
		chunk->hold_until = mig->now + mig->settings.hold_ms;
	}
	chunk_free_vram(mig, slot);
	chunk_rested(mig, slot);
}

static bool copy_has_begun(const struct chunk *chunk)
{
	return !chunk->on[LIST_DUE] ||
	       chunk_facts[chunk->state].op != MIG_OP_COPY;
}

static void do_turn(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->back = true;
	if (copy_has_begun(chunk))
		chunk_due_hurry(mig, slot);
	else
		chunk_skip(mig, slot, MIG_OK);
}

static void do_hurry(struct mig *mig, uint32_t slot)
{
	chunk_due_hurry(mig, slot);
}

static void do_kill(struct mig *mig, uint32_t slot)
{
	chunk_stats_kill(mig, &mig->chunk[slot]);
	chunk_kill(mig, &mig->chunk[slot]);
}

/* One engine of the GPU does them all, so all of them end. */
static void do_kill_copy(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->copy_killed = mig->now;
	mig->copies_due |= 1U << chunk->gpu;
}

/*
 * A copy that has not begun must not: it would write over what the guest writes
 * from now on.
 */
static void do_mark(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk->marked = true;
	if (!copy_has_begun(chunk))
		chunk_skip(mig, slot, MIG_FAILED);
}

/* Nothing of the chunk is in VRAM's reach: VRAM and VMs are free again. */
static void do_unuse(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	chunk_free_vram(mig, slot);
	chunk_resume(mig, chunk, chunk->stopping & ~chunk->at_vram);
	mig_asks_hold(mig, slot);
	policy_kick(mig);
}

/* A GPU that still may reach the VRAM is waited for, without a limit. */
static void do_tell(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	mig->stats.losses++;
	mig->lost_vram += chunk->vram;
	chunk->guest = MIG_ACCESS_WRITE;
	chunk->hurry = false;
	chunk->adrift = false;
	chunk->back = false;
	chunk->marked = false;
	chunk->wish = WISH_NONE;
	chunk->why = MIG_WHY_LOST;
	chunk_note(mig, mig->tell_due, slot);
	chunk_stop(mig, chunk, chunk->at_vram);
	if (!chunk->at_vram)
		do_unuse(mig, slot);
	else if (chunk_stopped(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_STOPPED);
}

static void (*const actions[CHUNK_NR_ACTIONS])(struct mig *mig,
					       uint32_t slot) = {
	[CHUNK_IGNORE] = do_nothing,
	[CHUNK_DO_ALLOC] = do_alloc,
	[CHUNK_DO_ARM] = do_nothing,
	[CHUNK_DO_REVOKE] = do_revoke,
	[CHUNK_DO_QUERY] = do_query,
	[CHUNK_DO_WAIT] = do_nothing,
	[CHUNK_DO_STOP] = do_stop,
	[CHUNK_DO_UNBIND] = do_unbind,
	[CHUNK_DO_COPY_OUT] = do_nothing,
	[CHUNK_DO_BIND_VRAM] = do_bind_vram,
	[CHUNK_DO_ARRIVE] = do_arrive,
	[CHUNK_DO_COPY_HOME] = do_copy_home,
	[CHUNK_DO_COPY_CPU] = do_nothing,
	[CHUNK_DO_RESTORE] = do_restore,
	[CHUNK_DO_BIND_HOME] = do_bind_home,
	[CHUNK_DO_SETTLE] = do_settle,
	[CHUNK_DO_TURN] = do_turn,
	[CHUNK_DO_HURRY] = do_hurry,
	[CHUNK_DO_KILL] = do_kill,
	[CHUNK_DO_MARK] = do_mark,
	[CHUNK_DO_LOSE] = do_nothing,
	[CHUNK_DO_TELL] = do_tell,
	[CHUNK_DO_REST] = do_rest,
	[CHUNK_DO_UNUSE] = do_unuse,
	[CHUNK_DO_KILL_COPY] = do_kill_copy,
};

static void event_note(struct mig *mig, struct chunk *chunk,
		       enum chunk_event event, enum chunk_action action)
{
	if (event == CHUNK_EV_TIME_DRAIN)
		chunk->why = MIG_WHY_EXTRA_REFS;
	if (event == CHUNK_EV_TIME_STOP || event == CHUNK_EV_TIME_STOP_SHARED) {
		chunk->why = MIG_WHY_NOT_STOPPED;
		chunk->wish = WISH_NONE;
	}
	if (event == CHUNK_EV_GONE || event == CHUNK_EV_DONE_GONE)
		chunk->clean = false;
	if (event == CHUNK_EV_WANTED && state_is_out(chunk->state))
		chunk->why = MIG_WHY_WANTED;
	if (event == CHUNK_EV_WANTED && action != CHUNK_IGNORE)
		chunk_hurry(mig, chunk);
}

int chunk_event(struct mig *mig, uint32_t slot, enum chunk_event event)
{
	struct chunk *chunk = &mig->chunk[slot];
	const struct chunk_step *step = &chunk_steps[chunk->state][event];

	if (step->action == CHUNK_REFUSE)
		return -EINVAL;
	event_note(mig, chunk, event, step->action);
	if (step->next != chunk->state)
		chunk_enter(mig, slot, step->next);
	actions[step->action](mig, slot);
	chunk_changed(mig, slot);
	return 0;
}

/* The status of ALLOC and ARM says why a chunk stays home. */
static void note_failure(struct mig *mig, struct chunk *chunk, uint32_t status)
{
	chunk->why = MIG_WHY_FAILED;
	if (chunk->state == CHUNK_ALLOCATING) {
		chunk->vram = false;
		mig->vram_used -= chunk->nr;
	}
	/* Behind a move, which holds VMs still, it is tried once more for them. */
	if (chunk->state == CHUNK_BINDING_HOME &&
	    !(chunk->stopping & ~chunk->at_vram))
		mig_execs_fail(mig, chunk->bad);
	switch (status) {
	case MIG_NO_VRAM:
		chunk->why = MIG_WHY_NO_VRAM;
		mig->gpu_full[chunk->gpu] = mig->now + mig->settings.retry_ms;
		break;
	case MIG_ALIASED:
		chunk->why = MIG_WHY_ALIAS;
		chunk->stays = true;
		break;
	case MIG_NOT_ALLOWED:
		chunk->why = MIG_WHY_REFUSED;
		chunk->stays = true;
		break;
	}
}

/* What the op that ended well has changed; binds in VRAM count from the start. */
static void note_success(const struct mig *mig, struct chunk *chunk)
{
	uint64_t bound = chunk->op_vms & chunk->users;

	switch (chunk_facts[chunk->state].op) {
	case MIG_OP_REVOKE:
		chunk->guest = chunk->shared ? MIG_ACCESS_READ :
					       MIG_ACCESS_NONE;
		break;
	case MIG_OP_UNBIND:
		chunk->at_home &= ~chunk->op_vms;
		chunk->at_vram &= ~chunk->op_vms;
		break;
	case MIG_OP_BIND:
		if (chunk->state != CHUNK_BINDING_OUT)
			chunk->at_home |= bound & ~mig_vms_gone(mig, bound);
		break;
	}
}

static void note_copied(struct mig *mig, const struct chunk *chunk)
{
	if (chunk->copies)
		mig->copied_at[chunk->gpu] = mig->now;
	if (chunk->state == CHUNK_COPYING_HOME ||
	    chunk->state == CHUNK_COPYING_CPU)
		chunk_stats_home(mig, chunk);
	mig->stats.cpu_copies += chunk->state == CHUNK_COPYING_CPU;
}

static enum chunk_event done_event(const struct chunk *chunk,
				   const struct mig_event *ev)
{
	if (chunk->marked && chunk->state != CHUNK_LOSING &&
	    chunk->state != CHUNK_LOST_UNBINDING)
		return CHUNK_EV_DONE_GONE;
	if (ev->status != MIG_OK)
		return CHUNK_EV_FAIL;
	if (state_is_out(chunk->state) && chunk->back)
		return CHUNK_EV_DONE_BACK;
	if (chunk->state == CHUNK_UNBINDING_HOME && chunk->clean)
		return CHUNK_EV_DONE_BACK;
	if (chunk->state == CHUNK_BINDING_OUT && chunk->shared)
		return CHUNK_EV_DONE_SHARED;
	if (chunk->state == CHUNK_DRAINING && ev->extra_refs)
		return CHUNK_EV_BUSY;
	return CHUNK_EV_DONE;
}

int chunk_done(struct mig *mig, uint32_t slot, const struct mig_event *ev)
{
	struct chunk *chunk = &mig->chunk[slot];
	struct mig_event end = *ev;

	if (!chunk->used || !chunk->emitted)
		return -EINVAL;
	/* What is left of home then is not known: who goes on is bound anew. */
	if (end.status != MIG_OK && chunk_facts[chunk->state].op == MIG_OP_UNBIND)
		chunk->at_home &= ~chunk->op_vms;
	if (end.status == MIG_OK) {
		chunk->no_refs = chunk->state == CHUNK_REVOKING &&
				 end.flags & MIG_DONE_REFS && !end.extra_refs;
		note_success(mig, chunk);
		note_copied(mig, chunk);
	} else if (chunk->state == CHUNK_UNBINDING_HOME ||
		   chunk->state == CHUNK_LOST_UNBINDING) {
		/* Who never runs again cannot use what it maps. */
		chunk_wedge(mig, chunk);
		end.status = MIG_OK;
	} else {
		note_failure(mig, chunk, end.status);
	}
	chunk_copy_ended(mig, chunk);
	return chunk_event(mig, slot, done_event(chunk, &end));
}

static uint32_t op_flags(const struct chunk *chunk)
{
	switch (chunk->state) {
	case CHUNK_REVOKING:
		return chunk->shared ? MIG_OP_WRITES : 0;
	case CHUNK_COPYING_OUT:
	case CHUNK_BINDING_OUT:
		return MIG_OP_VRAM;
	case CHUNK_COPYING_CPU:
		return MIG_OP_CPU;
	case CHUNK_LOSING:
		/* Only the GPU's copy may be out of date: keep the guest's. */
		return chunk->clean ? 0 : MIG_OP_LOST;
	}
	return 0;
}

static uint64_t op_vms(const struct mig *mig, const struct chunk *chunk)
{
	switch (chunk_facts[chunk->state].op) {
	case MIG_OP_UNBIND:
		return unbind_vms(mig, chunk);
	case MIG_OP_BIND:
		return bind_vms(mig, chunk);
	}
	return 0;
}

void chunk_emit(struct mig *mig, uint32_t slot, struct mig_op *op)
{
	struct chunk *chunk = &mig->chunk[slot];

	op->type = (enum mig_op_type)chunk_facts[chunk->state].op;
	op->id = chunk_op_id(mig, slot);
	op->obj = chunk->obj;
	op->first = chunk->first;
	op->nr = chunk->nr;
	op->gpu = chunk->gpu;
	op->flags = op_flags(chunk);
	op->vms = op_vms(mig, chunk);
	/* From here on the op may have any part of its effect. */
	chunk->op_vms = op->vms;
	if (op->type == MIG_OP_RESTORE)
		chunk->guest = MIG_ACCESS_WRITE;
	if (chunk->state == CHUNK_BINDING_OUT)
		chunk->at_vram |= op->vms;
	chunk->emitted = true;
}
