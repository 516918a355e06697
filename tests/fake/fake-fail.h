/* SPDX-License-Identifier: MIT */
/*
 * Fails the Nth call of all fakes together. A test runs its scenario with N =
 * 1, 2, ... until it ends without a failure: so every way out is walked.
 */
#ifndef FAKE_FAIL_H
#define FAKE_FAIL_H

#include <stdbool.h>

/** fake_fail_set() - the @nth call from now on fails, once; 0: none */
void fake_fail_set(unsigned int nth);

/** fake_fail() - called by each fake that may fail: shall this call? */
bool fake_fail(void);

/** fake_fail_hit() - did a call fail since fake_fail_set()? */
bool fake_fail_hit(void);

#endif /* FAKE_FAIL_H */
