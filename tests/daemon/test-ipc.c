// SPDX-License-Identifier: MIT
/* Messages with descriptors between broker and worker. */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc.h"

static int pair[2];

static int ipc_setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair);
}

static int ipc_teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void ipc_carries_descriptors(void **state)
{
	int out[] = { 0, 1, 2 }, in[3], i;
	unsigned int before = open_fds();
	uint64_t msg = 42;

	(void)state;
	assert_int_equal(ipc_send(pair[0], &msg, sizeof(msg), out, 3), 0);
	msg = 0;
	assert_int_equal(ipc_recv(pair[1], &msg, sizeof(msg), in, 3), 3);
	assert_true(msg == 42);
	assert_int_equal(open_fds(), before + 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(fcntl(in[i], F_GETFD), FD_CLOEXEC);
		close(in[i]);
	}
}

static void ipc_refuses_other_shapes(void **state)
{
	unsigned int before = open_fds();
	int out[] = { 0, 1, 2, 2, 2 }, in[4];
	uint64_t msg[2] = { 1, 2 };

	(void)state;
	/* too long, too short, too many descriptors: none may leak */
	assert_int_equal(ipc_send(pair[0], msg, 16, out, 2), 0);
	assert_int_equal(ipc_recv(pair[1], msg, 8, in, 2), -EBADMSG);
	assert_int_equal(ipc_send(pair[0], msg, 4, NULL, 0), 0);
	assert_int_equal(ipc_recv(pair[1], msg, 8, NULL, 0), -EBADMSG);
	assert_int_equal(ipc_send(pair[0], msg, 8, out, 3), 0);
	assert_int_equal(ipc_recv(pair[1], msg, 8, in, 2), -EBADMSG);
	assert_int_equal(ipc_send(pair[0], msg, 8, out, 4), 0);
	assert_int_equal(ipc_recv(pair[1], msg, 8, NULL, 0), -EBADMSG);
	assert_int_equal(ipc_send(pair[0], msg, 8, out, 5), -EINVAL);
	assert_int_equal(open_fds(), before);
}

static void ipc_tells_the_end(void **state)
{
	uint64_t msg = 0;

	(void)state;
	assert_int_equal(ipc_recv(pair[1], &msg, sizeof(msg), NULL, 0),
			 -EAGAIN);
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(ipc_recv(pair[1], &msg, sizeof(msg), NULL, 0),
			 -ENOTCONN);
	shutdown(pair[1], SHUT_RD);
	assert_int_equal(ipc_send(pair[0], &msg, sizeof(msg), NULL, 0),
			 -EPIPE);
}

#define ipc_test(name) \
	cmocka_unit_test_setup_teardown(name, ipc_setup, ipc_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ipc_test(ipc_carries_descriptors),
		ipc_test(ipc_refuses_other_shapes),
		ipc_test(ipc_tells_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
