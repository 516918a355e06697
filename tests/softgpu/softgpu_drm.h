/* SPDX-License-Identifier: MIT */
/*
 * softgpu: a software GPU that is a real DRM driver (driver name "softgpu").
 *
 * Rules that hold for every ioctl:
 *  - All structures have the same layout on 32-bit and 64-bit, little-endian.
 *  - Fields named pad or reserved must be zero; unknown flag bits must be zero;
 *    else -EINVAL and nothing has changed.
 *  - Sizes, lengths and offsets are in bytes, times in nanoseconds.
 *  - Lengths, offsets and addresses of objects and mappings are multiples of
 *    4096 (DRM_SOFTGPU_PAGE_SIZE).
 *  - An ioctl that fails has changed nothing, unless its text says otherwise.
 *  - Every ioctl may sleep; -EINTR means "call again" (drmIoctl() does).
 *  - VMs belong to the open file; another open file cannot name them. GEM
 *    objects travel between files and devices as dma-bufs (DRM PRIME).
 *
 * How a job ends: its out-fences signal, always, with one of these errors (the
 * status of a sync_file made from a binary syncobj; 0 is success; points of a
 * timeline signal too, but the kernel does not keep errors there):
 *   -EFAULT     GPU fault: address not mapped, or write to a read-only mapping
 *   -EINVAL     malformed command packet, or not for this engine
 *   -ETIME      ran longer than the job timeout, or stopped for too long
 *   -ECANCELED  killed by VM_CONTROL KILL, VM_DESTROY or close of the file
 *   -ENODEV     the device went away
 * The VM stays usable after any of them except the last. Jobs of one VM on one
 * engine start and end in the order of submission. Effects of a job that
 * failed are undefined from the failing packet on.
 */
#ifndef SOFTGPU_DRM_H
#define SOFTGPU_DRM_H

#ifdef __KERNEL__
#include <uapi/drm/drm.h>
#else
#include <drm.h>
#endif

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_SOFTGPU_PAGE_SIZE		4096

#define DRM_SOFTGPU_INFO		0x00
#define DRM_SOFTGPU_COUNTERS		0x01
#define DRM_SOFTGPU_SWITCH		0x02
#define DRM_SOFTGPU_VM_CREATE		0x03
#define DRM_SOFTGPU_VM_DESTROY		0x04
#define DRM_SOFTGPU_VM_QUERY		0x05
#define DRM_SOFTGPU_VM_CONTROL		0x06
#define DRM_SOFTGPU_VM_LOOKUP		0x07
#define DRM_SOFTGPU_VM_BIND		0x08
#define DRM_SOFTGPU_EXEC		0x09
#define DRM_SOFTGPU_GEM_CREATE		0x0a
#define DRM_SOFTGPU_GEM_USERPTR		0x0b
#define DRM_SOFTGPU_GEM_MMAP_OFFSET	0x0c
#define DRM_SOFTGPU_GEM_INFO		0x0d

/* Engines: index into EXEC.engine. */
#define DRM_SOFTGPU_ENGINE_COMPUTE	0	/* runs every packet */
#define DRM_SOFTGPU_ENGINE_COPY		1	/* see the packet list */

/* drm_softgpu_info.features. Bits follow the switches of the moment. */
#define DRM_SOFTGPU_FEATURE_PREEMPT	(1 << 0) /* STOP stops inside a job */
#define DRM_SOFTGPU_FEATURE_FAULT_MODE	(1 << 1) /* VM_CREATE_FAULT_MODE works */
#define DRM_SOFTGPU_FEATURE_KILL	(1 << 2) /* KILL ends a running job */
#define DRM_SOFTGPU_FEATURE_USERPTR	(1 << 3) /* GEM_USERPTR works */

