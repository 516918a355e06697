// SPDX-License-Identifier: MIT
/* Copies that do not end: killed, replaced by the CPU, given up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chunkwalk.h"
#include "migworld.h"

#define BOTH (MIG_VM_PREEMPT | MIG_VM_KILL)
#define KINDS(w, type) ((w)->ops_by_type[MIG_OP_##type])

/* An object of nr pages that a VM with a job writes, asked to go to VRAM. */
static struct world *leaving(uint32_t nr)
{
	struct world *w = world_new(NULL);

	world_vm(w, 0, 0, BOTH);
	world_obj(w, 0, nr, 0);
	world_map(w, 0, 0, 0, nr, MIG_ACCESS_WRITE);
	world_settle(w);
	world_exec(w, 0);
	assert_int_equal(world_move(w, 0, 0, nr, MIG_PLACE_VRAM, 0), 0);
	return w;
}

/* The same in VRAM, written there, and wanted by the guest while copies hang. */
static struct world *hung_home(void)
{
	struct world *w = leaving(16);

	world_settle(w);
	world_gpu(w, world_chunk(w, 0, 0), 0);
	w->hangs = true;
	world_guest(w, world_chunk(w, 0, 0), false);
	until(w, CHUNK_COPYING_HOME);
	return w;
}

static void killed_on_the_way_out(void **state)
{
	struct world *w = leaving(16);

	(void)state;
	w->hangs = true;
	until(w, CHUNK_COPYING_OUT);
	assert_int_equal(mig_next_time(w->mig), w->now + 300);
	world_wait(w, 299);
	assert_int_equal(KINDS(w, KILL_COPIES), 0);
	world_wait(w, 1);
	assert_int_equal(KINDS(w, KILL_COPIES), 1);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_FAILED);
	assert_int_equal(mig_vram_used(w->mig), 0);
	end(w);
}

/* The CPU has the contents home, and nothing is lost. */
static void killed_on_the_way_home(void **state)
{
	struct world *w = hung_home();

	(void)state;
	world_wait(w, 300);
	assert_int_equal(KINDS(w, KILL_COPIES), 1);
	world_complete(w, 0, MIG_OK);
	assert_int_equal(world_state(w, 0, 0), CHUNK_COPYING_CPU);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_false(world_chunk(w, 0, 0)->asleep);
	assert_int_equal(mig_stats(w->mig)->cpu_copies, 1);
	world_guest(w, world_chunk(w, 0, 0), false);
	end(w);
}

/* It reads what the guest has again, which harms nobody; its end is ignored. */
static void deaf_on_the_way_out(void **state)
{
	struct world *w = leaving(16);

	(void)state;
	w->hangs = true;
	w->copies_deaf = true;
	until(w, CHUNK_COPYING_OUT);
	world_wait(w, 300);
	world_wait(w, 299);
	assert_int_equal(world_state(w, 0, 0), CHUNK_COPYING_OUT);
	world_wait(w, 1);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_guest(w, world_chunk(w, 0, 0), true);
	assert_int_equal(w->nr_pending, 1);
	assert_int_equal(world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0), 0);
	world_settle(w);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NOT_STOPPED);
	world_complete(w, 0, MIG_OK);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	w->hangs = false;
	assert_int_equal(world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0), 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* It may write over what the guest writes from now on: lost, and told. */
static void deaf_on_the_way_home(void **state)
{
	struct world *w = hung_home();

	(void)state;
	w->losses = true;
	w->copies_deaf = true;
	world_wait(w, 300);
	world_wait(w, 300);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOSING);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_int_equal(KINDS(w, TELL), 1);
	assert_false(world_chunk(w, 0, 0)->asleep);
	world_complete(w, 0, MIG_OK);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	end(w);
}

/* What waits behind such a copy is brought home by the CPU at once. */
static void others_go_by_cpu(void **state)
{
	struct world *w = leaving(32);

	(void)state;
	world_settle(w);
	world_gpu(w, world_chunk(w, 0, 16), 0);
	w->hangs = true;
	w->copies_deaf = true;
	w->losses = true;
	world_guest(w, world_chunk(w, 0, 0), false);
	until(w, CHUNK_COPYING_HOME);
	world_wait(w, 300);
	world_wait(w, 300);
	world_settle(w);
	world_guest(w, world_chunk(w, 0, 16), false);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_int_equal(world_state(w, 0, 16), CHUNK_HOME);
	assert_int_equal(mig_stats(w->mig)->cpu_copies, 1);
	world_guest(w, world_chunk(w, 0, 16), false);
	end(w);
}

