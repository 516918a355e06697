// SPDX-License-Identifier: MIT
/* Which chunk moves when: policies, pressure, ping-pong, what forbids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chunkwalk.h"
#include "migworld.h"
#include "policy.h"
#include "userptrif.h"

#define KINDS(w, type) ((w)->ops_by_type[MIG_OP_##type])
#define BOTH (MIG_VM_PREEMPT | MIG_VM_KILL)

static struct world *one(uint32_t policy, uint32_t nr, uint32_t vram_pages)
{
	struct mig_settings settings = world_settings;
	struct world *w;

	settings.policy = policy;
	settings.vram_pages = vram_pages;
	w = world_new(&settings);
	world_vm(w, 0, 0, BOTH);
	world_obj(w, 0, nr, 0);
	world_map(w, 0, 0, 0, nr, MIG_ACCESS_WRITE);
	world_settle(w);
	return w;
}

static void advise(struct world *w, uint32_t first, uint32_t nr,
		   uint32_t advice)
{
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_ADVISE, .first = first, .nr = nr,
		.advice = advice }), 0);
}

static void choose(struct world *w, uint32_t policy)
{
	w->settings.policy = policy;
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_SETTINGS, .settings = &w->settings }), 0);
}

static void manual(void **state)
{
	struct world *w = one(MIG_POLICY_MANUAL, 16, 4096);

	(void)state;
	advise(w, 0, 16, XENUSERPTR_ADVICE_PREFER_VRAM);
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	end(w);
}

static bool wished(struct world *w)
{
	struct mig_chunk_info info;

	assert_int_equal(mig_chunk_get(w->mig, 0, 0, &info), 0);
	return info.wished;
}

/* What is where it was asked to be is not asked for any more: who waits is told. */
static void there_already(void **state)
{
	struct world *w = one(MIG_POLICY_MANUAL, 16, 4096);

	(void)state;
	world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0);
	assert_false(wished(w));
	world_map(w, 0, 0, 0, 16, MIG_ACCESS_READ);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_SHARED);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_SHARED);
	assert_false(wished(w));
	assert_int_equal(KINDS(w, ALLOC), 1);
	world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_false(wished(w));
	end(w);
}

/* Asked for again on its way there: what arrives was waited for. */
static void on_its_way(void **state)
{
	struct world *w = one(MIG_POLICY_MANUAL, 16, 4096);

	(void)state;
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	until(w, CHUNK_COPYING_OUT);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	assert_true(wished(w));
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	assert_false(wished(w));
	end(w);
}

/* What is lost on its way goes nowhere, so nobody waits for it. */
static void lost_on_its_way(void **state)
{
	struct world *w = one(MIG_POLICY_MANUAL, 16, 4096);

	(void)state;
	w->losses = true;
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	world_run(w);
	world_chunk(w, 0, 0)->lost = true;
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_GONE }), 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOSING);
	world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0);
	assert_true(wished(w));
	world_complete(w, 0, MIG_OK);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	assert_false(wished(w));
	world_stop_now(w, 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST_UNBINDING);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	assert_false(wished(w));
	world_settle(w);
	end(w);
}

/* The module gave it back as lost. */
static void lost_goes_nowhere(void **state)
{
	struct world *w = one(MIG_POLICY_MANUAL, 16, 4096);
	struct world_chunk *chunk;

	(void)state;
	w->losses = true;
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	world_run(w);
	chunk = world_chunk(w, 0, 0);
	chunk->access = MIG_ACCESS_WRITE;
	chunk->lost = true;
	chunk->home = 0;
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_GONE }), 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_LOST);
	world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0);
	assert_false(wished(w));
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	assert_false(wished(w));
	end(w);
}

static void first_use(void **state)
{
	struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);

	(void)state;
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

static void hints(void **state)
{
	struct world *w = one(MIG_POLICY_HINT, 16, 4096);

	(void)state;
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	advise(w, 0, 16, XENUSERPTR_ADVICE_READ_MOSTLY);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	advise(w, 0, 16, XENUSERPTR_ADVICE_PREFER_VRAM);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	advise(w, 0, 16, XENUSERPTR_ADVICE_PREFER_RAM);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	end(w);
}

/* Also when it is said on the way out, in VRAM, or of one page only. */
static void never_move(void **state)
{
	struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);

	(void)state;
	world_exec(w, 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_ALLOCATING);
	advise(w, 5, 1, XENUSERPTR_ADVICE_NEVER_MOVE);
	advise(w, 6, 1, XENUSERPTR_ADVICE_PREFER_VRAM);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NEVER_MOVE);
	advise(w, 0, 16, XENUSERPTR_ADVICE_NORMAL);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	advise(w, 15, 1, XENUSERPTR_ADVICE_NEVER_MOVE);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	end(w);
}

static void alias_stays(void **state)
{
	struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);

	(void)state;
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_event(w, (struct mig_event){
		.type = MIG_EV_ALIAS, .first = 3, .nr = 1 }), 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_ALIAS);
	end(w);
}

