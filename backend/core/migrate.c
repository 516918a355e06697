// SPDX-License-Identifier: MIT
/*
 * mig_step(): the only entry for events of migration. Finds what an event
 * belongs to, then emits what became due: stops first, then what somebody
 * waits for, then the rest; then lets the policy look. Single-threaded.
 */
#include <errno.h>
#include <string.h>

#include "chunk.h"

const struct mig_settings mig_settings_default = {
	.policy = MIG_POLICY_MANUAL,
	.kill_ms = 100,
	.lost_ms = 1000,
	.drain_ms = 50,
	.poll_ms = 2,
	.stop_ms = 100,
	.copy_ms = 1000,
	.run_ms = 10,
	.stay_ms = 100,
	.bounce_ms = 500,
	.hold_ms = 100,
	.hold_max_ms = 60000,
	.retry_ms = 100,
	.max_active = 16,
	.vram_page = 1,
	.vram_pages = UINT64_MAX / 2,
};

bool mig_settings_valid(const struct mig_settings *set)
{
	return set->policy < MIG_NR_POLICIES && set->kill_ms < set->lost_ms &&
	       set->poll_ms && set->stop_ms && set->copy_ms && set->hold_ms &&
	       set->max_active && set->vram_page &&
	       set->vram_pages <= UINT64_MAX / 2;
}

static int mig_set(struct mig *mig, const struct mig_event *ev)
{
	if (!ev->settings || !mig_settings_valid(ev->settings))
		return -EINVAL;
	mig->settings = *ev->settings;
	policy_kick(mig);
	return 0;
}

static int mig_op_done(struct mig *mig, const struct mig_event *ev)
{
	uint32_t slot = CHUNK_SLOT(ev->id);

	if (slot >= mig->chunk_pool.fresh)
		return -EINVAL;
	if (CHUNK_GIVEN_UP(ev->id) == mig->chunk[slot].given_up)
		return chunk_done(mig, slot, ev);
	if (mig->copies_stuck)
		mig->copies_stuck--;
	if (!mig->copies_stuck)
		policy_kick(mig);
	return 0;
}

static int mig_time(struct mig *mig, const struct mig_event *ev)
{
	uint32_t slot = mig->active.first;

	(void)ev;
	while (slot != NONE) {
		uint32_t next = mig->chunk[slot].links[LIST_ACTIVE].next;

		chunk_time(mig, slot);
		slot = next;
	}
	return 0;
}

static int (*const events[MIG_NR_EVENTS])(struct mig *mig,
					  const struct mig_event *ev) = {
	[MIG_EV_TIME] = mig_time,
	[MIG_EV_OBJ_ADD] = mig_obj_add,
	[MIG_EV_OBJ_DEL] = mig_obj_del,
	[MIG_EV_VM_ADD] = mig_vm_add,
	[MIG_EV_VM_DEL] = mig_vm_del,
	[MIG_EV_USES] = mig_uses,
	[MIG_EV_JOB_END] = mig_job_end,
	[MIG_EV_MOVE] = mig_move,
	[MIG_EV_ADVISE] = mig_advise,
	[MIG_EV_ALIAS] = mig_alias,
	[MIG_EV_WANT] = mig_want,
	[MIG_EV_GONE] = mig_gone,
	[MIG_EV_GPU_GONE] = mig_gpu_gone,
	[MIG_EV_DONE] = mig_op_done,
	[MIG_EV_STOPPED] = mig_vm_stopped,
	[MIG_EV_ASK] = mig_ask,
	[MIG_EV_LET_GO] = mig_let_go,
	[MIG_EV_SETTINGS] = mig_set,
	[MIG_EV_DISCARD] = mig_discard,
};

static int mig_take(struct mig *mig, const struct mig_event *ev)
{
	if ((unsigned int)ev->type >= MIG_NR_EVENTS || ev->now < mig->now)
		return -EINVAL;
	mig->now = ev->now;
	policy_begin(mig);
	if (ev->us)
		mig->us = ev->us;
	mig_stops_again(mig);
	if (mig->pass_at <= mig->now) {
		mig->pass_at = MIG_NEVER;
		policy_kick(mig);
	}
	return events[ev->type](mig, ev);
}

bool mig_noted(const struct mig *mig, uint32_t slot)
{
	return (mig->free_due[slot / 64] | mig->tell_due[slot / 64]) >>
	       slot % 64 & 1;
}

static void note_emit(struct mig *mig, uint64_t *bits, uint32_t word,
		      enum mig_op_type type, struct mig_op *op)
{
	uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits[word]);
	const struct chunk *chunk = &mig->chunk[slot];

	bits[word] &= bits[word] - 1;
	mig->nr_notes--;
	op->type = type;
	op->obj = chunk->obj;
	op->first = chunk->first;
	op->nr = chunk->nr;
	op->gpu = chunk->gpu;
}

static bool notes_emit(struct mig *mig, struct mig_op *op)
{
	uint32_t word = 0;

	if (!mig->nr_notes)
		return false;
	while (!(mig->free_due[word] | mig->tell_due[word]))
		word++;
	if (mig->tell_due[word])
		note_emit(mig, mig->tell_due, word, MIG_OP_TELL, op);
	else
		note_emit(mig, mig->free_due, word, MIG_OP_FREE, op);
	return true;
}

/* FREE before ALLOC, so that a full VRAM has room. */
static bool mig_emit(struct mig *mig, struct mig_op *op)
{
	return mig_vm_emit(mig, op) || chunk_due_emit(mig, DUE_URGENT, op) ||
	       notes_emit(mig, op) || mig_ask_emit(mig, op) ||
	       chunk_due_emit(mig, DUE_SOON, op);
}

