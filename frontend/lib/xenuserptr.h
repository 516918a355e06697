/* SPDX-License-Identifier: MIT */
/**
 * libxenuserptr - let the host's GPU use this program's memory, on Xen
 *
 * A thin library over the render node of the xen_userptr driver. It keeps no
 * state but what is in its handles, starts no thread, installs no signal handler and
 * never prints.
 *
 * Conventions
 *  - Functions that can fail return 0 or a negative errno; on failure nothing
 *    has changed and no (out) argument is written unless said otherwise.
 *  - Sizes, lengths, offsets and addresses are octets; memory addresses,
 *    lengths, offsets and GPU addresses are multiples of XUPTR_PAGE_SIZE.
 *  - Times are nanoseconds.
 *  - -ENODEV from any call: no backend is connected (any more). Objects and
 *    address spaces of an ended connection stay dead; open the device again.
 *  - -EINTR is never returned: interrupted calls are made again.
 *
 * Threads: different handles may be used at once. One handle may be used by
 * several threads at once, except by a call that destroys it.
 *
 * fork: a child must not use handles of its parent. Registered memory that
 * the child inherits is copied, as with every pinned page.
 */
#ifndef XENUSERPTR_H
#define XENUSERPTR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define XUPTR_PAGE_SIZE 4096U

/** A device: one open render node. */
struct xuptr_device;

/** What INFO tells; see struct drm_xen_userptr_info for units. */
struct xuptr_info {
	char gpu_name[48];
	uint64_t va_start;
	uint64_t va_end;
	uint64_t page_sizes;
	uint64_t features;	/* XUPTR_FEATURE_* */
	uint64_t vram_total;
	uint64_t vram_used;
	uint64_t max_pages;
	uint64_t used_pages;
	uint64_t quarantined_pages;
	uint32_t va_bits;
	uint32_t nr_engines;
	uint32_t max_objects;
	uint32_t max_vms;
	uint32_t max_mappings;
	uint32_t max_jobs;
	uint32_t max_ranges;
	uint32_t max_bind_ops;
	uint32_t nr_gpus;	/* at least 1 */
	uint32_t pad;
};

#define XUPTR_FEATURE_READONLY	(1ULL << 0)
#define XUPTR_FEATURE_SPARSE	(1ULL << 1)
#define XUPTR_FEATURE_REVOCABLE	(1ULL << 2)
#define XUPTR_FEATURE_MIGRATION	(1ULL << 3)

/**
 * xuptr_open() - open a device
 * @node: path of the render node, or NULL for the first one of the driver
 *
 * The caller owns *@device until xuptr_close(). Errors: -ENODEV (no such
 * node), -EACCES, -EINVAL (a node of another driver), -ENOMEM.
 */
int xuptr_open(const char *node, struct xuptr_device **device);

/**
 * xuptr_close() - close a device; NULL is fine
 *
 * Ends everything that was made with it. Never waits for the host: memory is
 * unpinned as soon as the hypervisor says that the host has let go of it.
 */
void xuptr_close(struct xuptr_device *device);

/**
 * xuptr_fd() - the DRM descriptor, owned by @device, for poll and libdrm
 *
 * It is open with O_NONBLOCK.
 */
int xuptr_fd(const struct xuptr_device *device);

/**
 * xuptr_get_info() - what the GPU and the limits are
 * @size: sizeof(*info), by which the library knows what the program was built with
 *
 * Members are only ever added at the end. Those that the library or the driver does not
 * know are 0, but for nr_gpus, which is at least 1. Errors: -ENODEV; then info is as it was.
 */
int xuptr_get_info(struct xuptr_device *device, struct xuptr_info *info, size_t size);

/**
 * xuptr_vm_create() - make a GPU address space
 *
 * It lives until xuptr_vm_destroy() or xuptr_close(). Errors: -EDQUOT,
 * -ENOMEM, -EIO, -ENODEV.
 */
int xuptr_vm_create(struct xuptr_device *device, uint32_t *vm);

/**
 * xuptr_vm_create_on() - make an address space of one of the device's GPUs
 * @gpu: 0 to nr_gpus of xuptr_get_info() - 1; xuptr_vm_create() takes 0
 *
 * Objects belong to the device: each may be mapped in address spaces of all
 * its GPUs. Errors: -EINVAL (no such GPU), and as xuptr_vm_create().
 */
int xuptr_vm_create_on(struct xuptr_device *device, uint32_t gpu, uint32_t *vm);

