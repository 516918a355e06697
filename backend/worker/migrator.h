/* SPDX-License-Identifier: MIT */
/*
 * Walk B in the worker: the engine of migration beside the core. Events of
 * both go in, ops for the mover come out; ops of the core that touch pages wait
 * at a gate (gate.c) until the engine has put these where they must be. The
 * event loop's thread only, but for what the mover owns.
 *
 * Functions that return int return 0 or -errno, which ends the connection.
 */
#ifndef XU_MIGRATOR_H
#define XU_MIGRATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "core.h"
#include "grefs.h"
#include "helper.h"
#include "migrate.h"
#include "mover.h"
#include "recorder.h"
#include "status.h"

struct route;
struct gate;
struct gate_ask;

/* Filled by the worker up to context. A rescuer has neither core nor route. */
struct migrator {
	struct core *core;
	struct route *route;
	struct work_env *env;
	struct worker_status *status;
	struct journal *journal;	/* or NULL */
	sd_event *loop;
	uint32_t vm_flags;	/* MIG_VM_* of the GPUs */
	bool is_recording;	/* the broker has a file for the events */
	/* Called when everything is home, after migrator_bring_home(). */
	int (*home)(void *context);
	void *context;

	struct mig *engine;
	struct mig_settings settings;
	struct mover mover;
	struct helper thread;
	struct grefs grefs;
	struct recorder recorder;
	int timer;		/* timerfd */
	uint64_t timer_at;	/* ms, MIG_NEVER: off */
	uint64_t alive_at;	/* ms: of the last sign of life */
	uint64_t alive_now;	/* ms: of the last event */
	uint64_t wanted_until;	/* ms: a want may wait that long */
	uint64_t rest_at;	/* ms: disarm what is home; MIG_NEVER: nothing is */
	bool is_alive_sent;
	uint64_t timed;		/* what the status page knows of mig_stats */
	uint64_t vms;		/* known to the engine */
	uint32_t vm_life[MIG_MAX_VMS]; /* of each: work_vm_life(); 0: none */
	uint8_t *object;	/* by slot: enum migrator_object */
	bool coming_home;
	bool stays_home;	/* what came home, until migrator_leave_home() */
	int error;		/* of an event that was given in an op */
	struct core_span alias[GREFS_NR_SIDES]; /* runs not given to the engine yet */
	struct migrator_fence *last_fence; /* for the copies that are joined to it */

	/* gate.c */
	struct gate *gates;	/* hash by op id */
	struct gate_ask *asks;	/* hash by token */
	struct gate *released;	/* objects whose pages came home for good */
	struct gate_ask *let_go; /* asks that hold nothing any more */
	uint32_t map_asks;	/* of all MAPs */
	uint32_t next_token;
};

enum migrator_object {
	OBJECT_UNKNOWN,
	OBJECT_KNOWN,
	OBJECT_LOST,		/* known; contents of pages are gone */
};

/**
 * migrator_init() - engine, mover and thread
 * @limits: of the core
 * @node: an open file of the GPU; the migrator's on success
 *
 * Before the sandbox is closed. 0 or -errno.
 */
int migrator_init(struct migrator *m, const struct core_limits *limits,
		  int node);

/**
 * migrator_recover() - take over what the journal says
 *
 * After migrator_init(), in a rescuer: no VM and no guest's request is left. The
 * module is told that somebody lives; nothing moves yet.
 * -EINVAL, -EBADMSG: the journal makes no sense.
 */
int migrator_recover(struct migrator *m);

/**
 * migrator_lost_before() - the module gave this page back before anybody was there
 *
 * Between migrator_recover() and migrator_rescue(): the guest may have written it
 * since, so nothing may be copied to it.
 */
int migrator_lost_before(struct migrator *m, uint32_t gref);

/** migrator_rescue() - begin to bring all of it home; then m->home() */
int migrator_rescue(struct migrator *m);

/* Records of the module. */
int migrator_want(struct migrator *m, uint32_t gref);
int migrator_lost(struct migrator *m, uint32_t gref);

/** migrator_on_mover() - work came back from the mover's thread */
int migrator_on_mover(struct migrator *m);
/** migrator_on_timer() - the timerfd is readable */
int migrator_on_timer(struct migrator *m);

/** migrator_op() - perform a core op, now or when the engine allows it */
int migrator_op(struct migrator *m, const struct core_op *op);

/**
 * migrator_before_done() / migrator_after_done() - a core op has ended
 *
 * Before and after the core is told of it.
 */
int migrator_before_done(struct migrator *m, const struct work *work);
int migrator_after_done(struct migrator *m, const struct work *work);

/**
 * migrator_job_end() - the fence of a job signalled
 * @status: (in/out) LOST if the job's VM maps what is lost
 */
int migrator_job_end(struct migrator *m, uint32_t vm, uint32_t *status);

/** migrator_advise() - the core accepted this ADVISE */
int migrator_advise(struct migrator *m, const struct xen_userptrif_advise *req);

/**
 * migrator_move() - by hand: pages of an object, enum mig_place
 *
 * -EBUSY: nothing may leave home now.
 */
int migrator_move(struct migrator *m, uint32_t obj, uint32_t first, uint32_t nr,
		  uint32_t place);

/** migrator_bring_home() - everything, and keep it there; then m->home() */
int migrator_bring_home(struct migrator *m);
/** migrator_leave_home() - after m->home(): the policy may move things again */
int migrator_leave_home(struct migrator *m);
/** migrator_has_lost() - contents of an object are gone */
bool migrator_has_lost(const struct migrator *m);

/**
 * migrator_set() - new settings; -EINVAL if they contradict each other
 *
 * A new policy begins when things may leave home.
 */
int migrator_set(struct migrator *m, const struct mig_settings *settings);

/* Between migrator.c, migrator-ops.c and gate.c. */
int migrator_feed(struct migrator *m, struct mig_event *ev);
/* Of the whole object, wherever they are; 0: the engine does not know it. */
uint32_t migrator_pages(const struct migrator *m, uint32_t obj);
int migrator_perform(struct migrator *m, const struct mig_op *op);
/* These pages stay home from now on; none, or an unknown object: nothing is done. */
int migrator_alias(struct migrator *m, const struct core_span *run);
/* The engine forgets the VM, if it knows it. */
int migrator_vm_closed(struct migrator *m, uint32_t vm);
int gate_op(struct migrator *m, const struct core_op *op);
int gate_ready(struct migrator *m, uint32_t token, uint32_t status);
int gate_done(struct migrator *m, const struct work *work);
/* Holds and objects that are free to go, after the engine has no more ops. */
int gate_released(struct migrator *m);
int migrator_forget(struct migrator *m, const struct core_op *op);
int migrator_submit_alive(struct migrator *m, uint32_t gref);
int migrator_submit_rest(struct migrator *m);
/* Starts the timer for what is due next. */
int migrator_timer(struct migrator *m);
/*
 * alive.c: when a sign of life is due, ms; a want came; give one if it is due; it
 * was given. Give one now, before the mover does anything.
 */
uint64_t alive_time(const struct migrator *m);
void alive_wanted(struct migrator *m);
int alive_look(struct migrator *m);
int alive_done(struct migrator *m);
void alive_say(struct migrator *m);

#endif /* XU_MIGRATOR_H */