/** struct drm_softgpu_info - all (out) */
struct drm_softgpu_info {
	/** @name: zero-terminated name of the GPU */
	char name[32];
	/** @instance: number of this device among the softgpus of the machine */
	__u32 instance;
	/** @features: DRM_SOFTGPU_FEATURE_* */
	__u32 features;
	/** @engines: number of engines */
	__u32 engines;
	/** @va_bits: width of a GPU virtual address */
	__u32 va_bits;
	/** @va_start: first usable address; below it nothing can be mapped */
	__u64 va_start;
	/** @va_end: first address behind the usable range */
	__u64 va_end;
	/** @page_sizes: bit n set: pages of 1 << n bytes */
	__u64 page_sizes;
	/** @vram_page_size: granularity of VRAM allocations */
	__u64 vram_page_size;
	/** @vram_total: bytes of VRAM */
	__u64 vram_total;
	/** @vram_used: bytes of VRAM in use by all files */
	__u64 vram_used;
	/** @max_bind_ops: limit of VM_BIND.num_ops */
	__u32 max_bind_ops;
	/** @max_syncs: limit of num_syncs */
	__u32 max_syncs;
	/** @max_exec_length: limit of EXEC.length */
	__u32 max_exec_length;
	/** @max_vms: limit of VMs per open file */
	__u32 max_vms;
	/** @job_timeout_ns: running time after which a job fails with -ETIME */
	__u64 job_timeout_ns;
	/**
	 * @stop_timeout_ns: time after which the jobs of a VM that is stopped or
	 * stalled on a fault fail with -ETIME
	 */
	__u64 stop_timeout_ns;
	/** @reserved: zero */
	__u64 reserved[4];
};

/**
 * struct drm_softgpu_counters - all (out); device-wide, since the module was
 * loaded, never reset: compare two readings
 */
struct drm_softgpu_counters {
	/** @accesses: accesses of engines to memory, each within one page */
	__u64 accesses;
	/** @read_bytes: bytes that engines read */
	__u64 read_bytes;
	/** @written_bytes: bytes that engines wrote */
	__u64 written_bytes;
	/** @faults: accesses refused by the page tables (stalls included) */
	__u64 faults;
	/** @tlb_hits: translations found in the TLB */
	__u64 tlb_hits;
	/** @tlb_misses: translations that walked the page tables */
	__u64 tlb_misses;
	/** @tlb_flushes: invalidations of the TLB */
	__u64 tlb_flushes;
	/**
	 * @use_after_invalidate: accesses through a TLB entry whose mapping had
	 * been taken away before. Such an access is counted and refused (the job
	 * fails with -EFAULT); memory is not touched. Zero unless the driver is
	 * wrong or DRM_SOFTGPU_SWITCH_BROKEN_RELEASE is on.
	 */
	__u64 use_after_invalidate;
	/** @ptes_written: page table entries set */
	__u64 ptes_written;
	/** @ptes_cleared: page table entries cleared */
	__u64 ptes_cleared;
	/** @jobs_submitted: successful EXEC calls */
	__u64 jobs_submitted;
	/** @jobs_done: jobs that ended without error */
	__u64 jobs_done;
	/** @jobs_failed: jobs that ended with an error */
	__u64 jobs_failed;
	/** @preemptions: times a job was taken off an engine and kept */
	__u64 preemptions;
	/** @stops: VM_CONTROL STOP calls that changed the state */
	__u64 stops;
	/** @evictions: VRAM objects moved to system memory */
	__u64 evictions;
	/** @validations: objects made resident again for an EXEC or a bind */
	__u64 validations;
	/** @notifier_calls: invalidations of userptr ranges by the CPU side */
	__u64 notifier_calls;
	/** @move_notifies: invalidations of imported buffers by their exporter */
	__u64 move_notifies;
	/** @vms: VMs alive now (those still draining jobs included) */
	__u64 vms;
	/** @mappings: mappings (gpuvas) alive now in all VMs */
	__u64 mappings;
	/** @imports: imported buffers alive now */
	__u64 imports;
	/** @objects: GEM objects alive now, imports included */
	__u64 objects;
	/** @pt_pages: pages in use by page tables now */
	__u64 pt_pages;
	/** @reserved: zero */
	__u64 reserved[8];
};

/* drm_softgpu_switch bits: misbehave, for tests. */
/** STOP waits for the end of the running job instead of stopping inside it */
#define DRM_SOFTGPU_SWITCH_NO_PREEMPT	(1 << 0)
/** VM_CREATE_FAULT_MODE is refused; faults of such VMs fail the job */
#define DRM_SOFTGPU_SWITCH_NO_FAULT_MODE (1 << 1)
/** KILL has no effect on a running job, which ends by itself or by timeout */
#define DRM_SOFTGPU_SWITCH_IGNORE_KILL	(1 << 2)
/** unmapping does not invalidate the TLB before it reports that it is done */
#define DRM_SOFTGPU_SWITCH_BROKEN_RELEASE (1 << 3)
/** jobs of the copy engine fail with -EIO */
#define DRM_SOFTGPU_SWITCH_FAIL_COPY	(1 << 4)
/** jobs of the copy engine begin and make no progress */
#define DRM_SOFTGPU_SWITCH_HANG_COPY	(1 << 5)
/**
 * STOP takes effect slow_stop_ms (of the module; 0: never) later, even if nothing
 * runs, or at a KILL
 */
