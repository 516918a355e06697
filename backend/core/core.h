/* SPDX-License-Identifier: MIT */
/*
 * The seam between the pure core and everything with side effects.
 *
 * The core decides, the adapters act. The caller feeds one event at a time to
 * core_step() and gets back ops to perform; each op that says so is answered by
 * one CORE_EV_DONE event with the same id. The core makes no system call,
 * reads no clock and allocates nothing: its memory is given to core_init().
 * One core serves one device of one guest. Not thread-safe: the worker's event
 * loop is its only caller.
 *
 * Everything that comes from the guest enters as untrusted_* and is checked
 * here (request.c, dir.c). Numbers in comments are the invariants of DESIGN.md.
 */
#ifndef XU_CORE_H
#define XU_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userptrif.h"

struct core;
struct mig;

/*
 * Quotas of one device. All are at least 1. Tables have at most 2^24 entries;
 * the memory of a core grows with the limits (core_size()), but what a guest
 * does not use stays untouched.
 */
struct core_limits {
	uint64_t max_pages;	/* 4 KiB pages of all objects, duplicates counted */
	uint32_t max_objects;
	uint32_t max_vms;
	uint32_t max_mappings;	/* live gpuvas of all VMs */
	uint32_t max_jobs;	/* EXECs accepted whose fence is not signalled */
	uint32_t max_requests;	/* accepted and not answered; the ring's size,
				 * at most 65536 */
	uint32_t max_bind_ops;	/* of one VM_BIND, <= XENUSERPTR_MAX_BIND_OPS */
	uint64_t hash_seed;	/* a number that the guest does not know, so that
				 * it cannot choose ids that collide; may be 0 */
};

/*
 * Pages of all objects, with those that OBJ_TRIM gave back: what is kept for each
 * page of an object, here, in the adapters and in the kernel, stays until its end.
 */
static inline uint64_t core_max_kept(const struct core_limits *limits)
{
	return limits->max_pages > UINT64_MAX / 2 ? UINT64_MAX :
						    2 * limits->max_pages;
}

/* What the GPU adapter found out when it opened the device. */
struct core_gpu {
	char name[XENUSERPTR_NAME_LEN];
	uint64_t va_start;
	uint64_t va_end;
	uint64_t page_sizes;
	uint64_t vram_total;
	uint32_t features;	/* XENUSERPTR_FEATURE_* */
	uint32_t nr_engines;
	uint32_t va_bits;
	uint32_t nr_gpus;	/* of the device; all are like this one */
};

enum core_event_type {
	CORE_EV_REQUEST,	/* a private copy of one ring packet */
	CORE_EV_DONE,		/* an op has ended */
	CORE_EV_JOB,		/* the fence of a job has signalled */
	CORE_EV_UNMAPPED,	/* the module says: the grants of an object ended */
};

struct core_event {
	enum core_event_type type;
	uint32_t op_id;		/* DONE: of the op */
	uint32_t status;	/* DONE, JOB: XENUSERPTR_STATUS_* */
	uint32_t error_index;	/* DONE of MAP, BIND: failing page or op */
	uint32_t job;		/* JOB: slot, as in CORE_OP_EXEC */
	uint64_t fault_va;	/* JOB with GPU_FAULT */
	uint32_t obj;		/* UNMAPPED: slot, as in CORE_OP_MAP */
	const struct xen_userptrif_req *untrusted_req; /* REQUEST */
	/*
	 * DONE of READ_BIND with OK: the operations that were read, as many as
	 * the op asked for. The core copies them: the caller may free them when
	 * core_step() returns.
	 */
	const struct xen_userptrif_bind_op *untrusted_ops;
};

/*
 * "obj", "vm" and "job" in ops are slots of the core's tables, small numbers
 * below the limit of their kind: adapters index arrays with them. A slot is
 * reused only after the op that ends its life is DONE, and for a job after its
 * FENCE op.
 *
 * An op that is DONE with another status than OK has changed nothing and holds
 * nothing: no list, no mapping, no file. There are two exceptions by name:
 * a failed MAP drops the list that READ_DIR made, and a READ_DIR that failed
 * never made one. The core never asks again for an op that failed, except that
 * the guest's next OBJ_DESTROY or VM_DESTROY starts the release again.
 *
 * A directory that core_dir_page() refuses is not a status: close the
 * connection.
 */
