// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * fault.c: failures on purpose, so that tests can walk every way back. Only in
 * modules that are built for tests (Kbuild).
 *
 * Root writes N to the parameter fail_nth, and the Nth call that can fail does.
 * It counts down to 0; a value that is left says that all calls of a run have
 * been tried. Nothing fails unless asked to. No locks.
 */
#include <linux/moduleparam.h>

#include "xen_userptr.h"

static atomic_t fail_left;

static int fail_set(const char *value, const struct kernel_param *param)
{
	unsigned int n;
	int err = kstrtouint(value, 0, &n);

	if (!err)
		atomic_set(&fail_left, n);
	return err;
}

static int fail_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&fail_left));
}

static const struct kernel_param_ops fail_ops = {
	.set = fail_set,
	.get = fail_get,
};
module_param_cb(fail_nth, &fail_ops, NULL, 0600);
MODULE_PARM_DESC(fail_nth,
		 "For tests: the Nth call from now that can fail does (default 0: none)");

bool xu_fault(void)
{
	if (likely(!atomic_read(&fail_left)))
		return false;
	return atomic_dec_if_positive(&fail_left) == 0;
}
