// SPDX-License-Identifier: MIT
/*
 * core_check(): recounts everything and says which invariant is broken. Reads
 * only; shares no code with what it checks but the walk over the VA index.
 *
 * Numbers (DESIGN.md section 9): 1 mappings of a VM do not overlap and are what
 * their objects allow; 2 nothing is released that something still uses; 5
 * counters equal a recount; 6 every request is at exactly one place, and
 * something will move it on from there. What moves checks itself (3, 7, 9, 10:
 * migrate-check.c).
 */
#include "internal.h"
#include "migrate.h"

static uint32_t nr_live(const struct core *core, uint32_t vm)
{
	return core->vm[vm].space.index.nr;
}

/* A record that the tree of a VM or its list of old ones holds. */
static bool mapping_sound(const struct core *core, uint32_t vm,
			  const struct gpuva *va, bool old)
{
	const struct import *im;
	const struct object *obj;

	if ((va->state == VA_OLD) != old || va->start >= va->end ||
	    va->start < core->gpu.va_start || va->end > core->gpu.va_end)
		return false;
	if (va->owner == VA_NO_OWNER)
		return !va->offset;
	im = &core->import[va->owner];
	obj = &core->obj[im->obj];
	if (!im->used || im->vm != vm || !obj->used)
		return false;
	if (obj->flags & XENUSERPTR_OBJ_READONLY &&
	    !(va->flags & XENUSERPTR_BIND_READONLY))
		return false;
	return va->offset + (va->end - va->start) <=
	       (uint64_t)obj->nr_pages * XENUSERPTR_PAGE_SIZE;
}

static bool vm_mappings_sound(const struct core *core, uint32_t vm,
			      uint32_t *nr_nodes, uint32_t *nr_records)
{
	const struct va_space *space = &core->vm[vm].space;
	struct va_cursor cur;
	uint32_t id, old = 0;
	bool more;

	if (!va_index_check(&core->va.nodes, &space->index, nr_nodes))
		return false;
	more = va_index_first(&core->va.nodes, &space->index, 0, &cur);
	for (; more; more = va_index_next(&core->va.nodes, &cur)) {
		const struct gpuva *va = &core->va.va[cur.val];

		if (va->start != cur.start || va->end != cur.end ||
		    !mapping_sound(core, vm, va, false))
			return false;
	}
	for (id = space->retired; id != NONE; id = core->va.va[id].tx_next) {
		if (!mapping_sound(core, vm, &core->va.va[id], true))
			return false;
		old++;
	}
	*nr_records += nr_live(core, vm) + old;
	return old <= space->base;
}

/* Invariant 1, and the part of 5 that counts mappings. */
static int check_mappings(const struct core *core)
{
	uint32_t nodes = 0, records = 0, vm;
	uint64_t charged = 0;

	for (vm = 0; vm < core->vm_pool.fresh; vm++) {
		const struct va_space *space = &core->vm[vm].space;

		if (!core->vm[vm].used)
			continue;
		if (!vm_mappings_sound(core, vm, &nodes, &records))
			return 1;
		if (core->vm[vm].running == NONE && va_busy(space))
			return 1;
		charged += space->base > nr_live(core, vm) ? space->base :
							     nr_live(core, vm);
	}
	if (nodes != core->va.nodes.pool.used ||
	    records != core->va.free.used || charged != core->va.charged ||
	    charged > core->limits.max_mappings)
		return 5;
	return 0;
}

static bool import_sound(const struct core *core, uint32_t slot)
{
	const struct import *im = &core->import[slot];
	const struct va_owner *owner = &core->va.owner[slot];
	uint32_t id, nr = 0;

	if (!core->obj[im->obj].used || !core->vm[im->vm].used)
		return false;
	if (core->obj[im->obj].state != OBJ_LIVE &&
	    core->obj[im->obj].state != OBJ_DYING &&
	    core->obj[im->obj].state != OBJ_BROKEN)
		return false;
	if (import_find(core, im->obj, im->vm) != slot)
		return false;
	for (id = owner->first; id != NONE && nr <= owner->nr;
	     id = core->va.va[id].owner_next, nr++)
		if (core->va.va[id].owner != slot)
			return false;
	/* Only the bind that runs may need an import that is not open. */
	return nr == owner->nr &&
	       (im->open || im->item.place != PLACE_IDLE ||
		core->vm[im->vm].running != NONE);
}

