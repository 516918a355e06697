/* SPDX-License-Identifier: MIT */
/* Before a mover's thread is stopped. Include it after cm.h. */
#ifndef XU_MOVERDRAIN_H
#define XU_MOVERDRAIN_H

#include <poll.h>

#include "migrator.h"

/* What the mover has done. */
static inline void mover_pump(struct migrator *m)
{
	struct pollfd pollfd = { .fd = m->thread.done_fd, .events = POLLIN };

	assert_int_equal(poll(&pollfd, 1, 10000), 1);
	assert_int_equal(migrator_on_mover(m), 0);
}

/* All that it was given before: a sign of life is queued behind that. */
static inline void mover_drain_once(struct migrator *m)
{
	m->is_alive_sent = true;
	assert_int_equal(migrator_submit_alive(m, 1), 0);
	while (m->is_alive_sent)
		mover_pump(m);
}

/* With what comes of it: the last ops of a walk are not answered. */
static inline void mover_drain(struct migrator *m)
{
	while (!mig_idle(m->engine))
		mover_drain_once(m);
	mover_drain_once(m);
}

#endif /* XU_MOVERDRAIN_H */
