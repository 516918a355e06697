// SPDX-License-Identifier: MIT
/*
 * Who lives in the fake world of migration: guests' programs, their requests,
 * vCPUs and jobs that access memory, and a worker that dies.
 */
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "migworld.h"

static void must(int ret)
{
	FAKE_ASSERT(!ret);
}

void world_obj(struct world *w, uint32_t obj, uint32_t nr, uint32_t flags)
{
	struct mig_event ev = { .type = MIG_EV_OBJ_ADD, .obj = obj, .nr = nr,
				.flags = flags };
	uint32_t page, i = 0;

	must(world_event(w, ev));
	w->obj_pages[obj] = nr;
	for (page = 0; page < nr; page += w->chunk[i].nr) {
		while (w->chunk[i].used)
			i++;
		FAKE_ASSERT(i < WORLD_CHUNKS);
		w->chunk[i] = (struct world_chunk){
			.used = true,
			.obj = obj,
			.first = page,
			.nr = mig_chunk_pages(nr, page),
			.access = MIG_ACCESS_WRITE,
		};
	}
}

void world_vm(struct world *w, uint32_t vm, uint32_t gpu, uint32_t flags)
{
	w->vm[vm] = (struct world_vm){ .open = true, .gpu = gpu,
				       .flags = flags };
	must(world_event(w, (struct mig_event){ .type = MIG_EV_VM_ADD,
						.vm = vm, .gpu = gpu,
						.flags = flags }));
}

void world_vm_close(struct world *w, uint32_t vm)
{
	unsigned int i;

	w->vm[vm].open = false;
	for (i = 0; i < WORLD_CHUNKS; i++) {
		w->chunk[i].map[vm] = MAP_NONE;
		w->chunk[i].uses[vm] = MIG_ACCESS_NONE;
	}
	must(world_event(w, (struct mig_event){ .type = MIG_EV_VM_DEL,
						.vm = vm }));
	w->vm[vm] = (struct world_vm){ .open = false };
}

void world_gpu_gone(struct world *w, uint32_t gpu)
{
	unsigned int i, vm;

	for (vm = 0; vm < WORLD_VMS; vm++) {
		if (!w->vm[vm].open || w->vm[vm].gpu != gpu)
			continue;
		w->vm[vm].stuck = true;
		w->vm[vm].stopped = true;
		for (i = 0; i < WORLD_CHUNKS; i++)
			w->chunk[i].map[vm] = MAP_NONE;
	}
	must(world_event(w, (struct mig_event){ .type = MIG_EV_GPU_GONE,
						.gpu = gpu }));
}

static struct world_ask *ask_new(struct world *w)
{
	unsigned int i = 0;

	while (i < WORLD_ASKS && w->ask[i].used)
		i++;
	FAKE_ASSERT(i < WORLD_ASKS);
	w->ask[i] = (struct world_ask){ .used = true,
					.token = w->next_token++ };
	return &w->ask[i];
}

static void ask_send(struct world *w, const struct world_ask *a)
{
	must(world_event(w, (struct mig_event){
		.type = MIG_EV_ASK, .token = a->token, .kind = a->kind,
		.obj = a->obj, .first = a->first, .nr = a->nr, .vm = a->vm,
	}));
}

void world_map(struct world *w, uint32_t vm, uint32_t obj, uint32_t first,
	       uint32_t nr, uint32_t access)
{
	struct world_ask *a = ask_new(w);

	a->kind = access == MIG_ACCESS_NONE ? MIG_ASK_REST : MIG_ASK_HOME;
	a->obj = obj;
	a->first = first;
	a->nr = nr;
	a->vm = vm;
	a->access = access;
	ask_send(w, a);
}

void world_release(struct world *w, uint32_t obj, bool discard)
{
	struct world_ask *a = ask_new(w);
	unsigned int i;

	a->kind = MIG_ASK_RELEASE;
	a->obj = obj;
	a->nr = w->obj_pages[obj];
	for (i = 0; discard && i < WORLD_CHUNKS; i++)
		if (w->chunk[i].used && w->chunk[i].obj == obj)
			w->chunk[i].discarded = true;
	if (discard)
		must(world_event(w, (struct mig_event){
			.type = MIG_EV_DISCARD, .obj = obj, .nr = a->nr }));
	ask_send(w, a);
}