static bool object_sound(const struct core *core, uint32_t slot,
			 uint32_t *listed)
{
	const struct object *obj = &core->obj[slot];
	uint32_t i, busy = 0, nr = 0;

	if (idmap_find(&core->obj_ids, obj->id) != slot)
		return false;
	for (i = obj->imports; i != NONE; i = core->import[i].obj_next) {
		if (!core->import[i].used || core->import[i].obj != slot ||
		    nr++ > core->import_pool.used)
			return false;
		busy += core->import[i].item.place != PLACE_IDLE;
	}
	*listed += nr;
	switch ((enum obj_state)obj->state) {
	case OBJ_CREATING:
	case OBJ_UNMAPPING:
		return !nr && obj->request != NONE;
	case OBJ_LIVE:
	case OBJ_BROKEN:
		return !busy && obj->request == NONE;
	case OBJ_DYING:
		return busy && busy == obj->releasing && obj->request != NONE;
	}
	return false;
}

/* Imports on the lists of all VMs; UINT32_MAX: a list is broken. */
static uint32_t imports_in_vms(const struct core *core)
{
	uint32_t vm, i, nr = 0;

	for (vm = 0; vm < core->vm_pool.fresh; vm++) {
		i = core->vm[vm].used ? core->vm[vm].imports : NONE;
		for (; i != NONE; i = core->import[i].vm_next)
			if (!core->import[i].used ||
			    core->import[i].vm != vm ||
			    nr++ > core->import_pool.used)
				return UINT32_MAX;
	}
	return nr;
}

/* Invariant 2: objects, imports and mappings hold each other. */
static int check_objects(const struct core *core)
{
	uint64_t pages = 0, kept = 0;
	uint32_t i, objects = 0, imports = 0, listed = 0;

	for (i = 0; i < core->obj_pool.fresh; i++) {
		if (!core->obj[i].used)
			continue;
		if (!object_sound(core, i, &listed))
			return 2;
		pages += core->obj[i].nr_pages - core->obj[i].nr_trimmed;
		kept += core->obj[i].nr_pages;
		objects++;
	}
	for (i = 0; i < core->import_pool.fresh; i++) {
		if (!core->import[i].used)
			continue;
		if (!import_sound(core, i))
			return 2;
		imports++;
	}
	if (listed != imports || imports_in_vms(core) != imports)
		return 2;
	if (pages != core->pages_used || pages > core->limits.max_pages ||
	    kept != core->pages_kept || kept > core_max_kept(&core->limits) ||
	    objects != core->obj_pool.used || objects != core->obj_ids.nr ||
	    imports != core->import_pool.used ||
	    imports != core->import_ids.nr)
		return 5;
	return 0;
}

/* Every job is on the timeline that it names, seqnos rise. */
static bool timeline_sound(const struct core *core, uint32_t slot,
			   uint32_t *nr_jobs)
{
	const struct timeline *tl = &core->timeline[slot];
	uint32_t id, prev = NONE, nr = 0;
	bool due = tl->first != NONE &&
		   core->job[tl->first].state == JOB_ENDED;

	for (id = tl->first; id != NONE; prev = id, id = core->job[id].next) {
		const struct job *job = &core->job[id];

		if (!job->used || job->timeline != slot || job->prev != prev ||
		    job->vm != tl->vm || job->seqno > tl->seqno ||
		    nr++ > core->job_pool.used)
			return false;
		if (prev != NONE && core->job[prev].seqno >= job->seqno)
			return false;
	}
	*nr_jobs += nr;
	return tl->last == prev && due == (tl->item.place == PLACE_READY);
}

static int check_jobs(const struct core *core)
{
	uint32_t i, vm, on_lines = 0, of_vms = 0;

	for (i = 0; i < XENUSERPTR_MAX_TIMELINES; i++)
		if (!timeline_sound(core, i, &on_lines))
			return 6;
	for (vm = 0; vm < core->vm_pool.fresh; vm++)
		if (core->vm[vm].used)
			of_vms += core->vm[vm].nr_jobs;
	return on_lines == core->job_pool.used &&
	       of_vms == core->job_pool.used ? 0 : 5;
}

static const struct item *item_at(const struct core *core, uint32_t item)
{
	uint32_t slot = ITEM_SLOT(item);

	switch (ITEM_KIND(item)) {
	case ITEM_REQUEST:
		return slot < core->req_pool.fresh ? &core->req[slot].item :
						     NULL;
	case ITEM_IMPORT:
		return slot < core->import_pool.fresh ?
		       &core->import[slot].item : NULL;
	case ITEM_TIMELINE:
		return slot < XENUSERPTR_MAX_TIMELINES ?
		       &core->timeline[slot].item : NULL;
	}
	return NULL;
}

