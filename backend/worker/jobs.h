/* SPDX-License-Identifier: MIT */
/*
 * Jobs in flight: waits for their fences (sync_files) in the event loop and
 * reads how they ended.
 */
#ifndef XU_JOBS_H
#define XU_JOBS_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "route.h"

struct job;

/* A fence has signalled with @error (0 or -errno). 0 or -errno. */
typedef int (*jobs_ended)(void *context, uint32_t job, uint32_t vm,
			  uint64_t cookie, int error);

struct jobs {
	sd_event *loop;
	jobs_ended ended;
	void *context;
	struct job *slots;
	uint32_t max_jobs;
	uint32_t used;
};

/** jobs_init() - the first three fields must be set; 0 or -ENOMEM */
int jobs_init(struct jobs *jobs, uint32_t max_jobs);

/**
 * jobs_add() - wait for the fence of a job
 * @fence: owned from now on, also on failure
 */
int jobs_add(struct jobs *jobs, uint32_t job, uint32_t vm, uint64_t cookie,
	     int fence);

/** jobs_read_fence() - 1: not signalled, else 0 or -errno as the driver set it */
int jobs_read_fence(int fence);

#endif /* XU_JOBS_H */
