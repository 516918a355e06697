// SPDX-License-Identifier: MIT
/*
 * The journal: the state of every chunk and VM as records that outlive the
 * worker. Because records are written before the ops of a step are performed,
 * a new worker finds each chunk in the state in which the old one left it or
 * was about to; chunk-table.c says to which state that is taken back. Only
 * steps that may be repeated are between the two. Single-threaded.
 *
 * Record: little-endian; octet 0 kind, then as below. Unused octets are zero.
 */
#include <errno.h>
#include <string.h>

#include "chunk.h"
#include "octets.h"

enum record_kind { RECORD_NONE, RECORD_CHUNK, RECORD_VM };

enum record_flag {
	FLAG_SHARED	= 1 << 0,
	FLAG_CLEAN	= 1 << 1,
	FLAG_VRAM	= 1 << 2,
	FLAG_STAYS	= 1 << 3,
	FLAG_MARKED	= 1 << 4,
	FLAG_ADRIFT	= 1 << 5,
};

uint32_t mig_journal_records(const struct mig_limits *limits)
{
	return mig_max_chunks(limits) + MIG_MAX_VMS;
}

static uint8_t flags_of(const struct chunk *chunk)
{
	return (uint8_t)((chunk->shared ? FLAG_SHARED : 0) |
			 (chunk->clean ? FLAG_CLEAN : 0) |
			 (chunk->vram ? FLAG_VRAM : 0) |
			 (chunk->stays ? FLAG_STAYS : 0) |
			 (chunk->marked ? FLAG_MARKED : 0) |
			 (chunk->adrift ? FLAG_ADRIFT : 0));
}

static void chunk_encode(const struct mig *mig, uint32_t slot, uint8_t *rec)
{
	const struct chunk *chunk = &mig->chunk[slot];

	if (!chunk->used)
		return;
	rec[0] = RECORD_CHUNK;
	rec[1] = chunk->state;
	rec[2] = flags_of(chunk);
	rec[3] = chunk->gpu;
	rec[4] = chunk->advice;
	rec[5] = chunk->why;
	put_le(rec + 8, 4, chunk->obj);
	put_le(rec + 12, 4, chunk->first);
	put_le(rec + 16, 4, mig->obj[chunk->obj].nr_pages);
	put_le(rec + 20, 4, mig->obj[chunk->obj].flags);
	put_le(rec + 24, 8, chunk->users);
	put_le(rec + 32, 8, chunk->writers);
	put_le(rec + 40, 8, chunk->at_home);
	put_le(rec + 48, 8, chunk->at_vram);
	put_le(rec + 56, 8, chunk->hold_until);
	put_le(rec + 64, 8, chunk->arrived);
	put_le(rec + 72, 4, chunk->bounces);
	put_le(rec + 76, 4, chunk->moves);
}

static void vm_encode(const struct mig_vm *vm, uint8_t *rec)
{
	if (!vm->used)
		return;
	rec[0] = RECORD_VM;
	rec[1] = vm->gpu;
	rec[2] = vm->wedged;
	rec[3] = vm->dead;
	put_le(rec + 8, 4, vm->flags);
	put_le(rec + 12, 4, vm->jobs);
	put_le(rec + 16, 8, vm->last_exec);
}

bool mig_journal_next(struct mig *mig, uint32_t *index,
		      uint8_t record[MIG_RECORD])
{
	uint32_t slot = mig->journal.first;

	memset(record, 0, MIG_RECORD);
	if (slot != NONE) {
		chunk_list_del(mig, &mig->journal, LIST_JOURNAL, slot);
		chunk_encode(mig, slot, record);
		*index = slot;
		return true;
	}
	if (!mig->vm_journal)
		return false;
	slot = (uint32_t)__builtin_ctzll(mig->vm_journal);
	mig->vm_journal &= mig->vm_journal - 1;
	vm_encode(&mig->vm[slot], record);
	*index = mig->max_chunks + slot;
	return true;
}

static bool record_sound(const struct mig *mig, const uint8_t *rec)
{
	uint32_t obj = (uint32_t)get_le(rec + 8, 4);
	uint32_t first = (uint32_t)get_le(rec + 12, 4);

	if (rec[0] == RECORD_NONE)
		return true;
	return rec[0] == RECORD_CHUNK && rec[1] < CHUNK_NR_STATES &&
	       rec[1] != CHUNK_MAPPED && rec[1] != CHUNK_HOST &&
	       rec[3] < MIG_MAX_GPUS && rec[5] < MIG_NR_WHYS &&
	       obj < mig->limits.max_objects && first < get_le(rec + 16, 4) &&
	       !(get_le(rec + 20, 4) & ~(uint64_t)MIG_OBJ_READONLY);
}

