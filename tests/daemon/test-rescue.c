// SPDX-License-Identifier: MIT
/*
 * A worker moves an object to VRAM and home and dies at some point of it; a
 * rescuer takes over from the journal. With fakes of module and GPU: what is
 * said to be home is home, and no VRAM is left. Then with each call of the
 * rescuer failing in turn. And one that lives on: what came home for a guest that is
 * saved stays there, and what another object is to have comes home for that.
 */
#include "cm.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "process.h"
#include "route.h"

static uint64_t rescuer_lost;	/* pages, by its own account */

/* Is everything home? The @nth call of the rescuer fails, if it makes so many. */
static bool second_life(int journal, unsigned int nth)
{
	struct process *p = process_new();
	bool is_home;
	int ret;

	fake_fail_set(nth);
	ret = process_start(p, journal);
	if (!ret)
		ret = migrator_recover(&p->m);
	if (!ret)
		ret = migrator_rescue(&p->m);
	if (!ret)
		rounds(p, ROUNDS);
	is_home = p->is_home;
	rescuer_lost = p->status.mig_lost;
	if (p->m.thread.run)
		helper_stop(&p->m.thread);
	fake_fail_set(0);
	process_free(p);
	return is_home;
}

/* Returns true if the Nth call was made. */
static bool die_and_rescue(unsigned int back, unsigned int life,
			   unsigned int nth)
{
	struct process *p = process_new();
	int journal = journal_create(&limits);
	bool is_home, has_failed;

	assert_true(journal >= 0);
	first_life(p, journal, back, life);
	assert_int_equal(worker_dies(p), 0);
	is_home = second_life(journal, nth);
	has_failed = nth && !is_home;
	if (is_home) {
		assert_int_equal(pages_away(), 0);
		assert_int_equal(fake_gpu.vram, 0);
	}
	if (!nth) {
		assert_true(is_home);
		assert_int_equal(rescuer_lost, 0);
	}
	process_free(p);
	close(journal);
	return has_failed;
}

static void test_dead_on_the_way_out(void **state)
{
	unsigned int life;

	(void)state;
	for (life = 0; life < 30; life++)
		die_and_rescue(ROUNDS, life, 0);
}

static void test_dead_on_the_way_home(void **state)
{
	unsigned int life;

	(void)state;
	for (life = 16; life < 40; life++)
		die_and_rescue(16, life, 0);
}

/* Whatever the worker did with its import: what is lost is called lost. */
static void test_lost_with_the_worker(void **state)
{
	unsigned int life, tried = 0, lost;

	(void)state;
	for (life = 0; life < 16; life++) {
		struct process *p = process_new();
		int journal = journal_create(&limits);

		assert_true(journal >= 0);
		first_life(p, journal, ROUNDS, life);
		journal_set_ram(&p->journal, OBJ, 0);
		lost = worker_dies(p);
		if (lost) {
			tried++;
			assert_true(second_life(journal, 0));
			assert_int_equal(rescuer_lost, lost);
			assert_int_equal(fake_gpu.vram, 0);
		}
		process_free(p);
		close(journal);
	}
	assert_true(tried > 0);
}

/* The rescuer dies too, after some rounds; another one goes on. */
static void test_dead_rescuer(void **state)
{
	unsigned int life;

	(void)state;
	for (life = 0; life < 24; life += 3) {
		struct process *p = process_new(), *rescuer = process_new();
		int journal = journal_create(&limits);

		assert_true(journal >= 0);
		first_life(p, journal, ROUNDS, 30);
		assert_int_equal(process_start(rescuer, journal), 0);
		assert_int_equal(migrator_recover(&rescuer->m), 0);
		assert_int_equal(migrator_rescue(&rescuer->m), 0);
		rounds(rescuer, life);
		helper_stop(&rescuer->m.thread);
		assert_true(second_life(journal, 0));
		assert_int_equal(pages_away(), 0);
		assert_int_equal(fake_gpu.vram, 0);
		process_free(rescuer);
		process_free(p);
		close(journal);
	}
}

/* Wherever the rescuer fails, it does not say that all is home. */
static void test_each_call_fails(void **state)
{
	unsigned int nth, failed = 0;

	(void)state;
	for (nth = 1; nth < 60; nth++)
		failed += die_and_rescue(ROUNDS, 30, nth);
	assert_true(failed > 5);
}

