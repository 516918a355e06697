/* SPDX-License-Identifier: MIT */
/*
 * uAPI of the xen_userptr DRM driver (the guest's render node).
 *
 * All structs have the same layout for 32-bit and 64-bit programs. Padding
 * and undefined flags must be zero. A field that says (out) is ignored on
 * the way in. Sizes, offsets and addresses are octets unless said otherwise
 * and must be multiples of 4096 unless said otherwise.
 */
#ifndef XEN_USERPTR_DRM_H
#define XEN_USERPTR_DRM_H

#ifdef __KERNEL__
#include <drm/drm.h>
#else
#include <drm.h>
#endif

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_XEN_USERPTR_INFO		0x00
#define DRM_XEN_USERPTR_VM_CREATE	0x01
#define DRM_XEN_USERPTR_VM_DESTROY	0x02
#define DRM_XEN_USERPTR_CREATE		0x03
#define DRM_XEN_USERPTR_VM_BIND		0x04
#define DRM_XEN_USERPTR_EXEC		0x05
#define DRM_XEN_USERPTR_ADVISE		0x06
#define DRM_XEN_USERPTR_LOST		0x07

/* Features, reported by INFO. */
#define DRM_XEN_USERPTR_FEATURE_READONLY	(1ULL << 0)
#define DRM_XEN_USERPTR_FEATURE_SPARSE		(1ULL << 1)
#define DRM_XEN_USERPTR_FEATURE_REVOCABLE	(1ULL << 2)
#define DRM_XEN_USERPTR_FEATURE_MIGRATION	(1ULL << 3)

/**
 * struct drm_xen_userptr_info - what the GPU and the limits are
 *
 * Errors: -ENODEV when no backend is connected.
 */
struct drm_xen_userptr_info {
	/** @gpu_name: (out) zero-terminated */
	__u8 gpu_name[48];
	/** @va_start: (out) first usable GPU address */
	__u64 va_start;
	/** @va_end: (out) one past the last usable GPU address */
	__u64 va_end;
	/** @page_sizes: (out) bit n set: the GPU has pages of 2^n octets */
	__u64 page_sizes;
	/** @features: (out) DRM_XEN_USERPTR_FEATURE_* */
	__u64 features;
	/** @vram_total: (out) octets of VRAM that this guest may use */
	__u64 vram_total;
	/** @vram_used: (out) octets of VRAM that this guest uses now */
	__u64 vram_used;
	/** @max_pages: (out) pages of 4096 octets that may be registered */
	__u64 max_pages;
	/** @used_pages: (out) pages registered now, by all programs */
	__u64 used_pages;
	/** @quarantined_pages: (out) pages whose grant has not ended yet */
	__u64 quarantined_pages;
	/** @va_bits: (out) width of a GPU address */
	__u32 va_bits;
	/** @nr_engines: (out) engines are numbered 0..nr_engines - 1 */
	__u32 nr_engines;
	/** @max_objects: (out) objects of all programs together */
	__u32 max_objects;
	/** @max_vms: (out) GPU address spaces of all programs together */
	__u32 max_vms;
	/** @max_mappings: (out) live mappings of all address spaces */
	__u32 max_mappings;
	/** @max_jobs: (out) jobs in flight */
	__u32 max_jobs;
	/** @max_ranges: (out) ranges of one CREATE */
	__u32 max_ranges;
	/** @max_bind_ops: (out) operations of one VM_BIND */
	__u32 max_bind_ops;
	/**
	 * @nr_gpus: (out) GPUs of this device; all are as this struct says but
	 * for the name. 0: an older driver, there is one
	 */
	__u32 nr_gpus;
	/** @pad: (out) zero */
	__u32 pad;
};

/**
 * struct drm_xen_userptr_vm_create - make a GPU address space
 *
 * It belongs to the open file. Objects belong to the device: they may be bound
 * in address spaces of all its GPUs. Errors: -EINVAL (also: no such GPU),
 * -EDQUOT, -ENOMEM, -EIO, -ENODEV. A driver whose INFO has no nr_gpus ignores @gpu.
 */
