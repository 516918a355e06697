/* SPDX-License-Identifier: MIT */
/*
 * What the worker asks of a GPU: one table of functions per DRM driver.
 *
 * Adapters hold no decision. They are called by the worker's helper thread
 * alone, may sleep, never retry and return 0 or -errno. All ranges were
 * checked by the core; an adapter may still refuse them.
 */
#ifndef XU_GPU_H
#define XU_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

/* An address space; each adapter has its own. */
struct gpu_vm;

/* Things about a GPU that the core does not need. */
struct gpu_caps {
	uint32_t max_bind_ops;	/* of one bind() */
	bool preempt;		/* stop() stops inside a job */
	bool kill;		/* kill() ends a job in bounded time */
	uint32_t vram_page;	/* octets: granularity of VRAM */
};

/* One change of an address space, in the words of the host driver. */
struct gpu_bind {
	uint32_t op;		/* XENUSERPTR_BIND_* */
	uint32_t flags;		/* XENUSERPTR_BIND_* */
	uint32_t handle;	/* MAP: from import() */
	uint64_t offset;
	uint64_t length;
	uint64_t gpu_va;
};

struct gpu_job {
	uint32_t engine;
	uint32_t cmd_length;
	uint64_t cmd_va;
};

/* Copies that may be in flight at once in one address space. */
#define GPU_COPIES	32U
/* Copies of one call. A want waits for all of a call, so few. */
#define GPU_COPIES_MAX	4U
/* Most octets of one copy. */
#define GPU_COPY_MAX	(2U << 20)

/* Of one call of place() and displace(). */
#define GPU_PLACES_MAX	16U

/* The place of an object in an address space for copies. */
struct gpu_place {
	uint64_t va;		/* from place_start to place_end */
	uint64_t length;	/* octets, from the object's beginning on */
	uint32_t handle;
	bool is_readonly;
};

/* A copy between two places of one address space. */
struct gpu_copy {
	uint64_t src;		/* addresses */
	uint64_t dst;
	uint64_t length;	/* octets, at most GPU_COPY_MAX */
};

/*
 * What moving memory needs. Called by the mover's thread, none waits for a
 * job. Everything but alloc() and copy() takes a VM of the guest.
 */
struct gpu_move_ops {
	/* Makes an address space fit for copy(). */
	int (*prepare)(struct gpu_vm *vm);
	/*
	 * Asks that no job of the VM makes progress. @fence: (out) sync_file
	 * that signals when that is so, the caller's. If it fails nothing has
	 * changed.
	 */
	int (*stop)(struct gpu_vm *vm, int *fence);
	int (*resume)(struct gpu_vm *vm);
	/* The jobs submitted so far end soon. */
	int (*kill)(struct gpu_vm *vm);

	/* VRAM that stays where it is; -ENOSPC. close() gives it back. */
	int (*alloc)(struct gpu_vm *vm, uint64_t size, uint32_t *handle);
	/* The object as a handle of another address space; close() it there. */
	int (*share)(struct gpu_vm *from, uint32_t handle, struct gpu_vm *to,
		     uint32_t *to_handle);
	/* Addresses for place(): multiples of GPU_COPY_MAX. */
	uint64_t place_start;
	uint64_t place_end;
	/*
	 * Puts at most GPU_PLACES_MAX objects into an address space for copies, all
	 * or none, and takes what is there away again, under copies in flight too:
	 * these then fault. When they return the page tables have changed and the
	 * TLB is clean.
	 */
	int (*place)(struct gpu_vm *vm, const struct gpu_place *places,
		     uint32_t nr);
	int (*displace)(struct gpu_vm *vm, const struct gpu_place *places,
			uint32_t nr);
	/*
	 * Starts at most GPU_COPIES_MAX copies, all or none. They take the slots from
	 * @slot on, which are below GPU_COPIES and not in flight. @fence: (out)
	 * sync_file that signals when the last has ended, with an error if one failed.
	 */
	int (*copy)(struct gpu_vm *vm, uint32_t slot,
		    const struct gpu_copy *copies, uint32_t nr, int *fence);

