// SPDX-License-Identifier: MIT
/*
 * VM_BIND. Walk A: turn in the VM -> read the array (indirect only) -> check
 * every operation and do it in the VA tree -> import objects that are new to
 * the VM -> one BIND -> commit, or roll everything back. All or nothing.
 *
 * Names are looked up when the request has its turn, so an OBJ_DESTROY that
 * comes after a waiting VM_BIND wins, as the protocol says. Single-threaded.
 */
#include <errno.h>

#include "internal.h"

int bind_op_validate(const struct xen_userptrif_bind_op *untrusted_op)
{
	uint32_t flags = 0;

	switch (untrusted_op->op) {
	case XENUSERPTR_BIND_MAP:
		flags = XENUSERPTR_BIND_READONLY;
		break;
	case XENUSERPTR_BIND_UNMAP:
	case XENUSERPTR_BIND_MAP_NULL:
		if (untrusted_op->obj_id || untrusted_op->offset)
			return -EPROTO;
		break;
	default: /* a number from the guest, not one of our states */
		return -EPROTO;
	}
	if (untrusted_op->flags & ~flags || untrusted_op->reserved)
		return -EPROTO;
	return 0;
}

/* For an operation that was validated. */
static struct core_bind bind_from(const struct xen_userptrif_bind_op *op)
{
	return (struct core_bind){
		.op = op->op,
		.flags = op->flags,
		.obj = op->obj_id,	/* a slot after bind_check_map() */
		.offset = op->offset,
		.length = op->length,
		.gpu_va = op->gpu_va,
	};
}

static bool is_indirect(const struct request *rq)
{
	return rq->req.op.vm_bind.flags & XENUSERPTR_VM_BIND_INDIRECT;
}

static struct core_bind *bind_array(struct core *core, struct request *rq)
{
	return is_indirect(rq) ? core->buffer[core->vm[rq->vm].buffer] :
				 &rq->bind;
}

int bind_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	const struct xen_userptrif_vm_bind *req = &rq->req.op.vm_bind;

	rq->bind = bind_from(&req->op);
	rq->vm = vm_lookup(core, req->vm_id);
	if (rq->vm == NONE) {
		request_answer(core, slot, XENUSERPTR_STATUS_NO_ENTRY,
			       NO_INDEX);
	} else if (req->nr_ops > core->limits.max_bind_ops) {
		request_answer(core, slot, XENUSERPTR_STATUS_QUOTA, NO_INDEX);
	} else {
		rq->phase = PHASE_BIND_START;
		vm_turn_wait(core, rq->vm, ITEM(ITEM_REQUEST, slot));
	}
	return 0;
}

static uint32_t bind_check_range(const struct core *core,
				 const struct core_bind *b)
{
	uint64_t end;

	if (!b->length || (b->gpu_va | b->length | b->offset) & core->va_mask)
		return XENUSERPTR_STATUS_INVALID;
	if (__builtin_add_overflow(b->gpu_va, b->length, &end))
		return XENUSERPTR_STATUS_INVALID;
	if (b->gpu_va < core->gpu.va_start || end > core->gpu.va_end)
		return XENUSERPTR_STATUS_RANGE;
	return XENUSERPTR_STATUS_OK;
}