struct drm_xen_userptr_vm_create {
	/** @flags: must be zero */
	__u32 flags;
	/** @vm_id: (out) */
	__u32 vm_id;
	/** @gpu: on which GPU, 0 to nr_gpus of INFO - 1 */
	__u32 gpu;
	/** @pad: must be zero */
	__u32 pad;
};

/**
 * struct drm_xen_userptr_vm_destroy - destroy a GPU address space
 *
 * Jobs still in it end with -ECANCELED. Errors: -ENOENT, -EINVAL (padding).
 */
struct drm_xen_userptr_vm_destroy {
	/** @vm_id: of VM_CREATE */
	__u32 vm_id;
	/** @pad: must be zero */
	__u32 pad;
};

/** struct drm_xen_userptr_range - one range of the program's memory */
struct drm_xen_userptr_range {
	/** @addr: first octet, a multiple of the page size */
	__u64 addr;
	/** @length: octets, a multiple of the page size, not 0 */
	__u64 length;
};

#define DRM_XEN_USERPTR_CREATE_READONLY		(1U << 0)
/* This file wants DRM_XEN_USERPTR_EVENT_LOST of the object. */
#define DRM_XEN_USERPTR_CREATE_TELL_LOST	(1U << 1)

/**
 * struct drm_xen_userptr_create - register memory as one GEM object
 *
 * The ranges are seen as one contiguous buffer, in the order given. Pages are
 * pinned and granted until the object is freed; closing the last handle
 * unmaps the object from every address space. Pages that the program unmaps
 * (also by mremap) leave the object by themselves: they cannot be bound any
 * more, GPU accesses through older mappings reach a blank page, and the rest
 * of the object stays as it is. When all are gone the object is let go.
 * READONLY is enforced by the hypervisor and is needed for memory that the
 * program may not write.
 *
 * Errors, all before anything changes: -EINVAL (alignment, zero length,
 * overflow, unknown flag), -E2BIG (too many ranges or pages), -EFAULT
 * (hole, PROT_NONE, or memory that cannot be pinned), -EACCES (writable
 * registration of read-only memory), -ENOMEM (also RLIMIT_MEMLOCK),
 * -ENOSPC (no grants left), -EDQUOT (quota), -EBUSY (too many pages in
 * quarantine), -ENOBUFS (the host's budget is used up), -EOPNOTSUPP (READONLY
 * without FEATURE_READONLY), -EIO (the host failed), -ENODEV. While memory of
 * before is on its way out the call waits for it, 5 s each time, before it says
 * -EBUSY, -ENOSPC, -EDQUOT or -ENOBUFS. No call ever returns -EAGAIN: libdrm
 * would repeat it for ever.
 */
struct drm_xen_userptr_create {
	/** @ranges: pointer to an array of struct drm_xen_userptr_range */
	__u64 ranges;
	/** @nr_ranges: at most max_ranges of INFO */
	__u32 nr_ranges;
	/** @flags: DRM_XEN_USERPTR_CREATE_* */
	__u32 flags;
	/** @handle: (out) GEM handle */
	__u32 handle;
	/** @error_range: (out) on an error that one range caused: its index */
	__u32 error_range;
	/** @size: (out) octets of the object */
	__u64 size;
};

#define DRM_XEN_USERPTR_BIND_MAP	1
#define DRM_XEN_USERPTR_BIND_UNMAP	2
#define DRM_XEN_USERPTR_BIND_MAP_NULL	3

#define DRM_XEN_USERPTR_BIND_READONLY	(1U << 0)

/** struct drm_xen_userptr_bind_op - one operation of VM_BIND */
struct drm_xen_userptr_bind_op {
	/** @op: DRM_XEN_USERPTR_BIND_{MAP,UNMAP,MAP_NULL} */
	__u32 op;
	/** @flags: DRM_XEN_USERPTR_BIND_READONLY, for MAP only */
	__u32 flags;
	/** @handle: GEM handle, for MAP only, else zero */
	__u32 handle;
	/** @pad: must be zero */
	__u32 pad;
	/** @offset: into the object, for MAP only, else zero */
	__u64 offset;
	/** @length: octets, not 0 */
	__u64 length;
	/** @gpu_va: first GPU address */
	__u64 gpu_va;
};

