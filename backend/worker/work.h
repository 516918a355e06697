/* SPDX-License-Identifier: MIT */
/*
 * Performs ops that may block: the helper thread's side of the worker. Owns
 * the descriptors behind the core's slots: dma-bufs and address spaces.
 */
#ifndef XU_WORK_H
#define XU_WORK_H

#include <pthread.h>
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
 * bounds of the core's slots. The mover's thread uses address spaces between
 * work_vm_get() and work_vm_put(). An object's list of grefs and its dma-buf do
 * not change between the end of its MAP and the start of its UNMAP: then both
 * the loop and the mover may read them.
 */
struct work_env {
	bool keep_grefs;	/* after MAP, for the mover */
	const struct gpu_ops *gpu;
	struct grant_reader reader;
	struct worker_status *status;
	int module;
	int files;		/* socket to ask for GPU descriptors */
	uint32_t max_objects;
	uint32_t max_vms;
	struct work_object *objects;
	struct work_vm *vms;
	pthread_mutex_t vm_lock; /* an address space that is closed or used */
};

/**
 * work_init() - make the tables; the fields above must be set
 *
 * Returns 0, -EINVAL (no bounds), or -ENOMEM.
 */
int work_init(struct work_env *env);

/** work_fini() - close everything that is still open, free the tables */
void work_fini(struct work_env *env);

/** work_run() - a helper_run: performs @work, fills in its results */
void work_run(void *env, struct work *work);

/**
 * work_ask_file() - have the broker open something
 * @files: the socket for that, as work_env.files
 * @what: IPC_FILES_OPEN_*
 * @gpu: OPEN_GPU: which one; -ENODEV if there is none, else 0
 *
 * The caller's descriptor or -errno. The helper's thread, or before it runs.
 */
int work_ask_file(int files, uint32_t what, uint32_t gpu);

/**
 * work_vm_life() - which address space of its slot is or was the last; not 0
 *
 * Slots are used again: what is to be done later names this too.
 */
uint32_t work_vm_life(struct work_env *env, uint32_t vm);
/**
 * work_vm_get() - an address space for the mover, and the lock
 *
 * NULL, without the lock, if it is closed, or another one has its slot.
 */
struct gpu_vm *work_vm_get(struct work_env *env, uint32_t vm, uint32_t life);
void work_vm_put(struct work_env *env);
/** work_vm_handle() - of the object's import; 0: none. Between get and put */
uint32_t work_vm_handle(const struct work_env *env, uint32_t vm, uint32_t obj);
/**
 * work_vm_drop() - close an address space, if it is open
 *
 * If the helper is using it, as soon as that has ended; work_vm_get() finds it closed.
 */
void work_vm_drop(struct work_env *env, uint32_t vm, uint32_t life);

/** work_grefs() - of a mapped object; 0 for a page that was given back */
uint32_t *work_grefs(const struct work_env *env, uint32_t obj);
/** work_adopt() - a rescuer's: room for the grefs of an object; or -ENOMEM */
int work_adopt(struct work_env *env, uint32_t obj, uint32_t nr);
/** work_pages() - of an object whose grefs are known */
uint32_t work_pages(const struct work_env *env, uint32_t obj);
/** work_is_readonly() - nobody here may write its pages */
bool work_is_readonly(const struct work_env *env, uint32_t obj);
/** work_dmabuf() - of a mapped object */
int work_dmabuf(const struct work_env *env, uint32_t obj);

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
