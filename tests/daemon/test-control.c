// SPDX-License-Identifier: MIT
/* Who asks the broker for something, and the order in which the workers hear of it. */
#include "cm.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker.h"
#include "fake-fail.h"
#include "rundir.h"

#define DOMID		3U
#define NR_DEVICES	2U
#define MAX_WAITING	64U	/* as in control.c */

static struct broker broker;
static struct device devices[NR_DEVICES];
static int workers[NR_DEVICES];		/* the other ends of their control sockets */
static struct sockaddr_un address;
static socklen_t address_len;

/* ---- what control.c needs of others ---- */

struct device *device_find(struct broker *of, uint32_t domid, uint32_t devid)
{
	(void)of;
	return domid == DOMID && devid < NR_DEVICES ? &devices[devid] : NULL;
}

/* A name that the kernel makes up. */
int rundir_listen(const char *path, int type)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)path;
	assert_true(sock >= 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	address_len = sizeof(address);
	assert_int_equal(getsockname(sock, (struct sockaddr *)&address, &address_len), 0);
	assert_int_equal(listen(sock, 8), 0);
	return sock;
}

/* ---- the world around it ---- */

static void run_loop(void)
{
	while (sd_event_run(broker.loop, 0) > 0)
		;
}

static int setup(void **state)
{
	unsigned int i;
	int pair[2];

	(void)state;
	memset(&broker, 0, sizeof(broker));
	assert_true(sd_event_new(&broker.loop) >= 0);
	assert_int_equal(control_listen(&broker), 0);
	for (i = 0; i < NR_DEVICES; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
		devices[i] = (struct device){
			.broker = &broker,
			.domid = DOMID,
			.devid = i,
			.state = DEV_CONNECTED,
			.control = pair[0],
		};
		workers[i] = pair[1];
	}
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	(void)state;
	assert_null(broker.waiting);
	assert_int_equal(broker.nr_waiting, 0);
	for (i = 0; i < NR_DEVICES; i++) {
		assert_null(devices[i].asker);
		close(devices[i].control);
		close(workers[i]);
	}
	close(broker.control_sock);
	sd_event_unref(broker.loop);
	return 0;
}

static int connected(void)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(sock >= 0);
	assert_int_equal(connect(sock, (struct sockaddr *)&address, address_len), 0);
	run_loop();
	return sock;
}

/* A tool that asks, and waits for its turn or not; @number is found in what it asks. */
static int asks(uint32_t devid, uint32_t number, bool wait)
{
	struct ipc_request request = {
		.domid = DOMID,
		.devid = devid,
		.wait = wait,
		.control = { .type = IPC_CONTROL_MOVE, .nr = number },
	};
	int sock = connected();

	assert_int_equal(ipc_send(sock, &request, sizeof(request), NULL, 0), 0);
	run_loop();
	return sock;
}

/* What the worker hears next; 0: nothing. */
static uint32_t heard(uint32_t devid)
{
	struct ipc_control control;
	int ret = ipc_recv(workers[devid], &control, sizeof(control), NULL, 0);

	assert_true(!ret || ret == -EAGAIN);
	return ret ? 0 : control.nr;
}

static void answer_to(uint32_t devid, uint32_t tag, uint32_t number)
{
	struct ipc_report report = { .type = IPC_REPORT_ANSWER, .tag = tag, .next = number };

	control_answer(&devices[devid], &report);
	run_loop();
}

/* To what the worker was asked last. */
static void answer(uint32_t devid, uint32_t number)
{
	answer_to(devid, devices[devid].tag, number);
}

/* The tool has this answer, and nothing follows. */
static void told(int sock, int32_t error, uint32_t number)
{
	struct ipc_report report;

	assert_int_equal(ipc_recv(sock, &report, sizeof(report), NULL, 0), 0);
	assert_int_equal(report.type, IPC_REPORT_ANSWER);
	assert_int_equal(report.error, error);
	assert_int_equal(report.next, number);
	assert_int_equal(ipc_recv(sock, &report, sizeof(report), NULL, 0), -ENOTCONN);
	close(sock);
}

