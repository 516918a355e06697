// SPDX-License-Identifier: MIT
/*
 * Random lives of migration, from random numbers or from a fuzzer's octets:
 * moves, wants, accesses, binds, jobs, failures, and workers that die.
 */
#include "fake.h"
#include "migworld.h"
#include "userptrif.h"

static bool one_in(struct source *src, uint32_t n)
{
	return source_below(src, n) == n - 1;
}

static uint32_t any_obj(struct world *w, struct source *src)
{
	uint32_t obj = source_below(src, WORLD_OBJS);

	return w->obj_pages[obj] ? obj : UINT32_MAX;
}

static struct world_chunk *any_chunk(struct world *w, struct source *src)
{
	uint32_t i, start = source_below(src, WORLD_CHUNKS);

	for (i = start; i < start + WORLD_CHUNKS; i++)
		if (w->chunk[i % WORLD_CHUNKS].used)
			return &w->chunk[i % WORLD_CHUNKS];
	return NULL;
}

/* Does a request of the guest hold or destroy this object already? */
static bool obj_asked(const struct world *w, uint32_t obj, bool release)
{
	unsigned int i;

	for (i = 0; i < WORLD_ASKS; i++)
		if (w->ask[i].used && w->ask[i].kind != MIG_ASK_EXEC &&
		    w->ask[i].obj == obj &&
		    (!release || w->ask[i].kind >= MIG_ASK_RELEASE))
			return true;
	return false;
}

static unsigned int asks_free(const struct world *w)
{
	unsigned int i, nr = 0;

	for (i = 0; i < WORLD_ASKS; i++)
		nr += !w->ask[i].used;
	return nr;
}

static void do_obj(struct world *w, struct source *src)
{
	static const uint32_t sizes[] = { 1, 3, 16, 18, 512, 530, 1040 };
	uint32_t obj = source_below(src, WORLD_OBJS);
	uint32_t nr = sizes[source_below(src, 7)];

	if (w->obj_pages[obj])
		return;
	world_obj(w, obj, nr, one_in(src, 4) ? MIG_OBJ_READONLY : 0);
	w->obj_readonly[obj] = w->mig->obj[obj].flags;
}

static void do_release(struct world *w, struct source *src)
{
	uint32_t obj = any_obj(w, src);

	if (obj == UINT32_MAX || obj_asked(w, obj, false) || !one_in(src, 8) ||
	    asks_free(w) < 2)
		return;
	world_release(w, obj, one_in(src, 4));
}

static void do_vm(struct world *w, struct source *src)
{
	static const uint32_t flags[] = {
		MIG_VM_KILL, 0,
		MIG_VM_PREEMPT | MIG_VM_KILL, MIG_VM_PREEMPT | MIG_VM_KILL,
		MIG_VM_PREEMPT | MIG_VM_KILL, MIG_VM_PREEMPT | MIG_VM_KILL,
	};
	uint32_t vm = source_below(src, WORLD_VMS);

	if (!w->vm[vm].open)
		world_vm(w, vm, one_in(src, 6), flags[source_below(src, 6)]);
	else if (one_in(src, 32))
		world_vm_close(w, vm);
}

static void do_map(struct world *w, struct source *src)
{
	uint32_t obj = any_obj(w, src), vm = source_below(src, WORLD_VMS);
	uint32_t access = source_below(src, 4);
	uint32_t first, nr;

	if (obj == UINT32_MAX || !w->vm[vm].open || obj_asked(w, obj, true) ||
	    asks_free(w) < WORLD_ASKS - 4)
		return;
	first = source_below(src, w->obj_pages[obj]);
	nr = 1 + source_below(src, w->obj_pages[obj] - first);
	if (access > MIG_ACCESS_WRITE)
		access = MIG_ACCESS_WRITE;
	if (w->obj_readonly[obj] && access == MIG_ACCESS_WRITE)
		access = MIG_ACCESS_READ;
	world_map(w, vm, obj, first, nr, access);
}

static void do_exec(struct world *w, struct source *src)
{
	uint32_t vm = source_below(src, WORLD_VMS);

	if (w->vm[vm].open && asks_free(w) > 2)
		world_exec(w, vm);
}

