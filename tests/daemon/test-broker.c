// SPDX-License-Identifier: MIT
/*
 * The broker and its devices, when the store fails, when the toolstack takes a device
 * away, when domains die, and at its own end.
 */
#include "cm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "brokerworld.h"
#include "fake-fail.h"
#include "fake-xen.h"

/* ---- a store that fails ---- */

/* Whichever call fails, once: a device that is left alone stays as it is. */
static void no_failure_ends_a_worker(void **state)
{
	unsigned int nth = 0;

	(void)state;
	connect_guest(DOMID);
	connect_guest(OTHER);
	do {
		fake_fail_set(++nth);
		watch_fires("release");
		watch_fires("backend");
		watch_fires(device_of(DOMID)->token);
		assert_lives(DOMID);
		assert_lives(OTHER);
	} while (fake_fail_hit());
	assert_true(nth > 10);
}

/* What fails while a device is found, published and connected is made up for. */
static void each_failure_is_made_up_for(void **state)
{
	unsigned int nth = 0;
	bool hit;

	do {
		fake_fail_set(++nth);
		attach(DOMID);
		watch_fires("backend");
		front_set(DOMID, "state", "3");
		watch_fires("backend");
		hit = fake_fail_hit();
		fake_fail_set(0);
		watch_fires("backend");
		assert_int_equal(state_of(DOMID), DEV_STARTING);
		assert_int_equal(back_state(DOMID), XB_INIT_WAIT);
		assert_int_equal(world.spawned, 1);
		broker_teardown(state);
		broker_setup(state);
	} while (hit);
	assert_true(nth > 20);
}

/* No watch fires when the store answers again. */
static void a_state_that_cannot_be_read(void **state)
{
	(void)state;
	connect_guest(DOMID);
	fake_store_deny(front_path(DOMID, "state"), EIO);
	watch_fires(device_of(DOMID)->token);
	assert_lives(DOMID);
	front_set(DOMID, "state", "5");
	run_loop();
	assert_lives(DOMID);
	wait_for_retry();
	assert_int_equal(world.stopped, 1);
	assert_int_equal(state_of(DOMID), DEV_STOPPING);
	assert_int_equal(back_state(DOMID), XB_CLOSING);
}

/*
 * In a domain that is not domain 0 a frontend that has gone may not be looked at, nor what
 * a guest hides: both are answers, as lasting as any.
 */
static void a_state_that_may_not_be_read(void **state)
{
	(void)state;
	connect_guest(DOMID);
	fake_store_deny(front_path(DOMID, "state"), EACCES);
	watch_fires(device_of(DOMID)->token);
	assert_int_equal(world.stopped, 1);
	assert_int_equal(state_of(DOMID), DEV_STOPPING);
	assert_false(retries());
}

static void nodes_that_cannot_be_read(void **state)
{
	static const char *const keys[] = { "online", "frontend" };
	char path[STORE_PATH_LEN];
	size_t i;

	(void)state;
	connect_guest(DOMID);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), ROOT "/%u/0/%s", DOMID, keys[i]);
		fake_store_deny(path, i & 1 ? EACCES : EIO);
		watch_fires("backend");
		assert_lives(DOMID);
	}
	/* Others are served meanwhile, and found. */
	connect_guest(OTHER);
	assert_lives(OTHER);
	take(DOMID);
	watch_fires("backend");
	assert_int_equal(state_of(DOMID), DEV_STOPPING);
	assert_int_equal(state_of(OTHER), DEV_CONNECTED);
}

static void directories_that_cannot_be_read(void **state)
{
	static const int errors[] = { EIO, ENOMEM, EAGAIN, EACCES, EINVAL };
	size_t i;

	(void)state;
	connect_guest(DOMID);
	attach(OTHER);
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		world.list_error = errors[i];
		watch_fires("backend");
		assert_lives(DOMID);
		assert_null(device_of(OTHER));
	}
	world.list_error = 0;
	/* Whatever event comes next. */
	watch_fires(device_of(DOMID)->token);
	assert_non_null(device_of(OTHER));
}