static void object_recover(struct mig *mig, uint32_t obj, const uint8_t *rec)
{
	if (mig->obj[obj].used)
		return;
	mig->obj[obj] = (struct mig_object){
		.nr_pages = (uint32_t)get_le(rec + 16, 4),
		.flags = (uint32_t)get_le(rec + 20, 4),
		.chunks = NONE,
		.asks = NONE,
		.used = true,
	};
}

static void chunk_decode(struct mig *mig, struct chunk *chunk,
			 const uint8_t *rec)
{
	chunk->state = rec[1];
	chunk->shared = rec[2] & FLAG_SHARED;
	chunk->clean = rec[2] & FLAG_CLEAN;
	chunk->vram = rec[2] & FLAG_VRAM;
	chunk->stays = rec[2] & FLAG_STAYS;
	chunk->marked = rec[2] & FLAG_MARKED;
	chunk->adrift = rec[2] & FLAG_ADRIFT;
	chunk->gpu = rec[3];
	chunk->advice = rec[4];
	chunk->why = rec[5];
	chunk->users = get_le(rec + 24, 8);
	chunk->writers = get_le(rec + 32, 8);
	chunk->at_home = get_le(rec + 40, 8);
	chunk->at_vram = get_le(rec + 48, 8);
	chunk->hold_until = get_le(rec + 56, 8);
	chunk->arrived = get_le(rec + 64, 8);
	chunk->bounces = (uint32_t)get_le(rec + 72, 4);
	chunk->moves = (uint32_t)get_le(rec + 76, 4);
	mig->vram_used += chunk->vram ? chunk->nr : 0;
}

static int chunk_read(struct mig *mig, uint32_t slot, const uint8_t *rec)
{
	uint32_t obj = (uint32_t)get_le(rec + 8, 4);
	uint32_t first = (uint32_t)get_le(rec + 12, 4);

	if (!record_sound(mig, rec))
		return -EINVAL;
	if (rec[0] == RECORD_NONE)
		return 0;
	object_recover(mig, obj, rec);
	if (mig->obj[obj].nr_pages != get_le(rec + 16, 4) ||
	    mig_chunk_find(mig, obj, first) != NONE)
		return -EINVAL;
	mig_chunk_make(mig, slot, obj, first);
	chunk_decode(mig, &mig->chunk[slot], rec);
	return 0;
}

/* What the state of the record says about the guest's access. */
static uint8_t guest_access(const struct chunk *chunk)
{
	switch (chunk_facts[chunk->state].newest) {
	case NEWEST_VRAM:
		return MIG_ACCESS_NONE;
	case NEWEST_BOTH:
	case NEWEST_FLAG:
		return chunk->shared ? MIG_ACCESS_READ : MIG_ACCESS_NONE;
	}
	switch (chunk->state) {
	case CHUNK_UNBINDING:
	case CHUNK_COPYING_OUT:
		return chunk->shared ? MIG_ACCESS_READ : MIG_ACCESS_NONE;
	}
	return MIG_ACCESS_WRITE;
}

/*
 * What a bind that was under way has left is not known: of VRAM it counts as mapped,
 * since that has to be taken away, of home as not mapped, since that is bound anew.
 */
static void masks_recover(struct chunk *chunk, uint32_t was)
{
	if (was == CHUNK_BINDING_OUT)
		chunk->at_vram |= chunk->users;
	if (was == CHUNK_BINDING_HOME)
		chunk->at_home &= ~chunk->users;
}

static void chunk_resume_walk(struct mig *mig, uint32_t slot, bool copying)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint32_t was = chunk->state;
	uint32_t state = chunk_facts[was].recover;

	/* It would write over what the guest writes after a restore. */
	if (copying && was == CHUNK_COPYING_HOME)
		state = CHUNK_LOSING;

	chunk->guest = guest_access(chunk);
	masks_recover(chunk, was);
	chunk->state = CHUNK_HOME;
	chunk_enter(mig, slot, (enum chunk_state)state);
	chunk->stopping = 0;
	if (state == CHUNK_STOPPING_HOME) {
		/* With its VMs unbound it cannot stay where it was. */
		chunk->adrift |= was != CHUNK_STOPPING_HOME;
		chunk->hurry = chunk->adrift;
		chunk->hurried = mig->now;
		chunk_stop(mig, chunk, chunk->users | chunk->at_vram);
	}
	if (state == CHUNK_LOST) {
		chunk_note(mig, mig->tell_due, slot);
		mig->lost_vram += chunk->vram;
		chunk_stop(mig, chunk, chunk->at_vram);
	}
	if (state == CHUNK_HOME || state == CHUNK_RESTORING)
		chunk_stop(mig, chunk, chunk->at_vram);
	/* Those that map nothing of it go on when they do. */
	if (state == CHUNK_RESTORING || state == CHUNK_BINDING_HOME)
		chunk_stop(mig, chunk, chunk->users & ~chunk->at_home);
	chunk_changed(mig, slot);
}