/* ... and what the hypervisor says to ARM counts as well. */
static void arm_says(void **state)
{
	static const struct {
		uint32_t status, why;
	} cases[] = {
		{ MIG_ALIASED, MIG_WHY_ALIAS },
		{ MIG_NOT_ALLOWED, MIG_WHY_REFUSED },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);

		world_exec(w, 0);
		world_complete(w, 0, MIG_OK);
		assert_int_equal(w->pending[0].op.type, MIG_OP_ARM);
		world_complete(w, 0, cases[i].status);
		world_run(w);
		assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
		world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 0);
		assert_int_equal(world_why(w, 0, 0), cases[i].why);
		assert_int_equal(w->ops_by_type[MIG_OP_REVOKE], 0);
		end(w);
	}
}

static void too_small(void **state)
{
	struct mig_settings settings = world_settings;
	struct world *w;

	(void)state;
	settings.vram_page = 16;
	w = world_new(&settings);
	world_obj(w, 0, 17, 0);
	world_move(w, 0, 0, 17, MIG_PLACE_VRAM, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_SHARED);
	assert_int_equal(world_state(w, 0, 16), CHUNK_HOME);
	assert_int_equal(world_why(w, 0, 16), MIG_WHY_SMALL);
	end(w);
}

static unsigned int in_vram(struct world *w)
{
	unsigned int i, nr = 0;

	for (i = 0; i < WORLD_CHUNKS; i++)
		nr += w->chunk[i].used &&
		      world_state(w, w->chunk[i].obj, w->chunk[i].first) ==
		      CHUNK_DEVICE;
	return nr;
}

/* One VM uses four times the VRAM: a quarter is there, and nothing moves. */
static void pressure_no_livelock(void **state)
{
	struct world *w = one(MIG_POLICY_PRESSURE, 8192, 2048);
	unsigned int i;

	(void)state;
	for (i = 0; i < 50; i++) {
		world_exec(w, 0);
		world_run(w);
		world_wait(w, 100);
		world_run(w);
		world_job_end(w, 0);
	}
	assert_int_equal(in_vram(w), 4);
	assert_int_equal(mig_stats(w->mig)->evictions, 0);
	assert_int_equal(w->ops_by_type[MIG_OP_COPY], 4);
	end(w);
}

/* What was used least recently goes, and only as often as it has to. */
static void pressure_lru(void **state)
{
	struct world *w = one(MIG_POLICY_PRESSURE, 512, 512);
	unsigned int i;

	(void)state;
	world_vm(w, 1, 0, BOTH);
	world_obj(w, 1, 512, 0);
	world_map(w, 1, 1, 0, 512, MIG_ACCESS_WRITE);
	world_settle(w);
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	world_exec(w, 1);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_state(w, 1, 0), CHUNK_DEVICE);
	for (i = 0; i < 20; i++)
		world_wait(w, 100);
	world_run(w);
	assert_int_equal(mig_stats(w->mig)->evictions, 1);
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	assert_int_equal(mig_stats(w->mig)->evictions, 2);
	end(w);
}

/* VRAM that others use up: tried again later, and nothing is revoked. */
static void vram_of_others(void **state)
{
	struct world *w = one(MIG_POLICY_FIRST_USE, 512, 4096);

	(void)state;
	world_exec(w, 0);
	assert_int_equal(w->pending[0].op.type, MIG_OP_ALLOC);
	world_complete(w, 0, MIG_NO_VRAM);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NO_VRAM);
	assert_int_equal(w->nr_pending, 0);
	assert_int_equal(mig_next_time(w->mig), w->now + 100);
	assert_int_equal(w->ops_by_type[MIG_OP_REVOKE], 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* Each bounce doubles the time at home, up to a limit. */
static void ping_pong(void **state)
{
	static const uint32_t holds[] = { 100, 200, 400, 800, 1600, 2000, 2000 };
	struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);
	unsigned int i;

	(void)state;
	world_exec(w, 0);
	world_run(w);
	for (i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
		uint64_t at = w->now;

		assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
		world_guest(w, world_chunk(w, 0, 0), i & 1);
		world_settle(w);
		assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
		assert_int_equal(world_why(w, 0, 0), MIG_WHY_BOUNCED);
		world_wait(w, at + holds[i] - 1 - w->now);
		assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
		world_wait(w, 1);
		world_settle(w);
	}
	assert_int_equal(mig_stats(w->mig)->bounces, i);
	/* It stays away for long: the next one counts as the first. */
	world_wait(w, 500);
	world_guest(w, world_chunk(w, 0, 0), true);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	end(w);
}

