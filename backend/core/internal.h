/* SPDX-License-Identifier: MIT */
/*
 * What the files of the core share. Not for adapters: core.h is.
 *
 * Three kinds of things make progress, so they are "items": requests, imports
 * that are being released, and timelines with ended jobs. An item is at one
 * place at a time (enum place). core_step() runs ready items; a run emits at
 * most one op, so any room for ops is enough and nothing recurses.
 *
 *   guest's packet -> request.c -> obj.c vm.c bind.c job.c query.c
 *                        |             |  (turns per VM: vm.c)
 *   ops  <- step.c <- ready queue <----+
 *   completions -> step.c -> done function of the item's phase
 */
#ifndef XU_INTERNAL_H
#define XU_INTERNAL_H

#include "core.h"
#include "idmap.h"
#include "pool.h"
#include "vatree.h"

#define NONE POOL_NONE
#define NO_INDEX UINT32_MAX	/* error_index: no single one is to blame */
#define NR_BUFFERS 4U		/* VMs that may have a long bind in flight */
#define MAX_SLOTS (1U << 24)	/* of one table */
#define NR_IDS 65536U		/* request ids */

enum item_kind {
	ITEM_REQUEST,
	ITEM_IMPORT,
	ITEM_TIMELINE,
};

/* An item's number: kind and slot. Also the id of its op in flight. */
#define ITEM_SHIFT 28
#define ITEM(kind, slot) ((uint32_t)(kind) << ITEM_SHIFT | (slot))
#define ITEM_SLOT(item) ((item) & ((1U << ITEM_SHIFT) - 1))
#define ITEM_KIND(item) ((item) >> ITEM_SHIFT)

enum place {
	PLACE_IDLE,	/* nothing to do */
	PLACE_READY,	/* on the ready queue */
	PLACE_TURN,	/* in the queue of its VM */
	PLACE_BUFFER,	/* in the queue for a bind buffer */
	PLACE_OP,	/* an op is in flight */
	PLACE_WAIT,	/* something else will make it ready */
};

struct item {
	uint32_t next;		/* in the queue that place says */
	uint32_t place;		/* enum place */
};

struct queue {
	uint32_t head;
	uint32_t tail;
};

/* What a request does next; the table is in step.c. */
enum phase {
	PHASE_RESPOND,
	PHASE_READ_DIR,
	PHASE_MAP,
	PHASE_RELEASE,		/* OBJ_DESTROY: its imports are released */
	PHASE_UNMAP,
	PHASE_TRIM,
	PHASE_VM_OPEN,
	PHASE_VM_CLOSE,
	PHASE_VM_JOBS,		/* closed; its last jobs end */
	PHASE_BIND_START,
	PHASE_BIND,		/* planned; imports, then the bind itself */
	PHASE_EXEC,
	NR_PHASES,
};

struct request {
	struct item item;
	uint32_t phase;		/* enum phase */
	uint32_t obj;		/* slots, NONE if not used */
	uint32_t vm;
	uint32_t job;
	uint32_t cursor;	/* VM_BIND: operation whose import is next */
	bool importing;		/* VM_BIND: the op in flight is an IMPORT */
	struct xen_userptrif_req req;	/* clean copy */
	struct xen_userptrif_rsp rsp;
	struct core_bind bind;	/* VM_BIND with one inline operation */
};

enum obj_state {
	OBJ_CREATING,
	OBJ_LIVE,
	OBJ_DYING,		/* OBJ_DESTROY runs: imports are released */
	OBJ_UNMAPPING,		/* UNMAP sent; waits for DONE and UNMAPPED */
	OBJ_BROKEN,		/* a release failed; only OBJ_DESTROY, again */
};

struct object {
	uint32_t id;		/* the guest's */
	uint32_t state;		/* enum obj_state */
	uint32_t flags;		/* XENUSERPTR_OBJ_* */
	uint32_t nr_pages;
	uint32_t nr_trimmed;	/* of them: given back; not charged any more */
	uint32_t imports;	/* first import */
	uint32_t releasing;	/* imports that OBJ_DESTROY waits for */
	uint32_t status;	/* first failure of the release */
	uint32_t request;	/* OBJ_CREATE or OBJ_DESTROY in flight, or NONE */
	bool used;
	bool trimming;		/* LIVE, with an OBJ_TRIM in flight */
	bool unmap_done;	/* UNMAP is DONE */
	bool unmapped;		/* UNMAPPED came */
};

