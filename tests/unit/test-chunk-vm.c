// SPDX-License-Identifier: MIT
/* Migration of what several VMs and GPUs map, of all abilities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chunkwalk.h"
#include "migworld.h"

#define BOTH (MIG_VM_PREEMPT | MIG_VM_KILL)
#define KINDS(w, type) ((w)->ops_by_type[MIG_OP_##type])

/* One object of nr pages, mapped by VM 0 of GPU 0. */
static struct world *one(uint32_t nr, uint32_t access, uint32_t flags)
{
	struct world *w = world_new(NULL);

	world_vm(w, 0, 0, flags);
	world_obj(w, 0, nr, 0);
	world_map(w, 0, 0, 0, nr, access);
	world_settle(w);
	return w;
}

static void to_vram(struct world *w, uint32_t nr)
{
	assert_int_equal(world_move(w, 0, 0, nr, MIG_PLACE_VRAM, 0), 0);
}

/* All stops are started before any is waited for. */
static void two_passes(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	world_vm(w, 1, 0, BOTH);
	world_vm(w, 2, 0, BOTH);
	world_map(w, 1, 0, 0, 16, MIG_ACCESS_WRITE);
	world_map(w, 2, 0, 0, 16, MIG_ACCESS_READ);
	world_settle(w);
	to_vram(w, 16);
	while (world_state(w, 0, 0) != CHUNK_STOPPING)
		world_complete(w, 0, MIG_OK);
	assert_int_equal(KINDS(w, STOP), 3);
	world_stop_now(w, 2);
	world_stop_now(w, 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING);
	world_stop_now(w, 1);
	assert_int_equal(world_state(w, 0, 0), CHUNK_UNBINDING);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* Chunks that move together stop a VM once. */
static void one_stop_for_many(void **state)
{
	struct world *w = one(8192, MIG_ACCESS_WRITE, BOTH);
	unsigned int i;

	(void)state;
	w->settings.vram_pages = 8192;
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_SETTINGS, .settings = &w->settings }), 0);
	to_vram(w, 8192);
	while (w->nr_pending && w->pending[0].op.type != MIG_OP_UNBIND)
		world_complete(w, 0, MIG_OK);
	world_settle(w);
	for (i = 0; i < 16; i++)
		assert_int_equal(world_state(w, 0, i * 512), CHUNK_DEVICE);
	assert_int_equal(KINDS(w, STOP), 1);
	assert_int_equal(KINDS(w, RESUME), 1);
	assert_int_equal(KINDS(w, COPY), 16);
	end(w);
}

/* Closed in the middle of everything: the rest goes on without it. */
static void vm_closes(void **state)
{
	uint32_t at;

	(void)state;
	for (at = CHUNK_ALLOCATING; at <= CHUNK_BINDING_HOME; at++) {
		struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

		w->extra_refs = at == CHUNK_DRAIN_WAIT;
		to_vram(w, 16);
		if (at == CHUNK_COPYING_CPU) {
			end(w);
			continue;
		}
		if (at >= CHUNK_STOPPING_HOME) {
			world_settle(w);
			world_guest(w, world_chunk(w, 0, 0), true);
		}
		until(w, at);
		world_vm_close(w, 0);
		w->extra_refs = 0;
		world_run(w);
		world_guest(w, world_chunk(w, 0, 0), true);
		world_run(w);
		assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
		end(w);
	}
}

/* An object in VRAM, mapped by a VM of each GPU. */
static struct world *two(void)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	world_vm(w, 1, 1, BOTH);
	world_map(w, 1, 0, 0, 16, MIG_ACCESS_WRITE);
	world_settle(w);
	to_vram(w, 16);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	return w;
}

static void until_of_two(struct world *w, uint32_t state)
{
	while (world_state(w, 0, 0) != state)
		if (w->nr_pending)
			world_complete(w, 0, MIG_OK);
		else if (!world_try_stop(w, 0))
			assert_true(world_try_stop(w, 1));
}

