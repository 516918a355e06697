// SPDX-License-Identifier: MIT
/* What the mover saves: ops that go together, and chunks that stay armed. */
#include "cm.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "mover-armed.h"
#include "moverworld.h"

static struct work *bind_submit(struct helper *helper, uint32_t first, uint32_t vm)
{
	struct move *move = calloc(1, sizeof(*move) + sizeof(move->lists[0]));
	struct work *work = calloc(1, sizeof(*work));

	assert_non_null(move);
	assert_non_null(work);
	move->op.type = MIG_OP_UNBIND;
	move->op.obj = OBJ;
	move->op.first = first;
	move->op.nr = PAGES;
	move->status = MIG_FAILED;
	move->nr_lists = 1;
	move->lists[0].vm = vm;
	move->lists[0].life = work_vm_life(&env, vm);
	move->lists[0].nr = 1;
	move->lists[0].binds = calloc(1, sizeof(struct core_bind));
	assert_non_null(move->lists[0].binds);
	move->lists[0].binds[0].gpu_va = (uint64_t)first << 12;
	work->kind = WORK_MOVE;
	work->fence = -1;
	work->move = move;
	helper_submit(helper, work);
	return work;
}

/* Runs when all are submitted. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void gated_run(void *context, struct work *work)
{
	pthread_mutex_lock(&gate);
	mover_run(context, work);
	pthread_mutex_unlock(&gate);
}

/* How many of the works say so? In the order in which they were submitted. */
static unsigned int works_end(struct helper *helper, struct work **works,
			      unsigned int nr, uint32_t wanted)
{
	struct work *work;
	unsigned int i = 0, found = 0;

	while (i < nr) {
		work = helper_take(helper);
		if (!work)
			continue;
		assert_ptr_equal(work, works[i]);
		found += work->move->status == wanted;
		move_free(work->move);
		free(work);
		i++;
	}
	return found;
}

static void chunks_submit(struct helper *helper, enum mig_op_type type,
			  struct work **works, uint32_t nr)
{
	struct move *move;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		move = calloc(1, sizeof(*move));
		works[i] = calloc(1, sizeof(*works[i]));
		assert_non_null(move);
		assert_non_null(works[i]);
		move->op.type = type;
		move->op.obj = OBJ;
		move->op.first = i * PAGES;
		move->op.nr = PAGES;
		move->op.flags = type == MIG_OP_COPY ? MIG_OP_VRAM : 0;
		move->status = MIG_FAILED;
		move->fence = -1;
		works[i]->kind = WORK_MOVE;
		works[i]->fence = -1;
		works[i]->move = move;
		helper_submit(helper, works[i]);
	}
}

/* All four, at the same time; the @fail'th call of them fails. */
static void places_run(struct helper *helper, enum mig_op_type type,
		       unsigned int fail)
{
	struct work *works[4];

	pthread_mutex_lock(&gate);
	fake_gpu.place_calls = 0;
	chunks_submit(helper, type, works, 4);
	fake_fail_set(fail);
	pthread_mutex_unlock(&gate);
	assert_int_equal(works_end(helper, works, 4, MIG_OK), 4);
	has_failed = fake_fail_hit();
	fake_fail_set(0);
}

/* VRAM of several chunks is put in its place, and taken away, in one call. */
static void places_go_together(void **state)
{
	struct helper helper;
	unsigned int fail;

	(void)state;
	world_make();
	assert_int_equal(helper_start(&helper, gated_run, &mover), 0);
	mover.thread = &helper;
	places_run(&helper, MIG_OP_ALLOC, 0);
	assert_int_equal(fake_gpu.place_calls, 2);	/* and the object's */
	assert_int_equal(fake_gpu.places, 5);
	for (fail = 1, has_failed = true; has_failed; fail++) {
		places_run(&helper, MIG_OP_FREE, 0);
		assert_int_equal(fake_gpu.place_calls, 1);
		assert_int_equal(fake_gpu.places, 1);
		/* What fails as a whole is repeated, each alone. */
		places_run(&helper, MIG_OP_ALLOC, fail);
		assert_int_equal(fake_gpu.place_calls, has_failed ? 4 : 1);
		assert_int_equal(fake_gpu.places, 5);
	}
	assert_true(fail > 5);
	helper_stop(&helper);
	mover.thread = NULL;
	world_end();
}

