// SPDX-License-Identifier: MIT
/* The broker's table, walked as a frontend and a toolstack would. */
#include "cm.h"

#include "broker.h"

/* Carries out an action as device.c does, with a worker that just works. */
static enum device_state apply(enum device_state state,
			       enum device_action action)
{
	switch (action) {
	case ACT_NONE:
		return state;
	case ACT_PUBLISH:
		return DEV_WAITING;
	case ACT_CONNECT:
		return DEV_CONNECTED;
	case ACT_STOP:
	case ACT_CLOSE:
		return DEV_CLOSED;
	}
	return state;
}

static enum device_state settle(enum device_state state,
				enum xenbus_state frontend, bool online)
{
	enum device_state next;
	int steps = 0;

	while ((next = apply(state, device_decide(state, frontend, online))) !=
	       state) {
		state = next;
		assert_true(++steps < 10);
	}
	return state;
}

static void every_pair_settles(void **state)
{
	int dev, fe, online;

	(void)state;
	for (dev = 0; dev < DEV_NR_STATES; dev++)
		for (fe = 0; fe < XB_NR_STATES; fe++)
			for (online = 0; online < 2; online++)
				settle((enum device_state)dev,
				       (enum xenbus_state)fe, online);
	assert_int_equal(device_decide(DEV_NR_STATES, XB_CLOSED, true),
			 ACT_NONE);
	assert_int_equal(device_decide(DEV_NEW, XB_NR_STATES, true), ACT_NONE);
}

static void a_connection_and_its_end(void **state)
{
	enum device_state dev;

	(void)state;
	dev = settle(DEV_NEW, XB_INITIALISING, true);
	assert_int_equal(dev, DEV_WAITING);
	dev = settle(dev, XB_INITIALISED, true);
	assert_int_equal(dev, DEV_CONNECTED);
	dev = settle(dev, XB_CONNECTED, true);
	assert_int_equal(dev, DEV_CONNECTED);
	dev = settle(dev, XB_CLOSING, true);
	assert_int_equal(dev, DEV_CLOSED);
	dev = settle(dev, XB_CLOSED, true);
	assert_int_equal(dev, DEV_WAITING);
	dev = settle(dev, XB_INITIALISING, true);
	assert_int_equal(dev, DEV_WAITING);
}

/* After the end of a worker the frontend is still connected, then closes. */
static void a_worker_that_died(void **state)
{
	enum device_state dev = DEV_CLOSED;

	(void)state;
	dev = settle(dev, XB_CONNECTED, true);
	assert_int_equal(dev, DEV_CLOSED);
	dev = settle(dev, XB_CLOSING, true);
	assert_int_equal(dev, DEV_CLOSED);
	dev = settle(dev, XB_CLOSED, true);
	assert_int_equal(dev, DEV_WAITING);
	dev = settle(dev, XB_INITIALISED, true);
	assert_int_equal(dev, DEV_CONNECTED);
}

static void a_new_broker_finds_an_old_connection(void **state)
{
	enum device_state dev;

	(void)state;
	dev = settle(DEV_NEW, XB_CONNECTED, true);
	assert_int_equal(dev, DEV_WAITING);
	dev = settle(dev, XB_CLOSED, true);
	dev = settle(dev, XB_INITIALISING, true);
	assert_int_equal(dev, DEV_WAITING);
	dev = settle(dev, XB_INITIALISED, true);
	assert_int_equal(dev, DEV_CONNECTED);
}

static void the_toolstack_detaches(void **state)
{
	enum device_state dev = DEV_CONNECTED;

	(void)state;
	dev = settle(dev, XB_CONNECTED, false);
	assert_int_equal(dev, DEV_CONNECTED);
	dev = settle(dev, XB_CLOSING, false);
	assert_int_equal(dev, DEV_CLOSED);
	/* Offline is the end, whatever the frontend writes. */
	assert_int_equal(settle(dev, XB_INITIALISING, false), DEV_CLOSED);
	assert_int_equal(settle(DEV_WAITING, XB_INITIALISED, false),
			 DEV_CLOSED);
}

static void given_up_stays_given_up(void **state)
{
	int fe;

	(void)state;
	for (fe = 0; fe < XB_NR_STATES; fe++)
		assert_int_equal(device_decide(DEV_BROKEN,
					       (enum xenbus_state)fe, true),
				 ACT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_settles),
		cmocka_unit_test(a_connection_and_its_end),
		cmocka_unit_test(a_worker_that_died),
		cmocka_unit_test(a_new_broker_finds_an_old_connection),
		cmocka_unit_test(the_toolstack_detaches),
		cmocka_unit_test(given_up_stays_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