void world_exec(struct world *w, uint32_t vm)
{
	struct world_ask *a = ask_new(w);

	a->kind = MIG_ASK_EXEC;
	a->vm = vm;
	ask_send(w, a);
}

void world_job_end(struct world *w, uint32_t vm)
{
	FAKE_ASSERT(w->vm[vm].jobs);
	w->vm[vm].jobs--;
	must(world_event(w, (struct mig_event){ .type = MIG_EV_JOB_END,
						.vm = vm }));
}

int world_move(struct world *w, uint32_t obj, uint32_t first, uint32_t nr,
	       uint32_t place, uint32_t gpu)
{
	return world_event(w, (struct mig_event){
		.type = MIG_EV_MOVE, .obj = obj, .first = first, .nr = nr,
		.place = place, .gpu = gpu });
}

/* Whole chunks, as the engine sees them. */
static void bind_chunks(struct world *w, const struct world_ask *a)
{
	uint32_t page = a->first;

	while (page < a->first + a->nr) {
		struct world_chunk *c = world_chunk(w, a->obj, page);

		c->uses[a->vm] = (uint8_t)a->access;
		c->map[a->vm] = a->access ? MAP_HOME : MAP_NONE;
		page = c->first + c->nr;
	}
	must(world_event(w, (struct mig_event){
		.type = MIG_EV_USES, .obj = a->obj, .first = a->first,
		.nr = a->nr, .vm = a->vm, .access = a->access }));
}

static void let_go(struct world *w, uint32_t token)
{
	must(world_event(w, (struct mig_event){ .type = MIG_EV_LET_GO,
						.token = token }));
}

/*
 * A copy that was given up may go on after its object is no more: an importer
 * keeps its pages. Its slot may be another object's by then.
 */
static void copies_orphan(struct world *w, uint32_t obj)
{
	unsigned int i;

	for (i = 0; i < w->nr_pending; i++)
		if (w->pending[i].given_up && w->pending[i].op.obj == obj)
			w->pending[i].taken = true;
}

/* The object is unbound everywhere, then it is no more. */
static void release_object(struct world *w, const struct world_ask *a)
{
	struct world_ask unbind = *a;
	unsigned int i;

	unbind.access = MIG_ACCESS_NONE;
	for (unbind.vm = 0; unbind.vm < WORLD_VMS; unbind.vm++)
		if (w->vm[unbind.vm].open)
			bind_chunks(w, &unbind);
	must(world_event(w, (struct mig_event){ .type = MIG_EV_OBJ_DEL,
						.obj = a->obj }));
	w->obj_pages[a->obj] = 0;
	copies_orphan(w, a->obj);
	for (i = 0; i < WORLD_CHUNKS; i++) {
		struct world_chunk *c = &w->chunk[i];

		if (!c->used || c->obj != a->obj)
			continue;
		FAKE_ASSERT(c->access == MIG_ACCESS_WRITE && !c->vram);
		FAKE_ASSERT(c->home == c->newest || c->lost || c->discarded);
		c->used = false;
	}
}

/* A LOST chunk cannot be mapped; the request core refuses the bind. */
static bool range_lost(struct world *w, const struct world_ask *a)
{
	uint32_t page = a->first;

	while (page < a->first + a->nr) {
		struct world_chunk *c = world_chunk(w, a->obj, page);

		if (world_state(w, a->obj, page) == CHUNK_LOST)
			return true;
		page = c->first + c->nr;
	}
	return false;
}

void world_ask_answer(struct world *w, uint32_t i)
{
	struct world_ask a = w->ask[i];

	w->ask[i].used = false;
	if (a.kind == MIG_ASK_RELEASE) {
		release_object(w, &a);
		return;
	}
	if (w->vm[a.vm].open &&
	    (a.access == MIG_ACCESS_NONE || !range_lost(w, &a)))
		bind_chunks(w, &a);
	let_go(w, a.token);
}