static void do_job_end(struct world *w, struct source *src)
{
	uint32_t vm = source_below(src, WORLD_VMS);

	uint32_t keep = source_below(src, 2);

	while (w->vm[vm].open && w->vm[vm].jobs > keep)
		world_job_end(w, vm);
}

static void do_move(struct world *w, struct source *src)
{
	uint32_t obj = any_obj(w, src), first, nr, place;
	int ret;

	if (obj == UINT32_MAX)
		return;
	first = source_below(src, w->obj_pages[obj]);
	nr = 1 + source_below(src, w->obj_pages[obj] - first);
	place = one_in(src, 3) ? MIG_PLACE_RAM : MIG_PLACE_VRAM;
	if (one_in(src, 32))
		place = MIG_PLACE_MAPPED + source_below(src, 2);
	ret = world_move(w, obj, first, nr, place, one_in(src, 6));
	FAKE_ASSERT(!ret == (place <= MIG_PLACE_VRAM));
}

static void do_advise(struct world *w, struct source *src)
{
	uint32_t obj = any_obj(w, src);
	struct mig_event ev = { .type = MIG_EV_ADVISE, .obj = obj };

	if (obj == UINT32_MAX)
		return;
	ev.nr = w->obj_pages[obj];
	ev.advice = source_below(src, XENUSERPTR_ADVICE_NEVER_MOVE);
	if (one_in(src, 8))
		ev.advice = XENUSERPTR_ADVICE_NEVER_MOVE;
	if (one_in(src, 64)) {
		ev.type = MIG_EV_ALIAS;
		ev.nr = 1;
	}
	FAKE_ASSERT(!world_event(w, ev));
}

static void do_guest(struct world *w, struct source *src)
{
	struct world_chunk *c = any_chunk(w, src);

	if (c)
		world_guest(w, c, source_below(src, 2));
}

static void do_gpu(struct world *w, struct source *src)
{
	struct world_chunk *c = any_chunk(w, src);

	if (c)
		world_gpu(w, c, source_below(src, WORLD_VMS));
}

static void complete_one(struct world *w, struct source *src)
{
	uint32_t place, status = MIG_OK;

	if (!w->nr_pending)
		return;
	place = source_below(src, w->nr_pending);
	if (w->hangs)
		place = world_endable(w);
	if (place == w->nr_pending)
		return;
	if (one_in(src, 8)) {
		world_effect(w, place);
		return;
	}
	if (w->losses && !w->pending[place].taken && one_in(src, 24))
		status = 1 + source_below(src, MIG_NOT_ALLOWED);
	w->extra_refs = one_in(src, 8);
	world_complete(w, place, status);
	w->extra_refs = 0;
}

static void do_complete(struct world *w, struct source *src)
{
	uint32_t nr = 1 + source_below(src, 6);

	while (nr--)
		complete_one(w, src);
}

static void do_stopped(struct world *w, struct source *src)
{
	world_try_stop(w, source_below(src, WORLD_VMS));
}

/* The call fails: it is made again. */
static void do_stop_fails(struct world *w, struct source *src)
{
	uint32_t vm = source_below(src, WORLD_VMS);

	if (!w->vm[vm].open || !w->vm[vm].stopping)
		return;
	w->vm[vm].stopping = false;
	FAKE_ASSERT(!world_event(w, (struct mig_event){
		.type = MIG_EV_STOPPED, .vm = vm, .id = w->vm[vm].stop_id,
		.status = MIG_FAILED }));
}

/* A stop that was taken back reports late: nobody may take it for the new one. */
static void do_stale_stop(struct world *w, struct source *src)
{
	uint32_t vm = source_below(src, WORLD_VMS);
	struct mig_event ev = { .type = MIG_EV_STOPPED, .vm = vm };

	ev.id = w->vm[vm].stop_id - 1 - source_below(src, 3);
	if (w->vm[vm].open)
		FAKE_ASSERT(!world_event(w, ev));
}

static void do_answer(struct world *w, struct source *src)
{
	uint32_t i, start = source_below(src, WORLD_ASKS);

	for (i = start; i < start + WORLD_ASKS; i++)
		if (w->ask[i % WORLD_ASKS].used &&
		    w->ask[i % WORLD_ASKS].ready) {
			world_ask_answer(w, i % WORLD_ASKS);
			return;
		}
}

