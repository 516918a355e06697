// SPDX-License-Identifier: MIT
/*
 * What the tree of mappings says about a chunk: who maps it and how (for
 * MIG_EV_USES after a VM_BIND), and which changes of a VM move it (for the BIND
 * and UNBIND ops of migration); and which pages a VM_BIND touches. Reads only;
 * single-threaded.
 *
 * For a chunk counts what the GPU has. A VM_BIND waits for its chunks to come home with its
 * changes planned: what it will replace (VA_OLD) is still bound then and moves with them,
 * what it will make (VA_NEW) is not. Once its op has gone out they stay home until it is over.
 */
#include "internal.h"
#include "migrate.h"

/* A range of pages of an object, in octets. */
struct span {
	uint64_t start;
	uint64_t end;
};

static struct span pages_span(uint32_t first, uint32_t nr)
{
	uint64_t start = (uint64_t)first * XENUSERPTR_PAGE_SIZE;

	return (struct span){
		start, start + (uint64_t)nr * XENUSERPTR_PAGE_SIZE,
	};
}

/* The part of the span that a mapping shows; false: none. */
static bool va_overlap(const struct gpuva *va, const struct span *span,
		       struct span *part)
{
	uint64_t end = va->offset + (va->end - va->start);

	part->start = span->start > va->offset ? span->start : va->offset;
	part->end = span->end < end ? span->end : end;
	return va->state != VA_NEW && part->start < part->end;
}

static uint32_t import_first_va(const struct core *core, uint32_t obj,
				uint32_t vm)
{
	uint32_t slot = import_find(core, obj, vm);

	return slot == IDMAP_NONE ? NONE : core->va.owner[slot].first;
}

uint32_t core_chunk_access(const struct core *core, uint32_t vm, uint32_t obj,
			   uint32_t first, uint32_t nr)
{
	struct span span = pages_span(first, nr), part;
	uint32_t id = import_first_va(core, obj, vm);
	uint32_t access = MIG_ACCESS_NONE;

	for (; id != NONE; id = core->va.va[id].owner_next) {
		const struct gpuva *va = &core->va.va[id];

		if (!va_overlap(va, &span, &part))
			continue;
		if (!(va->flags & XENUSERPTR_BIND_READONLY))
			return MIG_ACCESS_WRITE;
		access = MIG_ACCESS_READ;
	}
	return access;
}

static struct core_bind bind_of(const struct gpuva *va, uint32_t obj,
				const struct span *part)
{
	return (struct core_bind){
		.op = XENUSERPTR_BIND_MAP,
		.flags = va->flags,
		.obj = obj,
		.offset = part->start,
		.length = part->end - part->start,
		.gpu_va = va->start + (part->start - va->offset),
	};
}

uint32_t core_chunk_binds(const struct core *core, uint32_t vm, uint32_t obj,
			  uint32_t first, uint32_t nr, uint32_t skip,
			  struct core_bind *binds, uint32_t max)
{
	struct span span = pages_span(first, nr), part;
	uint32_t id = import_first_va(core, obj, vm);
	uint32_t found = 0;

	for (; id != NONE && found < max; id = core->va.va[id].owner_next) {
		const struct gpuva *va = &core->va.va[id];

		if (!va_overlap(va, &span, &part))
			continue;
		if (skip)
			skip--;
		else
			binds[found++] = bind_of(va, obj, &part);
	}
	return found;
}

/* Spans that were found so far; those beyond max are only counted. */
struct span_list {
	struct core_span *spans;
	uint32_t nr;
	uint32_t max;
};

/* What a mapping shows at [start, end). */
static void span_add(const struct core *core, const struct gpuva *va,
		     uint64_t start, uint64_t end, struct span_list *list)
{
	if (va->owner == VA_NO_OWNER || start >= end)
		return;
	if (list->nr < list->max)
		list->spans[list->nr] = (struct core_span){
			.obj = core->import[va->owner].obj,
			.first = (uint32_t)((va->offset + (start - va->start)) /
					    XENUSERPTR_PAGE_SIZE),
			.nr = (uint32_t)((end - start) / XENUSERPTR_PAGE_SIZE),
		};
	list->nr++;
}

static void created_spans(const struct core *core, const struct va_space *space,
			  struct span_list *list)
{
	uint32_t id;

	for (id = space->created; id != NONE; id = core->va.va[id].tx_next) {
		const struct gpuva *va = &core->va.va[id];

		if (!va->is_kept)
			span_add(core, va, va->start, va->end, list);
	}
}

/* Of an old mapping what splits have not kept. What is there now is all new. */
static void retired_spans(const struct core *core, const struct va_space *space,
			  const struct gpuva *old, struct span_list *list)
{
	uint64_t at = old->start;
	struct va_cursor cur;
	bool more = va_index_first(&core->va.nodes, &space->index, at, &cur);

	for (; more && cur.start < old->end;
	     more = va_index_next(&core->va.nodes, &cur)) {
		if (!core->va.va[cur.val].is_kept)
			continue;
		span_add(core, old, at, cur.start, list);
		at = cur.end;
	}
	span_add(core, old, at, old->end, list);
}

uint32_t core_bind_spans(const struct core *core, uint32_t vm,
			 struct core_span *spans, uint32_t max)
{
	const struct va_space *space = &core->vm[vm].space;
	struct span_list list = { .spans = spans, .max = max };
	uint32_t id;

	created_spans(core, space, &list);
	for (id = space->retired; id != NONE; id = core->va.va[id].tx_next)
		retired_spans(core, space, &core->va.va[id], &list);
	return list.nr;
}

uint32_t core_object_slot(const struct core *core, uint32_t obj_id)
{
	uint32_t slot = idmap_find(&core->obj_ids, obj_id);

	if (slot == IDMAP_NONE || core->obj[slot].state != OBJ_LIVE)
		return UINT32_MAX;
	return slot;
}

bool core_object_discarded(const struct core *core, uint32_t slot)
{
	const struct object *obj = &core->obj[slot];

	return obj->used && obj->request != NONE &&
	       (obj->state == OBJ_DYING || obj->state == OBJ_UNMAPPING) &&
	       core->req[obj->request].req.op.obj_destroy.flags &
	       XENUSERPTR_DESTROY_DISCARD;
}

bool core_object_at(const struct core *core, uint32_t slot, uint32_t *obj_id,
		    uint32_t *nr_pages)
{
	if (slot >= core->limits.max_objects || !core->obj[slot].used ||
	    core->obj[slot].state != OBJ_LIVE)
		return false;
	*obj_id = core->obj[slot].id;
	*nr_pages = core->obj[slot].nr_pages;
	return true;
}

void core_lost_event(struct core *core, uint32_t obj, uint32_t first,
		     uint32_t nr, struct core_op *op)
{
	*op = (struct core_op){ .type = CORE_OP_EVENT };
	op->evt.id = core->event_id++;
	op->evt.type = XENUSERPTR_EVT_LOST;
	op->evt.op.lost.obj_id = core->obj[obj].id;
	op->evt.op.lost.first_page = first;
	op->evt.op.lost.nr_pages = nr;
}
