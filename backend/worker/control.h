/* SPDX-License-Identifier: MIT */
/*
 * What an administrator asks of a worker: moves by hand, policies, pictures.
 * One request at a time; a move is answered when it has ended, well or not.
 */
#ifndef XU_CONTROL_H
#define XU_CONTROL_H

#include "ipc.h"
#include "migrator.h"

struct control {
	struct migrator *migrator;	/* NULL: nothing moves */
	struct core *core;
	uint32_t max_objects;
	bool is_moving;			/* wish has no answer yet */
	uint32_t tag;			/* of that request */
	struct core_span wish;
};

/**
 * control_take() - one request of the broker
 *
 * Returns 0 or -errno of the socket.
 */
int control_take(struct control *control, const struct ipc_control *request);

/** control_poll() - answer a move that has ended; 0 or -errno */
int control_poll(struct control *control);

#endif /* XU_CONTROL_H */