static void do_wait(struct world *w, struct source *src)
{
	world_wait_in_steps(w, source_below(src, 16) << source_below(src, 5));
}

static void do_gone(struct world *w, struct source *src)
{
	struct world_chunk *c = any_chunk(w, src);

	if (!w->losses || !c || !one_in(src, 16) || c->access)
		return;
	c->access = MIG_ACCESS_WRITE;
	c->asleep = false;
	c->lost = true;
	c->home = 0;
	FAKE_ASSERT(!world_event(w, (struct mig_event){
		.type = MIG_EV_GONE, .obj = c->obj, .first = c->first }));
}

static void do_stick(struct world *w, struct source *src)
{
	uint32_t vm = source_below(src, WORLD_VMS);

	if (!w->losses || !w->vm[vm].open)
		return;
	w->vm[vm].stuck = one_in(src, 2);
	w->vm[vm].deaf = one_in(src, 4);
}

/* Losses of a GPU that copies for ever are none of one that only stops. */
static void do_hang(struct world *w, struct source *src)
{
	w->hangs = one_in(src, 4);
	w->copies_deaf = w->losses && one_in(src, 2);
	w->failures |= w->hangs;
}

static void do_crash(struct world *w, struct source *src)
{
	if (one_in(src, 64) && !w->never_crash)
		world_crash(w, src);
}

static void do_settings(struct world *w, struct source *src)
{
	struct mig_event ev = { .type = MIG_EV_SETTINGS,
				.settings = &w->settings };

	w->settings.policy = source_below(src, MIG_NR_POLICIES);
	w->settings.max_active = 1 + source_below(src, 8);
	w->settings.vram_pages = source_below(src, 2) ? 4096 : 530;
	w->settings.home_gpus = one_in(src, 8) ? UINT32_MAX : 0;
	FAKE_ASSERT(!world_event(w, ev));
}

/* Events that fit nothing are refused and change nothing. */
static void do_stray(struct world *w, struct source *src)
{
	struct mig_event ev = {
		.type = (enum mig_event_type)source_below(src, MIG_NR_EVENTS),
		.obj = 90, .vm = 90, .id = 9000, .token = 0, .gpu = 90,
		.advice = 90, .kind = 90, .place = 90,
	};

	if (ev.type != MIG_EV_TIME)
		FAKE_ASSERT(world_event(w, ev) < 0);
}

void world_action(struct world *w, struct source *src)
{
	static void (*const actions[])(struct world *w, struct source *src) = {
		do_obj, do_release, do_vm, do_map, do_exec, do_exec,
		do_job_end, do_move, do_move, do_move, do_advise, do_guest,
		do_gpu, do_gpu, do_gpu, do_complete, do_complete,
		do_complete, do_complete, do_complete, do_complete,
		do_complete, do_complete, do_stopped, do_stopped, do_stopped,
		do_stopped, do_stale_stop, do_answer,
		do_answer, do_answer, do_wait, do_gone, do_stick, do_hang, do_crash,
		do_settings, do_stop_fails,
		do_stray,
	};
	uint32_t nr = sizeof(actions) / sizeof(actions[0]);

	w->max_ops = 1 + source_below(src, 8);
	actions[source_below(src, nr)](w, src);
}

/* Jobs and GPUs end, objects are released, VMs are closed. */
void world_end(struct world *w)
{
	uint32_t i;

	w->losses = true;
	w->jobs_end = true;
	for (i = 0; i < WORLD_VMS; i++)
		w->vm[i].stuck = false;
	w->hangs = false;
	world_run(w);
	for (i = 0; i < WORLD_CHUNKS; i++)
		FAKE_ASSERT(!w->chunk[i].asleep);
	for (i = 0; i < WORLD_VMS; i++)
		if (w->vm[i].open)
			world_vm_close(w, i);
	for (i = 0; i < WORLD_OBJS; i++) {
		if (!w->obj_pages[i])
			continue;
		world_release(w, i, false);
		world_run(w);
		FAKE_ASSERT(!w->obj_pages[i]);
	}
	FAKE_ASSERT(!w->nr_pending && !mig_vram_used(w->mig));
}