/** xuptr_vm_destroy() - its jobs end with -ECANCELED. Errors: -ENOENT */
int xuptr_vm_destroy(struct xuptr_device *device, uint32_t vm);

/** One range of memory. */
struct xuptr_range {
	void *addr;
	size_t length;
};

/** The GPU may only read; needed for memory that the program may not write. */
#define XUPTR_READONLY (1U << 0)
/** Say so (xuptr_lost_read()) when contents of the object are gone. */
#define XUPTR_TELL_LOST (1U << 1)

/**
 * xuptr_register() - register ranges of memory as one object
 * @ranges: become one contiguous buffer, in this order
 * @flags: XUPTR_READONLY, XUPTR_TELL_LOST
 * @object: (out) handle, owned by the caller until xuptr_unregister()
 * @error_range: (out) NULL, or where to put the index of the range that
 *	caused an error (written on failure only)
 *
 * The memory is pinned and charged against RLIMIT_MEMLOCK until it is
 * unregistered. Errors: -EINVAL, -E2BIG, -EFAULT, -EACCES, -ENOMEM, -ENOSPC,
 * -EDQUOT, -EBUSY, -ENOBUFS, -EOPNOTSUPP, -EIO, -ENODEV; struct
 * drm_xen_userptr_create says when, and how long it may wait.
 */
int xuptr_register(struct xuptr_device *device, const struct xuptr_range *ranges,
		   uint32_t nr_ranges, uint32_t flags, uint32_t *object,
		   uint32_t *error_range);

/** xuptr_register_one() - xuptr_register() of a single range */
int xuptr_register_one(struct xuptr_device *device, void *addr, size_t length,
		       uint32_t flags, uint32_t *object);

/**
 * xuptr_unregister() - give the handle up
 *
 * With the last handle the object is unmapped from every address space. Does
 * not wait; memory may be freed or reused at once. Errors: -EINVAL (no such
 * handle).
 */
int xuptr_unregister(struct xuptr_device *device, uint32_t object);

/** map part of an object; replaces what was mapped there */
#define XUPTR_OP_MAP		1
/** unmap; a mapping that is larger is split */
#define XUPTR_OP_UNMAP		2
/** map addresses that read as zero (XUPTR_FEATURE_SPARSE) */
#define XUPTR_OP_MAP_NULL	3

/** Syncs of one xuptr_bind() or xuptr_exec(). */
#define XUPTR_MAX_SYNCS		1024U

/** One change of an address space. */
struct xuptr_bind {
	uint32_t op;		/* XUPTR_OP_* */
	uint32_t flags;		/* XUPTR_READONLY, for MAP only */
	uint32_t object;	/* MAP only, else 0 */
	uint64_t offset;	/* into the object; MAP only, else 0 */
	uint64_t length;
	uint64_t gpu_va;
};

/** A syncobj to wait for before the work, or to signal after it. */
struct xuptr_sync {
	uint32_t syncobj;
	uint32_t signal;	/* 1: signal after, 0: wait before */
	uint64_t point;		/* timeline point, 0: binary syncobj */
};

/**
 * xuptr_bind() - change an address space, in order, all or nothing
 * @error_op: NULL, or where to put the index of the operation that caused
 *	an error (written on failure only)
 *
 * Without @syncs the change is done when the call returns. Errors: -EINVAL,
 * -ENOENT, -E2BIG (more operations than max_bind_ops, or more than
 * XUPTR_MAX_SYNCS syncs), -ERANGE, -EACCES, -ESTALE (that part of the object was
 * unmapped by the program), -EOPNOTSUPP (MAP_NULL without XUPTR_FEATURE_SPARSE),
 * -EBUSY (too many changes on their way), -EDQUOT, -ENOMEM, -ENODATA (contents
 * of the object are gone), -EIO, -ENODEV. With @syncs what the host finds is the
 * error of the fence.
 */
int xuptr_bind(struct xuptr_device *device, uint32_t vm,
	       const struct xuptr_bind *ops, uint32_t nr_ops,
	       const struct xuptr_sync *syncs, uint32_t nr_syncs,
	       uint32_t *error_op);

/** xuptr_map() - map [offset, offset + length) of an object and wait for it */
int xuptr_map(struct xuptr_device *device, uint32_t vm, uint32_t object,
	      uint64_t offset, uint64_t length, uint64_t gpu_va, uint32_t flags);

/** xuptr_unmap() - unmap a range of GPU addresses and wait for it */
int xuptr_unmap(struct xuptr_device *device, uint32_t vm, uint64_t gpu_va,
		uint64_t length);

