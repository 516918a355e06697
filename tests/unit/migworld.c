// SPDX-License-Identifier: MIT
/* The fake world of migration; see migworld.h. Single-threaded. */
#include "migworld.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

const struct mig_settings world_settings = {
	.policy = MIG_POLICY_MANUAL,
	.kill_ms = 100,
	.lost_ms = 1000,
	.drain_ms = 50,
	.poll_ms = 5,
	.stop_ms = 200,
	.copy_ms = 300,
	.run_ms = 10,
	.stay_ms = 50,
	.bounce_ms = 500,
	.hold_ms = 100,
	.hold_max_ms = 2000,
	.retry_ms = 100,
	.max_active = 16,
	.vram_page = 1,
	.vram_pages = 4096,
};

static void journal_write(struct world *w)
{
	uint8_t record[MIG_RECORD];
	uint32_t index;

	while (mig_journal_next(w->mig, &index, record)) {
		FAKE_ASSERT(index < mig_journal_records(&w->limits));
		memcpy(w->journal + (size_t)index * MIG_RECORD, record,
		       MIG_RECORD);
	}
}

static void world_engine(struct world *w)
{
	free(w->mem);
	w->mem = aligned_alloc(64, (mig_size(&w->limits) + 63) / 64 * 64);
	FAKE_ASSERT(w->mem);
	memset(w->mem, 0, mig_size(&w->limits));
	w->mig = mig_init(w->mem, &w->limits, &w->settings);
	FAKE_ASSERT(w->mig);
}

struct world *world_new(const struct mig_settings *settings)
{
	struct world *w = calloc(1, sizeof(*w));

	FAKE_ASSERT(w);
	w->limits = (struct mig_limits){
		.max_pages = 8192,
		.max_objects = WORLD_OBJS,
		.max_asks = WORLD_ASKS,
		.hash_seed = 7,
	};
	w->settings = settings ? *settings : world_settings;
	w->max_ops = 8;
	w->now = 1000;
	w->next_token = 1;
	w->op_hash = 14695981039346656037u;
	w->journal = calloc(mig_journal_records(&w->limits), MIG_RECORD);
	FAKE_ASSERT(w->journal);
	world_engine(w);
	return w;
}

void world_free(struct world *w)
{
	free(w->trace);
	free(w->journal);
	free(w->mem);
	free(w);
}

struct world_chunk *world_chunk(struct world *w, uint32_t obj, uint32_t page)
{
	unsigned int i;

	for (i = 0; i < WORLD_CHUNKS; i++) {
		struct world_chunk *c = &w->chunk[i];

		if (c->used && c->obj == obj && page >= c->first &&
		    page - c->first < c->nr)
			return c;
	}
	return NULL;
}

static struct world_chunk *op_chunk(struct world *w, const struct mig_op *op)
{
	struct world_chunk *c = world_chunk(w, op->obj, op->first);

	FAKE_ASSERT(c && c->first == op->first && c->nr == op->nr);
	return c;
}

static uint64_t *copy_source(struct world_chunk *c, const struct mig_op *op)
{
	return op->flags & MIG_OP_VRAM ? &c->home : &c->copy;
}

/* Invariant 3: nobody else may reach the chunk while it is copied. */
static void copy_begin(struct world *w, struct world_op *p)
{
	struct world_chunk *c = op_chunk(w, &p->op);
	unsigned int vm;

	FAKE_ASSERT(c->vram);
	FAKE_ASSERT(c->access != MIG_ACCESS_WRITE || c->lost);
	for (vm = 0; vm < WORLD_VMS; vm++)
		FAKE_ASSERT(w->vm[vm].stopped || !w->vm[vm].open ||
			    (!w->vm[vm].flags && !w->vm[vm].jobs) ||
			    c->map[vm] == MAP_NONE);
	p->source = *copy_source(c, &p->op);
}

static void copy_effect(struct world_chunk *c, const struct world_op *p,
			bool whole)
{
	uint64_t *to = p->op.flags & MIG_OP_VRAM ? &c->copy : &c->home;

	/* Its VRAM is nobody's any more, its home frames may be. */
	if (p->given_up) {
		FAKE_ASSERT(p->op.flags & MIG_OP_VRAM || c->lost);
		return;
	}
	FAKE_ASSERT(*copy_source(c, &p->op) == p->source || c->lost);
	*to = whole ? p->source : GARBAGE;
}