/* Takes a copy that was started; its slot is free again. */
static void copy_end(struct helper *helper, struct work *wanted, bool is_joined,
		     bool is_head)
{
	struct work *work;

	while (!(work = helper_take(helper)))
		;
	assert_ptr_equal(work, wanted);
	assert_int_equal(work->move->status, MIG_OK);
	assert_int_equal(work->move->is_joined, is_joined);
	assert_int_equal(work->move->fence < 0, is_joined);
	/* Of those that were taken together the first stands for all. */
	if (is_head)
		assert_true(work->is_urgent);
	assert_true(atomic_load(&mover.copies) & 1U << work->move->slot);
	mover_copied(&mover, work->move->slot);
	if (work->move->fence >= 0)
		close(work->move->fence);
	move_free(work->move);
	free(work);
}

/* Copies that wait behind each other are started in one call, some at a time. */
static void copies_go_together(void **state)
{
	const uint32_t nr = GPU_COPIES_MAX + 2;
	struct work *works[GPU_COPIES_MAX + 2];
	struct helper helper;
	uint32_t i, calls;

	(void)state;
	world_make();
	assert_int_equal(helper_start(&helper, gated_run, &mover), 0);
	mover.thread = &helper;
	places_run(&helper, MIG_OP_ALLOC, 0);
	for (fail_nth = 0; fail_nth < 2; fail_nth++) {
		pthread_mutex_lock(&gate);
		calls = fake_gpu.copy_calls;
		chunks_submit(&helper, MIG_OP_COPY, works, 4);
		chunks_submit(&helper, MIG_OP_COPY, works + 4, nr - 4);
		fake_fail_set(fail_nth);
		pthread_mutex_unlock(&gate);
		/* Those of a call that failed are started one by one. */
		for (i = 0; i < nr; i++)
			copy_end(&helper, works[i], fail_nth && i < GPU_COPIES_MAX ?
				 false : i % GPU_COPIES_MAX,
				 i % GPU_COPIES_MAX == 0);
		assert_int_equal(fake_gpu.copy_calls - calls,
				 fail_nth ? GPU_COPIES_MAX + 1 : 2);
		assert_int_equal(atomic_load(&mover.copies), 0);
		fake_fail_set(0);
	}
	fail_nth = 0;
	places_run(&helper, MIG_OP_FREE, 0);
	helper_stop(&helper);
	mover.thread = NULL;
	world_end();
}

/* Slots one behind the other are taken, or none. */
static void copies_need_slots(void **state)
{
	struct work *works[2];
	struct helper helper;

	(void)state;
	world_make();
	assert_int_equal(helper_start(&helper, gated_run, &mover), 0);
	mover.thread = &helper;
	places_run(&helper, MIG_OP_ALLOC, 0);
	atomic_store(&mover.copies, 0xbffffffdU);
	pthread_mutex_lock(&gate);
	chunks_submit(&helper, MIG_OP_COPY, works, 2);
	pthread_mutex_unlock(&gate);
	copy_end(&helper, works[0], false, true);
	copy_end(&helper, works[1], false, false);
	assert_int_equal(atomic_load(&mover.copies), 0xbffffffdU);
	atomic_store(&mover.copies, UINT32_MAX);
	chunks_submit(&helper, MIG_OP_COPY, works, 1);
	assert_int_equal(works_end(&helper, works, 1, MIG_FAILED), 1);
	atomic_store(&mover.copies, 0);
	places_run(&helper, MIG_OP_FREE, 0);
	helper_stop(&helper);
	mover.thread = NULL;
	world_end();
}

/* Changes of one address space that wait behind each other are one call. */
static void binds_go_together(void **state)
{
	struct work *works[6];
	struct helper helper;
	unsigned int i, binds;

	(void)state;
	world_make();
	assert_int_equal(helper_start(&helper, gated_run, &mover), 0);
	mover.thread = &helper;
	for (fail_nth = 0; fail_nth < 2; fail_nth++) {
		pthread_mutex_lock(&gate);
		binds = fake_gpu.binds;
		for (i = 0; i < 6; i++)
			works[i] = bind_submit(&helper, i * PAGES, 0);
		fake_fail_set(fail_nth);
		pthread_mutex_unlock(&gate);
		assert_int_equal(works_end(&helper, works, 6, MIG_OK), 6);
		/* One that fails as a whole is repeated, each alone. */
		assert_int_equal(fake_gpu.binds - binds, fail_nth ? 6 : 1);
	}
	fail_nth = 0;
	fake_fail_set(0);
	helper_stop(&helper);
	mover.thread = NULL;
	world_end();
}