#define DRM_XEN_USERPTR_SYNC_SIGNAL	(1U << 0)
#define DRM_XEN_USERPTR_SYNC_TIMELINE	(1U << 1)

/** struct drm_xen_userptr_sync - a syncobj to wait for or to signal */
struct drm_xen_userptr_sync {
	/** @handle: syncobj handle */
	__u32 handle;
	/** @flags: SIGNAL: signal it at the end, else wait before the start */
	__u32 flags;
	/** @point: timeline point, zero for a binary syncobj */
	__u64 point;
};

/**
 * struct drm_xen_userptr_vm_bind - change mappings of an address space
 *
 * All or nothing. A map over old mappings replaces them; an unmap in the
 * middle of a mapping splits it; an unmap where nothing is mapped is fine.
 * With any sync the call returns before the change is done; without it the
 * change is done when it returns. Errors: -EINVAL, -ENOENT, -E2BIG,
 * -ERANGE (outside of the GPU's range), -EACCES (writable map of a read-only
 * object), -EOPNOTSUPP (MAP_NULL without FEATURE_SPARSE), -ESTALE (that
 * part of the object was unmapped by the program), -EDQUOT, -EFAULT (an array
 * cannot be read), -ENOMEM, -EBUSY (too many on their way), -ENODATA (contents
 * of the object are gone), -EIO (the host failed), -ENODEV. With syncs what the
 * host finds is the error of the fence. -E2BIG is for more operations than INFO
 * says, or more than 1024 syncs.
 */
struct drm_xen_userptr_vm_bind {
	/** @vm_id: of VM_CREATE */
	__u32 vm_id;
	/** @flags: must be zero */
	__u32 flags;
	/** @ops: pointer to an array of struct drm_xen_userptr_bind_op */
	__u64 ops;
	/** @syncs: pointer to an array of struct drm_xen_userptr_sync */
	__u64 syncs;
	/** @nr_ops: at most max_bind_ops of INFO */
	__u32 nr_ops;
	/** @nr_syncs: length of @syncs, at most 1024 */
	__u32 nr_syncs;
	/** @error_op: (out) on an error that one operation caused: its index */
	__u32 error_op;
	/** @pad: must be zero */
	__u32 pad;
};

/**
 * struct drm_xen_userptr_exec - run a command stream of the host GPU
 *
 * Returns when the job is queued. A job that fails sets its out fences to an
 * error: -EFAULT (GPU fault), -ETIME (killed), -ECANCELED, -ENODATA (contents
 * are lost), -EIO, -ENODEV.
 * Errors of the call: -EINVAL, -ENOENT, -E2BIG (more than 1024 syncs), -EFAULT
 * (@syncs cannot be read), -EBUSY (too many jobs, or all 512 timelines of the
 * device are used: an address space needs one per engine), -ESTALE (an object's
 * memory was replaced, register it again), -ENOMEM, -ENODEV.
 */
struct drm_xen_userptr_exec {
	/** @vm_id: of VM_CREATE */
	__u32 vm_id;
	/** @engine: 0 to nr_engines of INFO - 1 */
	__u32 engine;
	/** @cmd_va: GPU address of the commands; alignment as the GPU wants */
	__u64 cmd_va;
	/** @syncs: pointer to an array of struct drm_xen_userptr_sync */
	__u64 syncs;
	/** @cmd_length: octets, a multiple of what the GPU wants */
	__u32 cmd_length;
	/** @nr_syncs: length of @syncs, at most 1024 */
	__u32 nr_syncs;
	/** @flags: must be zero */
	__u32 flags;
	/** @pad: must be zero */
	__u32 pad;
};

#define DRM_XEN_USERPTR_ADVICE_NORMAL		0
#define DRM_XEN_USERPTR_ADVICE_PREFER_VRAM	1
#define DRM_XEN_USERPTR_ADVICE_PREFER_RAM	2
#define DRM_XEN_USERPTR_ADVICE_READ_MOSTLY	3
#define DRM_XEN_USERPTR_ADVICE_WILL_NEED	4
#define DRM_XEN_USERPTR_ADVICE_NEVER_MOVE	5