static void restore_effect(struct world_chunk *c, const struct mig_op *op)
{
	if (op->flags & MIG_OP_LOST) {
		c->lost = true;
		c->home = 0;
	}
	c->access = MIG_ACCESS_WRITE;
	c->asleep = false;
}

static void map_effect(struct world *w, struct world_chunk *c,
		       const struct mig_op *op, uint32_t to, bool whole)
{
	unsigned int vm;

	for (vm = 0; vm < WORLD_VMS; vm++) {
		/* A GPU that is gone maps nothing. */
		if (!(op->vms >> vm & 1) || !w->vm[vm].open ||
		    w->mig->vm[vm].dead)
			continue;
		if (to != MAP_NONE && !c->uses[vm])
			continue;
		if (to == MAP_VRAM)
			FAKE_ASSERT(w->vm[vm].gpu == op->gpu);
		c->map[vm] = (uint8_t)to;
		if (!whole)
			return;
	}
}

/* What the op does; one that fails does a part of it. */
void world_op_effect(struct world *w, struct world_op *p, bool whole)
{
	struct world_chunk *c;

	if (p->taken)
		return;
	p->taken = true;
	c = op_chunk(w, &p->op);
	switch (p->op.type) {
	case MIG_OP_ALLOC:
		c->vram |= whole;
		break;
	case MIG_OP_ARM:
		c->armed = whole;
		break;
	case MIG_OP_REVOKE:
		FAKE_ASSERT(c->armed);
		c->access = p->op.flags & MIG_OP_WRITES ? MIG_ACCESS_READ :
							  MIG_ACCESS_NONE;
		break;
	case MIG_OP_RESTORE:
		if (whole)
			restore_effect(c, &p->op);
		break;
	case MIG_OP_UNBIND:
		map_effect(w, c, &p->op, MAP_NONE, whole);
		break;
	case MIG_OP_BIND:
		map_effect(w, c, &p->op, p->op.flags & MIG_OP_VRAM ?
					 MAP_VRAM : MAP_HOME, whole);
		break;
	case MIG_OP_COPY:
		copy_effect(c, p, whole);
		break;
	default: /* QUERY has none, the rest is not answered */
		break;
	}
}

/* Mapped nowhere any more. */
static void free_vram(struct world *w, const struct mig_op *op)
{
	struct world_chunk *c = op_chunk(w, op);
	unsigned int vm;

	/* A new worker does not know whether an ALLOC was performed. */
	FAKE_ASSERT(c->vram || w->recovering);
	for (vm = 0; vm < WORLD_VMS; vm++)
		FAKE_ASSERT(!w->vm[vm].open || c->map[vm] != MAP_VRAM);
	c->vram = false;
}

static void op_ready(struct world *w, const struct mig_op *op)
{
	unsigned int i;

	w->nr_ready++;
	w->last_ready_status = op->status;
	for (i = 0; i < WORLD_ASKS; i++)
		if (w->ask[i].used && w->ask[i].token == op->token)
			break;
	FAKE_ASSERT(i < WORLD_ASKS && !w->ask[i].ready);
	w->ask[i].ready = true;
	if (w->ask[i].kind != MIG_ASK_EXEC)
		return;
	w->vm[w->ask[i].vm].jobs += op->status == MIG_OK;
	w->ask[i].used = false;
}

static void op_kill(struct world *w, uint32_t vm)
{
	w->vm[vm].stuck &= w->vm[vm].deaf;
	w->vm[vm].killed = !w->vm[vm].deaf;
}

bool world_is_hung(const struct world *w, const struct world_op *p)
{
	return w->hangs && p->op.type == MIG_OP_COPY &&
	       !(p->op.flags & MIG_OP_CPU) && !p->killed;
}

static void op_kill_copies(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_pending; i++)
		w->pending[i].killed |= world_is_hung(w, &w->pending[i]) &&
					!w->copies_deaf;
}