/* Only the answer that it is not there is an end; it is asked for again. */
static void a_domain_that_cannot_be_asked_for(void **state)
{
	(void)state;
	connect_guest(DOMID);
	world.is_dead[DOMID] = true;
	world.domain_error = EIO;
	watch_fires("release");
	assert_lives(DOMID);
	world.domain_error = 0;
	wait_for_retry();
	assert_null(device_of(DOMID));
	assert_int_equal(world.killed, 1);
}

/* Nor may such a domain ask who lives: what the frontend's node says counts. */
static void a_domain_that_may_not_be_asked_for(void **state)
{
	(void)state;
	connect_guest(DOMID);
	connect_guest(OTHER);
	world.domain_error = EACCES;
	watch_fires("release");
	assert_lives(DOMID);
	assert_false(retries());
	fake_store_deny(front_path(DOMID, "state"), EACCES);
	watch_fires("release");
	assert_int_equal(state_of(DOMID), DEV_STOPPING);
	assert_int_equal(state_of(OTHER), DEV_CONNECTED);
}

/* The library opens no other connection: a new broker does. */
static void the_store_is_gone(void **state)
{
	(void)state;
	connect_guest(DOMID);
	fake_store_deny(front_path(DOMID, "state"), EBADF);
	watch_fires(device_of(DOMID)->token);
	assert_true(has_ended());
	assert_int_equal(world.killed, 0);
}

/* ---- a device that is taken away ---- */

/* Its worker is told to end; a rescuer follows if need be; then the device goes. */
static void taken_from_a_live_domain(void **state)
{
	(void)state;
	connect_guest(DOMID);
	take(DOMID);
	watch_fires("backend");
	assert_int_equal(world.stopped, 1);
	assert_int_equal(state_of(DOMID), DEV_STOPPING);
	/* It did not end in time. */
	device_worker_gone(device_of(DOMID), CLD_KILLED, SIGKILL);
	assert_int_equal(world.rescued, 1);
	assert_int_equal(state_of(DOMID), DEV_RESCUING);
	watch_fires("backend");
	device_worker_gone(device_of(DOMID), CLD_EXITED, 0);
	assert_null(device_of(DOMID));
	assert_int_equal(world.stopped, 1);
	assert_int_equal(world.killed, 0);
	/* Nothing was written that nobody removes. */
	assert_int_equal(back_state(DOMID), XB_UNKNOWN);
}

static void taken_while_it_ends(void **state)
{
	(void)state;
	connect_guest(DOMID);
	front_set(DOMID, "state", "5");
	watch_fires(device_of(DOMID)->token);
	assert_int_equal(world.stopped, 1);
	take(DOMID);
	watch_fires("backend");
	assert_int_equal(world.stopped, 1);
	device_worker_gone(device_of(DOMID), CLD_EXITED, 0);
	assert_null(device_of(DOMID));
	assert_int_equal(world.rescued + world.killed, 0);
}

/* The number is used again while the last one with it still has data in VRAM. */
static void taken_and_given_again(void **state)
{
	(void)state;
	connect_guest(DOMID);
	take(DOMID);
	watch_fires("backend");
	attach(DOMID);
	watch_fires("backend");
	assert_int_equal(state_of(DOMID), DEV_STOPPING);
	device_worker_gone(device_of(DOMID), CLD_EXITED, 1);
	assert_int_equal(state_of(DOMID), DEV_RESCUING);
	/* What the old one has to say is not for the new one's nodes. */
	assert_int_equal(back_state(DOMID), XB_INITIALISING);
	device_worker_gone(device_of(DOMID), CLD_EXITED, 0);
	run_loop();
	assert_int_equal(state_of(DOMID), DEV_WAITING);
	assert_int_equal(back_state(DOMID), XB_INIT_WAIT);
	assert_int_equal(world.killed, 0);
}

static void taken_without_a_worker(void **state)
{
	(void)state;
	attach(DOMID);
	watch_fires("backend");
	take(DOMID);
	watch_fires("backend");
	assert_null(device_of(DOMID));
	assert_int_equal(world.stopped + world.killed, 0);
}

/* Nobody will ever read what could come home. */
static void taken_and_then_the_domain_dies(void **state)
{
	(void)state;
	connect_guest(DOMID);
	take(DOMID);
	watch_fires("backend");
	world.is_dead[DOMID] = true;
	watch_fires("release");
	assert_null(device_of(DOMID));
	assert_int_equal(world.killed, 1);
	assert_int_equal(world.rescued, 0);
}

