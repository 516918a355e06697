/* SPDX-License-Identifier: MIT */
/*
 * Performs ops that may block: the helper thread's side of the worker. Owns
 * the descriptors behind the core's slots: dma-bufs and address spaces.
 */
#ifndef XU_WORK_H
#define XU_WORK_H

#include <stdint.h>

#include "core.h"
#include "gpu.h"
#include "grant.h"
#include "helper.h"
#include "status.h"

struct work_object;
struct work_vm;

/*
 * Filled by the worker, then touched by the helper thread alone; max_* are the
 * bounds of the core's slots.
 */
struct work_env {
	const struct gpu_ops *gpu;
	struct grant_reader reader;
	struct worker_status *status;
	int module;
	int files;		/* socket to ask for GPU descriptors */
	uint32_t max_objects;
	uint32_t max_vms;
	struct work_object *objects;
	struct work_vm *vms;
};

/** work_init() - make the tables; the fields above must be set; or -ENOMEM */
int work_init(struct work_env *env);

/** work_fini() - close everything that is still open, free the tables */
void work_fini(struct work_env *env);

/** work_run() - a helper_run: performs @work, fills in its results */
void work_run(void *env, struct work *work);

/**
 * work_cookie_slot() - the object's slot in a cookie of the module
 *
 * The upper half of a cookie counts, so that two lives of a slot differ.
 */
static inline uint32_t work_cookie_slot(uint64_t cookie)
{
	return (uint32_t)cookie;
}

#endif /* XU_WORK_H */