/* Ops without an answer act at once. */
static bool op_at_once(struct world *w, const struct mig_op *op)
{
	struct world_chunk *c;

	switch (op->type) {
	case MIG_OP_FREE:
		free_vram(w, op);
		return true;
	case MIG_OP_STOP:
		FAKE_ASSERT(w->vm[op->vm].open);
		w->vm[op->vm].stopping = true;
		w->vm[op->vm].stop_id = op->id;
		return true;
	case MIG_OP_KILL:
		op_kill(w, op->vm);
		return true;
	case MIG_OP_KILL_COPIES:
		op_kill_copies(w);
		return true;
	case MIG_OP_CLOSE:
		FAKE_ASSERT(w->failures);
		w->vm[op->vm].closing = true;
		return true;
	case MIG_OP_RESUME:
		w->vm[op->vm].stopping = false;
		w->vm[op->vm].stopped = false;
		return true;
	case MIG_OP_TELL:
		c = op_chunk(w, op);
		FAKE_ASSERT(w->losses);
		c->lost = true;
		/* What cannot be given back the module gives back in 5 s. */
		c->access = MIG_ACCESS_WRITE;
		c->asleep = false;
		return true;
	case MIG_OP_READY:
		op_ready(w, op);
		return true;
	default: /* is answered */
		return false;
	}
}

static void hash(struct world *w, const void *data, size_t size)
{
	const uint8_t *octet = data;

	while (size--)
		w->op_hash = (w->op_hash ^ *octet++) * 1099511628211u;
}

static void op_take(struct world *w, const struct mig_op *op)
{
	struct world_op *p = &w->pending[w->nr_pending];
	unsigned int i;

	w->ops_by_type[op->type]++;
	hash(w, op, sizeof(*op));
	if (op_at_once(w, op))
		return;
	/* One op of a chunk at a time, but for copies that were given up. */
	for (i = 0; i < w->nr_pending; i++) {
		struct world_op *other = &w->pending[i];

		FAKE_ASSERT(other->op.id != op->id);
		if (CHUNK_SLOT(other->op.id) != CHUNK_SLOT(op->id))
			continue;
		FAKE_ASSERT(other->op.type == MIG_OP_COPY &&
			    !(other->op.flags & MIG_OP_CPU));
		other->given_up = true;
	}
	FAKE_ASSERT(w->nr_pending < WORLD_PENDING);
	*p = (struct world_op){ .op = *op };
	w->nr_pending++;
	if (op->type == MIG_OP_COPY)
		copy_begin(w, p);
	/* A GPU that does not stop may see old data of it from here on. */
	if (op->type == MIG_OP_RESTORE &&
	    w->mig->chunk[CHUNK_SLOT(op->id)].state == CHUNK_LOSING) {
		FAKE_ASSERT(w->losses);
		op_chunk(w, op)->lost = true;
	}
}

/* What a person needs to see when an invariant is broken. */
void world_dump(const struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->mig->chunk_pool.fresh; i++) {
		const struct chunk *c = &w->mig->chunk[i];

		if (!c->used)
			continue;
		fprintf(stderr, "chunk %u: %u+%u %s why %u wish %u guest %u holds %u users %llx writers %llx home %llx vram %llx stopping %llx bad %llx%s%s%s%s%s%s%s\n",
			i, c->obj, c->first, chunk_facts[c->state].name,
			c->why, c->wish, c->guest, c->holds, (unsigned long long)c->users,
			(unsigned long long)c->writers,
			(unsigned long long)c->at_home,
			(unsigned long long)c->at_vram,
			(unsigned long long)c->stopping,
			(unsigned long long)c->bad, c->shared ? " shared" : "",
			c->clean ? " clean" : "", c->back ? " back" : "",
			c->hurry ? " hurry" : "", c->marked ? " marked" : "",
			c->emitted ? " emitted" : "",
			c->on[LIST_DUE] ? " due" : "");
	}
	for (i = 0; i < WORLD_VMS; i++)
		fprintf(stderr, "vm %u: used %d dead %d wedged %d state %u holders %u jobs %u bad %u flags %u gpu %u\n",
			i, w->mig->vm[i].used, w->mig->vm[i].dead,
			w->mig->vm[i].wedged, w->mig->vm[i].state,
			w->mig->vm[i].holders, w->mig->vm[i].jobs,
			w->mig->vm[i].bad, w->mig->vm[i].flags,
			w->mig->vm[i].gpu);
}

