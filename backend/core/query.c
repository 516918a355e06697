// SPDX-License-Identifier: MIT
/*
 * QUERY, ADVISE and QUIESCE: requests that are answered at once. Without an
 * engine of migration (core_attach_mig()) every page is home: ADVISE is checked
 * and then has nothing to do, and QUIESCE is already true. Single-threaded.
 */
#include <string.h>

#include "internal.h"
#include "migrate.h"

static struct object *obj_lookup(const struct core *core, uint32_t id)
{
	uint32_t slot = idmap_find(&core->obj_ids, id);

	if (slot == IDMAP_NONE || core->obj[slot].state != OBJ_LIVE)
		return NULL;
	return &core->obj[slot];
}

static uint32_t query_device(const struct core *core, struct request *rq)
{
	struct xen_userptrif_rsp_device *rsp = &rq->rsp.u.device;

	rsp->va_start = core->gpu.va_start;
	rsp->va_end = core->gpu.va_end;
	rsp->page_sizes = core->gpu.page_sizes;
	rsp->features = core->gpu.features;
	rsp->nr_engines = core->gpu.nr_engines;
	rsp->va_bits = core->gpu.va_bits;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t query_name(const struct core *core, struct request *rq)
{
	memcpy(rq->rsp.u.name.name, core->gpu.name, XENUSERPTR_NAME_LEN);
	rq->rsp.u.name.name[XENUSERPTR_NAME_LEN - 1] = 0;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t query_memory(const struct core *core, struct request *rq)
{
	rq->rsp.u.memory.vram_total = core->gpu.vram_total;
	if (core->mig)
		rq->rsp.u.memory.vram_used = mig_vram_used(core->mig) *
					     XENUSERPTR_PAGE_SIZE;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t query_limits(const struct core *core, struct request *rq)
{
	struct xen_userptrif_rsp_limits *rsp = &rq->rsp.u.limits;

	rsp->max_pages = core->limits.max_pages;
	rsp->used_pages = core->pages_used;
	rsp->max_objects = core->limits.max_objects;
	rsp->max_vms = core->limits.max_vms;
	rsp->max_mappings = core->limits.max_mappings;
	rsp->max_jobs = core->limits.max_jobs;
	rsp->max_bind_ops = core->limits.max_bind_ops;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t query_object(const struct core *core, struct request *rq)
{
	const struct object *obj = obj_lookup(core, rq->req.op.query.obj_id);
	struct mig_pages pages = { 0 };

	if (!obj)
		return XENUSERPTR_STATUS_NO_ENTRY;
	pages.home = obj->nr_pages;
	if (core->mig)
		mig_pages(core->mig, (uint32_t)(obj - core->obj), &pages);
	rq->rsp.u.object.pages_home = pages.home;
	rq->rsp.u.object.pages_vram = pages.vram;
	rq->rsp.u.object.pages_lost = pages.lost;
	return XENUSERPTR_STATUS_OK;
}

int query_start(struct core *core, uint32_t slot)
{
	static uint32_t (*const queries[])(const struct core *core,
					   struct request *rq) = {
		[XENUSERPTR_QUERY_DEVICE] = query_device,
		[XENUSERPTR_QUERY_NAME] = query_name,
		[XENUSERPTR_QUERY_MEMORY] = query_memory,
		[XENUSERPTR_QUERY_LIMITS] = query_limits,
		[XENUSERPTR_QUERY_OBJECT] = query_object,
	};
	struct request *rq = &core->req[slot];
	uint32_t what = rq->req.op.query.what;
	uint32_t status = XENUSERPTR_STATUS_INVALID;

	if (what < sizeof(queries) / sizeof(queries[0]) && queries[what])
		status = queries[what](core, rq);
	request_answer(core, slot, status, NO_INDEX);
	return 0;
}

static uint32_t advise_check(const struct core *core,
			     const struct xen_userptrif_advise *req)
{
	const struct object *obj = obj_lookup(core, req->obj_id);
	uint64_t end;

	if (req->advice > XENUSERPTR_ADVICE_NEVER_MOVE || !req->length ||
	    __builtin_add_overflow(req->offset, req->length, &end))
		return XENUSERPTR_STATUS_INVALID;
	if (!(core->gpu.features & XENUSERPTR_FEATURE_MIGRATION))
		return XENUSERPTR_STATUS_UNSUPPORTED;
	if (!obj)
		return XENUSERPTR_STATUS_NO_ENTRY;
	return end > (uint64_t)obj->nr_pages * XENUSERPTR_PAGE_SIZE ?
	       XENUSERPTR_STATUS_INVALID : XENUSERPTR_STATUS_OK;
}

int advise_start(struct core *core, uint32_t slot)
{
	request_answer(core, slot,
		       advise_check(core, &core->req[slot].req.op.advise),
		       NO_INDEX);
	return 0;
}

int quiesce_start(struct core *core, uint32_t slot)
{
	request_answer(core, slot, XENUSERPTR_STATUS_OK, NO_INDEX);
	return 0;
}
