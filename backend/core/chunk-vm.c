// SPDX-License-Identifier: MIT
/*
 * Stops VMs for chunks. A VM is stopped while at least one chunk holds it, so
 * chunks that move together share one stop. All STOPs of a chunk become due at
 * once and are emitted before any op that waits: the stops of several GPUs
 * overlap in time. Single-threaded.
 */
#include <errno.h>

#include "chunk.h"

uint64_t mig_vms_gone(const struct mig *mig, uint64_t vms)
{
	uint64_t found = 0;
	uint32_t vm;

	for_each_vm(vm, vms)
		if (mig->vm[vm].dead)
			found |= vm_bit(vm);
	return found;
}

uint64_t mig_vms_dead(const struct mig *mig, uint64_t vms)
{
	uint64_t found = 0;
	uint32_t vm;

	for_each_vm(vm, vms)
		if (mig->vm[vm].dead || mig->vm[vm].wedged)
			found |= vm_bit(vm);
	return found;
}

uint64_t mig_vms_stubborn(const struct mig *mig, uint64_t vms)
{
	uint64_t found = 0;
	uint32_t vm;

	vms &= ~mig_vms_dead(mig, vms);
	for_each_vm(vm, vms)
		if (!mig->vm[vm].flags)
			found |= vm_bit(vm);
	return found;
}

bool mig_vm_is_stopped(const struct mig *mig, uint32_t vm)
{
	const struct mig_vm *v = &mig->vm[vm];

	/* One that cannot be stopped is asked only when it has no job. */
	return v->dead || v->wedged || v->state == MIG_VM_STOPPED ||
	       (!v->flags && !v->jobs);
}

uint64_t mig_vms_reach(const struct mig *mig, uint64_t vms, uint32_t gpu)
{
	uint64_t found = 0;
	uint32_t vm;

	vms &= ~mig_vms_dead(mig, vms);
	for_each_vm(vm, vms)
		if (mig->vm[vm].gpu == gpu)
			found |= vm_bit(vm);
	return found;
}

static void vm_hold(struct mig *mig, uint32_t vm)
{
	struct mig_vm *v = &mig->vm[vm];

	if (v->holders++)
		return;
	if (mig->resume_due & vm_bit(vm)) {
		mig->resume_due &= ~vm_bit(vm);
	} else if (v->flags && !v->dead && !v->wedged) {
		v->state = MIG_VM_STOPPING;
		v->stop_id = ++mig->next_stop;
		mig->stop_due |= vm_bit(vm);
	}
}

static void vm_let_go(struct mig *mig, uint32_t vm)
{
	struct mig_vm *v = &mig->vm[vm];

	v->leaving = --v->holders;
	if (v->holders || v->state == MIG_VM_RUNNING || v->wedged)
		return;
	if ((mig->stop_due | mig->stop_failed) & vm_bit(vm)) {
		mig->stop_due &= ~vm_bit(vm);
		mig->stop_failed &= ~vm_bit(vm);
		v->state = MIG_VM_RUNNING;
	} else {
		mig->resume_due |= vm_bit(vm);
	}
}

void chunk_stop(struct mig *mig, struct chunk *chunk, uint64_t vms)
{
	uint32_t vm;

	vms &= ~chunk->stopping;
	chunk->stopping |= vms;
	for_each_vm(vm, vms)
		vm_hold(mig, vm);
}

bool chunk_stopped(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t vms = chunk->stopping;
	uint32_t vm;

	/* Its VRAM waits for those alone that can reach it. */
	if (chunk->state == CHUNK_LOST)
		vms &= chunk->at_vram;
	for_each_vm(vm, vms)
		if (!mig_vm_is_stopped(mig, vm))
			return false;
	return true;
}

void chunk_kill(struct mig *mig, struct chunk *chunk)
{
	uint64_t vms = chunk->stopping;
	uint32_t vm;

	for_each_vm(vm, vms)
		if (mig->vm[vm].flags & MIG_VM_KILL &&
		    !mig_vm_is_stopped(mig, vm))
			mig->kill_due |= vm_bit(vm);
	chunk->killed = true;
}

/* What a VM can reach depends on the VM too. */
static void chunks_recount(struct mig *mig)
{
	uint32_t slot;

	for (slot = 0; slot < mig->chunk_pool.fresh; slot++)
		if (mig->chunk[slot].used)
			chunk_changed(mig, slot);
}