enum core_op_type {
	/*
	 * Copy the directory of obj, nr grefs, to private memory. DONE follows.
	 */
	CORE_OP_READ_DIR,
	/*
	 * Copy the nr operations of an indirect VM_BIND: a directory of
	 * ceil(nr / 102) grefs, then the pages that it lists. DONE follows.
	 */
	CORE_OP_READ_BIND,
	/* Map the grants read before, get a dma-buf. DONE follows. */
	CORE_OP_MAP,
	/*
	 * Drop the dma-buf and the list of grants. DONE and UNMAPPED, in any
	 * order; UNMAPPED only if DONE says OK.
	 */
	CORE_OP_UNMAP,
	/* Open an address space of one of the GPUs. DONE follows. */
	CORE_OP_VM_OPEN,
	/*
	 * Close it with all imports and mappings that are in it. Its jobs end,
	 * each with a JOB event (CANCELED unless it was done). DONE follows,
	 * before or after these.
	 */
	CORE_OP_VM_CLOSE,
	/*
	 * Give pages [first, first + nr) of obj back while the rest stays; none
	 * of them was given back before. DONE with OK: their grants are not
	 * active any more.
	 */
	CORE_OP_TRIM,
	/* Import the dma-buf of obj into vm. DONE follows. */
	CORE_OP_IMPORT,
	/* Close the import; nothing is bound any more. DONE follows. */
	CORE_OP_CLOSE,
	/*
	 * Perform binds[0..nr) in vm, in order, all or nothing. DONE follows
	 * when the page tables are changed and the TLB is flushed.
	 */
	CORE_OP_BIND,
	/*
	 * Queue a job. DONE when queued or refused; if queued, JOB follows
	 * after the DONE. Several EXECs of one VM may be in flight; they are
	 * queued in the order of the ops.
	 */
	CORE_OP_EXEC,
	/* Put a response on the ring. No answer. */
	CORE_OP_RESPOND,
	/* Put an event on the event ring. No answer. */
	CORE_OP_EVENT,
	/* Write fence_page[timeline] = seqno, after all ops before it. */
	CORE_OP_FENCE,
};

/* One change of a VM, already checked; obj is a slot, not the guest's id. */
struct core_bind {
	uint32_t op;		/* XENUSERPTR_BIND_* */
	uint32_t flags;		/* XENUSERPTR_BIND_* */
	uint32_t obj;		/* MAP only */
	uint32_t pad;
	uint64_t offset;
	uint64_t length;
	uint64_t gpu_va;
};

struct core_op {
	enum core_op_type type;
	uint32_t id;		/* echoed by CORE_EV_DONE; of ops in flight
				 * all differ, later ops use it again */
	uint32_t obj;		/* READ_DIR MAP UNMAP TRIM IMPORT CLOSE */
	uint32_t vm;		/* VM_* IMPORT CLOSE BIND EXEC */
	uint32_t gpu;		/* VM_OPEN: below nr_gpus */
	uint32_t job;		/* EXEC */
	uint32_t flags;		/* MAP: XENUSERPTR_OBJ_*; TRIM: ..._TRIM_* */
	uint32_t gref_directory; /* READ_DIR, READ_BIND */
	uint32_t nr;		/* READ_DIR, MAP, TRIM: pages; READ_BIND, BIND:
				 * operations */
	uint32_t first;		/* TRIM: page */
	uint32_t engine;	/* EXEC */
	uint32_t cmd_length;	/* EXEC */
	uint32_t timeline;	/* FENCE; EXEC: for logs */
	uint64_t cmd_va;	/* EXEC */
	uint64_t seqno;		/* FENCE; EXEC: for logs */
	const struct core_bind *binds; /* BIND: valid until its DONE */
	union {
		struct xen_userptrif_rsp rsp;	/* RESPOND */
		struct xen_userptrif_evt evt;	/* EVENT */
	};
};

/**
 * core_size() - octets of memory that a core with these limits needs
 *
 * Returns 0 if a limit is zero or the sum overflows.
 */
size_t core_size(const struct core_limits *limits);

/**
 * core_init() - make a core in the caller's memory
 * @mem: core_size(limits) octets, aligned to 64, zeroed by the caller; the
 *	caller owns it and frees it when it needs the core no more
 *
 * Returns NULL on limits that core_size() refuses. Both limits and gpu are
 * copied.
 */
struct core *core_init(void *mem, const struct core_limits *limits,
		       const struct core_gpu *gpu);

