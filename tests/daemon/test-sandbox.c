// SPDX-License-Identifier: MIT
/*
 * The worker's filter, in children: what an established connection does passes,
 * in every thread; what it does not do kills the process.
 */
#include "cm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include <xen/sys/gntdev.h>

#include "helper.h"
#include "sandbox.h"
#include "xen_userptr_back.h"

/* Runs @inside in a child behind the filter; its status as of waitpid(). */
static int run_inside(void (*inside)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    sandbox_enter(false))
			_exit(99);
		inside(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void do_nothing(void *arg)
{
	(void)arg;
}

static void do_open(void *arg)
{
	(void)arg;
	if (open("/etc/passwd", O_RDONLY) >= 0)
		_exit(98);
}

static void do_socket(void *arg)
{
	(void)arg;
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0)
		_exit(98);
}

static void do_exec_memory(void *arg)
{
	(void)arg;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		_exit(98);
}

static void do_foreign_ioctl(void *arg)
{
	(void)arg;
	ioctl(0, 0x5401, NULL);	/* of a terminal */
	_exit(98);
}

/* It takes the domain from its caller. */
static void do_grant_copy(void *arg)
{
	(void)arg;
	ioctl(-1, IOCTL_GNTDEV_GRANT_COPY, NULL);
	_exit(98);
}

static void do_fork(void *arg)
{
	(void)arg;
	fork();
	_exit(98);
}

static void the_filter_loads(void **state)
{
	(void)state;
	assert_int_equal(run_inside(do_nothing, NULL), 0);
}

/* Each call that the worker makes of the module; the descriptor is a wrong one. */
static void do_module_calls(void *arg)
{
	static const unsigned long calls[] = {
		XEN_USERPTR_BACK_MAP, XEN_USERPTR_BACK_TRIM,
		XEN_USERPTR_BACK_OPS, XEN_USERPTR_BACK_WRITE,
		XEN_USERPTR_BACK_READ,
	};
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (ioctl(-1, calls[i], NULL) != -1 || errno != EBADF)
			_exit(98);
}

static void the_module_can_be_called(void **state)
{
	(void)state;
	assert_int_equal(run_inside(do_module_calls, NULL), 0);
}

static void what_is_not_needed_kills(void **state)
{
	static void (*const bad[])(void *) = {
		do_open, do_socket, do_exec_memory, do_foreign_ioctl,
		do_grant_copy, do_fork,
	};
	size_t i;
	int status;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		status = run_inside(bad[i], NULL);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

/* A loop like the worker's: helper, socket, and the timer of its end. */
static int on_timer(sd_event_source *source, int fd, uint32_t revents,
		    void *context)
{
	(void)fd;
	(void)revents;
	(void)context;
	return sd_event_exit(sd_event_source_get_event(source), 7);
}

static void run_work(void *context, struct work *work)
{
	(void)context;
	work->untrusted_ops = calloc(1000, 40);
}

static int on_done(sd_event_source *source, int fd, uint32_t revents,
		   void *context)
{
	struct helper *helper = context;
	struct work *work;

	(void)source;
	(void)fd;
	(void)revents;
	helper_clear(helper);
	while ((work = helper_take(helper))) {
		free(work->untrusted_ops);
		free(work);
	}
	return 0;
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents,
		     void *context)
{
	const struct itimerspec limit = { .it_value.tv_nsec = 1000000 };

	(void)fd;
	(void)revents;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (timerfd_settime(*(int *)context, 0, &limit, NULL) < 0)
		_exit(97);
	return 0;
}

static void __attribute__((noreturn)) loop_child(void)
{
	static struct helper helper;
	struct work *work = calloc(1, sizeof(*work));
	sd_event *loop;
	int pair[2], timer;

	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	if (!work || timer < 0 || sd_event_new(&loop) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) ||
	    helper_start(&helper, run_work, NULL) ||
	    sd_event_add_io(loop, NULL, timer, EPOLLIN, on_timer, NULL) < 0 ||
	    sd_event_add_io(loop, NULL, pair[0], EPOLLIN, on_socket,
			    &timer) < 0 ||
	    sd_event_add_io(loop, NULL, helper.done_fd, EPOLLIN, on_done,
			    &helper) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || sandbox_enter(false))
		_exit(99);
	work->fence = -1;
	helper_submit(&helper, work);
	close(pair[1]);
	_exit(sd_event_loop(loop));
}

static void a_loop_lives_and_ends(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		loop_child();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_filter_loads),
		cmocka_unit_test(the_module_can_be_called),
		cmocka_unit_test(what_is_not_needed_kills),
		cmocka_unit_test(a_loop_lives_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