/* Looks the object up; on OK b->obj is its slot. */
static uint32_t bind_check_map(const struct core *core, struct core_bind *b)
{
	uint32_t slot = idmap_find(&core->obj_ids, b->obj);
	const struct object *obj;
	uint64_t end;

	if (slot == IDMAP_NONE || core->obj[slot].state != OBJ_LIVE)
		return XENUSERPTR_STATUS_NO_ENTRY;
	obj = &core->obj[slot];
	if (__builtin_add_overflow(b->offset, b->length, &end) ||
	    end > (uint64_t)obj->nr_pages * XENUSERPTR_PAGE_SIZE)
		return XENUSERPTR_STATUS_INVALID;
	if (b->flags & XENUSERPTR_BIND_READONLY) {
		if (!(core->gpu.features & XENUSERPTR_FEATURE_READONLY))
			return XENUSERPTR_STATUS_UNSUPPORTED;
	} else if (obj->flags & XENUSERPTR_OBJ_READONLY) {
		return XENUSERPTR_STATUS_ACCESS;
	}
	b->obj = slot;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t bind_tree_status(int ret)
{
	if (!ret)
		return XENUSERPTR_STATUS_OK;
	return ret == -EDQUOT ? XENUSERPTR_STATUS_QUOTA :
				XENUSERPTR_STATUS_NO_MEMORY;
}

static uint32_t bind_plan_map(struct core *core, uint32_t vm,
			      struct core_bind *b)
{
	struct va_range range = {
		.start = b->gpu_va,
		.end = b->gpu_va + b->length,
		.offset = b->offset,
		.owner = VA_NO_OWNER,
		.flags = (uint16_t)b->flags,
	};
	uint32_t status;

	if (b->op == XENUSERPTR_BIND_MAP) {
		status = bind_check_map(core, b);
		if (status != XENUSERPTR_STATUS_OK)
			return status;
		range.owner = import_get(core, b->obj, vm);
		if (range.owner == NONE)
			return XENUSERPTR_STATUS_QUOTA;
	} else if (!(core->gpu.features & XENUSERPTR_FEATURE_SPARSE)) {
		return XENUSERPTR_STATUS_UNSUPPORTED;
	}
	return bind_tree_status(va_map(&core->va, &core->vm[vm].space,
				       &range));
}

static uint32_t bind_plan_op(struct core *core, uint32_t vm,
			     struct core_bind *b)
{
	uint32_t status = bind_check_range(core, b);

	if (status != XENUSERPTR_STATUS_OK)
		return status;
	if (b->op != XENUSERPTR_BIND_UNMAP)
		return bind_plan_map(core, vm, b);
	return bind_tree_status(va_unmap(&core->va, &core->vm[vm].space,
					 b->gpu_va, b->gpu_va + b->length));
}

/* Answer and let the next one have the VM. */
static void bind_end(struct core *core, uint32_t slot, uint32_t status,
		     uint32_t error_index)
{
	struct request *rq = &core->req[slot];

	if (status == XENUSERPTR_STATUS_OK) {
		va_commit(&core->va, &core->vm[rq->vm].space);
	} else {
		va_rollback(&core->va, &core->vm[rq->vm].space);
		import_drop_unopened(core, rq->vm);
	}
	request_answer(core, slot, status, error_index);
	vm_buffer_put(core, rq->vm);
	vm_turn_end(core, rq->vm, false);
}

/* Check and do every operation in the tree; false: failed and answered. */
static bool bind_plan(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	struct core_bind *binds = bind_array(core, rq);
	uint32_t i, status;

	for (i = 0; i < rq->req.op.vm_bind.nr_ops; i++) {
		status = bind_plan_op(core, rq->vm, &binds[i]);
		if (status != XENUSERPTR_STATUS_OK) {
			bind_end(core, slot, status, i);
			return false;
		}
	}
	rq->phase = PHASE_BIND;
	rq->cursor = 0;
	return true;
}

bool bind_start_run(struct core *core, uint32_t slot, struct core_op *op)
{
	const struct request *rq = &core->req[slot];
	uint32_t item = ITEM(ITEM_REQUEST, slot);

	if (!is_indirect(rq))
		return bind_plan(core, slot) && bind_run(core, slot, op);
	if (!vm_buffer_get(core, rq->vm, item))
		return false;
	op_begin(core, op, CORE_OP_READ_BIND, item);
	op->gref_directory = rq->req.op.vm_bind.gref_directory;
	op->nr = rq->req.op.vm_bind.nr_ops;
	return true;
}

int bind_start_done(struct core *core, uint32_t slot,
		    const struct core_event *ev)
{
	struct request *rq = &core->req[slot];
	struct core_bind *binds = bind_array(core, rq);
	uint32_t i;

	if (ev->status != XENUSERPTR_STATUS_OK) {
		bind_end(core, slot, status_clean(ev->status), NO_INDEX);
		return 0;
	}
	if (!ev->untrusted_ops)
		return -EINVAL;
	for (i = 0; i < rq->req.op.vm_bind.nr_ops; i++) {
		if (bind_op_validate(&ev->untrusted_ops[i]))
			return -EPROTO;
		binds[i] = bind_from(&ev->untrusted_ops[i]);
	}
	if (bind_plan(core, slot))
		item_ready(core, ITEM(ITEM_REQUEST, slot));
	return 0;
}

/* Moves the cursor to the next map whose object the VM has not imported. */
static bool bind_needs_import(struct core *core, struct request *rq,
			      const struct core_bind *binds)
{
	for (; rq->cursor < rq->req.op.vm_bind.nr_ops; rq->cursor++) {
		const struct core_bind *b = &binds[rq->cursor];

		if (b->op == XENUSERPTR_BIND_MAP &&
		    !core->import[import_find(core, b->obj, rq->vm)].open)
			return true;
	}
	return false;
}

bool bind_run(struct core *core, uint32_t slot, struct core_op *op)
{
	struct request *rq = &core->req[slot];
	const struct core_bind *binds = bind_array(core, rq);

	rq->importing = bind_needs_import(core, rq, binds);
	op_begin(core, op, rq->importing ? CORE_OP_IMPORT : CORE_OP_BIND,
		 ITEM(ITEM_REQUEST, slot));
	op->vm = rq->vm;
	if (rq->importing) {
		op->obj = binds[rq->cursor].obj;
	} else {
		op->binds = binds;
		op->nr = rq->req.op.vm_bind.nr_ops;
	}
	return true;
}

int bind_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	struct request *rq = &core->req[slot];
	const struct core_bind *binds = bind_array(core, rq);
	uint32_t status = status_clean(ev->status);
	uint32_t index = ev->error_index < rq->req.op.vm_bind.nr_ops ?
			 ev->error_index : NO_INDEX;

	if (!rq->importing) {
		bind_end(core, slot, status, index);
	} else if (status != XENUSERPTR_STATUS_OK) {
		bind_end(core, slot, status, rq->cursor);
	} else {
		uint32_t obj = binds[rq->cursor].obj;

		core->import[import_find(core, obj, rq->vm)].open = true;
		item_ready(core, ITEM(ITEM_REQUEST, slot));
	}
	return 0;
}
