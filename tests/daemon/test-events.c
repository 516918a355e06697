// SPDX-License-Identifier: MIT
/* The event page and its queue; the frontend is simulated. */
#include "cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "fake-fail.h"

#define MAX_JOBS	50U

static _Alignas(4096) struct xen_userptrif_evt_page evt_page;
static _Alignas(4096) struct xen_userptrif_fence_page fence_page;
static struct events events;

static int events_setup(void **state)
{
	(void)state;
	fake_fail_set(0);
	memset(&evt_page, 0, sizeof(evt_page));
	memset(&fence_page, 0, sizeof(fence_page));
	return events_init(&events, &evt_page, &fence_page, MAX_JOBS);
}

static int events_teardown(void **state)
{
	(void)state;
	events_fini(&events);
	return 0;
}

/* A job that failed: an event, then its fence. */
static int fail_job(uint64_t seqno)
{
	struct xen_userptrif_evt evt = { .type = XENUSERPTR_EVT_FENCE };
	int ret;

	evt.op.fence.seqno = seqno;
	ret = events_put(&events, &evt);
	return ret ? ret : events_fence(&events, 5, seqno);
}

static void events_show_in_order(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 1; i <= 200; i++) {
		assert_int_equal(fail_job(i), 0);
		assert_int_equal(fence_page.seqno[5], i);
		assert_int_equal(evt_page.prod, i);
		assert_int_equal(evt_page.ring[(i - 1) % 32].op.fence.seqno, i);
		assert_int_equal(evt_page.ring[(i - 1) % 32].id, i - 1);
		evt_page.cons = evt_page.prod;
	}
	assert_true(events_news(&events));
	assert_false(events_news(&events));
}

static void fences_wait_for_their_events(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 1; i <= MAX_JOBS; i++)
		assert_int_equal(fail_job(i), 0);
	assert_true(events_waiting(&events));
	assert_int_equal(evt_page.prod, 32);
	assert_int_equal(fence_page.seqno[5], 32);
	/* A fence of another timeline, of a good job, stays behind too. */
	assert_int_equal(events_fence(&events, 6, 1), 0);
	assert_int_equal(fence_page.seqno[6], 0);
	evt_page.cons = 1;
	assert_int_equal(events_flush(&events), 0);
	assert_int_equal(evt_page.prod, 33);
	assert_int_equal(fence_page.seqno[5], 33);
	evt_page.cons = 32;
	assert_int_equal(events_flush(&events), 0);
	assert_false(events_waiting(&events));
	assert_int_equal(fence_page.seqno[5], MAX_JOBS);
	assert_int_equal(fence_page.seqno[6], 1);
}

static void the_queue_is_bounded(void **state)
{
	uint64_t i;
	int ret = 0;

	(void)state;
	for (i = 1; !ret && i < 1000; i++)
		ret = fail_job(i);
	assert_int_equal(ret, -ENOBUFS);
	assert_int_equal(evt_page.prod, 32);
	assert_true(i > MAX_JOBS + 32);
}

static void a_wild_index_ends_it(void **state)
{
	static const uint32_t wild[] = { 2, 33, 0x80000000u, 0xffffffe0u };
	size_t i;

	for (i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		events_fini(&events);
		events_setup(state);
		assert_int_equal(fail_job(1), 0);
		evt_page.cons = wild[i];
		assert_int_equal(fail_job(2), -EPROTO);
	}
}

static void counters_wrap(void **state)
{
	uint64_t i;

	(void)state;
	events.prod = evt_page.prod = evt_page.cons = 0xfffffff0u;
	for (i = 1; i <= 64; i++) {
		assert_int_equal(fail_job(i), 0);
		evt_page.cons = evt_page.prod;
	}
	assert_int_equal(evt_page.prod, 0x30);
	assert_int_equal(events_fence(&events, XENUSERPTR_MAX_TIMELINES, 1),
			 -EINVAL);
}

static void init_fails_without_memory(void **state)
{
	struct events other;

	(void)state;
	fake_fail_set(1);
	assert_int_equal(events_init(&other, &evt_page, &fence_page, MAX_JOBS),
			 -ENOMEM);
	assert_int_equal(events_init(&other, &evt_page, &fence_page,
				     UINT32_MAX), -ENOMEM);
}

#define events_test(name) \
	cmocka_unit_test_setup_teardown(name, events_setup, events_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		events_test(events_show_in_order),
		events_test(fences_wait_for_their_events),
		events_test(the_queue_is_bounded),
		events_test(a_wild_index_ends_it),
		events_test(counters_wrap),
		events_test(init_fails_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
