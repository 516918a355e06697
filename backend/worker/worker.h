/* SPDX-License-Identifier: MIT */
/*
 * A worker: the process that serves one connection of one device of one guest.
 * It lives from the frontend's Initialised to the end of the connection; when
 * it dies, by whatever cause, the kernel releases all that it held.
 */
#ifndef XU_WORKER_H
#define XU_WORKER_H

#include <stdbool.h>
#include <systemd/sd-event.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "events.h"
#include "route.h"
#include "helper.h"
#include "ipc.h"
#include "control.h"
#include "jobs.h"
#include "migrator.h"
#include "ring.h"
#include "status.h"
#include "work.h"

struct worker {
	struct ipc_start start;
	int module;
	struct worker_status *status;

	/* setup.c: what was mapped and opened for the guest. */
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
	evtchn_port_t port;
	void *ring_pages;
	void *evt_page;
	void *fence_page;
	struct core_gpu gpu;

	/* serve.c: the event loop. */
	sd_event *loop;
	sd_event_source *again;		/* more requests are waiting */
	int end_timer;			/* timerfd, runs when the end begins */
	bool is_ending;
	bool is_closing;	/* all is home, jobs and handles go */
	struct ring ring;
	struct events events;
	struct helper helper;
	struct work_env env;
	struct route route;
	struct jobs jobs;
	struct migrator migrator;	/* if route.migrator is it */
	struct control control;
	int move_node;			/* of the GPU, for the migrator */
	struct journal journal;		/* if route.migrator is set */
};

/** worker_main() - the life of a worker; returns its exit code */
int worker_main(void);

/**
 * worker_setup() - map the frontend's pages, open the GPU, make the core
 * @gpu_node: a descriptor to ask the GPU what it is; stays the caller's
 * @why: (out) what failed, a constant
 *
 * Returns 0 or -errno; on failure the process ends, nothing is undone here.
 */
int worker_setup(struct worker *worker, int gpu_node, const char **why);

/** worker_setup_gpu() - as worker_setup(), the part that asks the GPU */
int worker_setup_gpu(struct worker *worker, int gpu_node, const char **why);
/** worker_limit_fds() - enough for what the quotas allow, and no more */
int worker_limit_fds(const struct core_limits *limits, const char **why);

/**
 * rescue_setup(), rescue_init(), rescue_run() - bring home what a worker
 * that died has left in VRAM
 * @gpu_node: the file that the dead worker used; stays the caller's
 *
 * In the places of worker_setup(), worker_serve_init() and worker_serve(). The
 * last returns 0 if no data was lost in it.
 */
int rescue_setup(struct worker *worker, int gpu_node, const char **why);
int rescue_init(struct worker *worker, const char **why);
int rescue_run(struct worker *worker);

/**
 * worker_serve_init() - the sources of the event loop and the helper thread
 *
 * After it no new kind of system call is needed. Returns as worker_setup().
 */
int worker_serve_init(struct worker *worker, const char **why);

/** worker_add_migrator() - its mover and its timer to the event loop; or -errno */
int worker_add_migrator(struct worker *worker);

/** worker_serve() - run until the connection ends; 0 or -errno */
int worker_serve(struct worker *worker);

/** worker_report() - tell the broker; a lost report shows as a dead worker */
void worker_report(enum ipc_report_type type, int error, const char *text);

#endif /* XU_WORKER_H */