void chunk_wedge(struct mig *mig, struct chunk *chunk)
{
	uint64_t vms = chunk->at_vram;
	uint32_t vm;

	mig->close_due |= vms;
	mig->vm_journal |= vms;
	mig_execs_fail(mig, vms);
	for_each_vm(vm, vms)
		mig->vm[vm].wedged = true;
	chunks_recount(mig);
}

void chunk_resume(struct mig *mig, struct chunk *chunk, uint64_t vms)
{
	uint32_t vm;

	vms &= chunk->stopping;
	chunk->stopping &= ~vms;
	for_each_vm(vm, vms)
		vm_let_go(mig, vm);
}

static bool chunk_waits_stop(const struct chunk *chunk)
{
	return chunk->state == CHUNK_STOPPING ||
	       chunk->state == CHUNK_STOPPING_HOME ||
	       (chunk->state == CHUNK_LOST && chunk->vram);
}

static void vm_tell_chunk(struct mig *mig, uint32_t vm, uint32_t slot)
{
	const struct chunk *chunk = &mig->chunk[slot];

	if (chunk->used && chunk->stopping & vm_bit(vm) &&
	    chunk_waits_stop(chunk) && chunk_stopped(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_STOPPED);
}

/*
 * Each chunk that waits for this stop may go on. A want waits here, so only
 * chunks that move are looked at, unless a lost one still has VRAM.
 */
static void vm_tell_chunks(struct mig *mig, uint32_t vm)
{
	uint32_t slot = mig->active.first;

	while (slot != NONE) {
		uint32_t next = mig->chunk[slot].links[LIST_ACTIVE].next;

		vm_tell_chunk(mig, vm, slot);
		slot = next;
	}
	for (slot = 0; mig->lost_vram && slot < mig->chunk_pool.fresh; slot++)
		vm_tell_chunk(mig, vm, slot);
}

void mig_vm_idle(struct mig *mig, uint32_t vm)
{
	if (mig_vm_is_stopped(mig, vm))
		vm_tell_chunks(mig, vm);
}

int mig_vm_stopped(struct mig *mig, const struct mig_event *ev)
{
	struct mig_vm *v;

	if (ev->vm >= MIG_MAX_VMS || !mig->vm[ev->vm].used)
		return -EINVAL;
	v = &mig->vm[ev->vm];
	/* A stop that was taken back, or of an earlier life, says nothing. */
	if (ev->id != v->stop_id || v->state != MIG_VM_STOPPING ||
	    mig->stop_due & vm_bit(ev->vm))
		return 0;
	if (ev->status != MIG_OK) {
		mig->stop_failed |= vm_bit(ev->vm);
		mig->stop_again = mig->now + mig->settings.poll_ms;
		return 0;
	}
	v->state = MIG_VM_STOPPED;
	vm_tell_chunks(mig, ev->vm);
	return 0;
}

void mig_stops_again(struct mig *mig)
{
	uint64_t vms = mig->stop_failed;
	uint32_t vm;

	if (mig->now < mig->stop_again)
		return;
	mig->stop_failed = 0;
	vms &= ~mig_vms_dead(mig, vms);
	for_each_vm(vm, vms) {
		mig->vm[vm].stop_id = ++mig->next_stop;
		mig->stop_due |= vm_bit(vm);
	}
}

int mig_vm_add(struct mig *mig, const struct mig_event *ev)
{
	if (ev->vm >= MIG_MAX_VMS || ev->gpu >= MIG_MAX_GPUS ||
	    mig->vm[ev->vm].used ||
	    ev->flags & ~(MIG_VM_PREEMPT | MIG_VM_KILL))
		return -EINVAL;
	mig->vm[ev->vm] = (struct mig_vm){
		.used = true,
		.dead = mig->gpus_gone >> ev->gpu & 1,
		.gpu = (uint8_t)ev->gpu,
		.flags = ev->flags,
		.asks = NONE,
		.stop_id = mig->next_stop,
	};
	mig->vm_journal |= vm_bit(ev->vm);
	return 0;
}

/* One chunk loses a user, with all that it mapped. */
static void chunk_drop_vm(struct mig *mig, uint32_t slot, uint32_t vm)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint64_t keep = ~vm_bit(vm);
	bool stale = chunk->at_vram & ~keep;

	chunk_resume(mig, chunk, ~keep);
	chunk->users &= keep;
	chunk->writers &= keep;
	chunk->at_home &= keep;
	chunk->at_vram &= keep;
	chunk_changed(mig, slot);
	if (stale && chunk->state == CHUNK_HOME)
		chunk_free_vram(mig, slot);
	if (chunk_waits_stop(chunk) && chunk_stopped(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_STOPPED);
	else if (stale && chunk_at_rest(chunk))
		chunk_rested(mig, slot);
}

static void chunks_drop_vm(struct mig *mig, uint32_t vm)
{
	uint32_t slot;

	for (slot = 0; slot < mig->chunk_pool.fresh; slot++) {
		const struct chunk *chunk = &mig->chunk[slot];
		uint64_t all = chunk->users | chunk->at_home | chunk->at_vram |
			       chunk->stopping;

		if (chunk->used && all & vm_bit(vm))
			chunk_drop_vm(mig, slot, vm);
	}
}

int mig_vm_del(struct mig *mig, const struct mig_event *ev)
{
	if (ev->vm >= MIG_MAX_VMS || !mig->vm[ev->vm].used)
		return -EINVAL;
	/* Nothing of it runs any more, and nothing of it is resumed. */
	mig->vm[ev->vm].dead = true;
	mig_vm_asks_fail(mig, ev->vm);
	chunks_drop_vm(mig, ev->vm);
	mig->vm[ev->vm].used = false;
	mig->stop_due &= ~vm_bit(ev->vm);
	mig->stop_failed &= ~vm_bit(ev->vm);
	mig->kill_due &= ~vm_bit(ev->vm);
	mig->close_due &= ~vm_bit(ev->vm);
	mig->resume_due &= ~vm_bit(ev->vm);
	mig->vm_journal |= vm_bit(ev->vm);
	return 0;
}

/* What is on a GPU that is gone cannot be reached; a copy at home can. */
static void chunk_gpu_gone(struct mig *mig, uint32_t slot, uint32_t gpu)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint64_t all = chunk->users | chunk->at_home | chunk->at_vram;
	uint64_t keep = ~mig_vms_gone(mig, all);

	chunk->at_home &= keep;
	chunk->at_vram &= keep;
	chunk_changed(mig, slot);
	if (chunk->vram && chunk->gpu == gpu && chunk->state != CHUNK_LOST) {
		if (chunk->clean)
			chunk_wanted(mig, slot);
		else
			chunk_gone(mig, slot);
	}
	if (chunk_waits_stop(chunk) && chunk_stopped(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_STOPPED);
}

int mig_gpu_gone(struct mig *mig, const struct mig_event *ev)
{
	uint32_t i;

	if (ev->gpu >= MIG_MAX_GPUS)
		return -EINVAL;
	mig->gpus_gone |= 1U << ev->gpu;
	for (i = 0; i < MIG_MAX_VMS; i++)
		if (mig->vm[i].used && mig->vm[i].gpu == ev->gpu)
			mig->vm[i].dead = true;
	for (i = 0; i < mig->chunk_pool.fresh; i++)
		if (mig->chunk[i].used)
			chunk_gpu_gone(mig, i, ev->gpu);
	return 0;
}

static bool vm_op(struct mig_op *op, uint64_t *due, enum mig_op_type type)
{
	op->type = type;
	op->vm = (uint32_t)__builtin_ctzll(*due);
	*due &= *due - 1;
	return true;
}

bool mig_vm_emit(struct mig *mig, struct mig_op *op)
{
	if (mig->stop_due) {
		vm_op(op, &mig->stop_due, MIG_OP_STOP);
		op->id = mig->vm[op->vm].stop_id;
		mig->stats.stops++;
		return true;
	}
	if (mig->kill_due) {
		mig->stats.kills++;
		return vm_op(op, &mig->kill_due, MIG_OP_KILL);
	}
	if (mig->copies_due) {
		op->type = MIG_OP_KILL_COPIES;
		op->gpu = (uint32_t)__builtin_ctz(mig->copies_due);
		mig->copies_due &= mig->copies_due - 1;
		mig->stats.copy_kills++;
		return true;
	}
	if (mig->close_due)
		return vm_op(op, &mig->close_due, MIG_OP_CLOSE);
	if (!mig->resume_due)
		return false;
	vm_op(op, &mig->resume_due, MIG_OP_RESUME);
	mig->vm[op->vm].state = MIG_VM_RUNNING;
	mig->vm[op->vm].resumed = mig->now;
	return true;
}
