// SPDX-License-Identifier: MIT
/*
 * Routes the core's ops: what only touches memory (responses, events, fences)
 * is done at once and in order, what may block goes to the helper's FIFO.
 * In walk A this stands between ring.c and the core, and between the core and
 * work.c.
 */
#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "migrator.h"
#include "probe.h"
#include "work.h"

/* Ops fetched from the core at a time. */
#define ROUTE_BATCH	16U

/* A QUIESCE that waits. */
struct route_answer {
	struct route_answer *next;
	struct xen_userptrif_rsp rsp;
};

int route_submit(struct route *route, const struct work *work)
{
	struct work *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *work;
	copy->fence = -1;
	route->in_flight++;
	PROBE4(op_start, work->op.type, work->op.id, work->op.obj,
	       work->op.vm);
	helper_submit(route->helper, copy);
	return 0;
}

/*
 * The core has answered an ADVISE with OK in the step that took it, so it has
 * checked the packet at hand.
 */
static int route_advise(struct route *route, const struct core_op *op)
{
	const struct xen_userptrif_req *req = route->untrusted_req;

	if (!route->migrator || !req ||
	    op->rsp.operation != XENUSERPTR_OP_ADVISE ||
	    op->rsp.status != XENUSERPTR_STATUS_OK ||
	    req->operation != XENUSERPTR_OP_ADVISE || req->id != op->rsp.id)
		return 0;
	return migrator_advise(route->migrator, &req->op.advise);
}

static bool route_is_quiesce(const struct route *route,
			     const struct core_op *op)
{
	return route->migrator &&
	       op->rsp.operation == XENUSERPTR_OP_QUIESCE &&
	       op->rsp.status == XENUSERPTR_STATUS_OK;
}

/*
 * The guest is about to be saved: only what is home goes with it. The ring has room
 * for the answers that wait, and so limits how many there can be.
 */
static int route_quiesce(struct route *route, const struct core_op *op)
{
	struct route_answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return -ENOMEM;
	answer->rsp = op->rsp;
	answer->next = route->quiesced;
	route->quiesced = answer;
	return answer->next ? 0 : migrator_bring_home(route->migrator);
}

static struct route_answer *quiesced_take(struct route *route)
{
	struct route_answer *answer = route->quiesced;

	if (answer)
		route->quiesced = answer->next;
	return answer;
}

/* The policy waits for the next job: the guest may be saved now. */
int route_home(struct route *route)
{
	struct route_answer *answer;
	int ret = 0;

	while (!ret && (answer = quiesced_take(route))) {
		status_add(&route->status->responses, 1);
		if (migrator_has_lost(route->migrator)) {
			answer->rsp.status = XENUSERPTR_STATUS_LOST;
			answer->rsp.u.error_index = UINT32_MAX;
		}
		ret = ring_put(route->ring, &answer->rsp) ? -EPROTO : 0;
		free(answer);
	}
	return ret;
}

static int route_respond(struct route *route, const struct core_op *op)
{
	int ret;

	if (route_is_quiesce(route, op))
		return route_quiesce(route, op);
	ret = route_advise(route, op);

	if (ret)
		return ret;
	status_add(&route->status->responses, 1);
	PROBE3(response, op->rsp.id, op->rsp.operation, op->rsp.status);
	return ring_put(route->ring, &op->rsp);
}

int route_perform(struct route *route, const struct core_op *op)
{
	struct work work = { .kind = WORK_OP };

	switch (op->type) {
	case CORE_OP_RESPOND:
		return route_respond(route, op);
	case CORE_OP_EVENT:
		PROBE2(event, op->evt.type, op->evt.id);
		return events_put(route->events, &op->evt);
	case CORE_OP_FENCE:
		PROBE2(fence, op->timeline, op->seqno);
		return events_fence(route->events, op->timeline, op->seqno);
	case CORE_OP_MAP:
	case CORE_OP_UNMAP:
	case CORE_OP_TRIM:
	case CORE_OP_BIND:
	case CORE_OP_EXEC:
		if (route->migrator)
			return migrator_op(route->migrator, op);
		/* fall through */
	case CORE_OP_READ_DIR:
	case CORE_OP_READ_BIND:
	case CORE_OP_VM_OPEN:
	case CORE_OP_VM_CLOSE:
	case CORE_OP_IMPORT:
	case CORE_OP_CLOSE:
		work.op = *op;
		return route_submit(route, &work);
	}
	return -EINVAL;
}

