// SPDX-License-Identifier: MIT
/*
 * Life of an object. Walk A: OBJ_CREATE: quota -> directory -> map. The way
 * back, OBJ_DESTROY: its import in every VM is released (import.c), then
 * UNMAP, then both the DONE and the module's UNMAPPED are awaited, then the
 * answer. A release that fails leaves the object BROKEN: nothing can bind it,
 * its pages stay charged, and another OBJ_DESTROY tries again; so no frame is
 * given up that something may still use (invariant 2). Single-threaded.
 */
#include <errno.h>

#include "internal.h"

static uint32_t obj_alloc(struct core *core, uint32_t request,
			  const struct xen_userptrif_obj_create *req)
{
	uint32_t slot;
	struct object *obj;

	if (req->nr_pages > core->limits.max_pages - core->pages_used ||
	    req->nr_pages > core_max_kept(&core->limits) - core->pages_kept)
		return NONE;
	slot = pool_get(&core->obj_pool);
	if (slot == NONE)
		return NONE;
	obj = &core->obj[slot];
	*obj = (struct object){
		.id = req->obj_id,
		.state = OBJ_CREATING,
		.flags = req->flags,
		.nr_pages = req->nr_pages,
		.imports = NONE,
		.request = request,
		.used = true,
	};
	core->pages_used += req->nr_pages;
	core->pages_kept += req->nr_pages;
	idmap_insert(&core->obj_ids, req->obj_id, slot);
	return slot;
}

static void obj_free(struct core *core, uint32_t slot)
{
	struct object *obj = &core->obj[slot];

	idmap_remove(&core->obj_ids, obj->id);
	core->pages_used -= obj->nr_pages - obj->nr_trimmed;
	core->pages_kept -= obj->nr_pages;
	obj->used = false;
	pool_put(&core->obj_pool, slot);
}

int obj_create_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	const struct xen_userptrif_obj_create *req = &rq->req.op.obj_create;

	if (idmap_find(&core->obj_ids, req->obj_id) != IDMAP_NONE)
		return -EPROTO;
	if (req->flags & XENUSERPTR_OBJ_READONLY &&
	    !(core->gpu.features & XENUSERPTR_FEATURE_READONLY)) {
		request_answer(core, slot, XENUSERPTR_STATUS_UNSUPPORTED,
			       NO_INDEX);
		return 0;
	}
	rq->obj = obj_alloc(core, slot, req);
	if (rq->obj == NONE) {
		request_answer(core, slot, XENUSERPTR_STATUS_QUOTA, NO_INDEX);
		return 0;
	}
	rq->phase = PHASE_READ_DIR;
	item_ready(core, ITEM(ITEM_REQUEST, slot));
	return 0;
}

bool obj_read_dir_run(struct core *core, uint32_t slot, struct core_op *op)
{
	const struct request *rq = &core->req[slot];

	op_begin(core, op, CORE_OP_READ_DIR, ITEM(ITEM_REQUEST, slot));
	op->obj = rq->obj;
	op->nr = rq->req.op.obj_create.nr_pages;
	op->gref_directory = rq->req.op.obj_create.gref_directory;
	return true;
}

static void obj_create_failed(struct core *core, uint32_t slot,
			      const struct core_event *ev)
{
	uint32_t obj = core->req[slot].obj;
	uint32_t index = ev->error_index < core->obj[obj].nr_pages ?
			 ev->error_index : NO_INDEX;

	obj_free(core, obj);
	request_answer(core, slot, status_clean(ev->status), index);
}

int obj_read_dir_done(struct core *core, uint32_t slot,
		      const struct core_event *ev)
{
	if (ev->status != XENUSERPTR_STATUS_OK) {
		obj_create_failed(core, slot, ev);
		return 0;
	}
	core->req[slot].phase = PHASE_MAP;
	item_ready(core, ITEM(ITEM_REQUEST, slot));
	return 0;
}

bool obj_map_run(struct core *core, uint32_t slot, struct core_op *op)
{
	const struct object *obj = &core->obj[core->req[slot].obj];

	op_begin(core, op, CORE_OP_MAP, ITEM(ITEM_REQUEST, slot));
	op->obj = core->req[slot].obj;
	op->nr = obj->nr_pages;
	op->flags = obj->flags;
	return true;
}

int obj_map_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	struct object *obj = &core->obj[core->req[slot].obj];

	if (ev->status != XENUSERPTR_STATUS_OK) {
		obj_create_failed(core, slot, ev);
		return 0;
	}
	obj->state = OBJ_LIVE;
	obj->request = NONE;
	request_answer(core, slot, XENUSERPTR_STATUS_OK, NO_INDEX);
	return 0;
}

/* Every import is gone, or some could not be released. */
static void obj_release_end(struct core *core, uint32_t slot)
{
	struct object *obj = &core->obj[slot];
	uint32_t request = obj->request;

	if (obj->status == XENUSERPTR_STATUS_OK) {
		obj->state = OBJ_UNMAPPING;
		core->req[request].phase = PHASE_UNMAP;
		item_ready(core, ITEM(ITEM_REQUEST, request));
	} else {
		obj->state = OBJ_BROKEN;
		obj->request = NONE;
		request_answer(core, request, obj->status, NO_INDEX);
	}
}

