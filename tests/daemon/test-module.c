// SPDX-License-Identifier: MIT
/* Calls of the module that a signal interrupts. */
#include "cm.h"

#include <errno.h>
#include <sys/ioctl.h>

static unsigned int interrupts;	/* calls that a signal will meet */
static unsigned int calls;
static int last_error;		/* of the first call that none meets; 0: none */

static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd;
	(void)request;
	(void)arg;
	calls++;
	errno = interrupts ? EINTR : last_error;
	if (!interrupts)
		return last_error ? -1 : 0;
	interrupts--;
	return -1;
}

/* The fakes of all tests have these names. */
#define module_open tested_open
#define module_is_revocable tested_is_revocable
#define module_map tested_map
#define module_copy tested_copy
#define module_trim tested_trim
#define module_write tested_write
#define module_ops tested_ops
#define module_read tested_read
#define module_stats tested_stats
#define ioctl fake_ioctl
#include "module.c"

static int call_map(void)
{
	uint32_t gref = 9, error_index;

	return module_map(3, &gref, 1, 0, 0, &error_index);
}

static int call_trim(void)
{
	return module_trim(3, 4, 0, 1);
}

static int call_write(void)
{
	return module_write(3, 4, 0, 1, &calls);
}

static void repeated(void **state)
{
	static int (*const call[])(void) = { call_map, call_trim, call_write };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
		calls = 0;
		interrupts = 2;
		last_error = 0;
		/* MAP gives the descriptor that the call has left as it was. */
		assert_int_equal(call[i](), call[i] == call_map ? -1 : 0);
		assert_int_equal(calls, 3);
		interrupts = 1;
		last_error = EBUSY;
		assert_int_equal(call[i](), -EBUSY);
		assert_int_equal(calls, 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeated),
	};

	return cmocka_run_group_tests_name("module", tests, NULL, NULL);
}