enum vm_state {
	VM_OPENING,
	VM_OPEN,
	VM_CLOSING,		/* VM_DESTROY accepted */
	VM_BROKEN,		/* the close failed; only VM_DESTROY, again */
};

struct vm {
	uint32_t id;		/* the guest's */
	uint32_t state;		/* enum vm_state */
	struct queue turns;	/* items that wait for their turn */
	uint32_t running;	/* item that has its turn alone, or NONE */
	uint32_t nr_execs;	/* EXEC ops in flight; they share a turn */
	uint32_t nr_jobs;	/* jobs whose fence is not written */
	uint32_t imports;	/* first import */
	uint32_t buffer;	/* bind buffer of the running item, or NONE */
	uint32_t nr_binds;	/* operations of the bind in flight */
	bool used;
	struct va_space space;
};

/* One object in one VM. */
struct import {
	struct item item;
	uint32_t obj;
	uint32_t vm;
	uint32_t obj_next;	/* list of the object */
	uint32_t obj_prev;
	uint32_t vm_next;	/* list of the VM */
	uint32_t vm_prev;
	bool used;
	bool open;		/* IMPORT is DONE */
	bool closing;		/* the op in flight is a CLOSE, not a BIND */
};

enum job_state {
	JOB_QUEUED,		/* EXEC not DONE */
	JOB_RUNNING,
	JOB_ENDED,		/* fence signalled, not written */
};

struct job {
	uint64_t seqno;
	uint64_t fault_va;
	uint32_t state;		/* enum job_state */
	uint32_t status;	/* ENDED */
	uint32_t vm;
	uint32_t timeline;
	uint32_t next;		/* on the timeline, rising seqno */
	uint32_t prev;
	bool used;
	bool told;		/* its error event was emitted */
};

struct timeline {
	struct item item;
	uint32_t vm;		/* slot, NONE: not bound */
	uint32_t engine;
	uint64_t seqno;		/* last one accepted */
	uint32_t first;		/* oldest job */
	uint32_t last;
};

struct core {
	struct core_limits limits;
	struct core_gpu gpu;
	uint64_t va_mask;	/* low bits that must be zero */
	uint64_t pages_used;
	uint64_t pages_kept;	/* and those that were given back */
	bool dead;		/* -EPROTO was returned */
	uint16_t event_id;
	const struct mig *mig;	/* or NULL: nothing moves */

	struct queue ready;
	struct queue buffer_wait;
	uint32_t buffers_free;	/* bit mask */
	struct core_bind *buffer[NR_BUFFERS];

	struct request *req;
	struct object *obj;
	struct vm *vm;
	struct import *import;
	struct job *job;
	struct pool req_pool;
	struct pool obj_pool;
	struct pool vm_pool;
	struct pool import_pool;
	struct pool job_pool;
	struct idmap obj_ids;
	struct idmap vm_ids;
	struct idmap import_ids;
	struct va_pool va;	/* owner of a mapping: slot of its import */
	struct timeline timeline[XENUSERPTR_MAX_TIMELINES];
	uint64_t in_flight[NR_IDS / 64];	/* request ids */
};

/* A phase: run emits at most one op (true: it did), done takes its DONE. */
struct phase_ops {
	bool (*run)(struct core *core, uint32_t slot, struct core_op *op);
	int (*done)(struct core *core, uint32_t slot,
		    const struct core_event *ev);
};

/* step.c: queues and ops */
void queue_init(struct queue *queue);
void queue_push(struct core *core, struct queue *queue, uint32_t item,
		enum place place);
/* Takes the first item off, which is then idle; NONE if empty. */
uint32_t queue_pop(struct core *core, struct queue *queue);
struct item *item_get(struct core *core, uint32_t item);
void item_ready(struct core *core, uint32_t item);
/* Fill the common part of an op that will be answered by DONE. */
void op_begin(struct core *core, struct core_op *op, enum core_op_type type,
	      uint32_t item);
/* A status of an adapter; numbers that are not defined become IO. */
uint32_t status_clean(uint32_t status);

/* request.c: packets */
/* Structure only: 0 and a clean copy in req, or -EPROTO. */
int request_validate(const struct xen_userptrif_req *untrusted_req,
		     struct xen_userptrif_req *req);
int request_accept(struct core *core,
		   const struct xen_userptrif_req *untrusted_req);
