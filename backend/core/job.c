// SPDX-License-Identifier: MIT
/*
 * EXEC, jobs and timelines. A job is queued on its timeline when EXEC is
 * accepted and leaves it when its fence is written. Fences are written in the
 * order of the timeline, whatever order the jobs end in: a seqno says that all
 * jobs up to it have ended, so a later one waits for an earlier one. The event
 * of an error comes before the fence. Single-threaded.
 */
#include <errno.h>

#include "internal.h"

static void timeline_append(struct core *core, struct timeline *tl,
			    uint32_t slot)
{
	struct job *job = &core->job[slot];

	job->next = NONE;
	job->prev = tl->last;
	if (tl->last == NONE)
		tl->first = slot;
	else
		core->job[tl->last].next = slot;
	tl->last = slot;
}

static void timeline_remove(struct core *core, struct timeline *tl,
			    uint32_t slot)
{
	const struct job *job = &core->job[slot];

	if (job->prev == NONE)
		tl->first = job->next;
	else
		core->job[job->prev].next = job->next;
	if (job->next == NONE)
		tl->last = job->prev;
	else
		core->job[job->next].prev = job->prev;
}

/* Something to write? Then it gets ready. */
static void timeline_kick(struct core *core, uint32_t slot)
{
	struct timeline *tl = &core->timeline[slot];

	if (tl->item.place == PLACE_IDLE && tl->first != NONE &&
	    core->job[tl->first].state == JOB_ENDED)
		item_ready(core, ITEM(ITEM_TIMELINE, slot));
}

static void job_free(struct core *core, uint32_t slot)
{
	struct job *job = &core->job[slot];
	uint32_t timeline = job->timeline;
	uint32_t vm = job->vm;

	timeline_remove(core, &core->timeline[timeline], slot);
	job->used = false;
	pool_put(&core->job_pool, slot);
	timeline_kick(core, timeline);
	vm_job_put(core, vm);
}

void timelines_unbind(struct core *core, uint32_t vm)
{
	uint32_t i;

	for (i = 0; i < XENUSERPTR_MAX_TIMELINES; i++)
		if (core->timeline[i].vm == vm)
			core->timeline[i].vm = NONE;
}

static uint32_t exec_check(const struct core *core, uint32_t vm,
			   const struct xen_userptrif_exec *req)
{
	uint64_t end;

	if (vm == IDMAP_NONE || core->vm[vm].state != VM_OPEN)
		return XENUSERPTR_STATUS_NO_ENTRY;
	if (req->engine >= core->gpu.nr_engines || !req->cmd_length)
		return XENUSERPTR_STATUS_INVALID;
	if (__builtin_add_overflow(req->cmd_va, req->cmd_length, &end) ||
	    req->cmd_va < core->gpu.va_start || end > core->gpu.va_end)
		return XENUSERPTR_STATUS_INVALID;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t job_alloc(struct core *core, uint32_t vm,
			  const struct xen_userptrif_exec *req)
{
	struct timeline *tl = &core->timeline[req->timeline];
	uint32_t slot = pool_get(&core->job_pool);

	if (slot == NONE)
		return NONE;
	core->job[slot] = (struct job){
		.seqno = req->seqno,
		.state = JOB_QUEUED,
		.vm = vm,
		.timeline = req->timeline,
		.used = true,
	};
	tl->vm = vm;
	tl->engine = req->engine;
	timeline_append(core, tl, slot);
	core->vm[vm].nr_jobs++;
	return slot;
}

int exec_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	const struct xen_userptrif_exec *req = &rq->req.op.exec;
	struct timeline *tl = &core->timeline[req->timeline];
	uint32_t vm = idmap_find(&core->vm_ids, req->vm_id);
	uint32_t status;

	if (tl->vm != NONE && (tl->vm != vm || tl->engine != req->engine))
		return -EPROTO;
	if (req->seqno <= tl->seqno)
		return -EPROTO;
	tl->seqno = req->seqno;
	status = exec_check(core, vm, req);
	if (status == XENUSERPTR_STATUS_OK) {
		rq->job = job_alloc(core, vm, req);
		if (rq->job == NONE)
			status = XENUSERPTR_STATUS_QUOTA;
	}
	if (status != XENUSERPTR_STATUS_OK) {
		request_answer(core, slot, status, NO_INDEX);
		return 0;
	}
	rq->vm = vm;
	rq->phase = PHASE_EXEC;
	vm_turn_wait(core, vm, ITEM(ITEM_REQUEST, slot));
	return 0;
}

bool exec_run(struct core *core, uint32_t slot, struct core_op *op)
{
	const struct request *rq = &core->req[slot];

	op_begin(core, op, CORE_OP_EXEC, ITEM(ITEM_REQUEST, slot));
	op->vm = rq->vm;
	op->job = rq->job;
	op->engine = rq->req.op.exec.engine;
	op->cmd_va = rq->req.op.exec.cmd_va;
	op->cmd_length = rq->req.op.exec.cmd_length;
	op->timeline = rq->req.op.exec.timeline;
	op->seqno = rq->req.op.exec.seqno;
	return true;
}

int exec_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	const struct request *rq = &core->req[slot];
	uint32_t vm = rq->vm;
	uint32_t job = rq->job;

	request_answer(core, slot, status_clean(ev->status), NO_INDEX);
	if (ev->status == XENUSERPTR_STATUS_OK)
		core->job[job].state = JOB_RUNNING;
	else
		job_free(core, job);
	vm_turn_end(core, vm, true);
	return 0;
}

/* What the event of a job may say; anything else of an adapter is IO. */
static uint32_t job_status(uint32_t status)
{
	switch (status) {
	case XENUSERPTR_STATUS_OK:
	case XENUSERPTR_STATUS_GPU_FAULT:
	case XENUSERPTR_STATUS_GPU_HANG:
	case XENUSERPTR_STATUS_CANCELED:
	case XENUSERPTR_STATUS_LOST:
		return status;
	}
	return XENUSERPTR_STATUS_IO;
}

int job_ended(struct core *core, const struct core_event *ev)
{
	struct job *job;

	if (ev->job >= core->job_pool.fresh)
		return -EINVAL;
	job = &core->job[ev->job];
	if (!job->used || job->state != JOB_RUNNING)
		return -EINVAL;
	job->state = JOB_ENDED;
	job->status = job_status(ev->status);
	if (job->status == XENUSERPTR_STATUS_GPU_FAULT)
		job->fault_va = ev->fault_va;
	timeline_kick(core, job->timeline);
	return 0;
}

static void event_fence(struct core *core, const struct job *job,
			struct core_op *op)
{
	op->type = CORE_OP_EVENT;
	op->evt.id = core->event_id++;
	op->evt.type = XENUSERPTR_EVT_FENCE;
	op->evt.op.fence.timeline = job->timeline;
	op->evt.op.fence.status = job->status;
	op->evt.op.fence.seqno = job->seqno;
	op->evt.op.fence.fault_va = job->fault_va;
}

bool timeline_run(struct core *core, uint32_t slot, struct core_op *op)
{
	struct job *job = &core->job[core->timeline[slot].first];

	if (job->status != XENUSERPTR_STATUS_OK && !job->told) {
		event_fence(core, job, op);
		job->told = true;
		timeline_kick(core, slot);
		return true;
	}
	op->type = CORE_OP_FENCE;
	op->timeline = slot;
	op->seqno = job->seqno;
	job_free(core, core->timeline[slot].first);
	return true;
}