#define DRM_SOFTGPU_SWITCH_SLOW_STOP	(1 << 6)
#define DRM_SOFTGPU_SWITCH_ALL		((1 << 7) - 1)

/**
 * struct drm_softgpu_switch - read or change the test switches of the device.
 * @mask zero reads. Changing needs CAP_SYS_ADMIN, else -EPERM.
 */
struct drm_softgpu_switch {
	/** @mask: (in) bits to change */
	__u32 mask;
	/** @value: (in) new values of the bits in @mask; (out) values before */
	__u32 value;
};

/**
 * DRM_SOFTGPU_VM_CREATE_FAULT_MODE - an access to an unmapped address stalls
 * the job instead of failing it; it goes on when a bind of this VM completes
 * that maps the address. A stalled job counts as stopped, can be killed, and
 * fails with -ETIME after stop_timeout_ns. Writes to read-only mappings fail.
 * -EOPNOTSUPP while DRM_SOFTGPU_SWITCH_NO_FAULT_MODE is on.
 */
#define DRM_SOFTGPU_VM_CREATE_FAULT_MODE (1 << 0)

/** struct drm_softgpu_vm_create - a new, empty GPU address space */
struct drm_softgpu_vm_create {
	/** @flags: (in) DRM_SOFTGPU_VM_CREATE_* */
	__u32 flags;
	/** @vm_id: (out) name of the VM within this open file, never 0 */
	__u32 vm_id;
};

/**
 * struct drm_softgpu_vm_destroy - kill the VM's jobs and give up its name.
 * Does not wait. The mappings go when the last job has ended. -ENOENT.
 */
struct drm_softgpu_vm_destroy {
	/** @vm_id: (in) */
	__u32 vm_id;
	/** @pad: zero */
	__u32 pad;
};

/* drm_softgpu_vm_query.state */
#define DRM_SOFTGPU_VM_STOP_REQUESTED	(1 << 0) /* STOP, not yet RESUME */
#define DRM_SOFTGPU_VM_STOPPED		(1 << 1) /* ... and no job is running */
#define DRM_SOFTGPU_VM_STALLED		(1 << 2) /* a job waits on a fault */

/* drm_softgpu_vm_query.fault_flags */
#define DRM_SOFTGPU_FAULT_WRITE		(1 << 0) /* the access was a write */
#define DRM_SOFTGPU_FAULT_READONLY	(1 << 1) /* ... to a read-only mapping */
#define DRM_SOFTGPU_FAULT_STALE		(1 << 2) /* use after invalidate */

/** struct drm_softgpu_vm_query - state of a VM; -ENOENT */
struct drm_softgpu_vm_query {
	/** @vm_id: (in) */
	__u32 vm_id;
	/** @pad: zero */
	__u32 pad;
	/** @state: (out) DRM_SOFTGPU_VM_* */
	__u32 state;
	/** @running: (out) jobs that are on an engine at this moment */
	__u32 running;
	/** @jobs: (out) jobs submitted and not ended */
	__u64 jobs;
	/** @mappings: (out) mappings of this VM */
	__u64 mappings;
	/** @faults: (out) faults since VM_CREATE */
	__u64 faults;
	/** @fault_va: (out) address of the latest fault, if @faults is not 0 */
	__u64 fault_va;
	/** @fault_job: (out) job_id of the latest fault */
	__u64 fault_job;
	/** @fault_flags: (out) DRM_SOFTGPU_FAULT_* of the latest fault */
	__u32 fault_flags;
	/** @fault_engine: (out) engine of the latest fault */
	__u32 fault_engine;
	/** @reserved: zero */
	__u64 reserved[4];
};

/**
 * STOP - ask that no job of the VM makes progress; returns at once. New EXECs
 * are accepted and stay queued. VM_BIND works as before. Idempotent. With
 * @out_sync, a fence is put into that syncobj that signals once the VM is
 * stopped (or resumed before that). To stop several GPUs: STOP all, then wait.
 */
#define DRM_SOFTGPU_VM_STOP		0
/**
 * WAIT_STOPPED - sleep until no job of the VM is running. Needs a STOP before
 * it (else -EINVAL). -ETIME after @timeout_ns; 0 only looks. A job that
 * cannot be preempted, or that ignores a kill, is waited for.
 */
