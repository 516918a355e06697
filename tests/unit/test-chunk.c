// SPDX-License-Identifier: MIT
/* Walk B step by step: moves, wants, deadlines, binds, losses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chunkwalk.h"
#include "migworld.h"
#include "userptrif.h"

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

static void sizes(void **state)
{
	static const struct {
		uint32_t nr, page, first, pages;
	} cases[] = {
		{ 1, 0, 0, 1 }, { 15, 14, 14, 1 }, { 16, 15, 0, 16 },
		{ 511, 495, 480, 16 }, { 511, 496, 496, 1 },
		{ 512, 511, 0, 512 }, { 530, 512, 512, 16 },
		{ 530, 528, 528, 1 }, { 1040, 700, 512, 512 },
		{ 1040, 1039, 1024, 16 },
	};
	struct mig_chunk_info info;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = world_new(NULL);

		world_obj(w, 0, cases[i].nr, 0);
		assert_int_equal(mig_chunk_get(w->mig, 0, cases[i].page,
					       &info), 0);
		assert_int_equal(info.first, cases[i].first);
		assert_int_equal(info.nr, cases[i].pages);
		assert_int_equal(mig_chunk_get(w->mig, 0, cases[i].nr, &info),
				 -ENOENT);
		end(w);
	}
}

static void there_and_back(void **state)
{
	struct world *w = one(512, MIG_ACCESS_WRITE, BOTH);
	struct mig_pages pages;

	(void)state;
	world_exec(w, 0);
	to_vram(w, 512);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	mig_pages(w->mig, 0, &pages);
	assert_int_equal(pages.home, 0);
	assert_int_equal(pages.vram, 512);
	assert_int_equal(mig_vram_used(w->mig), 512);
	world_gpu(w, world_chunk(w, 0, 0), 0);
	world_guest(w, world_chunk(w, 0, 0), true);
	assert_true(world_chunk(w, 0, 0)->asleep);
	world_settle(w);
	assert_false(world_chunk(w, 0, 0)->asleep);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(KINDS(w, REVOKE), 1);
	assert_int_equal(KINDS(w, COPY), 2);
	assert_int_equal(KINDS(w, STOP), 2);
	assert_int_equal(KINDS(w, KILL), 0);
	assert_int_equal(KINDS(w, FREE), 1);
	end(w);
}

/* The guest waits for no bind; the GPU goes on when it maps the pages again. */
static void guest_before_gpu(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	world_exec(w, 0);
	to_vram(w, 16);
	world_settle(w);
	world_guest(w, world_chunk(w, 0, 0), true);
	until(w, CHUNK_BINDING_HOME);
	assert_false(world_chunk(w, 0, 0)->asleep);
	assert_true(w->vm[0].stopped);
	world_guest(w, world_chunk(w, 0, 0), true);
	/* One that was under way when the page came home. */
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_WANT }), 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_BINDING_HOME);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_false(w->vm[0].stopped);
	world_gpu(w, world_chunk(w, 0, 0), 0);
	end(w);
}

/* A REVOKE that counted them says when no QUERY is needed. */
static void references_counted(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	w->revoke_counts = true;
	to_vram(w, 16);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	assert_int_equal(KINDS(w, QUERY), 0);
	end(w);
	w = one(16, MIG_ACCESS_WRITE, BOTH);
	w->revoke_counts = true;
	w->extra_refs = 1;
	to_vram(w, 16);
	until(w, CHUNK_DRAIN_WAIT);
	assert_int_equal(KINDS(w, QUERY), 1);
	w->extra_refs = 0;
	world_wait(w, 5);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* A want at every step of the way out: it turns back and kills nothing. */
static void want_on_the_way(void **state)
{
	uint32_t at;

	(void)state;
	for (at = CHUNK_ALLOCATING; at <= CHUNK_BINDING_OUT; at++) {
		struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

		world_exec(w, 0);
		w->extra_refs = at == CHUNK_DRAIN_WAIT;
		to_vram(w, 16);
		until(w, at);
		world_guest(w, world_chunk(w, 0, 0), true);
		if (at <= CHUNK_REVOKING)
			assert_int_equal(world_event(w, (struct mig_event){
				.type = MIG_EV_WANT }), 0);
		w->extra_refs = 0;
		world_settle(w);
		assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
		assert_int_equal(world_why(w, 0, 0), MIG_WHY_WANTED);
		assert_int_equal(KINDS(w, KILL), 0);
		assert_int_equal(mig_stats(w->mig)->rollbacks, 1);
		assert_int_equal(mig_vram_used(w->mig), 0);
		end(w);
	}
}

/* Each op fails in turn: home before the commit point, no data lost. */
static void nth_fails(void **state)
{
	uint32_t status, n;

	(void)state;
	for (status = MIG_FAILED; status <= MIG_NOT_ALLOWED; status++) {
		for (n = 1; ; n++) {
			struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);
			bool all;

			w->fail_at = n;
			w->fail_status = status;
			w->losses = n > 7;
			world_exec(w, 0);
			to_vram(w, 16);
			world_settle(w);
			world_touch_all(w);
			world_guest(w, world_chunk(w, 0, 0), true);
			world_settle(w);
			assert_false(world_chunk(w, 0, 0)->asleep);
			all = w->nr_answered < n;
			/* Only a restore that fails twice loses anything. */
			assert_false(world_chunk(w, 0, 0)->lost &&
				     world_state(w, 0, 0) != CHUNK_LOST);
			end(w);
			if (all)
				break;
		}
		assert_true(n > 8);
	}
}