/**
 * core_attach_mig() - say which engine moves the objects of this core
 * @mig: with the same slots of objects and VMs, or NULL; stays the caller's
 *
 * QUERY then says what is home, and core_check() checks both.
 */
void core_attach_mig(struct core *core, const struct mig *mig);

/**
 * core_step() - take one event, give ops
 * @ev: the event, or NULL to fetch more ops of earlier events
 * @ops: room for @max_ops, at least 1
 * @nr_ops: how many were written
 *
 * The caller performs the ops in the given order. Returns 1 if there are more
 * ops (call again with NULL before the next event), 0 if not. -EPROTO if the
 * event is one that no honest peer can cause: the caller closes the connection
 * and performs no op of this call; the core is dead and says -EPROTO to
 * everything that follows. -EINVAL if the event does not fit to what is in
 * flight, which is a fault of the caller: nothing has changed.
 */
int core_step(struct core *core, const struct core_event *ev,
	      struct core_op *ops, unsigned int max_ops, unsigned int *nr_ops);

/**
 * core_check() - are the invariants true?
 *
 * Returns 0, or the number (DESIGN.md section 9) of the first one that is
 * broken. Slow: recounts everything. For tests, fuzzers and debug builds.
 */
int core_check(const struct core *core);

/**
 * core_chunk_access() - how a VM maps pages of an object (slots)
 *
 * MIG_ACCESS_* of the strongest mapping that shows any of them.
 */
uint32_t core_chunk_access(const struct core *core, uint32_t vm, uint32_t obj,
			   uint32_t first, uint32_t nr);

/**
 * core_chunk_binds() - the mappings of pages of an object in a VM
 * @skip: how many to leave out, for the next part of a long list
 * @binds: (out) MAP operations, with the offset in the object; to unbind, use
 *	their addresses, to bind VRAM take the offset in the chunk
 *
 * Returns how many were written, at most @max; fewer: that was all. The order
 * is the same until the next VM_BIND of the VM.
 */
uint32_t core_chunk_binds(const struct core *core, uint32_t vm, uint32_t obj,
			  uint32_t first, uint32_t nr, uint32_t skip,
			  struct core_bind *binds, uint32_t max);

/* Pages of an object; obj is a slot. */
struct core_span {
	uint32_t obj;
	uint32_t first;
	uint32_t nr;
};

/**
 * core_bind_spans() - what the VM_BIND in flight in a VM maps, replaces, removes
 * @spans: room for @max of them; in no order, they may overlap
 *
 * No more than that: what a split leaves as it was is not among them.
 *
 * For an adapter that has to do something to these pages before it performs
 * the CORE_OP_BIND. Returns how many there are, which may be more than @max.
 */
uint32_t core_bind_spans(const struct core *core, uint32_t vm,
			 struct core_span *spans, uint32_t max);

/** core_object_discarded() - its OBJ_DESTROY said that the contents may go */
bool core_object_discarded(const struct core *core, uint32_t slot);

/** core_object_slot() - the slot of an object that is not on its way out, or
 * UINT32_MAX */
uint32_t core_object_slot(const struct core *core, uint32_t obj_id);

/** core_object_at() - id and pages of the object in a slot; false: none lives */
bool core_object_at(const struct core *core, uint32_t slot, uint32_t *obj_id,
		    uint32_t *nr_pages);

/** core_lost_event() - the CORE_OP_EVENT that tells of lost pages of a slot */
void core_lost_event(struct core *core, uint32_t obj, uint32_t first,
		     uint32_t nr, struct core_op *op);

/* A running walk over a directory chain (dir.c). */
struct core_dir_walk {
	uint32_t left;		/* entries still to come */
	uint32_t next;		/* gref of the page to copy, valid if left > 0 */
};

/** core_dir_begin() - start a walk for @nr entries; -EPROTO if @first is 0 */
int core_dir_begin(struct core_dir_walk *walk, uint32_t first, uint32_t nr);

/**
 * core_dir_page() - take one copied directory page
 * @untrusted_page: private copy of the page walk->next
 * @grefs: room for the entries of this page (min(walk->left, 1023))
 *
 * Returns the number of entries written, or -EPROTO: a zero entry, a chain
 * that is too short or too long, or one that turns back to the same page.
 */
int core_dir_page(struct core_dir_walk *walk,
		  const struct xen_userptrif_dir *untrusted_page,
		  uint32_t *grefs);

#endif /* XU_CORE_H */