/* Gone meanwhile: there is nothing to restore but the guest's access. */
static void gone_while_deaf(void **state)
{
	struct world *w = leaving(16);

	(void)state;
	w->hangs = true;
	w->copies_deaf = true;
	w->losses = true;
	until(w, CHUNK_COPYING_OUT);
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_GONE }), 0);
	world_wait(w, 300);
	world_wait(w, 300);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	end(w);
}

/* Many copies wait for one engine: as long as it gets on, none is killed. */
static void queue_is_no_hang(void **state)
{
	struct world *w = leaving(7 * 16);
	unsigned int i;

	(void)state;
	w->losses = true;	/* a GPU may take its time */
	until(w, CHUNK_COPYING_OUT);
	while (w->pending[0].op.type != MIG_OP_COPY)
		world_complete(w, 0, MIG_OK);
	for (i = 0; i < 7; i++) {
		world_wait(w, 299);
		while (w->pending[0].op.type != MIG_OP_COPY)
			world_complete(w, 0, MIG_OK);
		world_complete(w, 0, MIG_OK);
	}
	assert_int_equal(KINDS(w, KILL_COPIES), 0);
	world_settle(w);
	assert_int_equal(mig_vram_used(w->mig), 7 * 16);
	end(w);
}

/* ... but one that never gets its turn does not wait for ever. */
static void others_do_not_help_for_ever(void **state)
{
	struct world *w = leaving(16);
	unsigned int i;

	(void)state;
	w->hangs = true;
	until(w, CHUNK_COPYING_OUT);
	for (i = 0; i < 2 * MIG_MAX_COPIES && !KINDS(w, KILL_COPIES); i++) {
		w->mig->copied_at[0] = w->now;
		world_wait(w, 299);
	}
	assert_int_equal(i, MIG_MAX_COPIES * 300 / 299 + 1);
	assert_int_equal(KINDS(w, KILL_COPIES), 1);
	world_settle(w);
	end(w);
}

/* A copy home that the worker left behind goes on: that chunk alone is lost. */
static void left_behind(void **state)
{
	struct world *w = leaving(32);

	(void)state;
	world_settle(w);
	world_gpu(w, world_chunk(w, 0, 0), 0);
	world_gpu(w, world_chunk(w, 0, 16), 0);
	w->hangs = true;
	world_guest(w, world_chunk(w, 0, 0), false);
	until(w, CHUNK_COPYING_HOME);
	w->losses = true;
	w->left_copies = true;
	world_restart(w);
	w->hangs = false;
	world_guest(w, world_chunk(w, 0, 16), false);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_int_equal(world_state(w, 0, 16), CHUNK_HOME);
	world_guest(w, world_chunk(w, 0, 16), false);
	end(w);
}

/* More chunks in VRAM than copies may be in flight, all asked to come home. */
static struct world *many_home(void)
{
	struct world *w = world_new(NULL);
	uint32_t obj;

	world_vm(w, 0, 0, BOTH);
	for (obj = 0; obj < 3; obj++) {
		world_obj(w, obj, 15, 0);
		world_map(w, 0, obj, 0, 15, MIG_ACCESS_WRITE);
		world_settle(w);
		world_move(w, obj, 0, 15, MIG_PLACE_VRAM, 0);
		world_run(w);
	}
	assert_int_equal(mig_vram_used(w->mig), 45);
	w->ops_by_type[MIG_OP_COPY] = 0;
	w->hangs = true;
	for (obj = 0; obj < 3; obj++)
		world_move(w, obj, 0, 15, MIG_PLACE_RAM, 0);
	world_settle(w);
	return w;
}

/* The end of one lets the next begin, and the CPU has no part in it. */
static void held_behind_others(void **state)
{
	struct world *w = many_home();
	unsigned int i;

	(void)state;
	assert_int_equal(w->nr_pending, MIG_MAX_COPIES);
	assert_int_equal(KINDS(w, COPY), MIG_MAX_COPIES);
	for (i = 1; i <= 45 - MIG_MAX_COPIES; i++) {
		world_complete(w, 0, MIG_OK);
		assert_int_equal(KINDS(w, COPY), MIG_MAX_COPIES + i);
	}
	w->hangs = false;
	world_settle(w);
	assert_int_equal(KINDS(w, COPY), 45);
	assert_int_equal(mig_stats(w->mig)->cpu_copies, 0);
	assert_int_equal(mig_vram_used(w->mig), 0);
	end(w);
}

