// SPDX-License-Identifier: MIT
/*
 * Asks of the request core: chunks are brought where it needs them and kept
 * there until it lets go. An ask holds a chunk from the moment at which it is
 * at rest in a fitting place, so what an ask has it keeps, and asks that want
 * the same chunk share it. Nobody is killed for an ask: it waits for jobs as
 * long as they run. EXEC asks wait until their VM can reach all that it maps.
 * Single-threaded.
 */
#include <errno.h>

#include "chunk.h"

static bool is_exec(const struct mig_asked *ask)
{
	return ask->kind == MIG_ASK_EXEC;
}

static bool ask_covers(const struct mig_asked *ask, const struct chunk *chunk)
{
	return chunk->first < ask->first + ask->nr &&
	       chunk->first + chunk->nr > ask->first;
}

/* Is the chunk, at rest, where the ask needs it? */
static bool ask_fits(const struct mig_asked *ask, const struct chunk *chunk)
{
	if (chunk->state == CHUNK_LOST)
		return !chunk->at_vram;
	if (chunk->state == CHUNK_HOME)
		return !chunk->at_vram || ask->kind == MIG_ASK_HOME ||
		       ask->kind == MIG_ASK_REST;
	return ask->kind == MIG_ASK_REST;
}

static void ask_ready(struct mig *mig, uint32_t id)
{
	struct mig_asked *ask = &mig->ask[id];

	ask->ready = true;
	ask->ready_next = NONE;
	if (mig->ready_first == NONE)
		mig->ready_first = id;
	else
		mig->ask[mig->ready_last].ready_next = id;
	mig->ready_last = id;
}

static void ask_hold(struct mig *mig, uint32_t id, struct chunk *chunk)
{
	struct mig_asked *ask = &mig->ask[id];

	chunk->holds++;
	if (chunk->state == CHUNK_LOST)
		ask->status = MIG_FAILED;
	if (!--ask->pending)
		ask_ready(mig, id);
}

bool mig_asked_home(const struct mig *mig, uint32_t slot)
{
	const struct chunk *chunk = &mig->chunk[slot];
	uint32_t id = mig->obj[chunk->obj].asks;

	for (; id != NONE; id = mig->ask[id].next)
		if (mig->ask[id].kind != MIG_ASK_REST &&
		    ask_covers(&mig->ask[id], chunk))
			return true;
	return false;
}

/* No ask holds a chunk that has just come to rest. */
void mig_asks_hold(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];
	uint32_t id = mig->obj[chunk->obj].asks;

	if (chunk->holds)
		return;
	for (; id != NONE; id = mig->ask[id].next)
		if (ask_covers(&mig->ask[id], chunk) &&
		    ask_fits(&mig->ask[id], chunk))
			ask_hold(mig, id, chunk);
}

static uint32_t ask_alloc(struct mig *mig, const struct mig_event *ev)
{
	uint32_t id = pool_get(&mig->ask_pool);

	if (id == NONE)
		return NONE;
	mig->ask[id] = (struct mig_asked){
		.token = ev->token,
		.kind = ev->kind,
		.obj = ev->obj,
		.vm = ev->vm,
		.first = ev->first,
		.nr = ev->nr,
		.used = true,
	};
	idmap_insert(&mig->tokens, ev->token, id);
	return id;
}

static uint32_t *ask_list(struct mig *mig, const struct mig_asked *ask)
{
	return is_exec(ask) ? &mig->vm[ask->vm].asks :
			      &mig->obj[ask->obj].asks;
}

/* At the end: EXECs of a VM become ready in their order. */
static void ask_link(struct mig *mig, uint32_t id)
{
	uint32_t *at = ask_list(mig, &mig->ask[id]);

	while (*at != NONE)
		at = &mig->ask[*at].next;
	*at = id;
	mig->ask[id].next = NONE;
}

static void ask_unlink(struct mig *mig, uint32_t id)
{
	uint32_t *at = ask_list(mig, &mig->ask[id]);

	while (*at != id)
		at = &mig->ask[*at].next;
	*at = mig->ask[id].next;
}

static void ask_free(struct mig *mig, uint32_t id)
{
	idmap_remove(&mig->tokens, mig->ask[id].token);
	mig->ask[id].used = false;
	pool_put(&mig->ask_pool, id);
}

/* Hold what fits, send for the rest. */
static void ask_chunk(struct mig *mig, uint32_t id, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (!chunk_at_rest(chunk)) {
		if (mig->ask[id].kind != MIG_ASK_REST)
			chunk_event(mig, slot, CHUNK_EV_RETURN);
	} else if (!ask_fits(&mig->ask[id], chunk)) {
		chunk_rested(mig, slot);
	} else if (chunk->state == CHUNK_HOME || chunk->state == CHUNK_LOST ||
		   (!mig_asked_home(mig, slot) && !chunk->hurry)) {
		ask_hold(mig, id, chunk);
	}
}

static int ask_range(struct mig *mig, const struct mig_event *ev)
{
	uint32_t first = mig_range_first(mig, ev->obj, ev->first, ev->nr);
	uint32_t end = ev->first + ev->nr;
	uint32_t id, slot;

	if (first == NONE)
		return -EINVAL;
	id = ask_alloc(mig, ev);
	if (id == NONE)
		return -ENOSPC;
	for (slot = first; slot != NONE; slot = mig_range_next(mig, slot, end))
		mig->ask[id].pending++;
	ask_link(mig, id);
	for (slot = first; slot != NONE; slot = mig_range_next(mig, slot, end))
		ask_chunk(mig, id, slot);
	return 0;
}