#define DRM_SOFTGPU_VM_WAIT_STOPPED	1
/** RESUME - undo STOP. Idempotent. Stopped jobs go on where they were. */
#define DRM_SOFTGPU_VM_RESUME		2
/**
 * KILL - every job submitted so far ends soon with -ECANCELED: running,
 * stopped, stalled or queued alike, one behind an in-fence when that signals.
 * Does not wait (the jobs' fences do), and does not change STOP. Later EXECs
 * are not affected.
 */
#define DRM_SOFTGPU_VM_KILL		3

/** struct drm_softgpu_vm_control - stop, resume or kill the jobs of a VM */
struct drm_softgpu_vm_control {
	/** @vm_id: (in) -ENOENT */
	__u32 vm_id;
	/** @op: (in) DRM_SOFTGPU_VM_STOP ... KILL */
	__u32 op;
	/** @timeout_ns: (in) WAIT_STOPPED: relative; else zero */
	__u64 timeout_ns;
	/** @out_sync: (in) STOP: binary syncobj handle or 0; else zero */
	__u32 out_sync;
	/** @pad: zero */
	__u32 pad;
};

/* drm_softgpu_lookup.flags */
#define DRM_SOFTGPU_LOOKUP_MAPPED	(1 << 0) /* a mapping covers the page */
#define DRM_SOFTGPU_LOOKUP_READONLY	(1 << 1) /* ... and it is read-only */
#define DRM_SOFTGPU_LOOKUP_NULL		(1 << 2) /* ... and it is a null mapping */
#define DRM_SOFTGPU_LOOKUP_PTE		(1 << 3) /* page tables have the page */
#define DRM_SOFTGPU_LOOKUP_PTE_WRITE	(1 << 4) /* ... writable */
#define DRM_SOFTGPU_LOOKUP_PTE_NULL	(1 << 5) /* ... as a null page */
#define DRM_SOFTGPU_LOOKUP_PTE_VRAM	(1 << 6) /* ... in VRAM */
#define DRM_SOFTGPU_LOOKUP_PTE_MATCH	(1 << 7) /* ... as the mapping says */

/** struct drm_softgpu_lookup - what a VM has at one page */
struct drm_softgpu_lookup {
	/** @va: (in) GPU address, page-aligned */
	__u64 va;
	/** @object_id: (out) GEM_INFO.object_id of the object mapped, or 0 */
	__u64 object_id;
	/** @offset: (out) offset of the page in that object */
	__u64 offset;
	/** @map_va: (out) start of the mapping that covers the page */
	__u64 map_va;
	/** @map_length: (out) its length */
	__u64 map_length;
	/** @flags: (out) DRM_SOFTGPU_LOOKUP_* */
	__u32 flags;
	/** @pad: (out) zero */
	__u32 pad;
};

/**
 * struct drm_softgpu_vm_lookup - compare the tree of mappings (as of the last
 * VM_BIND) with the page tables (as of the last bind that completed), for
 * differential tests
 */
struct drm_softgpu_vm_lookup {
	/** @vm_id: (in) -ENOENT */
	__u32 vm_id;
	/** @count: (in) number of entries, at most max_bind_ops */
	__u32 count;
	/** @entries: (in) pointer to struct drm_softgpu_lookup[count] */
	__u64 entries;
};

#define DRM_SOFTGPU_SYNC_WAIT		0	/* in-fence: before the work */
#define DRM_SOFTGPU_SYNC_SIGNAL		1	/* out-fence: after the work */

/** struct drm_softgpu_sync - one fence into or out of VM_BIND or EXEC */
struct drm_softgpu_sync {
	/** @handle: (in) syncobj handle; -ENOENT */
	__u32 handle;
	/** @kind: (in) DRM_SOFTGPU_SYNC_WAIT or _SIGNAL */
	__u32 kind;
	/**
	 * @point: (in) timeline point, 0 for a binary syncobj. A WAIT on a point
	 * or binary syncobj that has no fence yet is -EINVAL.
	 */
	__u64 point;
};

/** MAP - object pages [offset, offset + length) appear at va */
#define DRM_SOFTGPU_BIND_MAP		0
/** UNMAP - nothing is mapped in [va, va + length) any more; may be a no-op */
#define DRM_SOFTGPU_BIND_UNMAP		1
/** MAP_NULL - reads give zeros, writes are dropped; handle and offset zero */
#define DRM_SOFTGPU_BIND_MAP_NULL	2

/** the GPU may only read; needed for objects that are read-only (-EACCES) */
#define DRM_SOFTGPU_BIND_READONLY	(1 << 0)