static void copy_home_by_cpu(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	world_exec(w, 0);
	to_vram(w, 16);
	world_settle(w);
	world_gpu(w, world_chunk(w, 0, 0), 0);
	world_guest(w, world_chunk(w, 0, 0), false);
	until(w, CHUNK_COPYING_HOME);
	world_complete(w, 0, MIG_FAILED);
	assert_int_equal(world_state(w, 0, 0), CHUNK_COPYING_CPU);
	assert_int_equal(w->pending[0].op.flags, MIG_OP_CPU);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_guest(w, world_chunk(w, 0, 0), false);
	end(w);
}

/* Both fail: the contents are gone, and the guest is told. */
static void copy_home_fails(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	w->losses = true;
	to_vram(w, 16);
	world_settle(w);
	world_guest(w, world_chunk(w, 0, 0), false);
	until(w, CHUNK_COPYING_HOME);
	world_complete(w, 0, MIG_FAILED);
	world_complete(w, 0, MIG_FAILED);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_int_equal(KINDS(w, TELL), 1);
	assert_false(world_chunk(w, 0, 0)->asleep);
	world_map(w, 0, 0, 0, 16, MIG_ACCESS_WRITE);
	world_settle(w);
	assert_int_equal(w->last_ready_status, MIG_FAILED);
	end(w);
}

static void deadlines(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	w->losses = true;
	world_exec(w, 0);
	to_vram(w, 16);
	world_settle(w);
	w->vm[0].stuck = true;
	w->vm[0].deaf = true;
	world_guest(w, world_chunk(w, 0, 0), true);
	assert_int_equal(mig_next_time(w->mig), w->now + 100);
	world_wait(w, 99);
	assert_int_equal(KINDS(w, KILL), 0);
	world_wait(w, 1);
	assert_int_equal(KINDS(w, KILL), 1);
	assert_int_equal(mig_next_time(w->mig), w->now + 900);
	world_wait(w, 899);
	assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING_HOME);
	world_wait(w, 1);
	assert_int_equal(w->pending[0].op.type, MIG_OP_RESTORE);
	assert_int_equal(w->pending[0].op.flags, MIG_OP_LOST);
	world_complete(w, 0, MIG_OK);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_false(world_chunk(w, 0, 0)->asleep);
	/* Its VRAM is kept until the GPU stops after all. */
	assert_int_equal(mig_vram_used(w->mig), 16);
	w->vm[0].stuck = false;
	world_settle(w);
	assert_int_equal(mig_vram_used(w->mig), 0);
	end(w);
}

/* The kill helps: the data comes home. */
static void killed_in_time(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, MIG_VM_KILL);

	(void)state;
	to_vram(w, 16);
	world_settle(w);
	world_exec(w, 0);
	world_gpu(w, world_chunk(w, 0, 0), 0);
	world_guest(w, world_chunk(w, 0, 0), true);
	world_settle(w);
	assert_true(world_chunk(w, 0, 0)->asleep);
	world_wait(w, 100);
	world_settle(w);
	assert_int_equal(KINDS(w, KILL), 1);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(w->vm[0].jobs, 0);
	world_guest(w, world_chunk(w, 0, 0), true);
	end(w);
}

/* Nobody wants it: a job is not killed, the eviction is given up. */
static void stop_without_want(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, MIG_VM_KILL);

	(void)state;
	to_vram(w, 16);
	world_settle(w);
	world_exec(w, 0);
	assert_int_equal(world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0), 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING_HOME);
	world_wait(w, 200);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NOT_STOPPED);
	assert_int_equal(KINDS(w, KILL), 0);
	assert_int_equal(KINDS(w, RESUME), 2);
	end(w);
}