void world_guest(struct world *w, struct world_chunk *c, bool write)
{
	uint8_t need = write ? MIG_ACCESS_WRITE : MIG_ACCESS_READ;

	if (c->access < need) {
		c->asleep = true;
		must(world_event(w, (struct mig_event){
			.type = MIG_EV_WANT, .obj = c->obj,
			.first = c->first + c->nr - 1 }));
		return;
	}
	if (!c->lost && !c->discarded)
		FAKE_ASSERT(c->home == c->newest);
	w->reads++;
	if (write)
		c->home = ++c->newest;
}

void world_gpu(struct world *w, struct world_chunk *c, uint32_t vm)
{
	struct world_vm *v = &w->vm[vm];
	uint64_t *copy = c->map[vm] == MAP_VRAM ? &c->copy : &c->home;

	if (!v->open || v->stopped || !v->jobs || !c->uses[vm])
		return;
	if (c->map[vm] == MAP_NONE) {
		FAKE_ASSERT(c->lost || w->failures);
		return;
	}
	FAKE_ASSERT(c->map[vm] != MAP_VRAM || c->vram);
	if (c->lost || c->discarded)
		return;
	FAKE_ASSERT(*copy == c->newest);
	w->reads++;
	if (c->uses[vm] == MIG_ACCESS_WRITE)
		*copy = ++c->newest;
}

void world_touch_all(struct world *w)
{
	unsigned int i, vm;

	for (i = 0; i < WORLD_CHUNKS; i++) {
		struct world_chunk *c = &w->chunk[i];

		if (!c->used)
			continue;
		if (c->access >= MIG_ACCESS_READ)
			world_guest(w, c, c->access == MIG_ACCESS_WRITE);
		for (vm = 0; vm < WORLD_VMS; vm++)
			world_gpu(w, c, vm);
	}
}

/* VRAM that no record claims is freed; who sleeps is found by a query. */
static void recover_chunks(struct world *w)
{
	unsigned int i;

	for (i = 0; i < WORLD_CHUNKS; i++) {
		struct world_chunk *c = &w->chunk[i];
		uint32_t slot;

		if (!c->used)
			continue;
		slot = mig_chunk_find(w->mig, c->obj, c->first);
		if (!w->mig->chunk[slot].vram && !mig_noted(w->mig, slot))
			c->vram = false;
		if (c->asleep)
			must(world_event(w, (struct mig_event){
				.type = MIG_EV_WANT, .obj = c->obj,
				.first = c->first }));
	}
}

/* Jobs whose start was recorded and did not happen. */
static void recover_jobs(struct world *w)
{
	uint32_t vm;

	for (vm = 0; vm < WORLD_VMS; vm++)
		while (w->vm[vm].open &&
		       w->mig->vm[vm].jobs > w->vm[vm].jobs)
			must(world_event(w, (struct mig_event){
				.type = MIG_EV_JOB_END, .vm = vm }));
}

/* What writes home frames for ever may do so: they must count as lost. */
static void left_copies_write(struct world *w, const struct world_op *ops,
			      unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct world_chunk *c = world_chunk(w, ops[i].op.obj,
						    ops[i].op.first);

		if (!c || ops[i].op.type != MIG_OP_COPY || ops[i].taken ||
		    ops[i].op.flags & (MIG_OP_VRAM | MIG_OP_CPU))
			continue;
		FAKE_ASSERT(c->lost);
		c->home = GARBAGE;
	}
}

void world_crash(struct world *w, struct source *src)
{
	struct world_op left[WORLD_PENDING];
	unsigned int i, nr = w->nr_pending;

	for (i = 0; i < w->nr_pending; i++)
		if (source_below(src, 2))
			world_op_effect(w, &w->pending[i],
					source_below(src, 4) > 0);
	memcpy(left, w->pending, sizeof(left));
	w->left_copies = w->hangs && w->copies_deaf;
	world_restart(w);
	if (w->left_copies)
		left_copies_write(w, left, nr);
	for (i = 0; i < WORLD_ASKS; i++)
		if (w->ask[i].used) {
			w->ask[i].ready = false;
			ask_send(w, &w->ask[i]);
		}
	recover_jobs(w);
	recover_chunks(w);
}
