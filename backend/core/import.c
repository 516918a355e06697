// SPDX-License-Identifier: MIT
/*
 * One object in one VM. Made by the first VM_BIND that needs it (bind.c),
 * stays when its mappings go, and is released when the object is destroyed:
 * unbind what is mapped, then close. The release waits for its turn in the VM
 * like any request, so a bind that is in flight ends first. With its VM an
 * import just disappears. Single-threaded.
 */
#include "internal.h"

static uint64_t import_key(uint32_t obj, uint32_t vm)
{
	return (uint64_t)obj << 32 | vm;
}

uint32_t import_find(const struct core *core, uint32_t obj, uint32_t vm)
{
	return idmap_find(&core->import_ids, import_key(obj, vm));
}

static void import_link(struct core *core, uint32_t slot)
{
	struct import *im = &core->import[slot];
	struct object *obj = &core->obj[im->obj];
	struct vm *vm = &core->vm[im->vm];

	im->obj_prev = NONE;
	im->obj_next = obj->imports;
	if (obj->imports != NONE)
		core->import[obj->imports].obj_prev = slot;
	obj->imports = slot;
	im->vm_prev = NONE;
	im->vm_next = vm->imports;
	if (vm->imports != NONE)
		core->import[vm->imports].vm_prev = slot;
	vm->imports = slot;
}

static void import_unlink(struct core *core, uint32_t slot)
{
	const struct import *im = &core->import[slot];

	if (im->obj_prev == NONE)
		core->obj[im->obj].imports = im->obj_next;
	else
		core->import[im->obj_prev].obj_next = im->obj_next;
	if (im->obj_next != NONE)
		core->import[im->obj_next].obj_prev = im->obj_prev;
	if (im->vm_prev == NONE)
		core->vm[im->vm].imports = im->vm_next;
	else
		core->import[im->vm_prev].vm_next = im->vm_next;
	if (im->vm_next != NONE)
		core->import[im->vm_next].vm_prev = im->vm_prev;
}

uint32_t import_get(struct core *core, uint32_t obj, uint32_t vm)
{
	uint32_t slot = import_find(core, obj, vm);

	if (slot != IDMAP_NONE)
		return slot;
	slot = pool_get(&core->import_pool);
	if (slot == NONE)
		return NONE;
	core->import[slot] = (struct import){
		.obj = obj,
		.vm = vm,
		.used = true,
	};
	va_owner_init(&core->va.owner[slot]);
	import_link(core, slot);
	idmap_insert(&core->import_ids, import_key(obj, vm), slot);
	return slot;
}

void import_free(struct core *core, uint32_t slot)
{
	struct import *im = &core->import[slot];

	import_unlink(core, slot);
	idmap_remove(&core->import_ids, import_key(im->obj, im->vm));
	im->item.place = PLACE_IDLE;
	im->used = false;
	pool_put(&core->import_pool, slot);
}

/*
 * New imports are at the front of the VM's list and are opened from the back,
 * so the unopened ones end at the first open one. Those whose object is being
 * destroyed are left to their release.
 */
void import_drop_unopened(struct core *core, uint32_t vm)
{
	uint32_t slot = core->vm[vm].imports;

	while (slot != NONE && !core->import[slot].open) {
		uint32_t next = core->import[slot].vm_next;

		if (core->import[slot].item.place == PLACE_IDLE)
			import_free(core, slot);
		slot = next;
	}
}

/* The release has ended, well or not; its turn in the VM too. */
static void import_release_end(struct core *core, uint32_t slot,
			       uint32_t status)
{
	struct import *im = &core->import[slot];
	uint32_t obj = im->obj;
	uint32_t vm = im->vm;

	im->item.place = PLACE_IDLE;
	if (status == XENUSERPTR_STATUS_OK)
		import_free(core, slot);
	vm_buffer_put(core, vm);
	vm_turn_end(core, vm, false);
	obj_import_released(core, obj, status);
}

/* Unmap the first mappings of the import, as many as one bind can take. */
static bool import_unbind_plan(struct core *core, uint32_t slot)
{
	struct vm *vm = &core->vm[core->import[slot].vm];
	struct core_bind *binds = core->buffer[vm->buffer];
	const struct gpuva *va;
	uint32_t id = core->va.owner[slot].first;
	uint32_t nr = 0;

	/* Unmapping keeps the records and their list until the commit. */
	while (id != NONE && nr < core->limits.max_bind_ops) {
		va = &core->va.va[id];
		binds[nr++] = (struct core_bind){
			.op = XENUSERPTR_BIND_UNMAP,
			.gpu_va = va->start,
			.length = va->end - va->start,
		};
		id = va->owner_next;
		if (va_unmap(&core->va, &vm->space, va->start, va->end))
			return false;
	}
	vm->nr_binds = nr;
	return true;
}

static void import_unbind_failed(struct core *core, uint32_t slot,
				 uint32_t status)
{
	struct vm *vm = &core->vm[core->import[slot].vm];

	va_rollback(&core->va, &vm->space);
	import_release_end(core, slot, status);
}

static bool import_unbind_run(struct core *core, uint32_t slot,
			      struct core_op *op)
{
	const struct import *im = &core->import[slot];
	const struct vm *vm = &core->vm[im->vm];

	if (!vm_buffer_get(core, im->vm, ITEM(ITEM_IMPORT, slot)))
		return false;
	if (!import_unbind_plan(core, slot)) {
		import_unbind_failed(core, slot, XENUSERPTR_STATUS_NO_MEMORY);
		return false;
	}
	op_begin(core, op, CORE_OP_BIND, ITEM(ITEM_IMPORT, slot));
	op->vm = im->vm;
	op->binds = core->buffer[vm->buffer];
	op->nr = vm->nr_binds;
	return true;
}

bool import_run(struct core *core, uint32_t slot, struct core_op *op)
{
	struct import *im = &core->import[slot];

	if (core->va.owner[slot].nr)
		return import_unbind_run(core, slot, op);
	if (!im->open) {
		import_release_end(core, slot, XENUSERPTR_STATUS_OK);
		return false;
	}
	im->closing = true;
	op_begin(core, op, CORE_OP_CLOSE, ITEM(ITEM_IMPORT, slot));
	op->obj = im->obj;
	op->vm = im->vm;
	return true;
}

int import_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	struct import *im = &core->import[slot];
	uint32_t status = status_clean(ev->status);

	if (im->closing) {
		im->closing = false;
		import_release_end(core, slot, status);
	} else if (status != XENUSERPTR_STATUS_OK) {
		import_unbind_failed(core, slot, status);
	} else {
		va_commit(&core->va, &core->vm[im->vm].space);
		item_ready(core, ITEM(ITEM_IMPORT, slot));
	}
	return 0;
}
