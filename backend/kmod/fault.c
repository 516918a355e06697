// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Failures on purpose, so that tests can walk every way back: root writes N to
 * the parameter fail_nth, and the Nth call that can fail does. It counts down
 * to 0; a value that is left says that all calls of a run have been tried.
 * Nothing fails unless asked to. No locks. Only in modules that are built for
 * tests (Kbuild).
 */
#include <linux/moduleparam.h>

#include "back.h"

static atomic_t back_fail_left;

static int back_fail_set(const char *value, const struct kernel_param *param)
{
	unsigned int n;
	int ret = kstrtouint(value, 0, &n);

	if (!ret)
		atomic_set(&back_fail_left, n);
	return ret;
}

static int back_fail_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&back_fail_left));
}

static const struct kernel_param_ops back_fail_ops = {
	.set = back_fail_set,
	.get = back_fail_get,
};
module_param_cb(fail_nth, &back_fail_ops, NULL, 0600);
MODULE_PARM_DESC(fail_nth, "For tests: the Nth call from now that can fail does (default 0: none)");

bool back_fault(void)
{
	if (likely(!atomic_read(&back_fail_left)))
		return false;
	return atomic_dec_if_positive(&back_fail_left) == 0;
}
