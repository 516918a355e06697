// SPDX-License-Identifier: MIT
/*
 * The journal's file: what was written is read, what makes no sense is
 * refused, and a writer that is killed at any time leaves a journal that an
 * engine can recover from.
 */
#include "cm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"

#define OBJECTS	8U
#define PAGES	600U	/* of an object: chunks of all sizes */

static const struct core_limits limits = {
	.max_pages = 8192,
	.max_objects = OBJECTS,
	.max_vms = 4,
	.max_mappings = 64,
	.max_jobs = 8,
	.max_requests = 8,
	.max_bind_ops = 8,
};

static const struct mig_limits mig_limits = {
	.max_pages = 8192,
	.max_objects = OBJECTS,
	.max_asks = 16,
};

static struct mig *engine_make(void)
{
	size_t size = mig_size(&mig_limits);
	void *mem = aligned_alloc(64, (size + 63) & ~(size_t)63);

	assert_non_null(mem);
	memset(mem, 0, size);
	return mig_init(mem, &mig_limits, &mig_settings_default);
}

static void journal_make(struct journal *journal)
{
	int fd = journal_create(&limits);

	assert_true(fd >= 0);
	assert_int_equal(journal_open(journal, fd, &limits), 0);
}

/* The ops are of no interest here. */
static int step(struct journal *journal, struct mig *mig, struct mig_event *ev)
{
	struct mig_op ops[64];
	unsigned int nr;
	int more;

	do {
		more = mig_step(mig, ev, ops, 64, &nr);
		journal_step(journal, mig);
		ev = NULL;
	} while (more > 0);
	return more;
}

static void object_add(struct journal *journal, struct mig *mig, uint32_t obj)
{
	struct mig_event ev = {
		.type = MIG_EV_OBJ_ADD,
		.obj = obj,
		.nr = PAGES,
	};

	assert_int_equal(step(journal, mig, &ev), 0);
}

static void test_sizes(void **state)
{
	struct core_limits other = limits;
	struct journal journal;
	int fd = journal_create(&limits);

	(void)state;
	other.max_pages++;
	assert_int_equal(journal_open(&journal, fd, &other), -EBADMSG);
	other = limits;
	other.max_objects = 1;
	assert_int_equal(journal_open(&journal, fd, &other), -EBADMSG);
	other.max_pages = UINT64_MAX / 4;
	assert_int_equal(journal_create(&other), -ERANGE);
	close(fd);
	fd = memfd_create("short", MFD_CLOEXEC);
	assert_int_equal(journal_open(&journal, fd, &limits), -EBADMSG);
	close(fd);
}

static void grefs_make(uint32_t grefs[PAGES])
{
	uint32_t i;

	for (i = 0; i < PAGES; i++)
		grefs[i] = 1000 + i;
}

/* Pages that the guest has back are named no more: their grefs may be another's. */
static void test_trimmed(void **state)
{
	uint32_t grefs[PAGES], nr, i;
	struct journal_page *pages;
	struct journal journal;

	(void)state;
	journal_make(&journal);
	grefs_make(grefs);
	assert_int_equal(journal_add(&journal, 3, grefs, PAGES), 0);
	assert_int_equal(journal_trim(&journal, 3, 5, 7), 0);
	assert_int_equal(journal_pages(&journal, 3, &pages, &nr), 0);
	assert_int_equal(nr, PAGES);
	for (i = 0; i < nr; i++)
		assert_int_equal(pages[i].gref,
				 i >= 5 && i < 12 ? 0 : grefs[i]);
	free(pages);
	journal_close(&journal);
}