/* Where the engine counts a chunk at home as mapped, it is. */
static bool home_is_mapped(const struct world *w, const struct world_chunk *c)
{
	uint32_t slot = mig_chunk_find(w->mig, c->obj, c->first), vm;
	const struct chunk *chunk = &w->mig->chunk[slot];

	if (slot == POOL_NONE || chunk->state != CHUNK_HOME)
		return true;
	for (vm = 0; vm < WORLD_VMS; vm++)
		if (w->vm[vm].open && c->uses[vm] && !w->mig->vm[vm].dead &&
		    chunk->users & chunk->at_home & vm_bit(vm) &&
		    c->map[vm] != MAP_HOME)
			return false;
	return true;
}

static void check(struct world *w)
{
	int broken = mig_check(w->mig);
	uint32_t i;

	for (i = 0; i < WORLD_CHUNKS; i++)
		FAKE_ASSERT(!w->chunk[i].used ||
			    home_is_mapped(w, &w->chunk[i]));
	if (broken) {
		fprintf(stderr, "invariant %d is broken\n", broken);
		world_dump(w);
	}
	FAKE_ASSERT(!broken);
}

static void trace_add(struct world *w, const struct mig_event *ev)
{
	if (!w->trace)
		w->trace = malloc(WORLD_TRACE * sizeof(*w->trace));
	FAKE_ASSERT(w->trace && w->nr_trace < WORLD_TRACE);
	mig_trace_encode(ev, w->trace[w->nr_trace++]);
}

/* The journal comes first: what it says may or may not have happened. */
static void ops_take(struct world *w, const struct mig_op *ops,
		     unsigned int nr)
{
	unsigned int i;

	check(w);
	journal_write(w);
	for (i = 0; i < nr && !w->cut; i++) {
		op_take(w, &ops[i]);
		if (w->cut_after)
			w->cut = !--w->cut_after;
	}
}

int world_event(struct world *w, struct mig_event ev)
{
	const struct mig_event *next = &ev;
	struct mig_op ops[16];
	unsigned int nr;
	int ret;

	if (w->cut)
		return 0;
	ev.now = w->now;
	ev.us = w->no_us ? 0 : w->now * 1000 + ++w->nr_events;
	if (w->keep_trace)
		trace_add(w, &ev);
	do {
		ret = mig_step(w->mig, next, ops, w->max_ops, &nr);
		ops_take(w, ops, nr);
		next = NULL;
	} while (ret == 1 && !w->cut);
	return ret;
}

void world_restart(struct world *w)
{
	struct mig_op ops[16];
	unsigned int nr;
	int ret;

	w->nr_pending = 0;
	w->cut = false;
	w->cut_after = 0;
	world_engine(w);
	w->recovering = true;
	FAKE_ASSERT(!mig_recover(w->mig, w->journal, w->now, w->left_copies));
	do {
		ret = mig_step(w->mig, NULL, ops, w->max_ops, &nr);
		ops_take(w, ops, nr);
	} while (ret == 1);
	w->recovering = false;
}

static void must(int ret)
{
	FAKE_ASSERT(!ret);
}

void world_effect(struct world *w, unsigned int place)
{
	world_op_effect(w, &w->pending[place], true);
}

void world_complete(struct world *w, unsigned int place, uint32_t status)
{
	struct mig_event ev = { .type = MIG_EV_DONE };

	if (++w->nr_answered == w->fail_at)
		status = w->fail_status;
	if (w->pending[place].killed)
		status = MIG_FAILED;
	w->failures |= status != MIG_OK;
	world_op_effect(w, &w->pending[place], status == MIG_OK);
	ev.id = w->pending[place].op.id;
	ev.status = status;
	if (w->pending[place].op.type == MIG_OP_QUERY)
		ev.extra_refs = w->extra_refs;
	if (w->pending[place].op.type == MIG_OP_REVOKE && w->revoke_counts) {
		ev.flags = MIG_DONE_REFS;
		ev.extra_refs = w->extra_refs;
	}
	w->nr_pending--;
	memmove(&w->pending[place], &w->pending[place + 1],
		(w->nr_pending - place) * sizeof(w->pending[0]));
	must(world_event(w, ev));
}

uint32_t world_state(struct world *w, uint32_t obj, uint32_t page)
{
	struct mig_chunk_info info;

	must(mig_chunk_get(w->mig, obj, page, &info));
	return info.state;
}

uint32_t world_why(struct world *w, uint32_t obj, uint32_t page)
{
	struct mig_chunk_info info;

	must(mig_chunk_get(w->mig, obj, page, &info));
	return info.why;
}