/* With all VMs known and held: what need not wait goes on at once. */
static void chunk_go_on(struct mig *mig, uint32_t slot)
{
	const struct chunk *chunk = &mig->chunk[slot];
	bool waits = chunk->state == CHUNK_STOPPING_HOME ||
		     (chunk->state == CHUNK_LOST && chunk->vram);

	if (waits && chunk_stopped(mig, chunk))
		chunk_event(mig, slot, CHUNK_EV_STOPPED);
	else if (chunk->state == CHUNK_HOME)
		chunk_free_vram(mig, slot);
	if (chunk_at_rest(chunk))
		chunk_rested(mig, slot);
}

static int vm_read(struct mig *mig, uint32_t vm, const uint8_t *rec)
{
	if (rec[0] == RECORD_NONE)
		return 0;
	if (rec[0] != RECORD_VM || rec[1] >= MIG_MAX_GPUS ||
	    get_le(rec + 8, 4) & ~(uint64_t)(MIG_VM_PREEMPT | MIG_VM_KILL))
		return -EINVAL;
	mig->vm[vm] = (struct mig_vm){
		.used = true,
		.gpu = rec[1],
		.wedged = rec[2],
		.dead = rec[3],
		.flags = (uint32_t)get_le(rec + 8, 4),
		.jobs = (uint32_t)get_le(rec + 12, 4),
		.last_exec = get_le(rec + 16, 8),
		.asks = NONE,
	};
	if (mig->vm[vm].last_exec > mig->execs)
		mig->execs = mig->vm[vm].last_exec;
	mig->vm_journal |= vm_bit(vm);
	return 0;
}

/* Every object must be there as a whole, and name only VMs that are. */
static bool journal_whole(const struct mig *mig, uint64_t vms)
{
	uint32_t obj, slot;

	for (slot = 0; slot < mig->chunk_pool.fresh; slot++) {
		const struct chunk *chunk = &mig->chunk[slot];

		if (chunk->used && (chunk->users | chunk->writers |
				    chunk->at_home | chunk->at_vram) & ~vms)
			return false;
	}
	for (obj = 0; obj < mig->limits.max_objects; obj++) {
		uint64_t nr = 0;

		if (!mig->obj[obj].used)
			continue;
		slot = mig->obj[obj].chunks;
		for (; slot != NONE; slot = mig->chunk[slot].obj_next)
			nr += mig->chunk[slot].nr;
		if (nr != mig->obj[obj].nr_pages)
			return false;
	}
	return true;
}

/* The pool as it was: slots that no record names are free. */
static void pool_recover(struct mig *mig, const uint8_t *journal)
{
	struct pool *pool = &mig->chunk_pool;
	uint32_t slot;

	for (slot = 0; slot < mig->max_chunks; slot++)
		if (journal[(size_t)slot * MIG_RECORD])
			pool->fresh = slot + 1;
	pool->used = pool->fresh;
	for (slot = 0; slot < pool->fresh; slot++)
		if (!journal[(size_t)slot * MIG_RECORD])
			pool_put(pool, slot);
}

/* The old worker may have died before a RESUME: all run that nobody holds. */
static void vms_resume(struct mig *mig)
{
	uint32_t vm;

	for (vm = 0; vm < MIG_MAX_VMS; vm++) {
		struct mig_vm *v = &mig->vm[vm];

		if (v->used && v->wedged)
			mig->close_due |= vm_bit(vm);
		if (!v->used || v->dead || v->wedged || v->holders)
			continue;
		v->state = MIG_VM_STOPPED;
		mig->resume_due |= vm_bit(vm);
	}
}

int mig_recover(struct mig *mig, const uint8_t *journal, uint64_t now,
		bool copying)
{
	uint64_t vms = 0;
	uint32_t i;

	mig->now = now;
	mig->copies_stuck = copying;
	pool_recover(mig, journal);
	for (i = 0; i < MIG_MAX_VMS; i++) {
		if (vm_read(mig, i, journal + ((size_t)mig->max_chunks + i) *
					      MIG_RECORD))
			return -EINVAL;
		if (mig->vm[i].used)
			vms |= vm_bit(i);
	}
	for (i = 0; i < mig->chunk_pool.fresh; i++)
		if (chunk_read(mig, i, journal + (size_t)i * MIG_RECORD))
			return -EINVAL;
	if (!journal_whole(mig, vms))
		return -EINVAL;
	for (i = 0; i < mig->chunk_pool.fresh; i++)
		if (mig->chunk[i].used)
			chunk_resume_walk(mig, i, copying);
	vms_resume(mig);
	for (i = 0; i < mig->chunk_pool.fresh; i++)
		if (mig->chunk[i].used)
			chunk_go_on(mig, i);
	policy_kick(mig);
	policy_begin(mig);
	return 0;
}
