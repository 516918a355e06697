// SPDX-License-Identifier: MIT
/*
 * Walk A: a private copy of a ring packet -> a validated request. Decides
 * what no honest frontend can send, which ends the connection (-EPROTO), and
 * hands the rest to the file of its operation. Single-threaded.
 *
 * Where the line is. -EPROTO, always before anything has changed:
 *   packet      unknown operation; reserved or unused octets not zero; undefined
 *               flag; id in flight; more requests than the ring holds
 *   VM_CREATE   vm_id in use
 *   OBJ_CREATE  obj_id in use; nr_pages 0 or above the protocol's limit;
 *               gref_directory 0; a directory that dir.c refuses
 *   OBJ_TRIM    nr_pages 0; outside of the object; with another OBJ_TRIM of
 *               the object in flight, as an OBJ_DESTROY then
 *   VM_BIND     nr_ops not 1 (inline), 0 or above 65536 (indirect);
 *               gref_directory not as the flag says; op number undefined;
 *               obj_id or offset of an operation that has none
 *   EXEC        timeline above 511 or of another (VM, engine); seqno not rising
 *   QUERY       obj_id of a query that has none
 * An honest but racing or greedy guest can cause the rest, which has a status:
 *   QUOTA       any limit of struct core_limits but max_requests
 *   NO_ENTRY    object or VM unknown, still being created, or being destroyed
 *   INVALID     VM_CREATE: no such GPU;
 *               VM_BIND: alignment, length 0, overflow, outside of the object;
 *               EXEC: engine, cmd_length 0, commands outside of the GPU's range;
 *               ADVISE: advice, length 0, outside of the object; QUERY: what
 *   RANGE       VM_BIND: outside of the GPU's address range
 *   ACCESS      VM_BIND: writable map of a read-only object
 *   UNSUPPORTED a feature that this GPU or backend does not have
 *   others      what an adapter said
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static int vm_create_validate(const struct xen_userptrif_req *untrusted_req)
{
	return untrusted_req->op.vm_create.flags ? -EPROTO : 0;
}

static int vm_destroy_validate(const struct xen_userptrif_req *untrusted_req)
{
	return untrusted_req->op.vm_destroy.flags ? -EPROTO : 0;
}

static int obj_create_validate(const struct xen_userptrif_req *untrusted_req)
{
	const struct xen_userptrif_obj_create *untrusted_op =
		&untrusted_req->op.obj_create;

	if (untrusted_op->flags & ~XENUSERPTR_OBJ_READONLY)
		return -EPROTO;
	if (!untrusted_op->nr_pages ||
	    untrusted_op->nr_pages > XENUSERPTR_MAX_OBJ_PAGES)
		return -EPROTO;
	return untrusted_op->gref_directory ? 0 : -EPROTO;
}

static int obj_destroy_validate(const struct xen_userptrif_req *untrusted_req)
{
	uint32_t untrusted_flags = untrusted_req->op.obj_destroy.flags;

	return (untrusted_flags & ~XENUSERPTR_DESTROY_DISCARD) ? -EPROTO : 0;
}

static int obj_trim_validate(const struct xen_userptrif_req *untrusted_req)
{
	const struct xen_userptrif_obj_trim *untrusted_op =
		&untrusted_req->op.obj_trim;

	return untrusted_op->flags & ~XENUSERPTR_TRIM_DISCARD ||
	       !untrusted_op->nr_pages ? -EPROTO : 0;
}

static int vm_bind_validate(const struct xen_userptrif_req *untrusted_req)
{
	static const struct xen_userptrif_bind_op zero;
	const struct xen_userptrif_vm_bind *untrusted_op =
		&untrusted_req->op.vm_bind;

	if (untrusted_op->flags & ~XENUSERPTR_VM_BIND_INDIRECT)
		return -EPROTO;
	if (untrusted_op->flags & XENUSERPTR_VM_BIND_INDIRECT) {
		if (!untrusted_op->nr_ops || !untrusted_op->gref_directory ||
		    untrusted_op->nr_ops > XENUSERPTR_MAX_BIND_OPS)
			return -EPROTO;
		return memcmp(&untrusted_op->op, &zero, sizeof(zero)) ?
		       -EPROTO : 0;
	}
	if (untrusted_op->nr_ops != 1 || untrusted_op->gref_directory)
		return -EPROTO;
	return bind_op_validate(&untrusted_op->op);
}

static int exec_validate(const struct xen_userptrif_req *untrusted_req)
{
	const struct xen_userptrif_exec *untrusted_op =
		&untrusted_req->op.exec;

	if (untrusted_op->flags & ~XENUSERPTR_EXEC_STAY ||
	    untrusted_op->reserved)
		return -EPROTO;
	return untrusted_op->timeline < XENUSERPTR_MAX_TIMELINES ? 0 : -EPROTO;
}

/* Every field is free; wrong values get a status. */
static int advise_validate(const struct xen_userptrif_req *untrusted_req)
{
	(void)untrusted_req;
	return 0;
}

