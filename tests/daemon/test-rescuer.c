// SPDX-License-Identifier: MIT
/*
 * The rescuer's own steps: it stops what the dead worker's GPU still copies, makes its
 * event loop, and runs until all is home or is known to be lost (test-rescue is about
 * each point at which a worker can die).
 */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"
#include "fake-gpu.h"
#include "fake-xen.h"
#include "module.h"
#include "process.h"
#include "worker.h"

/* In this life all of OBJ is in VRAM; from here on it comes home. */
#define LIFE_AWAY	30U

static bool gpu_moves = true;
static int records[2];	/* a pipe for the module's file */

int module_read(int module, struct xen_userptr_back_record *record)
{
	ssize_t got = read(module, record, sizeof(*record));

	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return got == sizeof(*record) ? 1 : -EIO;
}

/* Of setup.c and serve.c, which need more of Xen than there are fakes. */
int worker_setup_gpu(struct worker *worker, int gpu_node, const char **why)
{
	*why = "the GPU does not answer";
	worker->env.gpu = &fake_gpu_ops;
	worker->move_node = dup(gpu_node);
	worker->route.migrator = gpu_moves ? &worker->migrator : NULL;
	return 0;
}

int worker_limit_fds(const struct core_limits *limit, const char **why)
{
	(void)limit;
	(void)why;
	return 0;
}

static int on_mover(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct worker *worker = context;
	int ret = migrator_on_mover(&worker->migrator);

	(void)source;
	(void)fd;
	(void)revents;
	return ret ? sd_event_exit(worker->loop, ret) : 0;
}

static int on_timer(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	struct worker *worker = context;
	int ret = migrator_on_timer(&worker->migrator);

	(void)source;
	(void)fd;
	(void)revents;
	return ret ? sd_event_exit(worker->loop, ret) : 0;
}

int worker_add_migrator(struct worker *worker)
{
	struct migrator *m = &worker->migrator;
	int ret = sd_event_add_io(worker->loop, NULL, m->thread.done_fd,
				  EPOLLIN, on_mover, worker);

	return ret < 0 ? ret : sd_event_add_io(worker->loop, NULL, m->timer,
					       EPOLLIN, on_timer, worker);
}

static struct worker *rescuer_new(int journal)
{
	static struct worker_status status;
	struct worker *worker = calloc(1, sizeof(*worker));

	assert_non_null(worker);
	memset(&status, 0, sizeof(status));
	worker->status = &status;
	worker->start.limits = limits;
	worker->start.settings = mig_settings_default;
	assert_int_equal(pipe2(records, O_CLOEXEC | O_NONBLOCK), 0);
	worker->module = records[0];
	assert_int_equal(journal_open(&worker->journal, dup(journal), &limits),
			 0);
	return worker;
}

static void rescuer_free(struct worker *worker)
{
	struct migrator *m = &worker->migrator;

	if (m->thread.run)
		helper_stop(&m->thread);
	sd_event_unref(worker->loop);
	moving_end(m, &worker->env);
	journal_close(&worker->journal);
	close(records[0]);
	close(records[1]);
	free(worker);
}

static void record(uint32_t type, uint32_t gref)
{
	const struct xen_userptr_back_record rec = { .type = type, .gref = gref };

	assert_int_equal(write(records[1], &rec, sizeof(rec)), sizeof(rec));
}

/* A worker that died after @life rounds, and what it leaves. */
static struct worker *left_behind(unsigned int life, bool has_ram)
{
	struct process *p = process_new();
	int journal = journal_create(&limits);
	struct worker *worker;

	assert_true(journal >= 0);
	first_life(p, journal, life < LIFE_AWAY ? life : LIFE_AWAY, life);
	if (!has_ram)
		journal_set_ram(&p->journal, OBJ, 0);
	worker_dies(p);
	worker = rescuer_new(journal);
	process_free(p);
	close(journal);
	return worker;
}

/* As worker_main() does it. */
static int rescue(struct worker *worker)
{
	int node = eventfd(0, EFD_CLOEXEC), ret;
	const char *why = NULL;

	assert_true(node >= 0);
	ret = rescue_setup(worker, node, &why);
	close(node);
	if (!ret)
		ret = rescue_init(worker, &why);
	assert_non_null(why);
	return ret ? ret : rescue_run(worker);
}

static void test_all_home(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);

	(void)state;
	assert_int_equal(pages_away(), PAGES);
	assert_int_equal(rescue(worker), 0);
	assert_int_equal(pages_away(), 0);
	assert_int_equal(worker->status->mig_home, PAGES);
	rescuer_free(worker);
	assert_int_equal(fake_gpu.vram, 0);
}

static void test_lost_is_said(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, false);

	(void)state;
	assert_int_equal(rescue(worker), -EIO);
	assert_int_equal(worker->status->mig_lost, PAGES);
	rescuer_free(worker);
}

/* The module gave a page back by itself before anybody was there. */
static void test_lost_before(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);

	(void)state;
	record(XEN_USERPTR_BACK_LOST, GREF);
	assert_int_equal(rescue(worker), -EIO);
	assert_true(worker->status->mig_lost > 0);
	assert_int_equal(pages_away(), 0);
	rescuer_free(worker);
}

