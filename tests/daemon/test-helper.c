// SPDX-License-Identifier: MIT
/* When the loop is told of what the helper thread has done, and when that wakes. */
#include "cm.h"

#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "helper.h"

#define PIECES	10U

/* The thread says that it has begun a piece, and ends it when it is let. */
struct bench {
	struct helper helper;
	sem_t begun;
	sem_t let;
	bool takes_more;
};

static bool any(const struct work *work, const struct work *next)
{
	(void)work;
	(void)next;
	return true;
}

static void step(void *context, struct work *work)
{
	struct bench *b = context;

	while (b->takes_more && helper_more(&b->helper, work, any))
		;
	sem_post(&b->begun);
	sem_wait(&b->let);
	work->is_urgent = work->fence >= 0;
}

static void begin(struct bench *b, uint32_t untold)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(sem_init(&b->begun, 0, 0), 0);
	assert_int_equal(sem_init(&b->let, 0, 0), 0);
	assert_int_equal(helper_start(&b->helper, step, b), 0);
	helper_tell_late(&b->helper, untold);
}

static void submit(struct bench *b, bool urgent)
{
	struct work *work = calloc(1, sizeof(*work));

	assert_non_null(work);
	work->fence = urgent ? 0 : -1;
	helper_submit(&b->helper, work);
}

static void let_end(struct bench *b)
{
	sem_wait(&b->begun);
	sem_post(&b->let);
}

/* @wait: in ms; -1 until it is. */
static bool is_told(struct bench *b, int wait)
{
	struct pollfd fd = { .fd = b->helper.done_fd, .events = POLLIN };

	return poll(&fd, 1, wait) == 1;
}

static unsigned int take_all(struct bench *b)
{
	struct work *work;
	unsigned int nr = 0;

	helper_clear(&b->helper);
	while ((work = helper_take(&b->helper))) {
		free(work);
		nr++;
	}
	return nr;
}

static void end(struct bench *b)
{
	helper_stop(&b->helper);
	sem_destroy(&b->begun);
	sem_destroy(&b->let);
}

/* The next piece has begun, so the one before has ended for good. */
static void end_one(struct bench *b, unsigned int nr, bool told)
{
	sem_wait(&b->begun);
	assert_int_equal(is_told(b, 0), told);
	if (told)
		assert_int_equal(take_all(b), nr);
	sem_post(&b->let);
}

/* @told_after: pieces that have ended when the loop is told, again and again. */
static void check_told(uint32_t untold, int urgent, unsigned int told_after)
{
	struct bench b;
	unsigned int i, nr = 0;
	bool told = false;

	begin(&b, untold);
	helper_hold(&b.helper);
	for (i = 0; i < PIECES; i++)
		submit(&b, (int)i == urgent);
	helper_release(&b.helper);
	for (i = 0; i < PIECES; i++) {
		end_one(&b, nr, told);
		nr = told ? 1 : nr + 1;
		told = nr == told_after || (int)i == urgent;
	}
	/* There is no more to do. */
	assert_true(is_told(&b, -1));
	assert_int_equal(take_all(&b), nr);
	end(&b);
}

static void of_each(void **state)
{
	(void)state;
	check_told(0, -1, 1);
}

static void of_several(void **state)
{
	(void)state;
	check_told(3, -1, 4);
}

static void of_the_last(void **state)
{
	(void)state;
	check_told(PIECES, -1, PIECES);
}

static void of_what_is_urgent(void **state)
{
	(void)state;
	check_told(PIECES, 1, PIECES);
}

/* What was submitted while the loop held it is there at once. */
static void held(void **state)
{
	struct bench b;
	unsigned int i, round;

	(void)state;
	begin(&b, 0);
	b.takes_more = true;
	for (round = 0; round < 100; round++) {
		helper_hold(&b.helper);
		helper_hold(&b.helper);
		for (i = 0; i < PIECES; i++)
			submit(&b, false);
		helper_release(&b.helper);
		helper_release(&b.helper);
		let_end(&b);
		assert_true(is_told(&b, -1));
		assert_int_equal(take_all(&b), PIECES);
	}
	/* With nothing to run nobody is woken. */
	helper_hold(&b.helper);
	helper_release(&b.helper);
	/* And nothing that is submitted later is lost. */
	submit(&b, false);
	let_end(&b);
	assert_true(is_told(&b, -1));
	assert_int_equal(take_all(&b), 1);
	end(&b);
}

/* Number 2 must not be passed. */
static bool passes(const struct work *work, const struct work *queued)
{
	(void)work;
	return queued->cookie != 2;
}

static void submit_number(struct bench *b, uint64_t number, bool is_passing)
{
	struct work *work = calloc(1, sizeof(*work));

	assert_non_null(work);
	work->cookie = number;
	work->fence = -1;
	work->passes = is_passing ? passes : NULL;
	helper_submit(&b->helper, work);
}

static void assert_order(struct bench *b, const uint64_t *numbers, unsigned int nr)
{
	struct work *work;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		let_end(b);
		assert_true(is_told(b, -1));
		helper_clear(&b->helper);
		work = helper_take(&b->helper);
		assert_non_null(work);
		assert_int_equal(work->cookie, numbers[i]);
		free(work);
	}
}

/* As far to the front as it may, whether it was held or not; none behind it is lost. */
static void passed(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 2, 5, 6, 3, 4 };
	struct bench b;

	(void)state;
	begin(&b, 0);
	submit_number(&b, 0, false);
	sem_wait(&b.begun);
	sem_post(&b.begun);
	submit_number(&b, 1, false);
	submit_number(&b, 2, false);
	helper_hold(&b.helper);
	submit_number(&b, 3, false);
	submit_number(&b, 6, true);
	submit_number(&b, 5, true);
	helper_release(&b.helper);
	submit_number(&b, 4, false);
	assert_order(&b, numbers, 7);
	submit_number(&b, 7, true);
	assert_order(&b, (const uint64_t[]){ 7 }, 1);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_each),
		cmocka_unit_test(of_several),
		cmocka_unit_test(of_the_last),
		cmocka_unit_test(of_what_is_urgent),
		cmocka_unit_test(held),
		cmocka_unit_test(passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