static int query_validate(const struct xen_userptrif_req *untrusted_req)
{
	switch (untrusted_req->op.query.what) {
	case XENUSERPTR_QUERY_DEVICE:
	case XENUSERPTR_QUERY_NAME:
	case XENUSERPTR_QUERY_MEMORY:
	case XENUSERPTR_QUERY_LIMITS:
		return untrusted_req->op.query.obj_id ? -EPROTO : 0;
	}
	return 0;
}

static int quiesce_validate(const struct xen_userptrif_req *untrusted_req)
{
	return untrusted_req->op.quiesce.flags ||
	       untrusted_req->op.quiesce.reserved ? -EPROTO : 0;
}

static const struct {
	size_t size;		/* octets of the operation; zero after it */
	int (*validate)(const struct xen_userptrif_req *untrusted_req);
	int (*start)(struct core *core, uint32_t slot);
} operations[] = {
	[XENUSERPTR_OP_VM_CREATE] = {
		sizeof(struct xen_userptrif_vm_create),
		vm_create_validate, vm_create_start },
	[XENUSERPTR_OP_VM_DESTROY] = {
		sizeof(struct xen_userptrif_vm_destroy),
		vm_destroy_validate, vm_destroy_start },
	[XENUSERPTR_OP_OBJ_CREATE] = {
		sizeof(struct xen_userptrif_obj_create),
		obj_create_validate, obj_create_start },
	[XENUSERPTR_OP_OBJ_DESTROY] = {
		sizeof(struct xen_userptrif_obj_destroy),
		obj_destroy_validate, obj_destroy_start },
	[XENUSERPTR_OP_VM_BIND] = {
		sizeof(struct xen_userptrif_vm_bind),
		vm_bind_validate, bind_start },
	[XENUSERPTR_OP_EXEC] = {
		sizeof(struct xen_userptrif_exec),
		exec_validate, exec_start },
	[XENUSERPTR_OP_ADVISE] = {
		sizeof(struct xen_userptrif_advise),
		advise_validate, advise_start },
	[XENUSERPTR_OP_QUERY] = {
		sizeof(struct xen_userptrif_query),
		query_validate, query_start },
	[XENUSERPTR_OP_QUIESCE] = {
		sizeof(struct xen_userptrif_quiesce),
		quiesce_validate, quiesce_start },
	[XENUSERPTR_OP_OBJ_TRIM] = {
		sizeof(struct xen_userptrif_obj_trim),
		obj_trim_validate, obj_trim_start },
};

#define NR_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

int request_validate(const struct xen_userptrif_req *untrusted_req,
		     struct xen_userptrif_req *req)
{
	static const uint8_t zero[sizeof(req->op)];
	uint8_t operation = untrusted_req->operation;
	size_t size;

	if (operation >= NR_OPERATIONS || !operations[operation].validate)
		return -EPROTO;
	size = operations[operation].size;
	if (memcmp(untrusted_req->reserved, zero,
		   sizeof(untrusted_req->reserved)) ||
	    memcmp(untrusted_req->op.octets + size, zero, sizeof(zero) - size))
		return -EPROTO;
	if (operations[operation].validate(untrusted_req))
		return -EPROTO;
	*req = *untrusted_req;
	return 0;
}

static bool id_in_flight(const struct core *core, uint16_t id)
{
	return core->in_flight[id / 64] >> (id % 64) & 1;
}

static void id_flip(struct core *core, uint16_t id)
{
	core->in_flight[id / 64] ^= UINT64_C(1) << (id % 64);
}

static void request_put(struct core *core, uint32_t slot)
{
	id_flip(core, core->req[slot].req.id);
	pool_put(&core->req_pool, slot);
}

int request_accept(struct core *core,
		   const struct xen_userptrif_req *untrusted_req)
{
	struct xen_userptrif_req req;
	struct request *rq;
	uint32_t slot;
	int ret;

	if (request_validate(untrusted_req, &req) || id_in_flight(core, req.id))
		return -EPROTO;
	slot = pool_get(&core->req_pool);
	if (slot == NONE)
		return -EPROTO;
	rq = &core->req[slot];
	memset(rq, 0, sizeof(*rq));
	rq->obj = NONE;
	rq->vm = NONE;
	rq->job = NONE;
	rq->req = req;
	id_flip(core, req.id);
	ret = operations[req.operation].start(core, slot);
	if (ret)
		request_put(core, slot);
	return ret;
}

void request_answer(struct core *core, uint32_t slot, uint32_t status,
		    uint32_t error_index)
{
	struct request *rq = &core->req[slot];

	rq->rsp.id = rq->req.id;
	rq->rsp.operation = rq->req.operation;
	rq->rsp.status = status;
	if (status != XENUSERPTR_STATUS_OK)
		rq->rsp.u.error_index = error_index;
	rq->phase = PHASE_RESPOND;
	item_ready(core, ITEM(ITEM_REQUEST, slot));
}

bool request_respond_run(struct core *core, uint32_t slot, struct core_op *op)
{
	op->type = CORE_OP_RESPOND;
	op->rsp = core->req[slot].rsp;
	request_put(core, slot);
	return true;
}
