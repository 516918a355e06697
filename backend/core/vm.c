// SPDX-License-Identifier: MIT
/*
 * GPU address spaces: life, and the order of what happens in one. Items that
 * name a VM take turns in the order in which they came: VM_BIND, VM_DESTROY
 * and the release of an import run alone; EXECs run together, because their
 * ops are performed in order anyway. VM_DESTROY is answered when the close is
 * DONE and the fence of the last job is written. Single-threaded.
 */
#include "internal.h"

#include <errno.h>

uint32_t vm_lookup(const struct core *core, uint32_t id)
{
	uint32_t slot = idmap_find(&core->vm_ids, id);

	if (slot == IDMAP_NONE || core->vm[slot].state != VM_OPEN)
		return NONE;
	return slot;
}

int vm_create_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	uint32_t id = rq->req.op.vm_create.vm_id;
	struct vm *vm;

	if (idmap_find(&core->vm_ids, id) != IDMAP_NONE)
		return -EPROTO;
	if (rq->req.op.vm_create.gpu >= core->gpu.nr_gpus) {
		request_answer(core, slot, XENUSERPTR_STATUS_INVALID, NO_INDEX);
		return 0;
	}
	rq->vm = pool_get(&core->vm_pool);
	if (rq->vm == NONE) {
		request_answer(core, slot, XENUSERPTR_STATUS_QUOTA, NO_INDEX);
		return 0;
	}
	vm = &core->vm[rq->vm];
	*vm = (struct vm){
		.id = id,
		.state = VM_OPENING,
		.running = NONE,
		.imports = NONE,
		.buffer = NONE,
		.used = true,
	};
	queue_init(&vm->turns);
	va_space_init(&vm->space);
	idmap_insert(&core->vm_ids, id, rq->vm);
	rq->phase = PHASE_VM_OPEN;
	item_ready(core, ITEM(ITEM_REQUEST, slot));
	return 0;
}

static void vm_free(struct core *core, uint32_t slot)
{
	struct vm *vm = &core->vm[slot];

	idmap_remove(&core->vm_ids, vm->id);
	vm->used = false;
	pool_put(&core->vm_pool, slot);
}

bool vm_open_run(struct core *core, uint32_t slot, struct core_op *op)
{
	op_begin(core, op, CORE_OP_VM_OPEN, ITEM(ITEM_REQUEST, slot));
	op->vm = core->req[slot].vm;
	op->gpu = core->req[slot].req.op.vm_create.gpu;
	return true;
}

int vm_open_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	uint32_t vm = core->req[slot].vm;

	if (ev->status == XENUSERPTR_STATUS_OK)
		core->vm[vm].state = VM_OPEN;
	else
		vm_free(core, vm);
	request_answer(core, slot, status_clean(ev->status), NO_INDEX);
	return 0;
}

static bool is_exec(const struct core *core, uint32_t item)
{
	return ITEM_KIND(item) == ITEM_REQUEST &&
	       core->req[ITEM_SLOT(item)].req.operation == XENUSERPTR_OP_EXEC;
}

/* Give turns to as many items as may have one now. */
static void vm_turns(struct core *core, struct vm *vm)
{
	while (vm->turns.head != NONE && vm->running == NONE) {
		if (is_exec(core, vm->turns.head))
			vm->nr_execs++;
		else if (vm->nr_execs)
			return;
		else
			vm->running = vm->turns.head;
		item_ready(core, queue_pop(core, &vm->turns));
	}
}

void vm_turn_wait(struct core *core, uint32_t slot, uint32_t item)
{
	struct vm *vm = &core->vm[slot];

	queue_push(core, &vm->turns, item, PLACE_TURN);
	vm_turns(core, vm);
}

void vm_turn_end(struct core *core, uint32_t slot, bool exec)
{
	struct vm *vm = &core->vm[slot];

	if (exec)
		vm->nr_execs--;
	else
		vm->running = NONE;
	vm_turns(core, vm);
}

bool vm_buffer_get(struct core *core, uint32_t slot, uint32_t item)
{
	struct vm *vm = &core->vm[slot];
	uint32_t i;

	for (i = 0; i < NR_BUFFERS && vm->buffer == NONE; i++)
		if (core->buffers_free >> i & 1) {
			core->buffers_free &= ~(1U << i);
			vm->buffer = i;
		}
	if (vm->buffer == NONE)
		queue_push(core, &core->buffer_wait, item, PLACE_BUFFER);
	return vm->buffer != NONE;
}

void vm_buffer_put(struct core *core, uint32_t slot)
{
	struct vm *vm = &core->vm[slot];
	uint32_t item;

	if (vm->buffer == NONE)
		return;
	core->buffers_free |= 1U << vm->buffer;
	vm->buffer = NONE;
	item = queue_pop(core, &core->buffer_wait);
	if (item != NONE)
		item_ready(core, item);
}

int vm_destroy_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	uint32_t id = idmap_find(&core->vm_ids, rq->req.op.vm_destroy.vm_id);
	struct vm *vm = id == IDMAP_NONE ? NULL : &core->vm[id];

	if (!vm || (vm->state != VM_OPEN && vm->state != VM_BROKEN)) {
		request_answer(core, slot, XENUSERPTR_STATUS_NO_ENTRY,
			       NO_INDEX);
		return 0;
	}
	vm->state = VM_CLOSING;
	rq->vm = id;
	rq->phase = PHASE_VM_CLOSE;
	vm_turn_wait(core, id, ITEM(ITEM_REQUEST, slot));
	return 0;
}

bool vm_close_run(struct core *core, uint32_t slot, struct core_op *op)
{
	op_begin(core, op, CORE_OP_VM_CLOSE, ITEM(ITEM_REQUEST, slot));
	op->vm = core->req[slot].vm;
	return true;
}

/* Closed, and no job is left: its mappings and imports are no more. */
static void vm_gone(struct core *core, uint32_t slot)
{
	struct vm *vm = &core->vm[slot];
	uint32_t request = ITEM_SLOT(vm->running);
	uint32_t i;

	va_clear(&core->va, &vm->space);
	while ((i = vm->imports) != NONE) {
		uint32_t obj = core->import[i].obj;
		bool waits = core->import[i].item.place == PLACE_TURN;

		import_free(core, i);
		if (waits)
			obj_import_released(core, obj, XENUSERPTR_STATUS_OK);
	}
	timelines_unbind(core, slot);
	vm_free(core, slot);
	request_answer(core, request, XENUSERPTR_STATUS_OK, NO_INDEX);
}

int vm_close_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	struct request *rq = &core->req[slot];
	struct vm *vm = &core->vm[rq->vm];

	if (ev->status != XENUSERPTR_STATUS_OK) {
		vm->state = VM_BROKEN;
		request_answer(core, slot, status_clean(ev->status), NO_INDEX);
		vm_turn_end(core, rq->vm, false);
		return 0;
	}
	rq->phase = PHASE_VM_JOBS;
	rq->item.place = PLACE_WAIT;
	if (!vm->nr_jobs)
		vm_gone(core, rq->vm);
	return 0;
}

void vm_job_put(struct core *core, uint32_t slot)
{
	struct vm *vm = &core->vm[slot];

	if (--vm->nr_jobs || vm->running == NONE ||
	    ITEM_KIND(vm->running) != ITEM_REQUEST)
		return;
	if (core->req[ITEM_SLOT(vm->running)].phase == PHASE_VM_JOBS)
		vm_gone(core, slot);
}
