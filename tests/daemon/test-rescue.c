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
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "jobs.h"
#include "journal.h"
#include "migrator.h"
#include "route.h"

/* What a dead process leaves behind is what this is about. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

#define OBJ	2U
#define PAGES	64U
#define GREF	100U
#define ROUNDS	60U	/* of the loop, more than any walk needs */

static const struct core_limits limits = {
	.max_pages = 1024,
	.max_objects = 4,
	.max_vms = 2,
	.max_mappings = 16,
	.max_jobs = 4,
	.max_requests = 4,
	.max_bind_ops = 4,
};

/* One process. A dead one stays as it was: nobody cleans up after it. */
struct process {
	struct worker_status status;
	struct work_env env;
	struct migrator m;
	struct journal journal;
	bool is_home;
	int error;
};

/* Those of the fake GPU are eventfds and have always signalled. */
int jobs_read_fence(int fence)
{
	(void)fence;
	return 0;
}

static int on_home(void *context)
{
	struct process *p = context;

	p->is_home = true;
	return 0;
}

static int on_mover(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct process *p = context;

	(void)source;
	(void)fd;
	(void)revents;
	p->error = migrator_on_mover(&p->m);
	return p->error;
}

static int on_timer(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct process *p = context;

	(void)source;
	(void)fd;
	(void)revents;
	p->error = migrator_on_timer(&p->m);
	return p->error;
}

static void env_make(struct process *p)
{
	p->env.gpu = &fake_gpu_ops;
	p->env.reader.status = &p->status;
	p->env.status = &p->status;
	p->env.max_objects = limits.max_objects;
	p->env.max_vms = limits.max_vms;
	p->env.keep_grefs = true;
}

/* 0 or the first error; a process whose start fails is dead. */
static int process_start(struct process *p, int journal)
{
	struct migrator *m = &p->m;
	int ret;

	env_make(p);
	m->env = &p->env;
	m->status = &p->status;
	m->journal = &p->journal;
	m->settings = mig_settings_default;
	m->settings.vram_pages = 1024;
	m->settings.vram_page = 1;
	m->home = on_home;
	m->context = p;
	ret = journal_open(&p->journal, dup(journal), &limits);
	if (!ret)
		ret = work_init(&p->env);
	if (!ret)
		ret = sd_event_new(&m->loop) < 0 ? -ENOMEM : 0;
	if (!ret)
		ret = migrator_init(m, &limits, eventfd(0, EFD_CLOEXEC));
	if (ret)
		return ret;
	assert_true(sd_event_add_io(m->loop, NULL, m->thread.done_fd, EPOLLIN,
				    on_mover, p) >= 0);
	assert_true(sd_event_add_io(m->loop, NULL, m->timer, EPOLLIN, on_timer,
				    p) >= 0);
	return 0;
}

/* Up to @nr, as long as there is something to do. An error ends the process. */
static void rounds(struct process *p, unsigned int nr)
{
	while (nr-- && !p->is_home && !p->error)
		if (!sd_event_run(p->m.loop, 20000) && mig_idle(p->m.engine))
			break;
}

/* The op that is due when the helper has read the directory of @obj. */
static struct work object_read(struct process *p, uint32_t obj)
{
	static struct xen_userptrif_dir dir;
	struct work work = { .kind = WORK_OP };
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		dir.gref[i] = GREF + i;
	fake_grant_clear();
	fake_grant(1, &dir);
	work.op.obj = obj;
	work.op.nr = PAGES;
	work.op.gref_directory = 1;
	work.op.type = CORE_OP_READ_DIR;
	work_run(&p->env, &work);
	work.op.type = CORE_OP_MAP;
	return work;
}

static void object_map(struct process *p)
{
	struct work work = object_read(p, OBJ);

	work_run(&p->env, &work);
	assert_int_equal(work.status, XENUSERPTR_STATUS_OK);
	assert_int_equal(migrator_before_done(&p->m, &work), 0);
}

static void worker_start(struct process *p, int journal)
{
	memset(&fake_gpu, 0, sizeof(fake_gpu));
	memset(&fake_module, 0, sizeof(fake_module));
	assert_int_equal(process_start(p, journal), 0);
	object_map(p);
}

/* Out, and home from @back on; dead after @life rounds. */
static void first_life(struct process *p, int journal, unsigned int back,
		       unsigned int life)
{
	worker_start(p, journal);
	assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES, MIG_PLACE_VRAM), 0);
	rounds(p, life < back ? life : back);
	if (life > back) {
		assert_int_equal(migrator_move(&p->m, OBJ, 0, PAGES,
					       MIG_PLACE_RAM), 0);
		rounds(p, life - back);
	}
	helper_stop(&p->m.thread);
}

static unsigned int pages_away(void)
{
	unsigned int i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += fake_module.rev_state[GREF + i] == FAKE_REV_REVOKED;
	return nr;
}

static void process_free(struct process *p)
{
	sd_event_unref(p->m.loop);
	grefs_fini(&p->m.grefs);
	mover_fini(&p->m.mover);
	work_fini(&p->env);
	free(p->m.object);
	if (p->m.timer > 0)
		close(p->m.timer);
	if (p->journal.head)
		journal_close(&p->journal);
	free(p);
}

static struct process *process_new(void)
{
	struct process *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	return p;
}

/*
 * Without an import on the GPU's file, which outlives the worker, the module unmaps
 * the object, and the hypervisor gives up what is revoked of it.
 */
static unsigned int worker_dies(const struct process *p)
{
	unsigned int i, lost = 0;

	for (i = 0; i < PAGES && !journal_ram(&p->journal, OBJ); i++) {
		lost += fake_module.rev_state[GREF + i] == FAKE_REV_REVOKED;
		fake_module.rev_state[GREF + i] = FAKE_REV_NONE;
	}
	return lost;
}

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