/**
 * struct drm_softgpu_bind_op - one change of the address space. A map over old
 * mappings replaces them; an unmap inside a mapping splits it.
 */
struct drm_softgpu_bind_op {
	/** @op: (in) DRM_SOFTGPU_BIND_MAP, _UNMAP or _MAP_NULL */
	__u32 op;
	/** @flags: (in) DRM_SOFTGPU_BIND_READONLY, for MAP only */
	__u32 flags;
	/** @handle: (in) MAP: GEM handle (-ENOENT), else zero */
	__u32 handle;
	/** @pad: zero */
	__u32 pad;
	/** @offset: (in) MAP: first byte within the object, else zero */
	__u64 offset;
	/** @va: (in) GPU address */
	__u64 va;
	/** @length: (in) not zero */
	__u64 length;
};

/**
 * struct drm_softgpu_vm_bind - change the address space, in order of the ops
 * and of the calls, all or nothing. The page tables change after the in-fences
 * (WAIT) signalled; the out-fences (SIGNAL) signal when they have changed and
 * the TLB is clean: from then on no access through an old mapping happens.
 * Without any SIGNAL the call returns only then. A mapping holds a
 * reference to its object. Binds do not wait for jobs.
 */
struct drm_softgpu_vm_bind {
	/** @vm_id: (in) -ENOENT */
	__u32 vm_id;
	/** @num_ops: (in) 1 ... max_bind_ops */
	__u32 num_ops;
	/** @ops: (in) pointer to struct drm_softgpu_bind_op[num_ops] */
	__u64 ops;
	/** @num_syncs: (in) 0 ... max_syncs */
	__u32 num_syncs;
	/** @flags: zero */
	__u32 flags;
	/** @syncs: (in) pointer to struct drm_softgpu_sync[num_syncs] */
	__u64 syncs;
	/** @failed_op: (out) valid after an error: index of the op, or ~0 */
	__u32 failed_op;
	/** @pad: zero */
	__u32 pad;
};

/**
 * struct drm_softgpu_exec - run a command stream, asynchronously. -ENOSPC: the
 * VRAM objects that this VM maps do not fit into VRAM together.
 */
struct drm_softgpu_exec {
	/** @vm_id: (in) -ENOENT */
	__u32 vm_id;
	/** @engine: (in) DRM_SOFTGPU_ENGINE_*; -EINVAL */
	__u32 engine;
	/** @va: (in) address of the command stream, multiple of 8 */
	__u64 va;
	/**
	 * @length: (in) bytes, multiple of 4, at most max_exec_length. Zero is an
	 * empty job: a fence in the engine's order.
	 */
	__u32 length;
	/** @num_syncs: (in) 0 ... max_syncs */
	__u32 num_syncs;
	/** @syncs: (in) pointer to struct drm_softgpu_sync[num_syncs] */
	__u64 syncs;
	/** @flags: zero */
	__u32 flags;
	/** @pad: zero */
	__u32 pad;
	/** @job_id: (out) number of the job within the VM, from 1 up */
	__u64 job_id;
};

#define DRM_SOFTGPU_PLACE_VRAM		(1 << 0)
#define DRM_SOFTGPU_PLACE_SYSTEM	(1 << 1)
/**
 * Stays where it was created, and its creation evicts nothing: -ENOSPC if no
 * VRAM is free.
 */
#define DRM_SOFTGPU_PLACE_PINNED	(1 << 2)

/**
 * struct drm_softgpu_gem_create - an object filled with zeros. VRAM alone: in
 * VRAM whenever a job of a VM that maps it starts (moved to system memory
 * under pressure in between). VRAM | SYSTEM: VRAM preferred. SYSTEM: never in
 * VRAM. -ENOSPC: no VRAM, and what is there cannot be evicted; -ENOMEM.
 */
struct drm_softgpu_gem_create {
	/** @size: (in) bytes, multiple of the page size, not zero */
	__u64 size;
	/** @placement: (in) DRM_SOFTGPU_PLACE_* */
	__u32 placement;
	/** @handle: (out) */
	__u32 handle;
};

/** the GPU may only read the range; the pages may be read-only for the CPU */
#define DRM_SOFTGPU_USERPTR_READONLY	(1 << 0)

/**
 * struct drm_softgpu_gem_userptr - an object made of the caller's own memory,
 * followed by MMU notifier. -EFAULT: nothing there or not writable (at bind or
 * EXEC, as the contents may come and go). Cannot be exported (-EINVAL).
 */