static void test_objects(void **state)
{
	uint32_t grefs[PAGES], nr, i;
	struct journal_page *pages;
	struct journal journal;

	(void)state;
	journal_make(&journal);
	grefs_make(grefs);
	assert_int_equal(journal_pages(&journal, 3, &pages, &nr), -ENOENT);
	assert_int_equal(journal_add(&journal, 3, grefs, PAGES), 0);
	assert_int_equal(journal_set_vram(&journal, 3, 512, 77), 0);
	journal_set_ram(&journal, 3, 5);
	journal_set_vm(&journal, 9);
	assert_int_equal(journal_pages(&journal, 3, &pages, &nr), 0);
	assert_int_equal(nr, PAGES);
	for (i = 0; i < nr; i++) {
		assert_int_equal(pages[i].gref, grefs[i]);
		assert_int_equal(pages[i].vram, i == 512 ? 77 : 0);
	}
	free(pages);
	assert_int_equal(journal_ram(&journal, 3), 5);
	assert_int_equal(journal_vm(&journal), 9);
	journal_del(&journal, 3);
	assert_int_equal(journal_pages(&journal, 3, &pages, &nr), -ENOENT);
	/* A new object has nothing of the old one. */
	assert_int_equal(journal_add(&journal, 3, grefs, 1), 0);
	assert_int_equal(journal_ram(&journal, 3), 0);
	assert_int_equal(journal_add(&journal, 3, grefs, PAGES), 0);
	assert_int_equal(journal_pages(&journal, 3, &pages, &nr), 0);
	assert_int_equal(pages[512].vram, 0);
	free(pages);
	journal_close(&journal);
}

static void test_recover(void **state)
{
	struct mig *mig = engine_make(), *next = engine_make();
	struct mig_pages pages;
	struct journal journal;

	(void)state;
	journal_make(&journal);
	object_add(&journal, mig, 2);
	assert_int_equal(journal_recover(&journal, next, 1), 0);
	mig_pages(next, 2, &pages);
	assert_int_equal(pages.home, PAGES);
	assert_int_equal(mig_check(next), 0);
	journal_close(&journal);
	free(mig);
	free(next);
}

/* Whoever wrote it may have been in the hands of a guest. */
static void test_nonsense(void **state)
{
	struct mig *mig = engine_make(), *next = engine_make();
	struct journal journal;

	(void)state;
	journal_make(&journal);
	object_add(&journal, mig, 2);
	memset(journal.records, 0xff, MIG_RECORD);
	assert_int_equal(journal_recover(&journal, next, 1), -EINVAL);
	journal_close(&journal);
	free(mig);
	free(next);
}

/* Objects come and go, without end; returns only if a step was refused. */
static void write_for_ever(struct journal *journal)
{
	static const enum mig_event_type life[] = {
		MIG_EV_OBJ_ADD, MIG_EV_ASK, MIG_EV_OBJ_DEL,
	};
	struct mig *mig = engine_make();
	struct mig_event ev = { .nr = PAGES, .kind = MIG_ASK_RELEASE };
	int ret = 0;

	while (!ret) {
		ev.type = life[ev.now % 3];
		ev.obj = (uint32_t)(ev.now / 3 % OBJECTS);
		ev.token = ev.obj;
		ret = step(journal, mig, &ev);
		ev.now++;
	}
}

static void killed_once(unsigned int usec)
{
	const struct timespec delay = { 0, (long)usec * 1000 };
	struct mig *next = engine_make();
	struct mig_pages pages;
	struct journal journal;
	uint32_t obj;
	pid_t child;
	int end;

	journal_make(&journal);
	child = fork();
	if (!child) {
		write_for_ever(&journal);
		_exit(1);
	}
	assert_true(child > 0);
	nanosleep(&delay, NULL);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &end, 0), child);
	assert_true(WIFSIGNALED(end));
	assert_int_equal(journal_recover(&journal, next, UINT32_MAX), 0);
	assert_int_equal(mig_check(next), 0);
	for (obj = 0; obj < OBJECTS; obj++) {
		mig_pages(next, obj, &pages);
		assert_true(pages.home == 0 || pages.home == PAGES);
	}
	journal_close(&journal);
	free(next);
}

/* The delay only spreads the kills: any moment is as good as another. */
static void test_writer_killed(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 200; i++)
		killed_once(200 + i * 37 % 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_objects),
		cmocka_unit_test(test_trimmed),
		cmocka_unit_test(test_recover),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_writer_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
