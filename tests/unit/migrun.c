// SPDX-License-Identifier: MIT
/* How the fake world of migration goes on: GPUs stop, ops end, time passes. */
#include <limits.h>

#include "fake.h"
#include "migworld.h"

static void must(int ret)
{
	FAKE_ASSERT(!ret);
}

void world_stop_now(struct world *w, uint32_t vm)
{
	struct mig_event ev = { .type = MIG_EV_STOPPED, .vm = vm };

	ev.id = w->vm[vm].stop_id;
	w->vm[vm].stopping = false;
	w->vm[vm].stopped = true;
	must(world_event(w, ev));
}

bool world_try_stop(struct world *w, uint32_t vm)
{
	struct world_vm *v = &w->vm[vm];

	if (!v->open)
		return false;
	while (v->killed && v->jobs)
		world_job_end(w, vm);
	v->killed = false;
	if (!v->stopping || v->stuck ||
	    (v->jobs && !(v->flags & MIG_VM_PREEMPT)))
		return false;
	world_stop_now(w, vm);
	return true;
}

static bool stop_one(struct world *w)
{
	uint32_t vm;

	for (vm = 0; vm < WORLD_VMS; vm++)
		if (world_try_stop(w, vm))
			return true;
	return false;
}

static bool copy_one(struct world *w)
{
	uint32_t i;

	for (i = 0; i < w->nr_pending; i++)
		if (w->pending[i].op.type == MIG_OP_COPY &&
		    !world_is_hung(w, &w->pending[i])) {
			world_complete(w, i, MIG_OK);
			return true;
		}
	return false;
}

/* A GPU that works stops, or at least dies, while time passes; so do copies. */
void world_wait(struct world *w, uint64_t ms)
{
	while (!w->losses && (stop_one(w) || copy_one(w)))
		;
	w->now += ms;
	must(world_event(w, (struct mig_event){ .type = MIG_EV_TIME }));
}

/* The engine is told whenever it wants to be, unless what is lost may be late. */
void world_wait_in_steps(struct world *w, uint64_t ms)
{
	uint64_t end = w->now + ms, next;

	do {
		next = mig_next_time(w->mig);
		next = next > w->now ? next : w->now + 1;
		next = w->losses || next > end ? end : next;
		world_wait(w, next - w->now);
	} while (w->now < end);
}

static bool ask_one(struct world *w)
{
	unsigned int i;

	for (i = 0; i < WORLD_ASKS; i++)
		if (w->ask[i].used && w->ask[i].ready) {
			world_ask_answer(w, i);
			return true;
		}
	return false;
}

static bool close_one(struct world *w)
{
	uint32_t vm;

	for (vm = 0; vm < WORLD_VMS; vm++)
		if (w->vm[vm].open && w->vm[vm].closing) {
			world_vm_close(w, vm);
			return true;
		}
	return false;
}

static bool job_one(struct world *w)
{
	uint32_t vm;

	for (vm = 0; w->jobs_end && vm < WORLD_VMS; vm++)
		if (w->vm[vm].open && w->vm[vm].jobs) {
			world_job_end(w, vm);
			return true;
		}
	return false;
}

uint32_t world_endable(const struct world *w)
{
	unsigned int i = 0;

	while (i < w->nr_pending && world_is_hung(w, &w->pending[i]))
		i++;
	return i;
}

void world_settle(struct world *w)
{
	unsigned int left = 100000;

	for (;;) {
		if (!left--)
			world_dump(w);
		FAKE_ASSERT(left != UINT_MAX);
		if (world_endable(w) < w->nr_pending)
			world_complete(w, world_endable(w), MIG_OK);
		else if (!stop_one(w) && !ask_one(w) && !close_one(w) &&
			 !job_one(w))
			return;
	}
}

void world_run(struct world *w)
{
	unsigned int left = 10000;
	uint64_t next;

	for (;;) {
		world_settle(w);
		next = mig_next_time(w->mig);
		if (next == MIG_NEVER)
			break;
		if (!left--)
			world_dump(w);
		FAKE_ASSERT(left != UINT_MAX);
		world_wait(w, next > w->now ? next - w->now : 0);
	}
	if (!mig_idle(w->mig))
		world_dump(w);
	FAKE_ASSERT(mig_idle(w->mig));
}
