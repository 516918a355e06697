// SPDX-License-Identifier: MIT
/*
 * What outlives a worker: a journal that is cut off after every single op of a
 * scenario, whatever the ops in flight did or did not do; and a trace, which
 * replays to the same ops and states.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "chunkwalk.h"
#include "migworld.h"
#include "random.h"
#include "userptrif.h"

#define BOTH (MIG_VM_PREEMPT | MIG_VM_KILL)

static struct world *start(uint32_t access)
{
	struct world *w = world_new(NULL);

	world_vm(w, 0, 0, BOTH);
	world_vm(w, 1, 0, BOTH);
	world_obj(w, 0, 17, 0);
	world_map(w, 0, 0, 0, 17, access);
	world_settle(w);
	world_map(w, 1, 0, 0, 17, MIG_ACCESS_READ);
	world_settle(w);
	world_exec(w, 0);
	world_settle(w);
	world_touch_all(w);
	return w;
}

/* Out, used there, wanted, home; false if the worker died on the way. */
static bool scenario(struct world *w)
{
	world_move(w, 0, 0, 17, MIG_PLACE_VRAM, 0);
	world_settle(w);
	if (w->cut)
		return false;
	world_gpu(w, world_chunk(w, 0, 0), 0);
	world_guest(w, world_chunk(w, 0, 0), true);
	world_settle(w);
	return !w->cut;
}

static bool cut_after(struct source *src, uint32_t access, unsigned int nr)
{
	struct world *w = start(access);
	unsigned int i;
	bool whole;

	w->cut_after = nr;
	whole = scenario(w);
	w->cut_after = 0;
	if (!whole) {
		world_crash(w, src);
		world_touch_all(w);
		world_run(w);
	}
	world_touch_all(w);
	for (i = 0; i < WORLD_CHUNKS; i++) {
		assert_false(w->chunk[i].lost);
		assert_false(w->chunk[i].asleep);
		if (w->chunk[i].used)
			world_guest(w, &w->chunk[i], true);
	}
	world_run(w);
	world_touch_all(w);
	world_end(w);
	world_free(w);
	return whole;
}

static void cut_everywhere(void **state)
{
	struct source src = { 0 };
	unsigned int nr, turn, cuts = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, "chunk-journal");
	src.rng = &rng;
	for (turn = 0; turn < 20; turn++)
		for (nr = 1; ; nr++) {
			if (cut_after(&src, turn & 1 ? MIG_ACCESS_READ :
						       MIG_ACCESS_WRITE, nr))
				break;
			cuts++;
		}
	printf("%u cut-offs\n", cuts);
	assert_true(cuts > 20 * 25);
}

/* The new worker dies too, and the one after it. */
static void cut_again(void **state)
{
	struct source src = { 0 };
	unsigned int turn, i;
	struct rng rng;

	(void)state;
	rng_seed(&rng, "chunk-journal-again");
	src.rng = &rng;
	for (turn = 0; turn < 2000; turn++) {
		struct world *w = start(turn & 1 ? MIG_ACCESS_READ :
						   MIG_ACCESS_WRITE);

		for (i = 0; i < 4; i++) {
			w->cut_after = 1 + rng_below(&rng, 30);
			scenario(w);
			world_crash(w, &src);
			world_touch_all(w);
		}
		world_run(w);
		world_touch_all(w);
		world_end(w);
		world_free(w);
	}
}

/* Unbound and stopped, and its worker died twice: it must not stay away. */
static void adrift(void **state)
{
	struct source src = { 0 };
	struct rng rng;
	struct world *w = start(MIG_ACCESS_WRITE);
	struct world_chunk *c = world_chunk(w, 0, 0);

	(void)state;
	rng_seed(&rng, "chunk-adrift");
	src.rng = &rng;
	world_move(w, 0, 0, 17, MIG_PLACE_VRAM, 0);
	while (world_state(w, 0, 0) != CHUNK_COPYING_OUT)
		if (w->nr_pending)
			world_complete(w, 0, MIG_OK);
		else
			world_try_stop(w, w->vm[0].stopping ? 0 : 1);
	w->vm[0].stuck = true;
	world_crash(w, &src);
	world_crash(w, &src);
	assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING_HOME);
	world_wait(w, w->settings.stop_ms);
	assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING_HOME);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(c->home, c->newest);
	world_end(w);
	world_free(w);
}