/* One event in, all its ops out. */
static int route_step(struct route *route, const struct core_event *event)
{
	struct core_op ops[ROUTE_BATCH];
	unsigned int nr, i;
	int more, ret;

	do {
		more = core_step(route->core, event, ops, ROUTE_BATCH, &nr);
		if (more < 0)
			return more;
		for (i = 0; i < nr; i++) {
			ret = route_perform(route, &ops[i]);
			if (ret)
				return ret;
		}
		event = NULL;
	} while (more);
	return 0;
}

/* After QUIESCE nothing leaves home until the guest works on. */
static bool ends_quiesce(const struct xen_userptrif_req *untrusted_req)
{
	return untrusted_req->operation == XENUSERPTR_OP_EXEC &&
	       !(untrusted_req->op.exec.flags & XENUSERPTR_EXEC_STAY);
}

int route_request(struct route *route,
		 const struct xen_userptrif_req *untrusted_req)
{
	struct core_event event = {
		.type = CORE_EV_REQUEST,
		.untrusted_req = untrusted_req,
	};
	int ret = 0;

	status_add(&route->status->requests, 1);
	PROBE2(request, untrusted_req->id, untrusted_req->operation);
	route->untrusted_req = untrusted_req;
	if (route->migrator && ends_quiesce(untrusted_req))
		ret = migrator_leave_home(route->migrator);
	if (!ret)
		ret = route_step(route, &event);
	route->untrusted_req = NULL;
	return ret;
}

int route_unmapped(struct route *route, uint64_t cookie)
{
	struct core_event event = {
		.type = CORE_EV_UNMAPPED,
		.obj = work_cookie_slot(cookie),
	};

	status_add(&route->status->unmapped, 1);
	PROBE1(unmapped, event.obj);
	return route_step(route, &event);
}

static int route_done_op(struct route *route, struct work *work)
{
	struct core_event event = {
		.type = CORE_EV_DONE,
		.op_id = work->op.id,
		.status = work->status,
		.error_index = work->error_index,
		.untrusted_ops = work->untrusted_ops,
	};
	int ret = 0;

	PROBE3(op_done, work->op.type, work->op.id, work->status);
	if (work->is_hostile)
		return -EPROTO;
	if (work->op.type == CORE_OP_EXEC && work->fence >= 0) {
		status_add(&route->status->jobs, 1);
		status_add(&route->status->jobs_now, 1);
		PROBE2(job_queued, work->op.job, work->op.vm);
		ret = route->job_queued(route->context, work);
	}
	if (!ret && route->migrator)
		ret = migrator_before_done(route->migrator, work);
	if (!ret)
		ret = route_step(route, &event);
	if (!ret && route->migrator)
		ret = migrator_after_done(route->migrator, work);
	return ret;
}

int route_job(struct route *route, uint32_t job, uint32_t status,
	     uint64_t fault_va)
{
	struct core_event event = {
		.type = CORE_EV_JOB,
		.job = job,
		.status = status,
		.fault_va = fault_va,
	};

	status_sub(&route->status->jobs_now, 1);
	PROBE2(job_end, job, status);
	if (status != XENUSERPTR_STATUS_OK)
		status_add(&route->status->jobs_failed, 1);
	return route_step(route, &event);
}

int route_done(struct route *route, struct work *work)
{
	int ret = 0;

	route->in_flight--;
	switch (work->kind) {
	case WORK_OP:
	case WORK_REFUSE:
		ret = route_done_op(route, work);
		break;
	case WORK_FAULT:
		ret = route_job(route, work->op.job,
			       XENUSERPTR_STATUS_GPU_FAULT, work->fault_va);
		break;
	case WORK_CLOSE_ALL:
	case WORK_MOVE:
		break;
	}
	free(work->untrusted_ops);
	free(work);
	return ret;
}
