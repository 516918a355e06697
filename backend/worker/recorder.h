/* SPDX-License-Identifier: MIT */
/*
 * Records what the engine of migration is told, for a replay by unit tests and
 * on a desk: into memory that is a file of the broker's, so that no event waits
 * for storage. The event loop's thread only.
 */
#ifndef XU_RECORDER_H
#define XU_RECORDER_H

#include <stdint.h>

#include "migrate.h"

/* Zero-initialised it records nothing. */
struct recorder {
	uint8_t (*record)[MIG_TRACE];	/* head, first settings, events */
	uint64_t max;			/* events that there is room for */
	struct mig_trace_head head;
};

/**
 * recorder_init() - map @fd, of a file of MIG_TRACE * n octets, and begin
 * @settings: what the engine begins with
 *
 * @fd stays the caller's and may be closed. 0 or -errno.
 */
int recorder_init(struct recorder *recorder, int fd,
		  const struct mig_limits *limits,
		  const struct mig_settings *settings);

/** recorder_event() - before it is given to the engine; NULL is none */
void recorder_event(struct recorder *recorder, const struct mig_event *ev);

/** recorder_ops() - what the engine gave */
void recorder_ops(struct recorder *recorder, const struct mig_op *ops,
		  unsigned int nr);

#endif /* XU_RECORDER_H */
