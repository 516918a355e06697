/* SPDX-License-Identifier: MIT */
/*
 * Walk B's hands: performs the ops of the engine of migration, on a thread of
 * its own, so that a want never waits for what the guest asked for. Waits for
 * no job: stops and copies give a fence, which the event loop watches.
 */
#ifndef XU_MOVER_H
#define XU_MOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "gpu.h"
#include "journal.h"
#include "migrate.h"
#include "space.h"
#include "work.h"

/* The mappings of a chunk in one VM. */
struct move_list {
	uint32_t vm;
	uint32_t life;		/* work_vm_life() */
	uint32_t nr;
	struct core_bind *binds;
};

enum move_kind {
	MOVE_OP,	/* perform op */
	MOVE_FORGET,	/* op.obj is about to be unmapped */
	MOVE_ALIVE,	/* a call of the module that does nothing */
	MOVE_REST,	/* disarm what is home, give spare VRAM back */
};

/* What a struct work of kind WORK_MOVE carries. */
struct move {
	enum move_kind kind;
	struct mig_op op;
	uint32_t slot;		/* COPY: (out) */
	bool is_joined;		/* COPY: (out) ends with the move before it */
	int fence;		/* STOP and COPY: (out) or -1 */
	uint32_t status;	/* (out) enum mig_status */
	uint32_t extra_refs;	/* REVOKE, QUERY: (out) */
	uint32_t life;		/* of op.vm: work_vm_life() */
	uint32_t gref;		/* MOVE_ALIVE: one that is mapped */
	uint32_t core_op;	/* MOVE_FORGET: for the caller */
	uint32_t nr_lists;	/* BIND, UNBIND */
	struct move_list lists[];
};

struct mover_ram;
struct mover_vram;

/* The mover's thread alone, after mover_init(). */
struct mover {
	struct work_env *env;
	struct journal *journal; /* or NULL */
	struct helper *thread;	/* that runs it; NULL: each op alone */
	struct gpu_vm *own;	/* for VRAM and copies */
	struct space space;	/* of own: where what is copied has its place */
	struct mover_ram *ram;	/* by object */
	struct mover_vram *vram; /* hash by object and first page */
	struct mover_vram *spare; /* list: VRAM of no chunk (mover-spare.h) */
	uint64_t nr_vram;	/* pages of VRAM that chunks have */
	uint64_t max_vram;	/* pages: the guest's limit */
	uint32_t nr_spare;	/* pages */
	uint32_t nr_spares;	/* entries of the list */
	uint32_t max_spare;	/* 0: none is kept */
	uint32_t nr_idle;	/* pages that are home and armed */
	uint32_t max_idle;
	_Atomic uint32_t copies; /* mask of slots in flight; the loop's too */
	struct xen_userptr_back_op *ops;
};

/**
 * mover_init() - an address space of its own; @env must be initialised
 * @node: an open file of the GPU; the mover's on success
 * @journal: where handles on that file are written down, or NULL
 */
int mover_init(struct mover *mover, struct work_env *env, int node,
	       struct journal *journal);

/* A rescuer's: handles on the file that an earlier mover has made. */
void mover_adopt_ram(struct mover *mover, uint32_t obj, uint32_t handle);
int mover_adopt_vram(struct mover *mover, uint32_t obj, uint32_t first,
		     uint32_t handle);

/** mover_fini() - close everything; the thread has ended */
void mover_fini(struct mover *mover);

/** mover_run() - a helper_run: performs @work of kind WORK_MOVE */
void mover_run(void *context, struct work *work);

/** mover_copied() - the fence of a COPY has signalled; the loop's thread */
void mover_copied(struct mover *mover, uint32_t slot);

/** move_free() - with its lists; NULL is fine */
void move_free(struct move *move);

#endif /* XU_MOVER_H */
