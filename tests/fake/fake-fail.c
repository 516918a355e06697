// SPDX-License-Identifier: MIT
/* The counter of calls that may fail; fakes run in two threads. */
#include "fake-fail.h"

#include <stdatomic.h>

static atomic_uint fail_left;
static atomic_bool fail_hit;

void fake_fail_set(unsigned int nth)
{
	atomic_store(&fail_left, nth);
	atomic_store(&fail_hit, false);
}

bool fake_fail(void)
{
	if (!atomic_load(&fail_left) || atomic_fetch_sub(&fail_left, 1) != 1)
		return false;
	atomic_store(&fail_hit, true);
	return true;
}

bool fake_fail_hit(void)
{
	return atomic_load(&fail_hit);
}
