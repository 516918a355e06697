/* SPDX-License-Identifier: MIT */
/*
 * The helper thread: runs what may block, one piece after the other.
 *
 * One FIFO for all VMs of the guest. So two requests that name one VM take
 * effect in the order of the ring (userptrif.md section 3.1) without further
 * thought; a slow call makes only this guest wait.
 */
#ifndef XU_HELPER_H
#define XU_HELPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core.h"

enum work_kind {
	WORK_OP,	/* perform op */
	WORK_FAULT,	/* ask where the job of (vm, cookie) faulted */
	WORK_CLOSE_ALL,	/* close every address space: the connection ends */
	WORK_REFUSE,	/* nothing: op ends with the status that it has */
	WORK_MOVE,	/* for the mover: see mover.h */
};

struct move;
struct work;

/* May @work overtake @queued, which does not run yet? Called with the lock held. */
typedef bool (*work_passes)(const struct work *work,
			    const struct work *queued);

/* Belongs to the loop, then to the thread, then to the loop again. */
struct work {
	struct work *next;
	struct work *also;	/* taken by helper_more(): ends with this one */
	work_passes passes;	/* NULL: none */
	bool is_urgent;		/* set by run(): the loop learns of it at once */
	enum work_kind kind;
	struct core_op op;	/* WORK_FAULT: vm and job only */
	uint64_t cookie;	/* of the job: EXEC (out), WORK_FAULT (in) */
	/* Results. */
	uint32_t status;	/* XENUSERPTR_STATUS_* */
	uint32_t error_index;
	bool is_hostile;	/* the guest did what no honest one does */
	int fence;		/* EXEC: sync_file, or -1 */
	uint64_t fault_va;	/* WORK_FAULT */
	struct xen_userptrif_bind_op *untrusted_ops; /* READ_BIND */
	struct move *move;	/* WORK_MOVE */
};

typedef void (*helper_run)(void *context, struct work *work);

struct work_list {
	struct work *first;
	struct work **last;
};

struct helper {
	pthread_t thread;
	pthread_mutex_t lock;	/* protects the two lists, stop and what is untold */
	pthread_cond_t has_work;
	struct work_list todo;
	struct work_list done;
	bool stop;
	uint32_t nr_untold;	/* pieces on done that done_fd did not tell of */
	uint32_t max_untold;	/* 0: it tells of each */
	struct work_list held;	/* the loop's: not given to the thread yet */
	uint32_t holds;		/* the loop's */
	int done_fd;		/* eventfd: something was put on done */
	helper_run run;
	void *context;
};

/**
 * helper_start() - make the thread
 * @run: performs one piece of work, in the thread
 *
 * Returns 0 or -errno.
 */
int helper_start(struct helper *helper, helper_run run, void *context);

/** helper_stop() - finish what was submitted, end the thread, free the rest */
void helper_stop(struct helper *helper);

/** helper_submit() - give work away; never fails, never blocks for long */
void helper_submit(struct helper *helper, struct work *work);

/**
 * helper_tell_late() - the loop need not know at once what is done
 * @nr: pieces that may be done before it is told, while others wait to be run
 *
 * For work of which the next step would wait behind those others anyway: the loop
 * then takes several results for one switch of threads. It holds from the next result on.
 */
void helper_tell_late(struct helper *helper, uint32_t nr);

/**
 * helper_hold() - what is submitted from here on is given away by helper_release(), all
 * at once. Can be nested; the loop's thread only.
 */
void helper_hold(struct helper *helper);
void helper_release(struct helper *helper);

/**
 * helper_more() - in run(): the next piece, if it can be performed with @work
 * @goes_with: says so; called with the lock held
 *
 * It ends when run() of @work returns, after those that were taken before. NULL:
 * there is none.
 */
struct work *helper_more(struct helper *helper, struct work *work,
			 bool (*goes_with)(const struct work *work,
					   const struct work *next));

/** helper_take() - the next piece that is done, or NULL; the caller frees it */
struct work *helper_take(struct helper *helper);

/** helper_clear() - reset done_fd; call it before the helper_take() loop */
void helper_clear(struct helper *helper);

#endif /* XU_HELPER_H */