/* Exactly once per request; it can only respond afterwards. */
void request_answer(struct core *core, uint32_t slot, uint32_t status,
		    uint32_t error_index);
bool request_respond_run(struct core *core, uint32_t slot, struct core_op *op);

/* object.c */
int obj_create_start(struct core *core, uint32_t slot);
int obj_destroy_start(struct core *core, uint32_t slot);
bool obj_read_dir_run(struct core *core, uint32_t slot, struct core_op *op);
int obj_read_dir_done(struct core *core, uint32_t slot,
		      const struct core_event *ev);
bool obj_map_run(struct core *core, uint32_t slot, struct core_op *op);
int obj_map_done(struct core *core, uint32_t slot, const struct core_event *ev);
bool obj_unmap_run(struct core *core, uint32_t slot, struct core_op *op);
int obj_unmap_done(struct core *core, uint32_t slot,
		   const struct core_event *ev);
int obj_unmapped(struct core *core, uint32_t obj);
int obj_trim_start(struct core *core, uint32_t slot);
bool obj_trim_run(struct core *core, uint32_t slot, struct core_op *op);
int obj_trim_done(struct core *core, uint32_t slot,
		  const struct core_event *ev);
/* One of the imports that an OBJ_DESTROY waits for has ended its release. */
void obj_import_released(struct core *core, uint32_t obj, uint32_t status);

/* import.c */
uint32_t import_find(const struct core *core, uint32_t obj, uint32_t vm);
/* The import of obj in vm, made if there is none; NONE: quota. */
uint32_t import_get(struct core *core, uint32_t obj, uint32_t vm);
/* It must have no mapping. */
void import_free(struct core *core, uint32_t slot);
/* Free what a failed VM_BIND made and the GPU never saw. */
void import_drop_unopened(struct core *core, uint32_t vm);
bool import_run(struct core *core, uint32_t slot, struct core_op *op);
int import_done(struct core *core, uint32_t slot, const struct core_event *ev);

/* vm.c */
int vm_create_start(struct core *core, uint32_t slot);
int vm_destroy_start(struct core *core, uint32_t slot);
bool vm_open_run(struct core *core, uint32_t slot, struct core_op *op);
int vm_open_done(struct core *core, uint32_t slot, const struct core_event *ev);
bool vm_close_run(struct core *core, uint32_t slot, struct core_op *op);
int vm_close_done(struct core *core, uint32_t slot,
		  const struct core_event *ev);
/* Slot of an open VM, or NONE. */
uint32_t vm_lookup(const struct core *core, uint32_t id);
/* Queue an item for its turn in the VM. */
void vm_turn_wait(struct core *core, uint32_t vm, uint32_t item);
/* The running item is done with the VM, or an EXEC is (exec true). */
void vm_turn_end(struct core *core, uint32_t vm, bool exec);
void vm_job_put(struct core *core, uint32_t vm);
/* A bind buffer for the running item of vm; false: item waits for one. */
bool vm_buffer_get(struct core *core, uint32_t vm, uint32_t item);
void vm_buffer_put(struct core *core, uint32_t vm);

/* bind.c */
int bind_start(struct core *core, uint32_t slot);
bool bind_start_run(struct core *core, uint32_t slot, struct core_op *op);
int bind_start_done(struct core *core, uint32_t slot,
		    const struct core_event *ev);
bool bind_run(struct core *core, uint32_t slot, struct core_op *op);
int bind_done(struct core *core, uint32_t slot, const struct core_event *ev);
/* Structure of one bind operation: 0 or -EPROTO. */
int bind_op_validate(const struct xen_userptrif_bind_op *untrusted_op);

/* job.c */
int exec_start(struct core *core, uint32_t slot);
bool exec_run(struct core *core, uint32_t slot, struct core_op *op);
int exec_done(struct core *core, uint32_t slot, const struct core_event *ev);
int job_ended(struct core *core, const struct core_event *ev);
bool timeline_run(struct core *core, uint32_t slot, struct core_op *op);
/* The VM is gone: its timelines may be bound again. */
void timelines_unbind(struct core *core, uint32_t vm);

/* query.c */
int query_start(struct core *core, uint32_t slot);
int advise_start(struct core *core, uint32_t slot);
int quiesce_start(struct core *core, uint32_t slot);

#endif /* XU_INTERNAL_H */