	/*
	 * VRAM of alloc() for this process's CPU to read; unmap() ends it, and fails if
	 * the GPU is gone: drivers let the CPU read zeros then.
	 */
	int (*map)(struct gpu_vm *vm, uint32_t handle, uint64_t size,
		   void **address);
	int (*unmap)(struct gpu_vm *vm, uint32_t handle, void *address,
		     uint64_t size);
	/* @dmabuf: (out) of a handle of import(), the caller's */
	int (*export)(struct gpu_vm *vm, uint32_t handle, int *dmabuf);

	/* The address space's number, which holds on its open file alone. */
	uint32_t (*id)(const struct gpu_vm *vm);
	/*
	 * As stop(), for one that a process which died has left on the file;
	 * its jobs never go on. -ENOENT: there is none.
	 */
	int (*stop_left)(int node, uint32_t id, int *fence);
	/* As kill(), for the same. */
	int (*kill_left)(int node, uint32_t id);
};

struct gpu_ops {
	const char *driver;	/* DRM driver name */
	const struct gpu_move_ops *move;	/* NULL: memory stays home */

	/* Reads what the GPU is; @node stays the caller's. */
	int (*info)(int node, struct core_gpu *gpu, struct gpu_caps *caps);

	/*
	 * Makes an address space on an open file of its own, so that the host
	 * driver isolates guests' programs as it isolates processes. The file
	 * is the adapter's on success, the caller's on failure.
	 */
	int (*vm_open)(int node, struct gpu_vm **vm);

	/* Ends its jobs (their fences signal), drops mappings and imports. */
	void (*vm_close)(struct gpu_vm *vm);

	/* The descriptor stays the caller's. */
	int (*import)(struct gpu_vm *vm, int dmabuf, uint32_t *handle);

	/* Nothing of @handle is bound any more. */
	int (*close)(struct gpu_vm *vm, uint32_t handle);

	/*
	 * All or nothing, in order. When it returns the page tables have
	 * changed and the TLB is clean. @failed: (out) index of the op to blame,
	 * or UINT32_MAX; on failure only.
	 */
	int (*bind)(struct gpu_vm *vm, const struct gpu_bind *binds,
		    uint32_t nr, uint32_t *failed);

	/*
	 * Queues a job. @fence: (out) sync_file that signals at its end, the
	 * caller's. @cookie: (out) its name for fault_va().
	 */
	int (*exec)(struct gpu_vm *vm, const struct gpu_job *job, int *fence,
		    uint64_t *cookie);

	/* Address of the fault that ended job @cookie, or 0 if not known. */
	uint64_t (*fault_va)(struct gpu_vm *vm, uint64_t cookie);
};

extern const struct gpu_ops gpu_softgpu;

/** gpu_find_ops() - the adapter for a DRM driver name, or NULL */
const struct gpu_ops *gpu_find_ops(const char *driver);

/**
 * gpu_select() - find and open a GPU
 * @key: PCI address ("0000:00:04.0"), path of a render node, or "" for the
 *	first one that has an adapter
 * @path: (out) of the render node, @size octets
 * @ops: (out)
 *
 * Returns a descriptor, -ENOENT (no such GPU), -EOPNOTSUPP (there is no
 * adapter for it), or -errno.
 */
int gpu_select(const char *key, char *path, size_t size,
	       const struct gpu_ops **ops);

/**
 * gpu_compare() - may jobs that were made for one run on the other?
 * @node: of one; both descriptors stay the caller's
 *
 * Name and VRAM may differ. Returns 0, -EXDEV (they are not alike), or -errno.
 */
int gpu_compare(const struct gpu_ops *ops, int node, int other);

/** gpu_job_status() - XENUSERPTR_STATUS_* of a fence's error (0 or -errno) */
uint32_t gpu_job_status(int error);

#endif /* XU_GPU_H */