/* Of what is advised to be in VRAM nothing goes there before it may. */
static void test_stays_home(void **state)
{
	struct mig_event advise = {
		.type = MIG_EV_ADVISE,
		.obj = OBJ,
		.nr = PAGES,
		.advice = XENUSERPTR_ADVICE_PREFER_VRAM,
	};
	struct mig_settings settings = mig_settings_default;
	int journal = journal_create(&limits);
	struct process *p = process_new();

	(void)state;
	worker_start(p, journal);
	settings.policy = MIG_POLICY_HINT;
	settings.vram_pages = 1024;
	settings.vram_page = 1;
	settings.hold_ms = 1;
	settings.hold_max_ms = 1;
	assert_int_equal(migrator_set(&p->m, &settings), 0);
	assert_int_equal(migrator_feed(&p->m, &advise), 0);
	rounds(p, ROUNDS);
	assert_int_equal(pages_away(), PAGES);
	assert_int_equal(migrator_bring_home(&p->m), 0);
	rounds(p, ROUNDS);
	assert_true(p->is_home);
	p->is_home = false;
	assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES, MIG_PLACE_VRAM),
			 -EBUSY);
	assert_int_equal(migrator_set(&p->m, &settings), 0);
	rounds(p, 20);
	assert_int_equal(pages_away(), 0);
	assert_false(migrator_has_lost(&p->m));
	assert_int_equal(migrator_leave_home(&p->m), 0);
	rounds(p, ROUNDS);
	assert_int_equal(pages_away(), PAGES);
	p->m.object[OBJ] = OBJECT_LOST;
	assert_true(migrator_has_lost(&p->m));
	helper_stop(&p->m.thread);
	process_free(p);
	close(journal);
}

/* The same pages once more, while they are away: @run_rounds of the loop. */
static uint32_t map_again(struct process *p, unsigned int run_rounds)
{
	struct work work = object_read(p, OBJ + 1), *done;
	struct route route = { .status = &p->status, .migrator = &p->m };
	struct helper helper;
	uint32_t status = UINT32_MAX;

	work.op.id = 77;
	route.helper = &helper;
	p->m.route = &route;
	assert_int_equal(helper_start(&helper, work_run, &p->env), 0);
	assert_int_equal(route_perform(&route, &work.op), 0);
	/* It waits for chunks, so the loop hears of each step. */
	assert_int_equal(p->m.thread.max_untold, 0);
	rounds(p, run_rounds);
	while (route.in_flight) {
		struct pollfd fd = { .fd = helper.done_fd, .events = POLLIN };

		assert_int_equal(poll(&fd, 1, 10000), 1);
		helper_clear(&helper);
		done = helper_take(&helper);
		if (!done)
			continue;
		status = done->status;
		route.in_flight--;
		if (status == XENUSERPTR_STATUS_OK)
			assert_int_equal(migrator_before_done(&p->m, done), 0);
		assert_int_equal(migrator_after_done(&p->m, done), 0);
		free(done);
	}
	helper_stop(&helper);
	return status;
}

static void test_mapped_again(void **state)
{
	int journal = journal_create(&limits);
	struct process *p = process_new();

	(void)state;
	worker_start(p, journal);
	assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES, MIG_PLACE_VRAM), 0);
	rounds(p, ROUNDS);
	assert_int_equal(pages_away(), PAGES);
	assert_int_equal(map_again(p, ROUNDS), XENUSERPTR_STATUS_OK);
	assert_int_equal(pages_away(), 0);
	/* In two objects: it stays. */
	assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES, MIG_PLACE_VRAM), 0);
	rounds(p, 20);
	assert_int_equal(pages_away(), 0);
	assert_true(p->m.thread.max_untold > 0);
	assert_null(p->m.gates);
	assert_null(p->m.asks);
	assert_null(p->m.let_go);
	helper_stop(&p->m.thread);
	process_free(p);
	close(journal);
}

/* One that only waits for its GPU calls the module, or that takes it for dead. */
static void test_waits_and_lives(void **state)
{
	struct process *p = process_new();
	int journal = journal_create(&limits);
	unsigned int calls, nr = 1000;

	(void)state;
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	fake_gpu.hangs = true;
	assert_true(journal >= 0);
	assert_int_equal(process_start(p, journal), 0);
	p->m.settings.copy_ms = 60000;
	assert_int_equal(migrator_set(&p->m, &p->m.settings), 0);
	object_map(p);
	assert_int_equal(migrator_move(&p->m, OBJ, 0, 16, MIG_PLACE_VRAM), 0);
	while (!fake_gpu.copies && nr--)
		rounds(p, 1);
	assert_int_equal(fake_gpu.copies, 1);
	calls = fake_module.ops_calls;
	/* It never makes the three within the rounds if it makes none. */
	for (nr = 0; fake_module.ops_calls < calls + 3 && nr < 1000; nr++)
		rounds(p, 1);
	assert_int_equal(fake_module.ops_calls, calls + 3);
	assert_int_equal(fake_gpu.copies, 1);
	fake_gpu.hangs = false;
	assert_int_equal(eventfd_write(fake_gpu.copy_fence, 1), 0);
	rounds(p, ROUNDS);
	/* At rest it says nothing: the next sign would come within a second. */
	calls = fake_module.ops_calls;
	for (nr = 0; nr < 75; nr++)
		rounds(p, 1);
	assert_int_equal(fake_module.ops_calls, calls);
	helper_stop(&p->m.thread);
	process_free(p);
	close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stays_home),
		cmocka_unit_test(test_mapped_again),
		cmocka_unit_test(test_dead_on_the_way_out),
		cmocka_unit_test(test_dead_on_the_way_home),
		cmocka_unit_test(test_lost_with_the_worker),
		cmocka_unit_test(test_dead_rescuer),
		cmocka_unit_test(test_each_call_fails),
		cmocka_unit_test(test_waits_and_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