static void not_told_yet(int sock)
{
	struct ipc_report report;

	assert_int_equal(ipc_recv(sock, &report, sizeof(report), NULL, 0), -EAGAIN);
}

/* The worker hears of @number next, and its answer is the tool's. */
static void served(int tool, uint32_t devid, uint32_t number)
{
	assert_int_equal(heard(devid), number);
	answer(devid, number + 100);
	told(tool, 0, number + 100);
}

/* ---- tests ---- */

static void one_at_a_time_in_order(void **state)
{
	unsigned int before = open_fds();
	int tools[3];
	uint32_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		tools[i] = asks(0, 11 + i, true);
	for (i = 0; i < 3; i++) {
		assert_int_equal(heard(0), 11 + i);
		assert_int_equal(heard(0), 0);
		not_told_yet(tools[i]);
		answer(0, 21 + i);
		told(tools[i], 0, 21 + i);
	}
	assert_int_equal(open_fds(), before);
}

static void who_will_not_wait_is_refused(void **state)
{
	int first = asks(0, 1, false), second = asks(0, 2, false);

	(void)state;
	told(second, -EBUSY, 0);
	served(first, 0, 1);
	assert_int_equal(heard(0), 0);
}

static void another_device_is_not_held_up(void **state)
{
	int first = asks(0, 1, true), second = asks(0, 2, true), other = asks(1, 3, true);

	(void)state;
	served(other, 1, 3);
	/* The end of that one is no turn of this one. */
	assert_int_equal(heard(0), 1);
	assert_int_equal(heard(0), 0);
	answer(0, 6);
	told(first, 0, 6);
	served(second, 0, 2);
}

/* One that hangs up and one that says more: neither reaches the worker. */
static void who_leaves_the_queue_is_forgotten(void **state)
{
	unsigned int before = open_fds();
	int first = asks(0, 1, true), gone = asks(0, 2, true);
	int talker = asks(0, 3, true), last = asks(0, 4, true);
	struct ipc_report report;
	char more = 0;

	(void)state;
	close(gone);
	assert_int_equal(send(talker, &more, 1, 0), 1);
	run_loop();
	assert_int_equal(broker.nr_waiting, 1);
	assert_true(ipc_recv(talker, &report, sizeof(report), NULL, 0) < 0);
	close(talker);
	served(first, 0, 1);
	served(last, 0, 4);
	assert_int_equal(open_fds(), before);
}

/* The worker may never answer that, and the next one's turn comes all the same. */
static void who_is_served_may_leave(void **state)
{
	unsigned int before = open_fds();
	int first = asks(0, 1, true), second = asks(0, 2, true);

	(void)state;
	assert_int_equal(heard(0), 1);
	close(first);
	run_loop();
	served(second, 0, 2);
	served(asks(0, 3, false), 0, 3);
	assert_int_equal(open_fds(), before);
}

/* An answer to who has gone is not the next one's, whenever it comes. */
static void a_late_answer_is_nobodys(void **state)
{
	int first = asks(0, 1, true), second;
	uint32_t tag = devices[0].tag;

	(void)state;
	close(first);
	run_loop();
	answer_to(0, tag, 7);
	second = asks(0, 2, true);
	answer_to(0, tag, 7);
	not_told_yet(second);
	assert_int_equal(heard(0), 1);
	served(second, 0, 2);
	answer_to(0, tag, 7);
}

/* Who talks while he is served is dropped like who talks while he waits. */
static void who_talks_on_is_dropped(void **state)
{
	int talker = asks(0, 1, true), next = asks(0, 2, true);
	struct ipc_report report;
	char more = 0;

	(void)state;
	assert_int_equal(heard(0), 1);
	assert_int_equal(send(talker, &more, 1, 0), 1);
	run_loop();
	assert_true(ipc_recv(talker, &report, sizeof(report), NULL, 0) < 0);
	close(talker);
	served(next, 0, 2);
}

/* One after the other gives up waiting for a worker that never answers. */
static void nobody_waits_for_ever(void **state)
{
	int tools[4];
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		tools[i] = asks(0, 1 + i, true);
	for (i = 0; i < 4; i++) {
		assert_int_equal(heard(0), 1 + i);
		assert_int_equal(heard(0), 0);
		close(tools[i]);
		run_loop();
	}
	served(asks(0, 9, false), 0, 9);
}