struct drm_softgpu_gem_userptr {
	/** @addr: (in) page-aligned user address */
	__u64 addr;
	/** @size: (in) multiple of the page size, not zero */
	__u64 size;
	/** @flags: (in) DRM_SOFTGPU_USERPTR_READONLY */
	__u32 flags;
	/** @handle: (out) */
	__u32 handle;
};

/** struct drm_softgpu_gem_mmap_offset - offset for mmap() on the device */
struct drm_softgpu_gem_mmap_offset {
	/** @handle: (in) -ENOENT; -EINVAL for imports and userptr */
	__u32 handle;
	/** @pad: zero */
	__u32 pad;
	/** @offset: (out) */
	__u64 offset;
};

/* drm_softgpu_gem_info.state */
#define DRM_SOFTGPU_GEM_IN_VRAM		(1 << 0) /* in VRAM at this moment */
#define DRM_SOFTGPU_GEM_IMPORTED	(1 << 1) /* a dma-buf of another device */
#define DRM_SOFTGPU_GEM_USERPTR_OBJECT	(1 << 2)
/**
 * May only be bound READONLY: a READONLY userptr, or a dma-buf whose file was
 * opened without write access.
 */
#define DRM_SOFTGPU_GEM_READONLY	(1 << 3)

/** struct drm_softgpu_gem_info - -ENOENT */
struct drm_softgpu_gem_info {
	/** @handle: (in) */
	__u32 handle;
	/** @state: (out) DRM_SOFTGPU_GEM_* */
	__u32 state;
	/** @size: (out) bytes */
	__u64 size;
	/** @object_id: (out) unique on this device, never reused, never 0 */
	__u64 object_id;
	/** @placement: (out) DRM_SOFTGPU_PLACE_* as created; 0 for the others */
	__u32 placement;
	/** @mappings: (out) mappings of this object in all VMs */
	__u32 mappings;
};

#define DRM_IOCTL_SOFTGPU_INFO \
	DRM_IOR(DRM_COMMAND_BASE + DRM_SOFTGPU_INFO, struct drm_softgpu_info)
#define DRM_IOCTL_SOFTGPU_COUNTERS \
	DRM_IOR(DRM_COMMAND_BASE + DRM_SOFTGPU_COUNTERS, \
		struct drm_softgpu_counters)
#define DRM_IOCTL_SOFTGPU_SWITCH \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_SWITCH, \
		 struct drm_softgpu_switch)
#define DRM_IOCTL_SOFTGPU_VM_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_VM_CREATE, \
		 struct drm_softgpu_vm_create)
#define DRM_IOCTL_SOFTGPU_VM_DESTROY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_SOFTGPU_VM_DESTROY, \
		struct drm_softgpu_vm_destroy)
#define DRM_IOCTL_SOFTGPU_VM_QUERY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_VM_QUERY, \
		 struct drm_softgpu_vm_query)
#define DRM_IOCTL_SOFTGPU_VM_CONTROL \
	DRM_IOW(DRM_COMMAND_BASE + DRM_SOFTGPU_VM_CONTROL, \
		struct drm_softgpu_vm_control)
#define DRM_IOCTL_SOFTGPU_VM_LOOKUP \
	DRM_IOW(DRM_COMMAND_BASE + DRM_SOFTGPU_VM_LOOKUP, \
		struct drm_softgpu_vm_lookup)
#define DRM_IOCTL_SOFTGPU_VM_BIND \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_VM_BIND, \
		 struct drm_softgpu_vm_bind)
#define DRM_IOCTL_SOFTGPU_EXEC \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_EXEC, struct drm_softgpu_exec)
#define DRM_IOCTL_SOFTGPU_GEM_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_GEM_CREATE, \
		 struct drm_softgpu_gem_create)
#define DRM_IOCTL_SOFTGPU_GEM_USERPTR \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_GEM_USERPTR, \
		 struct drm_softgpu_gem_userptr)
#define DRM_IOCTL_SOFTGPU_GEM_MMAP_OFFSET \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_GEM_MMAP_OFFSET, \
		 struct drm_softgpu_gem_mmap_offset)
#define DRM_IOCTL_SOFTGPU_GEM_INFO \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_SOFTGPU_GEM_INFO, \
		 struct drm_softgpu_gem_info)

#if defined(__cplusplus)
}
#endif

#include "softgpu_cmd.h"

#endif /* SOFTGPU_DRM_H */