int obj_destroy_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	uint32_t id = idmap_find(&core->obj_ids, rq->req.op.obj_destroy.obj_id);
	struct object *obj = id == IDMAP_NONE ? NULL : &core->obj[id];
	uint32_t i;

	if (!obj || (obj->state != OBJ_LIVE && obj->state != OBJ_BROKEN)) {
		request_answer(core, slot, XENUSERPTR_STATUS_NO_ENTRY,
			       NO_INDEX);
		return 0;
	}
	if (obj->trimming)
		return -EPROTO;
	rq->obj = id;
	rq->phase = PHASE_RELEASE;
	rq->item.place = PLACE_WAIT;
	obj->state = OBJ_DYING;
	obj->status = XENUSERPTR_STATUS_OK;
	obj->request = slot;
	obj->releasing = 0;
	for (i = obj->imports; i != NONE; i = core->import[i].obj_next) {
		obj->releasing++;
		vm_turn_wait(core, core->import[i].vm, ITEM(ITEM_IMPORT, i));
	}
	if (!obj->releasing)
		obj_release_end(core, id);
	return 0;
}

void obj_import_released(struct core *core, uint32_t slot, uint32_t status)
{
	struct object *obj = &core->obj[slot];

	if (obj->status == XENUSERPTR_STATUS_OK)
		obj->status = status;
	if (!--obj->releasing)
		obj_release_end(core, slot);
}

bool obj_unmap_run(struct core *core, uint32_t slot, struct core_op *op)
{
	struct object *obj = &core->obj[core->req[slot].obj];

	obj->unmap_done = false;
	obj->unmapped = false;
	op_begin(core, op, CORE_OP_UNMAP, ITEM(ITEM_REQUEST, slot));
	op->obj = core->req[slot].obj;
	return true;
}

static void obj_unmap_progress(struct core *core, uint32_t slot)
{
	const struct object *obj = &core->obj[slot];
	uint32_t request = obj->request;

	if (!obj->unmap_done || !obj->unmapped)
		return;
	obj_free(core, slot);
	request_answer(core, request, XENUSERPTR_STATUS_OK, NO_INDEX);
}

int obj_unmap_done(struct core *core, uint32_t slot,
		   const struct core_event *ev)
{
	struct request *rq = &core->req[slot];
	struct object *obj = &core->obj[rq->obj];

	rq->item.place = PLACE_WAIT;
	/* UNMAPPED is proof, whatever else the adapter says. */
	if (ev->status != XENUSERPTR_STATUS_OK && !obj->unmapped) {
		obj->status = status_clean(ev->status);
		obj_release_end(core, rq->obj);
		return 0;
	}
	obj->unmap_done = true;
	obj_unmap_progress(core, rq->obj);
	return 0;
}

int obj_unmapped(struct core *core, uint32_t slot)
{
	struct object *obj;

	if (slot >= core->obj_pool.fresh)
		return -EINVAL;
	obj = &core->obj[slot];
	if (!obj->used || obj->state != OBJ_UNMAPPING || obj->unmapped)
		return -EINVAL;
	obj->unmapped = true;
	obj_unmap_progress(core, slot);
	return 0;
}

int obj_trim_start(struct core *core, uint32_t slot)
{
	struct request *rq = &core->req[slot];
	const struct xen_userptrif_obj_trim *req = &rq->req.op.obj_trim;
	uint32_t id = idmap_find(&core->obj_ids, req->obj_id);
	struct object *obj = id == IDMAP_NONE ? NULL : &core->obj[id];

	if (!obj || obj->state != OBJ_LIVE) {
		request_answer(core, slot, XENUSERPTR_STATUS_NO_ENTRY,
			       NO_INDEX);
		return 0;
	}
	if (obj->trimming || req->first_page >= obj->nr_pages ||
	    req->nr_pages > obj->nr_pages - req->first_page)
		return -EPROTO;
	obj->trimming = true;
	rq->obj = id;
	rq->phase = PHASE_TRIM;
	item_ready(core, ITEM(ITEM_REQUEST, slot));
	return 0;
}

bool obj_trim_run(struct core *core, uint32_t slot, struct core_op *op)
{
	const struct xen_userptrif_obj_trim *req =
		&core->req[slot].req.op.obj_trim;

	op_begin(core, op, CORE_OP_TRIM, ITEM(ITEM_REQUEST, slot));
	op->obj = core->req[slot].obj;
	op->flags = req->flags;
	op->first = req->first_page;
	op->nr = req->nr_pages;
	return true;
}

/* The adapter refuses what was given back before, so nothing counts twice. */
int obj_trim_done(struct core *core, uint32_t slot, const struct core_event *ev)
{
	struct request *rq = &core->req[slot];
	struct object *obj = &core->obj[rq->obj];
	uint32_t nr = rq->req.op.obj_trim.nr_pages;

	if (ev->status == XENUSERPTR_STATUS_OK &&
	    nr > obj->nr_pages - obj->nr_trimmed)
		return -EINVAL;
	obj->trimming = false;
	if (ev->status == XENUSERPTR_STATUS_OK) {
		obj->nr_trimmed += nr;
		core->pages_used -= nr;
	}
	request_answer(core, slot, status_clean(ev->status), NO_INDEX);
	return 0;
}