/* Four chunks that leave two at a time; the next two wait if the VM has a job. */
static void batches(void **state)
{
	struct world *w;
	unsigned int jobs;

	(void)state;
	for (jobs = 0; jobs < 2; jobs++) {
		w = one(MIG_POLICY_MANUAL, 2048, 4096);
		w->settings.max_active = 2;
		choose(w, MIG_POLICY_MANUAL);
		if (jobs)
			world_exec(w, 0);
		world_move(w, 0, 0, 2048, MIG_PLACE_VRAM, 0);
		world_settle(w);
		assert_int_equal(in_vram(w), jobs ? 2 : 4);
		if (jobs)
			assert_int_equal(mig_next_time(w->mig), w->now + 10);
		world_run(w);
		assert_int_equal(in_vram(w), 4);
		assert_int_equal(w->ops_by_type[MIG_OP_STOP], 2);
		end(w);
	}
}

static void exchanged_while_running(void **state)
{
	struct world *w = one(MIG_POLICY_MANUAL, 16, 4096);
	unsigned int i;

	(void)state;
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	choose(w, MIG_POLICY_FIRST_USE);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	for (i = 0; i < MIG_NR_POLICIES; i++)
		assert_non_null(policies[i].name);
	end(w);
}

/*
 * Nothing goes to the VRAM of the second GPU: what that one used last stays home,
 * and nobody tries again before somebody uses it.
 */
static void gpu_without_vram(void **state)
{
	struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);

	(void)state;
	w->settings.home_gpus = ~1U;
	choose(w, MIG_POLICY_FIRST_USE);
	world_vm(w, 1, 1, BOTH);
	world_map(w, 1, 0, 0, 16, MIG_ACCESS_WRITE);
	world_settle(w);
	world_exec(w, 1);
	world_settle(w);
	world_job_end(w, 1);
	assert_int_equal(w->vm[1].jobs, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NO_VRAM);
	assert_int_equal(KINDS(w, ALLOC), 0);
	assert_true(mig_next_time(w->mig) == MIG_NEVER);
	world_exec(w, 0);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	world_exec(w, 1);
	world_settle(w);
	assert_int_equal(w->vm[1].jobs, 1);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_job_end(w, 1);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	world_move(w, 0, 0, 16, MIG_PLACE_VRAM, 1);
	world_settle(w);
	assert_false(wished(w));
	assert_int_equal(world_why(w, 0, 0), MIG_WHY_NO_VRAM);
	assert_int_equal(KINDS(w, ALLOC), 1);
	end(w);
}

/*
 * All VRAM is to be empty, and a job does not stop in time: it is asked again and
 * again, by itself, until the job has ended. In between the VM runs, for the job may
 * wait for another of its jobs.
 */
static void home_after_a_long_job(void **state)
{
	struct world *w = one(MIG_POLICY_FIRST_USE, 16, 4096);
	unsigned int i;

	(void)state;
	world_exec(w, 0);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
	w->vm[0].stuck = true;
	w->settings.home_gpus = UINT32_MAX;
	choose(w, MIG_POLICY_MANUAL);
	world_move(w, 0, 0, 16, MIG_PLACE_RAM, 0);
	for (i = 0; i < 5; i++) {
		assert_int_equal(world_state(w, 0, 0), CHUNK_STOPPING_HOME);
		world_wait(w, w->settings.stop_ms);
		assert_int_equal(world_state(w, 0, 0), CHUNK_DEVICE);
		world_wait(w, w->settings.run_ms);
	}
	assert_int_equal(KINDS(w, KILL), 0);
	w->vm[0].stuck = false;
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_true(mig_idle(w->mig));
	end(w);
}

static void settings_are_checked(void **state)
{
	struct mig_settings bad = world_settings;

	(void)state;
	assert_true(mig_settings_valid(&bad));
	assert_true(mig_settings_valid(&mig_settings_default));
	bad.policy = MIG_NR_POLICIES;
	assert_false(mig_settings_valid(&bad));
	bad = world_settings;
	bad.lost_ms = bad.kill_ms;
	assert_false(mig_settings_valid(&bad));
	bad = world_settings;
	bad.max_active = 0;
	assert_false(mig_settings_valid(&bad));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual),
		cmocka_unit_test(there_already),
		cmocka_unit_test(lost_goes_nowhere),
		cmocka_unit_test(on_its_way),
		cmocka_unit_test(lost_on_its_way),
		cmocka_unit_test(home_after_a_long_job),
		cmocka_unit_test(first_use),
		cmocka_unit_test(hints),
		cmocka_unit_test(never_move),
		cmocka_unit_test(alias_stays),
		cmocka_unit_test(arm_says),
		cmocka_unit_test(too_small),
		cmocka_unit_test(pressure_no_livelock),
		cmocka_unit_test(pressure_lru),
		cmocka_unit_test(vram_of_others),
		cmocka_unit_test(ping_pong),
		cmocka_unit_test(batches),
		cmocka_unit_test(exchanged_while_running),
		cmocka_unit_test(gpu_without_vram),
		cmocka_unit_test(settings_are_checked),
	};

	return cmocka_run_group_tests_name("chunk-policy", tests, NULL, NULL);
}
