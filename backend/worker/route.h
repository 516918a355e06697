/* SPDX-License-Identifier: MIT */
/*
 * Between the core and its surroundings: feeds events to core_step() and
 * carries its ops to where they are performed. The event loop's thread only.
 *
 * Every function returns 0, or -errno for an end of the connection: -EPROTO
 * (the guest did what no honest one does), -ENOMEM, or another failure after
 * which the state of the ring and the core would differ.
 */
#ifndef XU_ROUTE_H
#define XU_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "events.h"
#include "helper.h"
#include "ring.h"
#include "status.h"
/* Called when a job was queued; owns the fence from then on. 0 or -errno. */
typedef int (*route_job_queued)(void *context, const struct work *work);


struct migrator;
struct route_answer;

struct route {
	struct core *core;
	struct migrator *migrator;	/* or NULL: nothing moves */
	/* Of the packet that the core is taking now, or NULL. */
	const struct xen_userptrif_req *untrusted_req;
	struct ring *ring;
	struct events *events;
	struct helper *helper;
	struct worker_status *status;
	route_job_queued job_queued;
	void *context;
	uint32_t in_flight;		/* pieces of work not yet back; 0 first */
	struct route_answer *quiesced;	/* answers that wait for all to be home */
};

/** route_request() - a private copy of one ring packet */
int route_request(struct route *route,
		 const struct xen_userptrif_req *untrusted_req);

/** route_done() - work came back from the helper; frees it */
int route_done(struct route *route, struct work *work);

/** route_job() - the fence of a job has signalled */
int route_job(struct route *route, uint32_t job, uint32_t status,
	     uint64_t fault_va);

/** route_unmapped() - the module said that the grants of @cookie have ended */
int route_unmapped(struct route *route, uint64_t cookie);

/** route_home() - nothing is away any more: each QUIESCE is answered */
int route_home(struct route *route);

/** route_perform() - one op of the core */
int route_perform(struct route *route, const struct core_op *op);

/** route_submit() - work of the worker's own for the helper; 0 or -ENOMEM */
int route_submit(struct route *route, const struct work *work);

#endif /* XU_ROUTE_H */