bool mig_exec_waits(const struct mig *mig, uint64_t vms)
{
	uint32_t vm;

	for_each_vm(vm, vms)
		if (mig->vm[vm].asks != NONE)
			return true;
	return false;
}

/* The first EXEC of a VM has an end, good or bad. */
static void exec_end(struct mig *mig, uint32_t vm, enum mig_status status)
{
	struct mig_vm *v = &mig->vm[vm];
	uint32_t id = v->asks;

	v->asks = mig->ask[id].next;
	mig->ask[id].status = status;
	v->jobs += status == MIG_OK;
	mig->vm_journal |= vm_bit(vm);
	ask_ready(mig, id);
}

void mig_execs_go(struct mig *mig, uint32_t vm)
{
	while (mig->vm[vm].asks != NONE && !mig->vm[vm].bad)
		exec_end(mig, vm, MIG_OK);
}

void mig_vm_asks_fail(struct mig *mig, uint32_t vm)
{
	while (mig->vm[vm].asks != NONE)
		exec_end(mig, vm, MIG_FAILED);
}

void mig_execs_fail(struct mig *mig, uint64_t vms)
{
	uint32_t vm;

	for_each_vm(vm, vms)
		mig_vm_asks_fail(mig, vm);
}

static void exec_fetch(struct mig *mig, uint32_t vm)
{
	uint32_t slot;

	for (slot = 0; slot < mig->chunk_pool.fresh; slot++) {
		const struct chunk *chunk = &mig->chunk[slot];

		if (!chunk->used || !(chunk->bad & vm_bit(vm)))
			continue;
		if (chunk_at_rest(chunk))
			chunk_rested(mig, slot);
		else
			chunk_event(mig, slot, CHUNK_EV_RETURN);
	}
}

static int ask_exec(struct mig *mig, const struct mig_event *ev)
{
	uint32_t id;

	if (ev->vm >= MIG_MAX_VMS || !mig->vm[ev->vm].used)
		return -EINVAL;
	id = ask_alloc(mig, ev);
	if (id == NONE)
		return -ENOSPC;
	ask_link(mig, id);
	if (mig->vm[ev->vm].wedged) {
		mig_vm_asks_fail(mig, ev->vm);
		return 0;
	}
	mig->vm[ev->vm].last_exec = ++mig->execs;
	mig_execs_go(mig, ev->vm);
	if (mig->vm[ev->vm].bad)
		exec_fetch(mig, ev->vm);
	policy_kick(mig);
	return 0;
}

int mig_ask(struct mig *mig, const struct mig_event *ev)
{
	if (ev->kind > MIG_ASK_EXEC ||
	    idmap_find(&mig->tokens, ev->token) != IDMAP_NONE)
		return -EINVAL;
	return ev->kind == MIG_ASK_EXEC ? ask_exec(mig, ev) :
					  ask_range(mig, ev);
}

bool mig_released(const struct mig *mig, uint32_t obj)
{
	uint32_t id = mig->obj[obj].asks;
	const struct mig_asked *ask;

	if (id == NONE)
		return false;
	ask = &mig->ask[id];
	return ask->next == NONE && ask->ready && ask->ready_next == id &&
	       ask->kind == MIG_ASK_RELEASE;
}

void mig_release_end(struct mig *mig, uint32_t obj)
{
	ask_free(mig, mig->obj[obj].asks);
	mig->obj[obj].asks = NONE;
}

int mig_let_go(struct mig *mig, const struct mig_event *ev)
{
	uint32_t id = idmap_find(&mig->tokens, ev->token);
	struct mig_asked *ask;
	uint32_t slot, end, obj;

	if (id == IDMAP_NONE || !mig->ask[id].ready || is_exec(&mig->ask[id]))
		return -EINVAL;
	ask = &mig->ask[id];
	if (ask->ready_next != id)
		return -EINVAL;		/* READY was not given yet */
	obj = ask->obj;
	end = ask->first + ask->nr;
	ask_unlink(mig, id);
	slot = mig_range_first(mig, obj, ask->first, ask->nr);
	ask_free(mig, id);
	while (slot != NONE) {
		uint32_t next = mig_range_next(mig, slot, end);

		if (!--mig->chunk[slot].holds)
			chunk_rested(mig, slot);
		slot = next;
	}
	return 0;
}

int mig_job_end(struct mig *mig, const struct mig_event *ev)
{
	if (ev->vm >= MIG_MAX_VMS || !mig->vm[ev->vm].used ||
	    !mig->vm[ev->vm].jobs)
		return -EINVAL;
	mig->vm_journal |= vm_bit(ev->vm);
	if (!--mig->vm[ev->vm].jobs)
		mig_vm_idle(mig, ev->vm);
	policy_kick(mig);
	return 0;
}

bool mig_ask_emit(struct mig *mig, struct mig_op *op)
{
	uint32_t id = mig->ready_first;
	struct mig_asked *ask;

	if (id == NONE)
		return false;
	ask = &mig->ask[id];
	mig->ready_first = ask->ready_next;
	ask->ready_next = id;		/* given */
	op->type = MIG_OP_READY;
	op->token = ask->token;
	op->status = ask->status;
	if (is_exec(ask))
		ask_free(mig, id);
	return true;
}