/* One VM cannot be unbound, the other not be bound: its job is refused, once. */
static void bind_fails_beside_a_wedged_one(void **state)
{
	struct world *w = two();
	unsigned int i;

	(void)state;
	world_exec(w, 1);
	until_of_two(w, CHUNK_UNBINDING_HOME);
	world_complete(w, 0, MIG_FAILED);
	until_of_two(w, CHUNK_BINDING_HOME);
	for (i = 0; i < 10 && w->nr_pending; i++)
		world_complete(w, 0, w->pending[0].op.type == MIG_OP_BIND ?
			       MIG_FAILED : MIG_OK);
	assert_true(i < 10);
	assert_int_equal(w->vm[1].jobs, 0);
	world_settle(w);
	w->losses = true;
	end(w);
}

/* What a GPU had bound that is gone is no mapping. */
static void gpu_gone_while_binding(void **state)
{
	struct world *w = two();

	(void)state;
	world_guest(w, world_chunk(w, 0, 0), true);
	until_of_two(w, CHUNK_BINDING_HOME);
	world_gpu_gone(w, 1);
	world_settle(w);
	world_wait(w, 10000);
	to_vram(w, 16);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	w->losses = true;
	end(w);
}

/* VRAM of one GPU is not bound on another: home before that one's EXEC. */
static void other_gpu(void **state)
{
	struct world *w = two();

	(void)state;
	assert_int_equal(world_chunk(w, 0, 0)->map[1], MAP_NONE);
	world_exec(w, 1);
	assert_int_equal(w->vm[1].jobs, 0);
	world_settle(w);
	assert_int_equal(w->vm[1].jobs, 1);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_gpu(w, world_chunk(w, 0, 0), 1);
	to_vram(w, 16);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NO_PEER);
	end(w);
}

/* Neither preempt nor kill: EXEC first brings the chunks home. */
static void no_capability(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, 0);

	(void)state;
	to_vram(w, 16);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	world_exec(w, 0);
	assert_int_equal(w->vm[0].jobs, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(w->vm[0].jobs, 1);
	to_vram(w, 16);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NO_STOP);
	world_job_end(w, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

static void gpu_gone(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	w->losses = true;
	world_obj(w, 1, 16, 0);
	world_map(w, 0, 1, 0, 16, MIG_ACCESS_READ);
	world_settle(w);
	to_vram(w, 16);
	assert_int_equal(world_move(w, 1, 0, 16, MIG_PLACE_VRAM, 0), 0);
	world_settle(w);
	world_guest(w, world_chunk(w, 0, 0), false);
	world_gpu_gone(w, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_int_equal(world_state(w, 1, 0), CHUNK_HOME);
	assert_false(world_chunk(w, 0, 0)->asleep);
	world_vm_close(w, 0);
	end(w);
}

/* The call failed: nothing was stopped, and nothing else would ask again. */
static void stop_fails(struct world *w)
{
	w->vm[0].stopping = false;
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_STOPPED, .id = w->vm[0].stop_id,
		.status = MIG_FAILED }), 0);
}

static void failed_stop_is_sent_again(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);
	uint32_t id;

	(void)state;
	to_vram(w, 16);
	until(w, CHUNK_STOPPING);
	id = w->vm[0].stop_id;
	stop_fails(w);
	assert_int_equal(KINDS(w, STOP), 1);
	assert_int_equal(mig_next_time(w->mig), w->now + w->settings.poll_ms);
	world_wait(w, w->settings.poll_ms);
	assert_int_equal(KINDS(w, STOP), 2);
	assert_int_not_equal(w->vm[0].stop_id, id);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* One that nobody needs any more is not. */
static void failed_stop_of_nobody(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	to_vram(w, 16);
	until(w, CHUNK_STOPPING);
	stop_fails(w);
	world_guest(w, world_chunk(w, 0, 0), true);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_wait(w, w->settings.poll_ms);
	assert_int_equal(KINDS(w, STOP), 1);
	assert_int_equal(KINDS(w, RESUME), 0);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_passes),
		cmocka_unit_test(one_stop_for_many),
		cmocka_unit_test(vm_closes),
		cmocka_unit_test(bind_fails_beside_a_wedged_one),
		cmocka_unit_test(gpu_gone_while_binding),
		cmocka_unit_test(other_gpu),
		cmocka_unit_test(no_capability),
		cmocka_unit_test(gpu_gone),
		cmocka_unit_test(failed_stop_is_sent_again),
		cmocka_unit_test(failed_stop_of_nobody),
	};

	return cmocka_run_group_tests_name("chunk-vm", tests, NULL, NULL);
}