/* Its time runs from its own beginning on. */
static void held_has_no_deadline(void **state)
{
	struct world *w = many_home();
	unsigned int i;

	(void)state;
	w->losses = true;	/* a GPU may take its time */
	for (i = 0; i < 45; i++) {
		world_wait(w, 299);
		world_complete(w, 0, MIG_OK);
		while (w->nr_pending && w->pending[0].op.type != MIG_OP_COPY)
			world_complete(w, 0, MIG_OK);
	}
	assert_int_equal(KINDS(w, KILL_COPIES), 0);
	assert_int_equal(KINDS(w, COPY), 45);
	end(w);
}

/* The guest writes its page from then on: what has not begun must not. */
static void held_and_gone(void **state)
{
	struct world *w = many_home();

	(void)state;
	w->losses = true;
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_GONE, .obj = 2, .first = 14 }), 0);
	assert_int_equal(world_state(w, 2, 14), CHUNK_LOSING);
	w->hangs = false;
	world_settle(w);
	assert_int_equal(world_state(w, 2, 14), CHUNK_LOST);
	assert_int_equal(KINDS(w, COPY), 44);
	end(w);
}

/* A want is served before what was held earlier. */
static void held_and_wanted(void **state)
{
	struct world *w = many_home();
	uint32_t slot = mig_chunk_find(w->mig, 2, 14);

	(void)state;
	world_guest(w, world_chunk(w, 2, 14), false);
	assert_false(w->mig->chunk[slot].emitted);
	world_complete(w, 0, MIG_OK);
	assert_true(w->mig->chunk[slot].emitted);
	w->hangs = false;
	end(w);
}

/* Turned back before it has begun: the vCPU waits for no copy. */
static void held_and_turned(void **state)
{
	struct world *w = many_home();

	(void)state;
	world_obj(w, 3, 1, 0);
	world_map(w, 0, 3, 0, 1, MIG_ACCESS_WRITE);
	world_settle(w);
	world_move(w, 3, 0, 1, MIG_PLACE_VRAM, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 3, 0), CHUNK_COPYING_OUT);
	world_guest(w, world_chunk(w, 3, 0), true);
	world_settle(w);
	assert_int_equal(world_state(w, 3, 0), CHUNK_HOME);
	assert_int_equal(world_why(w, 3, 0), MIG_WHY_WANTED);
	assert_int_equal(KINDS(w, COPY), MIG_MAX_COPIES);
	w->hangs = false;
	end(w);
}

/* An engine that neither ends nor is killed would hold them for ever. */
static void held_behind_deaf(void **state)
{
	struct world *w = many_home();

	(void)state;
	w->losses = true;
	w->copies_deaf = true;
	world_wait(w, 300);
	world_wait(w, 300);
	world_settle(w);
	assert_int_equal(KINDS(w, COPY), 45);
	assert_int_equal(mig_stats(w->mig)->cpu_copies, 45 - MIG_MAX_COPIES);
	assert_int_equal(world_state(w, 2, 14), CHUNK_HOME);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	w->hangs = false;
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_on_the_way_out),
		cmocka_unit_test(killed_on_the_way_home),
		cmocka_unit_test(deaf_on_the_way_out),
		cmocka_unit_test(deaf_on_the_way_home),
		cmocka_unit_test(others_go_by_cpu),
		cmocka_unit_test(gone_while_deaf),
		cmocka_unit_test(queue_is_no_hang),
		cmocka_unit_test(others_do_not_help_for_ever),
		cmocka_unit_test(left_behind),
		cmocka_unit_test(held_behind_others),
		cmocka_unit_test(held_has_no_deadline),
		cmocka_unit_test(held_and_gone),
		cmocka_unit_test(held_and_wanted),
		cmocka_unit_test(held_and_turned),
		cmocka_unit_test(held_behind_deaf),
	};

	return cmocka_run_group_tests_name("chunk-copy", tests, NULL, NULL);
}