static bool mig_more(const struct mig *mig)
{
	return mig->stop_due || mig->kill_due || mig->close_due ||
	       mig->resume_due || mig->copies_due || chunk_due_nr(mig) ||
	       mig->nr_notes || mig->ready_first != NONE;
}

int mig_step(struct mig *mig, const struct mig_event *ev, struct mig_op *ops,
	     unsigned int max_ops, unsigned int *nr_ops)
{
	unsigned int nr = 0;
	bool looked = false;
	int ret;

	*nr_ops = 0;
	if (ev) {
		ret = mig_take(mig, ev);
		if (ret)
			return ret;
	}
	/* What the policy sees must not depend on the room for ops. */
	while (nr < max_ops) {
		memset(&ops[nr], 0, sizeof(ops[nr]));
		if (mig_emit(mig, &ops[nr]))
			nr++;
		else if (looked || !policy_pending(mig))
			break;
		else
			looked = policy_run(mig);
	}
	*nr_ops = nr;
	return mig_more(mig) || policy_pending(mig);
}

uint64_t mig_next_time(const struct mig *mig)
{
	uint32_t slot = mig->active.first;
	uint64_t next = policy_waits(mig) ? mig->now + 1 : mig->pass_at;

	if (mig->stop_failed && mig->stop_again < next)
		next = mig->stop_again;
	for (; slot != NONE; slot = mig->chunk[slot].links[LIST_ACTIVE].next) {
		uint64_t when = chunk_next_time(mig, &mig->chunk[slot]);

		if (when < next)
			next = when;
	}
	return next;
}

bool mig_idle(const struct mig *mig)
{
	uint32_t i;

	for (i = 0; i < mig->ask_pool.fresh; i++)
		if (mig->ask[i].used && !mig->ask[i].ready)
			return false;
	return !mig->active.nr && !mig_more(mig) && !policy_waits(mig);
}

int mig_chunk_get(const struct mig *mig, uint32_t obj, uint32_t page,
		  struct mig_chunk_info *info)
{
	uint32_t slot = mig_chunk_find(mig, obj, page);
	const struct chunk *chunk;

	if (slot == NONE)
		return -ENOENT;
	chunk = &mig->chunk[slot];
	*info = (struct mig_chunk_info){
		.first = chunk->first,
		.nr = chunk->nr,
		.state = chunk->state,
		.why = chunk->why,
		.gpu = chunk->gpu,
		.bounces = chunk->bounces,
		.moves = chunk->moves,
		.wished = chunk->wish != WISH_NONE,
		.hold_until = chunk->hold_until,
	};
	return 0;
}

void mig_pages(const struct mig *mig, uint32_t obj, struct mig_pages *pages)
{
	uint32_t slot;

	*pages = (struct mig_pages){ 0 };
	if (obj >= mig->limits.max_objects || !mig->obj[obj].used)
		return;
	pages->moved_out = mig->obj[obj].moved_out;
	pages->moved_home = mig->obj[obj].moved_home;
	slot = mig->obj[obj].chunks;
	for (; slot != NONE; slot = mig->chunk[slot].obj_next) {
		const struct chunk *chunk = &mig->chunk[slot];

		if (chunk->state == CHUNK_LOST)
			pages->lost += chunk->nr;
		else if (chunk->clean)
			pages->home += chunk->nr;
		else
			pages->vram += chunk->nr;
	}
}

uint64_t mig_vms(const struct mig *mig)
{
	uint64_t vms = 0;
	uint32_t vm;

	for (vm = 0; vm < MIG_MAX_VMS; vm++)
		vms |= mig->vm[vm].used ? vm_bit(vm) : 0;
	return vms;
}

uint64_t mig_vram_used(const struct mig *mig)
{
	return mig->vram_used;
}

const struct mig_stats *mig_stats(const struct mig *mig)
{
	return &mig->stats;
}

const char *mig_why_text(uint32_t why)
{
	static const char *const texts[MIG_NR_WHYS] = {
		[MIG_WHY_NONE] = "nothing in the way",
		[MIG_WHY_RESERVED] = "the backend's module cannot revoke it for the host yet",
		[MIG_WHY_NEVER_MOVE] = "the guest said never-move",
		[MIG_WHY_ALIAS] = "a page is in it twice, or in two objects",
		[MIG_WHY_SMALL] = "smaller than a page of VRAM",
		[MIG_WHY_LOST] = "its contents are lost",
		[MIG_WHY_HELD] = "a request of the guest is using it",
		[MIG_WHY_NO_STOP] = "a job runs that cannot be preempted",
		[MIG_WHY_NO_PEER] = "a job of another GPU is using it",
		[MIG_WHY_NO_VRAM] = "no VRAM left",
		[MIG_WHY_BOUNCED] = "it came back too soon the last time",
		[MIG_WHY_REFUSED] = "the guest did not allow it",
		[MIG_WHY_WANTED] = "the guest touched it on the way",
		[MIG_WHY_EXTRA_REFS] = "somebody else holds references to its pages",
		[MIG_WHY_NOT_STOPPED] = "a GPU did not stop in time",
		[MIG_WHY_FAILED] = "an operation failed",
	};

	return why < MIG_NR_WHYS ? texts[why] : "";
}

const char *mig_state_text(uint32_t state)
{
	return state < CHUNK_NR_STATES ? chunk_facts[state].name : "";
}

bool mig_state_rests(uint32_t state)
{
	return state < CHUNK_NR_REST;
}