/* One page says no: none stays armed, and the chunk knows why. */
static void arm_is_all_or_nothing(void **state)
{
	(void)state;
	world_make();
	fake_module.refuse_gref = grefs_of_object(FIRST + 7);
	fake_module.refuse_status = -14;	/* GNTST_not_allowed */
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_NOT_ALLOWED);
	assert_int_equal(page_state(0), FAKE_REV_NONE);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	fake_module.refuse_status = -15;	/* GNTST_alias */
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_ALIASED);
	fake_module.refuse_gref = 0;
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	world_end();
}

/* The pages of a chunk that came home are armed still, and are not armed twice. */
static void comes_home_armed(uint32_t max_idle)
{
	world_make();
	mover.max_idle = max_idle;
	assert_int_equal(run(MIG_OP_ALLOC, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
}

static void stays_armed(void **state)
{
	uint32_t calls;

	(void)state;
	comes_home_armed(PAGES);
	assert_int_equal(page_state(15), FAKE_REV_HOME);
	assert_int_equal(mover.nr_idle, PAGES);
	calls = fake_module.ops_calls;
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(fake_module.ops_calls, calls);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(mover.nr_idle, 0);
	assert_int_equal(page_state(15), FAKE_REV_REVOKED);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	assert_int_equal(mover.nr_idle, PAGES);
	assert_int_equal(forgotten(), MIG_OK);
	assert_int_equal(mover.nr_idle, 0);
	world_end();
}

static void only_so_many_stay_armed(void **state)
{
	(void)state;
	comes_home_armed(PAGES - 1);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	assert_int_equal(mover.nr_idle, 0);
	world_end();
}

/* Contents that are given up end it. */
static void lost_is_disarmed(void **state)
{
	(void)state;
	comes_home_armed(PAGES);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_RESTORE, MIG_OP_LOST, NULL), MIG_OK);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	assert_int_equal(mover.nr_idle, 0);
	world_end();
}

/* Of the chunk that begins at page @first. */
static uint32_t run_at(uint32_t first, enum mig_op_type type)
{
	struct move move = {
		.op.type = type, .op.obj = OBJ, .op.first = first, .op.nr = PAGES,
	};
	struct work work = { .kind = WORK_MOVE, .move = &move };

	mover_run(&mover, &work);
	return move.status;
}

/* An ARM that the hypervisor refuses is tried again without what is only idle. */
static void disarmed_for_others(void **state)
{
	uint32_t page;

	(void)state;
	comes_home_armed(PAGES);
	mover_disarm_idle(&mover);
	assert_int_equal(mover.nr_idle, 0);
	for (page = 0; page < PAGES; page++)
		assert_int_equal(page_state(page), FAKE_REV_NONE);
	mover_disarm_idle(&mover);
	world_end();

	comes_home_armed(PAGES);
	fake_module.max_armed = PAGES;
	assert_int_equal(run_at(0, MIG_OP_ARM), MIG_OK);
	assert_int_equal(page_state(15), FAKE_REV_NONE);
	assert_int_equal(mover.nr_idle, 0);
	assert_int_equal(run_at(PAGES, MIG_OP_ARM), MIG_FAILED);
	world_end();
}

/* It was unmapped meanwhile: it is armed once more, and no page is left revoked by halves. */
static void no_longer_armed(void **state)
{
	uint32_t page;

	(void)state;
	comes_home_armed(PAGES);
	for (page = 0; page < PAGES; page += 2)
		fake_module.rev_state[grefs_of_object(FIRST + page)] = FAKE_REV_NONE;
	assert_int_equal(run(MIG_OP_ARM, 0, NULL), MIG_OK);
	assert_int_equal(run(MIG_OP_REVOKE, 0, NULL), MIG_OK);
	for (page = 0; page < PAGES; page++)
		assert_int_equal(page_state(page), FAKE_REV_REVOKED);
	assert_int_equal(run(MIG_OP_RESTORE, 0, NULL), MIG_OK);
	assert_int_equal(mover.nr_idle, PAGES);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binds_go_together),
		cmocka_unit_test(places_go_together),
		cmocka_unit_test(copies_go_together),
		cmocka_unit_test(copies_need_slots),
		cmocka_unit_test(arm_is_all_or_nothing),
		cmocka_unit_test(stays_armed),
		cmocka_unit_test(only_so_many_stay_armed),
		cmocka_unit_test(lost_is_disarmed),
		cmocka_unit_test(no_longer_armed),
		cmocka_unit_test(disarmed_for_others),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
