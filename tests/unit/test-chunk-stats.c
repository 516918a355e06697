// SPDX-License-Identifier: MIT
/* What is counted and timed of walk B; nothing is decided by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chunkwalk.h"
#include "migworld.h"
#include "userptrif.h"

#define NR_PAGES	16U

/* One object of one chunk, mapped by VM 0, with a job that runs. */
static struct world *one(void)
{
	struct world *w = world_new(NULL);

	world_vm(w, 0, 0, MIG_VM_PREEMPT | MIG_VM_KILL);
	world_obj(w, 0, NR_PAGES, 0);
	world_map(w, 0, 0, 0, NR_PAGES, MIG_ACCESS_WRITE);
	world_settle(w);
	world_exec(w, 0);
	return w;
}

static const struct mig_time *time_of(const struct world *w,
				      enum mig_time_id id)
{
	return &mig_stats(w->mig)->time[id];
}

static uint64_t count(const struct world *w, enum mig_time_id id)
{
	return time_of(w, id)->count;
}

static void to_vram(struct world *w)
{
	assert_int_equal(world_move(w, 0, 0, NR_PAGES, MIG_PLACE_VRAM, 0), 0);
}

static void want(struct world *w)
{
	world_guest(w, world_chunk(w, 0, 0), true);
}

static void there_and_back(void **state)
{
	struct world *w = one();
	struct mig_pages pages;
	uint64_t sum = 0;
	uint32_t id;

	(void)state;
	to_vram(w);
	world_settle(w);
	want(w);
	world_settle(w);
	assert_int_equal(count(w, MIG_TIME_REVOKE), 1);
	assert_int_equal(count(w, MIG_TIME_STOP), 2);
	assert_int_equal(count(w, MIG_TIME_COPY_OUT), 1);
	assert_int_equal(count(w, MIG_TIME_COPY_HOME), 1);
	assert_int_equal(count(w, MIG_TIME_OUT), 1);
	assert_int_equal(count(w, MIG_TIME_WANT), 1);
	assert_int_equal(count(w, MIG_TIME_ROLLBACK), 0);
	assert_int_equal(count(w, MIG_TIME_KILL), 0);
	for (id = 0; id < MIG_NR_TIMES; id++)
		sum += count(w, id);
	assert_int_equal(mig_stats(w->mig)->timed, sum);
	mig_pages(w->mig, 0, &pages);
	assert_int_equal(pages.moved_out, NR_PAGES);
	assert_int_equal(pages.moved_home, NR_PAGES);
	end(w);
}

/* 3 ms and a few us: between 2^11 and 2^12. */
static void right_bucket(void **state)
{
	const struct mig_time *time;
	struct world *w = one();
	uint32_t i;

	(void)state;
	to_vram(w);
	until(w, CHUNK_REVOKING);
	world_wait(w, 3);
	world_settle(w);
	time = time_of(w, MIG_TIME_REVOKE);
	for (i = 0; i < MIG_BUCKETS; i++)
		assert_int_equal(time->bucket[i], i == 12);
	assert_in_range(time->max_us, 3000, 3100);
	assert_int_equal(time->sum_us, time->max_us);
	end(w);
}

static void turned_back(void **state)
{
	struct world *w = one();

	(void)state;
	to_vram(w);
	until(w, CHUNK_COPYING_OUT);
	world_wait(w, 5);
	want(w);
	world_settle(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(mig_stats(w->mig)->rollbacks, 1);
	assert_int_equal(count(w, MIG_TIME_ROLLBACK), 1);
	assert_true(time_of(w, MIG_TIME_ROLLBACK)->sum_us >= 5000);
	assert_int_equal(count(w, MIG_TIME_OUT), 0);
	assert_int_equal(count(w, MIG_TIME_WANT), 1);
	end(w);
}

/* A stop that takes until the jobs are killed. */
static void killed(void **state)
{
	struct world *w = one();

	(void)state;
	to_vram(w);
	world_settle(w);
	w->vm[0].stuck = true;
	want(w);
	world_wait(w, 100);
	world_run(w);
	assert_int_equal(world_state(w, 0, 0), CHUNK_HOME);
	assert_int_equal(mig_stats(w->mig)->kills, 1);
	assert_int_equal(count(w, MIG_TIME_KILL), 1);
	assert_true(time_of(w, MIG_TIME_WANT)->max_us >= 100000);
	assert_true(time_of(w, MIG_TIME_KILL)->max_us <
		    time_of(w, MIG_TIME_WANT)->max_us);
	end(w);
}

/* Without a clock nothing is timed, and all is counted. */
static void no_clock(void **state)
{
	struct world *w = one();

	(void)state;
	w->no_us = true;
	w->mig->us = 0;
	to_vram(w);
	world_settle(w);
	want(w);
	world_settle(w);
	assert_int_equal(mig_stats(w->mig)->timed, 0);
	assert_int_equal(mig_stats(w->mig)->pages_home, NR_PAGES);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(right_bucket),
		cmocka_unit_test(turned_back),
		cmocka_unit_test(killed),
		cmocka_unit_test(no_clock),
	};

	return cmocka_run_group_tests_name("chunk-stats", tests, NULL, NULL);
}