static void a_dead_domain_is_not_rescued(void **state)
{
	(void)state;
	connect_guest(DOMID);
	connect_guest(OTHER);
	world.is_dead[DOMID] = true;
	watch_fires("release");
	assert_null(device_of(DOMID));
	assert_false(has_node(DOMID));
	assert_int_equal(world.killed, 1);
	assert_int_equal(world.stopped + world.rescued, 0);
	assert_int_equal(state_of(OTHER), DEV_CONNECTED);
}

/* ---- the end of the broker ---- */

static void told_to_end(void)
{
	assert_int_equal(raise(SIGTERM), 0);
	run_loop();
}

static void ends_at_once_without_workers(void **state)
{
	(void)state;
	attach(DOMID);
	watch_fires("backend");
	told_to_end();
	assert_true(has_ended());
}

/* The last of them, with its rescuer. */
static void ends_after_its_workers(void **state)
{
	(void)state;
	connect_guest(DOMID);
	connect_guest(OTHER);
	told_to_end();
	assert_int_equal(world.stopped, 2);
	assert_false(has_ended());
	device_worker_gone(device_of(OTHER), CLD_EXITED, 1);
	device_worker_gone(device_of(DOMID), CLD_EXITED, 0);
	run_loop();
	assert_false(has_ended());
	assert_int_equal(back_state(DOMID), XB_CLOSED);
	device_worker_gone(device_of(OTHER), CLD_EXITED, 0);
	run_loop();
	assert_true(has_ended());
	assert_int_equal(world.rescued, 1);
	assert_int_equal(world.killed, 0);
}

/* Also for one that began before. */
static void asks_for_time_for_a_rescuer(void **state)
{
	(void)state;
	connect_guest(DOMID);
	device_worker_gone(device_of(DOMID), CLD_EXITED, 1);
	assert_int_equal(state_of(DOMID), DEV_RESCUING);
	assert_int_equal(world.extended, 0);
	told_to_end();
	assert_false(has_ended());
	assert_int_equal(world.extended, 1);
	device_worker_gone(device_of(DOMID), CLD_EXITED, 0);
	run_loop();
	assert_true(has_ended());
}

/* No worker ends any more by which this could be noticed. */
static void ends_when_the_last_domain_dies(void **state)
{
	(void)state;
	connect_guest(DOMID);
	told_to_end();
	assert_false(has_ended());
	world.is_dead[DOMID] = true;
	watch_fires("release");
	assert_true(has_ended());
}

static void ends_after_one_that_was_taken(void **state)
{
	(void)state;
	connect_guest(DOMID);
	told_to_end();
	take(DOMID);
	watch_fires("backend");
	assert_false(has_ended());
	device_worker_gone(device_of(DOMID), CLD_EXITED, 0);
	run_loop();
	assert_true(has_ended());
	assert_int_equal(world.stopped, 1);
	assert_int_equal(world.killed, 0);
}

static void told_twice_it_does_not_wait(void **state)
{
	(void)state;
	connect_guest(DOMID);
	told_to_end();
	told_to_end();
	assert_true(has_ended());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_setup, broker_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(no_failure_ends_a_worker),
		TEST(each_failure_is_made_up_for),
		TEST(a_state_that_cannot_be_read),
		TEST(a_state_that_may_not_be_read),
		TEST(a_domain_that_may_not_be_asked_for),
		TEST(the_store_is_gone),
		TEST(nodes_that_cannot_be_read),
		TEST(directories_that_cannot_be_read),
		TEST(a_domain_that_cannot_be_asked_for),
		TEST(taken_from_a_live_domain),
		TEST(taken_while_it_ends),
		TEST(taken_and_given_again),
		TEST(taken_without_a_worker),
		TEST(taken_and_then_the_domain_dies),
		TEST(a_dead_domain_is_not_rescued),
		TEST(ends_at_once_without_workers),
		TEST(ends_after_its_workers),
		TEST(asks_for_time_for_a_rescuer),
		TEST(ends_when_the_last_domain_dies),
		TEST(ends_after_one_that_was_taken),
		TEST(told_twice_it_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