static void bad_journals(void **state)
{
	struct world *w = start(MIG_ACCESS_WRITE);
	size_t size = (size_t)mig_journal_records(&w->limits) * MIG_RECORD;
	uint8_t *bad = malloc(size);
	unsigned int i, refused = 0;

	(void)state;
	assert_non_null(bad);
	for (i = 0; i < 24; i++) {
		void *mem = aligned_alloc(64, mig_size(&w->limits));
		struct mig *mig;

		assert_non_null(mem);
		memset(mem, 0, mig_size(&w->limits));
		mig = mig_init(mem, &w->limits, &w->settings);
		assert_non_null(mig);
		memcpy(bad, w->journal, size);
		bad[i] ^= 0x80;
		refused += mig_recover(mig, bad, 0, false) == -EINVAL;
		free(mem);
	}
	/* Octets 2, 4, 6, 7 of a record are flags, advice and padding. */
	assert_true(refused >= 18);
	free(bad);
	world_end(w);
	world_free(w);
}

static void states_equal(const struct world *a, const struct world *b)
{
	uint32_t i;

	assert_int_equal(a->mig->chunk_pool.fresh, b->mig->chunk_pool.fresh);
	for (i = 0; i < a->mig->chunk_pool.fresh; i++) {
		assert_int_equal(a->mig->chunk[i].used, b->mig->chunk[i].used);
		assert_int_equal(a->mig->chunk[i].state,
				 b->mig->chunk[i].state);
	}
	assert_memory_equal(&a->mig->stats, &b->mig->stats,
			    sizeof(a->mig->stats));
}

/* Feed a trace to an engine; returns the hash of the ops. */
static uint64_t replay(struct mig *mig, uint8_t (*trace)[MIG_TRACE],
		       unsigned int nr, unsigned int max_ops)
{
	uint64_t hash = 14695981039346656037u;
	struct mig_settings settings;
	struct mig_op ops[16];
	struct mig_event ev;
	unsigned int i, j, n;
	int ret;

	for (i = 0; i < nr; i++) {
		const struct mig_event *next = &ev;

		assert_int_equal(mig_trace_decode(trace[i], &ev, &settings), 0);
		do {
			ret = mig_step(mig, next, ops, max_ops, &n);
			for (j = 0; j < n * sizeof(ops[0]); j++)
				hash = (hash ^ ((uint8_t *)ops)[j]) *
				       1099511628211u;
			next = NULL;
		} while (ret == 1);
	}
	return hash;
}

static void trace_keeps_settings(void **state)
{
	struct mig_settings settings = world_settings, got;
	struct mig_event ev = { .type = MIG_EV_SETTINGS,
				.settings = &settings }, back;
	uint8_t trace[MIG_TRACE];

	(void)state;
	memset(&got, 0, sizeof(got));
	settings.home_gpus = 0xfffffff2;
	mig_trace_encode(&ev, trace);
	assert_int_equal(mig_trace_decode(trace, &back, &got), 0);
	assert_ptr_equal(back.settings, &got);
	assert_memory_equal(&got, &settings, sizeof(settings));
}

static void trace_replays(void **state)
{
	struct source src = { 0 };
	struct world *w = world_new(NULL);
	struct world again = { 0 };
	struct rng rng;
	unsigned int i;
	uint8_t bad[MIG_TRACE];
	struct mig_event ev;

	(void)state;
	rng_seed(&rng, "chunk-trace");
	src.rng = &rng;
	w->keep_trace = true;
	w->losses = true;
	w->never_crash = true;
	for (i = 0; i < 5000; i++)
		world_action(w, &src);
	again.mem = aligned_alloc(64, mig_size(&w->limits));
	assert_non_null(again.mem);
	memset(again.mem, 0, mig_size(&w->limits));
	again.mig = mig_init(again.mem, &w->limits, &world_settings);
	assert_non_null(again.mig);
	assert_true(replay(again.mig, w->trace, w->nr_trace, 16) ==
		    w->op_hash);
	states_equal(w, &again);
	free(again.mem);
	memcpy(bad, w->trace[0], MIG_TRACE);
	bad[3] = 1;
	assert_int_equal(mig_trace_decode(bad, &ev, NULL), -EINVAL);
	world_end(w);
	world_free(w);
}

/* The same UNBIND fails that the old worker had begun: what is left is not known. */
static void unbind_fails_again(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	world_vm(w, 0, 0, MIG_VM_PREEMPT | MIG_VM_KILL);
	world_obj(w, 0, 16, 0);
	world_map(w, 0, 0, 0, 16, MIG_ACCESS_WRITE);
	world_settle(w);
	assert_int_equal(world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0), 0);
	until(w, CHUNK_UNBINDING);
	world_restart(w);
	until(w, CHUNK_UNBINDING_HOME);
	world_complete(w, 0, MIG_FAILED);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_chunk(w, 0, 0)->map[0], MAP_HOME);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(cut_again),
		cmocka_unit_test(unbind_fails_again),
		cmocka_unit_test(adrift),
		cmocka_unit_test(bad_journals),
		cmocka_unit_test(trace_keeps_settings),
		cmocka_unit_test(trace_replays),
	};

	return cmocka_run_group_tests_name("chunk-journal", tests, NULL, NULL);
}