/* Items on a queue, which all must be at that place; UINT32_MAX: broken. */
static uint32_t queue_count(const struct core *core, const struct queue *queue,
			    enum place place, uint32_t max)
{
	uint32_t item = queue->head, last = queue->tail, nr = 0;

	while (item != NONE) {
		const struct item *it = item_at(core, item);

		if (!it || it->place != place || nr++ == max)
			return UINT32_MAX;
		last = item;
		item = it->next;
	}
	return last == queue->tail ? nr : UINT32_MAX;
}

/* How many items are at each place. */
struct census {
	uint32_t at[PLACE_WAIT + 1];
};

static void census_take(const struct core *core, struct census *census)
{
	uint32_t i;

	*census = (struct census){ .at = { 0 } };
	for (i = 0; i < core->req_pool.fresh; i++)
		census->at[core->req[i].item.place]++;
	for (i = 0; i < core->import_pool.fresh; i++)
		census->at[core->import[i].item.place]++;
	for (i = 0; i < XENUSERPTR_MAX_TIMELINES; i++)
		census->at[core->timeline[i].item.place]++;
}

/* Who waits for a turn waits for somebody who has one. */
static bool vm_sound(const struct core *core, uint32_t slot, uint32_t *waiting)
{
	const struct vm *vm = &core->vm[slot];
	uint32_t nr = queue_count(core, &vm->turns, PLACE_TURN, UINT32_MAX - 1);

	if (idmap_find(&core->vm_ids, vm->id) != slot || nr == UINT32_MAX)
		return false;
	if (nr && vm->running == NONE && !vm->nr_execs)
		return false;
	if (vm->running != NONE && vm->nr_execs)
		return false;
	if (vm->running != NONE &&
	    item_at(core, vm->running)->place == PLACE_IDLE)
		return false;
	*waiting += nr;
	return true;
}

static bool request_waits_rightly(const struct core *core,
				  const struct request *rq)
{
	const struct object *obj = &core->obj[rq->obj];

	switch (rq->phase) {
	case PHASE_RELEASE:
		return obj->state == OBJ_DYING && obj->releasing;
	case PHASE_UNMAP:
		return obj->state == OBJ_UNMAPPING && obj->unmap_done &&
		       !obj->unmapped;
	case PHASE_VM_JOBS:
		return core->vm[rq->vm].nr_jobs;
	}
	return false;
}

static uint32_t bits_set(const uint64_t *word, uint32_t nr)
{
	uint32_t i, bits = 0;

	for (i = 0; i < nr; i++) {
		uint64_t w = word[i];

		for (; w; w &= w - 1)
			bits++;
	}
	return bits;
}

/* Invariant 6. */
static int check_requests(const struct core *core)
{
	uint32_t i, used = 0, turns = 0, vms = 0;
	struct census census;

	census_take(core, &census);
	for (i = 0; i < core->vm_pool.fresh; i++) {
		if (!core->vm[i].used)
			continue;
		vms++;
		if (!vm_sound(core, i, &turns))
			return 6;
	}
	for (i = 0; i < core->req_pool.fresh; i++) {
		const struct request *rq = &core->req[i];

		used += rq->item.place != PLACE_IDLE;
		if (rq->item.place == PLACE_WAIT &&
		    !request_waits_rightly(core, rq))
			return 6;
	}
	if (queue_count(core, &core->ready, PLACE_READY,
			census.at[PLACE_READY]) != census.at[PLACE_READY] ||
	    queue_count(core, &core->buffer_wait, PLACE_BUFFER,
			census.at[PLACE_BUFFER]) != census.at[PLACE_BUFFER] ||
	    turns != census.at[PLACE_TURN])
		return 6;
	/* One that was woken for the free buffer may not have run yet. */
	if (census.at[PLACE_BUFFER] && core->buffers_free &&
	    !census.at[PLACE_READY])
		return 6;
	if (used != core->req_pool.used || used > core->limits.max_requests ||
	    used != bits_set(core->in_flight, NR_IDS / 64))
		return 6;
	return vms == core->vm_pool.used && vms == core->vm_ids.nr ? 0 : 5;
}

int core_check(const struct core *core)
{
	static int (*const checks[])(const struct core *core) = {
		check_mappings, check_objects, check_jobs, check_requests,
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < sizeof(checks) / sizeof(checks[0]); i++)
		ret = checks[i](core);
	if (!ret && core->mig)
		ret = mig_check(core->mig);
	return ret;
}