static void the_end_of_a_worker_ends_all_waiting(void **state)
{
	int first = asks(0, 1, true), second = asks(0, 2, true), third = asks(0, 3, true);
	struct ipc_report report;

	(void)state;
	close(workers[0]);
	control_drop(&devices[0]);
	run_loop();
	/* It may have been done or not: there is no answer to pass on. */
	assert_int_equal(ipc_recv(first, &report, sizeof(report), NULL, 0), -ENOTCONN);
	close(first);
	told(second, -ENOTCONN, 0);
	told(third, -ENOTCONN, 0);
}

static void without_a_worker_it_is_refused(void **state)
{
	(void)state;
	told(asks(NR_DEVICES, 1, true), -ENODEV, 0);
	devices[0].state = DEV_STARTING;
	told(asks(0, 1, true), -ENOTCONN, 0);
	assert_int_equal(heard(0), 0);
}

static void the_queue_has_an_end(void **state)
{
	int first = asks(0, 1, true), tools[MAX_WAITING];
	uint32_t i;

	(void)state;
	for (i = 0; i < MAX_WAITING; i++)
		tools[i] = asks(0, 2 + i, true);
	told(asks(0, 99, true), -EBUSY, 0);
	/* The limit is the broker's, but only who would have to wait meets it. */
	close(asks(1, 100, true));
	assert_int_equal(heard(1), 100);
	answer(1, 0);
	served(first, 0, 1);
	for (i = 0; i < MAX_WAITING; i++) {
		served(tools[i], 0, 2 + i);
	}
}

static void what_is_no_request_is_refused(void **state)
{
	unsigned int before = open_fds();
	char octets[sizeof(struct ipc_request) + 1] = { 0 };
	size_t size;
	int sock;

	(void)state;
	for (size = 1; size <= sizeof(octets); size++) {
		if (size == sizeof(struct ipc_request))
			continue;
		sock = connected();
		assert_int_equal(send(sock, octets, size, 0), size);
		run_loop();
		told(sock, -EBADMSG, 0);
	}
	/* Hung up without a word. */
	close(connected());
	run_loop();
	assert_int_equal(heard(0), 0);
	assert_int_equal(open_fds(), before);
}

/* A worker that does not read: what it cannot be told now is refused, not lost. */
static void a_worker_that_does_not_read(void **state)
{
	struct ipc_control control = { .nr = 1 };
	int tool;

	(void)state;
	while (!ipc_send(devices[0].control, &control, sizeof(control), NULL, 0))
		;
	tool = asks(0, 2, true);
	told(tool, -EAGAIN, 0);
	while (heard(0))
		;
	tool = asks(0, 3, true);
	served(tool, 0, 3);
}

static void an_answer_that_nobody_asked_for(void **state)
{
	int tool;

	(void)state;
	answer(0, 1);
	tool = asks(0, 2, true);
	not_told_yet(tool);
	served(tool, 0, 2);
}

static void without_memory_it_hangs_up(void **state)
{
	unsigned int before = open_fds();
	struct ipc_report report;
	int sock;

	(void)state;
	fake_fail_set(1);
	sock = connected();
	fake_fail_set(0);
	assert_int_equal(ipc_recv(sock, &report, sizeof(report), NULL, 0), -ENOTCONN);
	close(sock);
	assert_int_equal(open_fds(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(one_at_a_time_in_order),
		TEST(who_will_not_wait_is_refused),
		TEST(another_device_is_not_held_up),
		TEST(who_leaves_the_queue_is_forgotten),
		TEST(who_is_served_may_leave),
		TEST(a_late_answer_is_nobodys),
		TEST(who_talks_on_is_dropped),
		TEST(nobody_waits_for_ever),
		TEST(the_end_of_a_worker_ends_all_waiting),
		TEST(without_a_worker_it_is_refused),
		TEST(the_queue_has_an_end),
		TEST(what_is_no_request_is_refused),
		TEST(a_worker_that_does_not_read),
		TEST(an_answer_that_nobody_asked_for),
		TEST(without_memory_it_hangs_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