/**
 * xuptr_exec() - queue a job
 * @cmd_va: GPU address of the commands, in the format of the host's GPU
 * @cmd_length: octets
 *
 * Returns when the job is queued. A job that fails sets its out fences to an
 * error (xuptr_fence_wait() returns it). Errors: -EINVAL, -ENOENT, -E2BIG (more
 * than XUPTR_MAX_SYNCS syncs), -EBUSY (too many jobs, or too many address spaces
 * and engines in use), -ESTALE, -ENOMEM, -ENODEV.
 */
int xuptr_exec(struct xuptr_device *device, uint32_t vm, uint32_t engine,
	       uint64_t cmd_va, uint32_t cmd_length,
	       const struct xuptr_sync *syncs, uint32_t nr_syncs);

/**
 * xuptr_fence_create() - make a syncobj
 *
 * The caller owns it until xuptr_fence_destroy(). Errors: -ENOMEM, -ENODEV.
 */
int xuptr_fence_create(struct xuptr_device *device, uint32_t *syncobj);

/** xuptr_fence_destroy() - give it up; what waits for it goes on. Errors: -EINVAL */
int xuptr_fence_destroy(struct xuptr_device *device, uint32_t syncobj);

/**
 * xuptr_fence_wait() - wait for the fence in a binary syncobj
 * @timeout: nanoseconds from now, negative: for ever
 *
 * Returns 0 when the work went well, or the error of the work: -EFAULT (GPU
 * fault), -ETIME (killed), -ECANCELED, -ENODATA (contents lost), -EIO,
 * -ENODEV. -ETIMEDOUT: not signalled in time; -EINVAL: no fence in it.
 */
int xuptr_fence_wait(struct xuptr_device *device, uint32_t syncobj,
		     int64_t timeout);

#define XUPTR_ADVICE_NORMAL		0
#define XUPTR_ADVICE_PREFER_VRAM	1
#define XUPTR_ADVICE_PREFER_RAM		2
#define XUPTR_ADVICE_READ_MOSTLY	3
#define XUPTR_ADVICE_WILL_NEED		4
#define XUPTR_ADVICE_NEVER_MOVE		5

/**
 * xuptr_advise() - say where data of an object should live
 *
 * A hint, except NEVER_MOVE. Errors: -EINVAL, -ENOENT, -EOPNOTSUPP, -ESTALE
 * (nothing of the memory is left), -ENODEV.
 */
int xuptr_advise(struct xuptr_device *device, uint32_t object, uint32_t advice,
		 uint64_t offset, uint64_t length);

/** Contents that are gone. */
struct xuptr_lost {
	uint32_t object;	/* as xuptr_register() returned it */
	uint32_t flags;		/* XUPTR_LOST_* */
	uint64_t offset;
	uint64_t length;
};

/** the connection has ended; the range is the whole object */
#define XUPTR_LOST_CONNECTION	(1U << 0)
/** earlier ones found no room: ask xuptr_lost_next() of every object */
#define XUPTR_LOST_MISSED	(1U << 1)

/**
 * xuptr_lost_signal() - send a signal when contents of an object are gone
 * @signal: to this process; 0: none any more
 *
 * For objects registered with XUPTR_TELL_LOST, beside what xuptr_lost_read()
 * returns. The signal has no arguments of use; SIGIO kills a program that has
 * no handler for it. Errors: -EINVAL (no such signal).
 */
int xuptr_lost_signal(struct xuptr_device *device, int signal);

/**
 * xuptr_lost_read() - wait until contents are gone
 * @timeout: nanoseconds from now, 0: don't wait, negative: for ever
 *
 * Of objects that were registered through @device with XUPTR_TELL_LOST. Or poll
 * xuptr_fd() for POLLIN. Up to 128 are kept unread. Errors: -ETIMEDOUT,
 * -EPROTO (an event of another kind; it is gone).
 */
int xuptr_lost_read(struct xuptr_device *device, int64_t timeout,
		    struct xuptr_lost *lost);

/**
 * xuptr_lost_next() - which contents of an object are gone
 * @offset: look from there on; (out) the first that is gone
 * @length: (out) of that run; 0: nothing is gone from there on
 *
 * For every object. Errors: -ENOENT, -EINVAL, -ENODEV (the connection has ended: what
 * the host had moved away is gone, and what that was nobody knows).
 */
int xuptr_lost_next(struct xuptr_device *device, uint32_t object,
		    uint64_t *offset, uint64_t *length);

#if defined(__cplusplus)
}
#endif

#endif /* XENUSERPTR_H */