/**
 * struct drm_xen_userptr_advise - where the data of an object should live
 *
 * A hint, except NEVER_MOVE. Errors: -EINVAL, -ENOENT, -EOPNOTSUPP (the
 * backend does not migrate), -ESTALE (nothing of the memory is left), -ENODEV.
 */
struct drm_xen_userptr_advise {
	/** @handle: GEM handle */
	__u32 handle;
	/** @advice: DRM_XEN_USERPTR_ADVICE_* */
	__u32 advice;
	/** @offset: into the object, octets */
	__u64 offset;
	/** @length: octets, not 0 */
	__u64 length;
};

/**
 * struct drm_xen_userptr_lost - which contents of an object are gone
 *
 * Contents are lost when the host moved them to VRAM and its GPU then did not
 * give them back. Such pages are the program's own again, with contents that
 * mean nothing; jobs of address spaces that map them end with -ENODATA. They
 * stay lost until the object is registered anew. Errors: -EINVAL, -ENOENT,
 * -ENODEV (the connection has ended: what was in VRAM then is gone, and what
 * that was nobody knows).
 */
struct drm_xen_userptr_lost {
	/** @handle: GEM handle */
	__u32 handle;
	/** @pad: must be zero */
	__u32 pad;
	/** @offset: octets; look from there on; (out) the first that is lost */
	__u64 offset;
	/** @length: (out) octets of that run; 0: nothing is lost from there on */
	__u64 length;
};

#define DRM_XEN_USERPTR_EVENT_LOST	0x80000000

/* The connection has ended; the range is the whole object. */
#define DRM_XEN_USERPTR_LOST_CONNECTION	(1U << 0)
/* Events before this one found no room: ask LOST of every object. */
#define DRM_XEN_USERPTR_LOST_MISSED	(1U << 1)

/**
 * struct drm_xen_userptr_event_lost - contents of an object are gone
 *
 * To be read from the file that created the object with CREATE_TELL_LOST, and
 * only from that. poll(2) says POLLIN while there is one; with O_ASYNC
 * (fcntl(2): F_SETOWN, F_SETSIG) each sends a signal, also one that found no
 * room. There is room for 128.
 */
struct drm_xen_userptr_event_lost {
	/** @base: type DRM_XEN_USERPTR_EVENT_LOST, length of this struct */
	struct drm_event base;
	/** @handle: that CREATE returned; may be closed meanwhile */
	__u32 handle;
	/** @flags: DRM_XEN_USERPTR_LOST_* */
	__u32 flags;
	/** @offset: octets */
	__u64 offset;
	/** @length: octets */
	__u64 length;
};

#define DRM_IOCTL_XEN_USERPTR_INFO \
	DRM_IOR(DRM_COMMAND_BASE + DRM_XEN_USERPTR_INFO, \
		struct drm_xen_userptr_info)
#define DRM_IOCTL_XEN_USERPTR_VM_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_XEN_USERPTR_VM_CREATE, \
		 struct drm_xen_userptr_vm_create)
#define DRM_IOCTL_XEN_USERPTR_VM_DESTROY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_XEN_USERPTR_VM_DESTROY, \
		struct drm_xen_userptr_vm_destroy)
#define DRM_IOCTL_XEN_USERPTR_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_XEN_USERPTR_CREATE, \
		 struct drm_xen_userptr_create)
#define DRM_IOCTL_XEN_USERPTR_VM_BIND \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_XEN_USERPTR_VM_BIND, \
		 struct drm_xen_userptr_vm_bind)
#define DRM_IOCTL_XEN_USERPTR_EXEC \
	DRM_IOW(DRM_COMMAND_BASE + DRM_XEN_USERPTR_EXEC, \
		struct drm_xen_userptr_exec)
#define DRM_IOCTL_XEN_USERPTR_ADVISE \
	DRM_IOW(DRM_COMMAND_BASE + DRM_XEN_USERPTR_ADVISE, \
		struct drm_xen_userptr_advise)
#define DRM_IOCTL_XEN_USERPTR_LOST \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_XEN_USERPTR_LOST, \
		 struct drm_xen_userptr_lost)

#if defined(__cplusplus)
}
#endif

#endif /* XEN_USERPTR_DRM_H */