/* ... and the guest has written it since: nothing is copied over that. */
static void test_lost_before_any_copy(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);
	unsigned int copies = fake_gpu.copy_calls;
	uint32_t page;

	(void)state;
	for (page = 0; page < PAGES; page++)
		record(XEN_USERPTR_BACK_LOST, GREF + page);
	assert_int_equal(rescue(worker), -EIO);
	assert_int_equal(worker->status->mig_lost, PAGES);
	assert_int_equal(fake_gpu.copy_calls, copies);
	rescuer_free(worker);
}

/* The module says it once: a rescuer that dies then leaves it to the next one. */
static void test_lost_is_written_down(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);
	unsigned int copies = fake_gpu.copy_calls;
	int journal = dup(worker->journal.fd), node = eventfd(0, EFD_CLOEXEC);
	const char *why = NULL;
	uint32_t page;

	(void)state;
	assert_int_equal(rescue_setup(worker, node, &why), 0);
	close(node);
	assert_int_equal(rescue_init(worker, &why), 0);
	assert_int_equal(migrator_recover(&worker->migrator), 0);
	for (page = 0; page < PAGES; page++)
		assert_int_equal(migrator_lost_before(&worker->migrator,
						      GREF + page), 0);
	rescuer_free(worker);
	worker = rescuer_new(journal);
	close(journal);
	assert_int_equal(rescue(worker), -EIO);
	assert_int_equal(worker->status->mig_lost, PAGES);
	assert_int_equal(fake_gpu.copy_calls, copies);
	rescuer_free(worker);
}

/* Whoever wrote the journal may have been in the hands of a guest. */
static void test_no_such_vm(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);
	struct journal *j = &worker->journal;
	uint8_t *last = j->records + (size_t)(j->nr_records - 1) * MIG_RECORD;

	(void)state;
	memset(last, 0, MIG_RECORD);
	last[0] = 2;		/* a VM */
	assert_int_equal(rescue(worker), -EBADMSG);
	rescuer_free(worker);
}

/* A want changes nothing; without a guest there is nothing left to do. */
static void test_guest_is_gone(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);

	(void)state;
	record(XEN_USERPTR_BACK_WANT, GREF);
	record(XEN_USERPTR_BACK_GONE, 0);
	assert_int_equal(rescue(worker), -ENODEV);
	rescuer_free(worker);
}

static void test_gpu_cannot_move(void **state)
{
	struct worker *worker = left_behind(0, true);
	const char *why = NULL;

	(void)state;
	gpu_moves = false;
	assert_int_equal(rescue_setup(worker, 0, &why), -EOPNOTSUPP);
	assert_string_equal(why, "this GPU does not move memory");
	gpu_moves = true;
	close(worker->move_node);
	rescuer_free(worker);
}

/* What does not stop is killed, and then all is as ever. */
static void test_copies_are_killed(void **state)
{
	struct worker *worker = left_behind(LIFE_AWAY, true);

	(void)state;
	fake_gpu.left_runs = true;
	assert_int_equal(rescue(worker), 0);
	assert_false(fake_gpu.left_runs);
	assert_int_equal(pages_away(), 0);
	rescuer_free(worker);
}

/*
 * A GPU that goes on copying is asked for no copy: what it was writing to the guest is
 * given up, the rest comes home by the CPU.
 */
static void test_copies_go_on(void **state)
{
	unsigned int life, copies, home = 0, lost = 0;

	(void)state;
	for (life = LIFE_AWAY; life < LIFE_AWAY + 10; life += 2) {
		struct worker *worker = left_behind(life, true);
		int ret;

		fake_gpu.left_runs = true;
		fake_gpu.left_is_deaf = true;
		copies = fake_gpu.copy_calls;
		ret = rescue(worker);
		assert_int_equal(ret, worker->status->mig_lost ? -EIO : 0);
		assert_int_equal(fake_gpu.copy_calls, copies);
		assert_int_equal(pages_away(), 0);
		home += !ret;
		lost += ret == -EIO;
		rescuer_free(worker);
	}
	assert_true(home > 0);
	print_message("%u of 5 lives with a copy home under way\n", lost);
}

/* Wherever it fails, it does not say that all is home when it is not. */
static void test_each_call_fails(void **state)
{
	unsigned int nth, failed = 0;

	(void)state;
	for (nth = 1; nth < 60; nth++) {
		struct worker *worker = left_behind(LIFE_AWAY, true);
		int ret;

		fake_fail_set(nth);
		ret = rescue(worker);
		fake_fail_set(0);
		failed += !!ret;
		if (!ret)
			assert_int_equal(pages_away(), 0);
		rescuer_free(worker);
	}
	assert_true(failed > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_home),
		cmocka_unit_test(test_lost_is_said),
		cmocka_unit_test(test_lost_before),
		cmocka_unit_test(test_lost_before_any_copy),
		cmocka_unit_test(test_lost_is_written_down),
		cmocka_unit_test(test_no_such_vm),
		cmocka_unit_test(test_guest_is_gone),
		cmocka_unit_test(test_gpu_cannot_move),
		cmocka_unit_test(test_copies_are_killed),
		cmocka_unit_test(test_copies_go_on),
		cmocka_unit_test(test_each_call_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