/* Extra references for ever: only its own migration is lost. */
static void extra_references(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	w->extra_refs = 1;
	to_vram(w, 16);
	until(w, CHUNK_DRAIN_WAIT);
	world_wait(w, 5);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DRAINING);
	world_complete(w, 0, MIG_OK);
	world_wait(w, 45);
	assert_int_equal(w->pending[0].op.type, MIG_OP_RESTORE);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_EXTRA_REFS);
	assert_int_equal(KINDS(w, STOP), 0);
	end(w);
}

/* Read-only everywhere: both read, a write brings it home, nothing copied. */
static void shared(void **state)
{
	struct world *w = one(16, MIG_ACCESS_READ, BOTH);
	struct world_chunk *c = world_chunk(w, 0, 0);
	struct mig_pages pages;

	(void)state;
	world_exec(w, 0);
	to_vram(w, 16);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_SHARED);
	mig_pages(w->mig, 0, &pages);
	assert_int_equal(pages.home, 16);
	assert_int_equal(c->access, MIG_ACCESS_READ);
	world_guest(w, c, false);
	world_gpu(w, c, 0);
	assert_false(c->asleep);
	world_guest(w, c, true);
	assert_true(c->asleep);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(KINDS(w, COPY), 1);
	end(w);
}

static void shared_writable_bind(void **state)
{
	struct world *w = one(16, MIG_ACCESS_READ, BOTH);

	(void)state;
	to_vram(w, 16);
	world_settle(w);
	world_vm(w, 1, 0, BOTH);
	world_map(w, 1, 0, 0, 16, MIG_ACCESS_WRITE);
	assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING_HOME);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(w->nr_ready, 2);
	to_vram(w, 16);
	world_wait(w, 1000);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* A GPU that ignores everything cannot take the guest's good copy away. */
static void shared_stuck(void **state)
{
	struct world *w = one(16, MIG_ACCESS_READ, BOTH);
	struct world_chunk *c = world_chunk(w, 0, 0);

	(void)state;
	w->losses = true;
	world_guest(w, c, true);
	world_exec(w, 0);
	to_vram(w, 16);
	world_settle(w);
	w->vm[0].stuck = true;
	w->vm[0].deaf = true;
	world_guest(w, c, true);
	world_wait(w, 100);
	world_wait(w, 900);
	assert_int_equal(w->pending[0].op.flags, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_int_equal(c->home, c->newest);
	end(w);
}

static void refused_places(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	assert_int_equal(world_move(w, 0, 0, 16, MIG_PLACE_MAPPED, 0),
			 -EOPNOTSUPP);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_RESERVED);
	assert_int_equal(world_move(w, 0, 0, 16, MIG_PLACE_HOST, 0),
			 -EOPNOTSUPP);
	assert_int_equal(world_move(w, 0, 0, 17, MIG_PLACE_VRAM, 0), -EINVAL);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_string_equal(mig_why_text(MIG_WHY_RESERVED),
			    "the backend's module cannot revoke it for the host yet");
	end(w);
}

static void release_while_away(void **state)
{
	int discard;

	(void)state;
	for (discard = 0; discard < 2; discard++) {
		struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

		world_exec(w, 0);
		to_vram(w, 16);
		world_settle(w);
		world_gpu(w, world_chunk(w, 0, 0), 0);
		world_release(w, 0, discard);
		world_settle(w);
		assert_int_equal(w->obj_pages[0], 0);
		assert_int_equal(KINDS(w, COPY), discard ? 1 : 2);
		world_end(w);
		world_free(w);
	}
}

/* A bind in flight holds a chunk: a want is served when it lets go. */
static void want_while_held(void **state)
{
	struct world *w = one(16, MIG_ACCESS_WRITE, BOTH);

	(void)state;
	to_vram(w, 16);
	world_settle(w);
	world_map(w, 0, 0, 0, 16, MIG_ACCESS_NONE);
	assert_true(w->ask[0].ready);
	world_guest(w, world_chunk(w, 0, 0), true);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	world_ask_answer(w, 0);
	assert_int_not_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(guest_before_gpu),
		cmocka_unit_test(references_counted),
		cmocka_unit_test(want_on_the_way),
		cmocka_unit_test(nth_fails),
		cmocka_unit_test(copy_home_by_cpu),
		cmocka_unit_test(copy_home_fails),
		cmocka_unit_test(deadlines),
		cmocka_unit_test(killed_in_time),
		cmocka_unit_test(stop_without_want),
		cmocka_unit_test(extra_references),
		cmocka_unit_test(shared),
		cmocka_unit_test(shared_writable_bind),
		cmocka_unit_test(shared_stuck),
		cmocka_unit_test(refused_places),
		cmocka_unit_test(release_while_away),
		cmocka_unit_test(want_while_held),
	};

	return cmocka_run_group_tests_name("chunk", tests, NULL, NULL);
}
