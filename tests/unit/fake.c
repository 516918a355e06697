// SPDX-License-Identifier: MIT
/* The fake adapter; see fake.h. Single-threaded. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "internal.h"

const struct core_limits fake_limits = {
	.max_pages = 256,
	.max_objects = 8,
	.max_vms = 6,
	.max_mappings = 32,
	.max_jobs = 8,
	.max_requests = 32,
	.max_bind_ops = 16,
	.hash_seed = 0x5eed,
};

const struct core_gpu fake_gpu = {
	.name = "fake",
	.va_start = FAKE_VA_START,
	.va_end = FAKE_VA_START + FAKE_PAGES * FAKE_PAGE,
	.page_sizes = FAKE_PAGE,
	.vram_total = 1 << 20,
	.features = XENUSERPTR_FEATURE_READONLY | XENUSERPTR_FEATURE_SPARSE,
	.nr_engines = 2,
	.va_bits = 48,
	.nr_gpus = 2,
};

void fake_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	abort();
}

struct fake *fake_new(const struct core_limits *limits,
		      const struct core_gpu *gpu)
{
	static struct xen_userptrif_rsp rsp[FAKE_IDS];
	struct fake *fake = calloc(1, sizeof(*fake));
	size_t size;

	FAKE_ASSERT(fake);
	fake->limits = limits ? *limits : fake_limits;
	size = core_size(&fake->limits);
	FAKE_ASSERT(size);
	fake->mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
	FAKE_ASSERT(fake->mem);
	memset(fake->mem, 0, size);
	fake->core = core_init(fake->mem, &fake->limits, gpu ? gpu : &fake_gpu);
	FAKE_ASSERT(fake->core);
	fake->rsp = rsp;
	fake->max_ops = 4;
	fake->check_every = 1;
	fake->fail_status = XENUSERPTR_STATUS_IO;
	return fake;
}

void fake_free(struct fake *fake)
{
	unsigned int i;

	for (i = 0; i < FAKE_MAX; i++)
		free(fake->obj[i].trimmed);
	free(fake->mem);
	free(fake);
}

static void respond(struct fake *fake, const struct xen_userptrif_rsp *rsp)
{
	FAKE_ASSERT(fake->in_flight[rsp->id]);
	FAKE_ASSERT(rsp->operation && !rsp->reserved);
	FAKE_ASSERT(rsp->status <= XENUSERPTR_STATUS_BUSY);
	fake->answers_by_status[rsp->status]++;
	fake->in_flight[rsp->id] = false;
	fake->answered[rsp->id] = true;
	fake->nr_in_flight--;
	fake->rsp[rsp->id] = *rsp;
}

/* The oldest job of the timeline whose fence is not written. */
static struct fake_job *oldest_job(struct fake *fake, uint32_t timeline)
{
	struct fake_job *oldest = NULL;
	unsigned int i;

	for (i = 0; i < FAKE_MAX; i++) {
		struct fake_job *job = &fake->job[i];

		if (job->running && job->timeline == timeline &&
		    (!oldest || job->seqno < oldest->seqno))
			oldest = job;
	}
	return oldest;
}

static void event(struct fake *fake, const struct xen_userptrif_evt *evt)
{
	FAKE_ASSERT(evt->type == XENUSERPTR_EVT_FENCE);
	FAKE_ASSERT(evt->id == (uint16_t)fake->nr_events);
	FAKE_ASSERT(evt->op.fence.status != XENUSERPTR_STATUS_OK);
	FAKE_ASSERT(evt->op.fence.seqno >
		    fake->fence[evt->op.fence.timeline]);
	fake->nr_events++;
	fake->last_event = *evt;
	fake->error_seqno[evt->op.fence.timeline] = evt->op.fence.seqno;
}

/* Never back, never early, errors told first. */
static void fence(struct fake *fake, const struct core_op *op)
{
	struct fake_job *job = oldest_job(fake, op->timeline);

	FAKE_ASSERT(op->seqno > fake->fence[op->timeline]);
	FAKE_ASSERT(job && job->ended && job->seqno == op->seqno);
	if (job->status != XENUSERPTR_STATUS_OK)
		FAKE_ASSERT(fake->error_seqno[op->timeline] == op->seqno);
	fake->fence[op->timeline] = op->seqno;
	job->running = false;
}

static bool bound_in(const struct fake *fake, uint32_t obj, uint32_t vm)
{
	unsigned int i;

	for (i = 0; i < FAKE_PAGES; i++)
		if (fake->vm[vm].pte[i].kind == XENUSERPTR_BIND_MAP &&
		    fake->vm[vm].pte[i].obj == obj)
			return true;
	return false;
}

static bool imported_anywhere(const struct fake *fake, uint32_t obj)
{
	unsigned int i;

	for (i = 0; i < FAKE_MAX; i++)
		if (fake->vm[i].imported[obj])
			return true;
	return false;
}

/* Is this bind one that a GPU driver would accept? */
static void bind_legal(const struct fake *fake, const struct core_op *op,
		       const struct core_bind *b)
{
	uint64_t end = b->gpu_va + b->length;

	FAKE_ASSERT(b->length && !(b->length % FAKE_PAGE));
	FAKE_ASSERT(b->gpu_va >= FAKE_VA_START && !(b->gpu_va % FAKE_PAGE));
	FAKE_ASSERT(end > b->gpu_va &&
		    end <= FAKE_VA_START + FAKE_PAGES * FAKE_PAGE);
	if (b->op != XENUSERPTR_BIND_MAP)
		return;
	FAKE_ASSERT(b->obj < FAKE_MAX);
	FAKE_ASSERT(fake->vm[op->vm].imported[b->obj]);
	FAKE_ASSERT(fake->obj[b->obj].mapped);
	FAKE_ASSERT(b->offset + b->length <=
		    (uint64_t)fake->obj[b->obj].nr_pages * FAKE_PAGE);
	FAKE_ASSERT(b->flags & XENUSERPTR_BIND_READONLY ||
		    !(fake->obj[b->obj].flags & XENUSERPTR_OBJ_READONLY));
}

/* Is this op legal in the fake's picture of the world? */
static void op_legal(const struct fake *fake, const struct core_op *op)
{
	uint32_t i;

	switch (op->type) {
	case CORE_OP_READ_DIR:
		FAKE_ASSERT(op->obj < fake->limits.max_objects);
		FAKE_ASSERT(!fake->obj[op->obj].list && op->nr);
		break;
	case CORE_OP_READ_BIND:
		FAKE_ASSERT(op->nr && op->gref_directory);
		break;
	case CORE_OP_MAP:
		FAKE_ASSERT(fake->obj[op->obj].list);
		FAKE_ASSERT(!fake->obj[op->obj].mapped);
		break;
	case CORE_OP_UNMAP:
		FAKE_ASSERT(fake->obj[op->obj].mapped);
		FAKE_ASSERT(!imported_anywhere(fake, op->obj));
		break;
	case CORE_OP_TRIM:
		FAKE_ASSERT(fake->obj[op->obj].mapped && op->nr);
		FAKE_ASSERT(op->first < fake->obj[op->obj].nr_pages &&
			    op->nr <= fake->obj[op->obj].nr_pages - op->first);
		break;
	case CORE_OP_VM_OPEN:
		FAKE_ASSERT(op->vm < fake->limits.max_vms);
		FAKE_ASSERT(!fake->vm[op->vm].open);
		FAKE_ASSERT(op->gpu < fake->core->gpu.nr_gpus);
		break;
	case CORE_OP_VM_CLOSE:
		FAKE_ASSERT(fake->vm[op->vm].open);
		break;
	case CORE_OP_IMPORT:
		FAKE_ASSERT(fake->vm[op->vm].open && fake->obj[op->obj].mapped);
		FAKE_ASSERT(!fake->vm[op->vm].imported[op->obj]);
		break;
	case CORE_OP_CLOSE:
		FAKE_ASSERT(fake->vm[op->vm].imported[op->obj]);
		FAKE_ASSERT(!bound_in(fake, op->obj, op->vm));
		break;
	case CORE_OP_BIND:
		FAKE_ASSERT(fake->vm[op->vm].open && op->nr);
		for (i = 0; i < op->nr; i++)
			bind_legal(fake, op, &op->binds[i]);
		break;
	case CORE_OP_EXEC:
		FAKE_ASSERT(fake->vm[op->vm].open);
		FAKE_ASSERT(op->job < fake->limits.max_jobs);
		FAKE_ASSERT(!fake->job[op->job].running);
		break;
	case CORE_OP_RESPOND:
	case CORE_OP_EVENT:
	case CORE_OP_FENCE:
		break;
	}
}

static void op_take(struct fake *fake, const struct core_op *op)
{
	unsigned int i;

	op_legal(fake, op);
	fake->ops_by_type[op->type]++;
	switch (op->type) {
	case CORE_OP_RESPOND:
		respond(fake, &op->rsp);
		return;
	case CORE_OP_EVENT:
		event(fake, &op->evt);
		return;
	case CORE_OP_FENCE:
		fence(fake, op);
		return;
	default: /* the rest is answered later */
		break;
	}
	for (i = 0; i < fake->nr_pending; i++)
		FAKE_ASSERT(fake->pending[i].id != op->id);
	FAKE_ASSERT(fake->nr_pending < FAKE_OPS);
	fake->pending[fake->nr_pending++] = *op;
}

static void check(struct fake *fake)
{
	int broken;

	if (++fake->nr_steps % fake->check_every)
		return;
	broken = core_check(fake->core);
	if (broken)
		fprintf(stderr, "invariant %d is broken\n", broken);
	FAKE_ASSERT(!broken);
}

int fake_event(struct fake *fake, const struct core_event *ev)
{
	struct core_op ops[16];
	unsigned int nr, i;
	int ret;

	do {
		ret = core_step(fake->core, ev, ops, fake->max_ops, &nr);
		FAKE_ASSERT(nr <= fake->max_ops);
		FAKE_ASSERT(ret >= 0 || !nr);
		for (i = 0; i < nr; i++)
			op_take(fake, &ops[i]);
		check(fake);
		ev = NULL;
	} while (ret == 1);
	return ret;
}

int fake_request(struct fake *fake, const struct xen_userptrif_req *req)
{
	struct core_event ev = {
		.type = CORE_EV_REQUEST,
		.untrusted_req = req,
	};
	bool was = fake->in_flight[req->id];
	int ret;

	fake->in_flight[req->id] = true;
	fake->answered[req->id] = false;
	fake->nr_in_flight += !was;
	ret = fake_event(fake, &ev);
	FAKE_ASSERT(!was || ret == -EPROTO);
	if (ret == -EPROTO && !was) {
		fake->in_flight[req->id] = false;
		fake->nr_in_flight--;
	}
	return ret;
}

static void bind_perform(struct fake *fake, const struct core_op *op)
{
	uint32_t i, j;

	for (i = 0; i < op->nr; i++) {
		const struct core_bind *b = &op->binds[i];
		uint32_t first = (uint32_t)((b->gpu_va - FAKE_VA_START) /
					    FAKE_PAGE);

		for (j = 0; j < b->length / FAKE_PAGE; j++) {
			struct fake_pte *pte = &fake->vm[op->vm].pte[first + j];

			memset(pte, 0, sizeof(*pte));
			if (b->op == XENUSERPTR_BIND_UNMAP)
				continue;
			pte->kind = b->op;
			pte->readonly = b->flags & XENUSERPTR_BIND_READONLY;
			if (b->op == XENUSERPTR_BIND_MAP) {
				pte->obj = b->obj;
				pte->page = (uint32_t)(b->offset / FAKE_PAGE) +
					    j;
			}
		}
	}
}

/* As the module: all of them, and none that was given back before. */
static bool trim_perform(struct fake *fake, const struct core_op *op)
{
	struct fake_obj *obj = &fake->obj[op->obj];
	uint32_t i;

	if (!obj->trimmed)
		obj->trimmed = calloc(obj->nr_pages, sizeof(*obj->trimmed));
	FAKE_ASSERT(obj->trimmed);
	for (i = op->first; i < op->first + op->nr; i++)
		if (obj->trimmed[i])
			return false;
	memset(obj->trimmed + op->first, true, op->nr);
	return true;
}

static void op_perform(struct fake *fake, const struct core_op *op)
{
	switch (op->type) {
	case CORE_OP_READ_DIR:
		fake->obj[op->obj].list = true;
		fake->obj[op->obj].nr_pages = op->nr;
		break;
	case CORE_OP_MAP:
		fake->obj[op->obj].mapped = true;
		fake->obj[op->obj].flags = op->flags;
		break;
	case CORE_OP_UNMAP:
		fake->obj[op->obj].unmapping = !fake->obj[op->obj].early;
		fake->obj[op->obj].early = false;
		fake->obj[op->obj].list = false;
		fake->obj[op->obj].mapped = false;
		free(fake->obj[op->obj].trimmed);
		fake->obj[op->obj].trimmed = NULL;
		break;
	case CORE_OP_VM_OPEN:
		fake->vm[op->vm].open = true;
		break;
	case CORE_OP_VM_CLOSE:
		memset(&fake->vm[op->vm], 0, sizeof(fake->vm[op->vm]));
		break;
	case CORE_OP_IMPORT:
		fake->vm[op->vm].imported[op->obj] = true;
		break;
	case CORE_OP_CLOSE:
		fake->vm[op->vm].imported[op->obj] = false;
		break;
	case CORE_OP_BIND:
		bind_perform(fake, op);
		break;
	case CORE_OP_EXEC:
		fake->job[op->job] = (struct fake_job){
			.running = true,
			.vm = op->vm,
			.timeline = op->timeline,
			.seqno = op->seqno,
		};
		break;
	case CORE_OP_TRIM:	/* it may refuse: trim_perform() */
	case CORE_OP_READ_BIND:
	case CORE_OP_RESPOND:
	case CORE_OP_EVENT:
	case CORE_OP_FENCE:
		break;
	}
}

int fake_complete(struct fake *fake, unsigned int place, uint32_t status)
{
	struct core_op op = fake->pending[place];
	struct core_event ev = {
		.type = CORE_EV_DONE,
		.op_id = op.id,
		.status = status,
	};

	fake->nr_pending--;
	memmove(&fake->pending[place], &fake->pending[place + 1],
		(fake->nr_pending - place) * sizeof(op));
	fake->nr_answered++;
	if (op.type == CORE_OP_UNMAP && fake->obj[op.obj].early) {
		ev.status = XENUSERPTR_STATUS_OK;
	} else if (fake->nr_answered == fake->fail_at) {
		ev.status = fake->fail_status;
		fake->nr_failed++;
	}
	if (ev.status == XENUSERPTR_STATUS_OK && op.type == CORE_OP_TRIM &&
	    !trim_perform(fake, &op))
		ev.status = XENUSERPTR_STATUS_INVALID;
	if (ev.status == XENUSERPTR_STATUS_OK)
		op_perform(fake, &op);
	else if (op.type == CORE_OP_MAP)
		fake->obj[op.obj].list = false;
	if (op.type == CORE_OP_READ_BIND) {
		FAKE_ASSERT(fake->any_list || op.gref_directory < FAKE_LISTS);
		ev.untrusted_ops = fake->any_list ? fake->any_list :
				   fake->list[op.gref_directory];
	}
	return fake_event(fake, &ev);
}

int fake_unmapped(struct fake *fake, uint32_t obj)
{
	struct core_event ev = { .type = CORE_EV_UNMAPPED, .obj = obj };

	if (fake->obj[obj].unmapping)
		fake->obj[obj].unmapping = false;
	else
		fake->obj[obj].early = true;
	return fake_event(fake, &ev);
}

static bool unmapped_next(struct fake *fake)
{
	unsigned int i;

	for (i = 0; i < FAKE_MAX; i++)
		if (fake->obj[i].unmapping) {
			FAKE_ASSERT(fake_unmapped(fake, i) == 0);
			return true;
		}
	return false;
}

void fake_run(struct fake *fake)
{
	do {
		while (fake->nr_pending)
			FAKE_ASSERT(fake_complete(fake, 0,
					XENUSERPTR_STATUS_OK) == 0);
	} while (unmapped_next(fake));
}

int fake_job_end(struct fake *fake, uint32_t job, uint32_t status,
		 uint64_t fault_va)
{
	struct core_event ev = {
		.type = CORE_EV_JOB,
		.job = job,
		.status = status,
		.fault_va = fault_va,
	};

	fake->job[job].ended = true;
	fake->job[job].status = status;
	return fake_event(fake, &ev);
}

void fake_jobs_end(struct fake *fake, uint32_t vm, uint32_t status)
{
	unsigned int i;

	for (i = 0; i < FAKE_MAX; i++)
		if (fake->job[i].running && !fake->job[i].ended &&
		    (vm == UINT32_MAX || fake->job[i].vm == vm))
			FAKE_ASSERT(fake_job_end(fake, i, status, 0) == 0);
}

static void compare_page(struct fake *fake, uint32_t vm, uint32_t page)
{
	const struct fake_pte *pte = &fake->vm[vm].pte[page];
	uint64_t addr = FAKE_VA_START + (uint64_t)page * FAKE_PAGE;
	const struct gpuva *va = va_find(&fake->core->va,
					 &fake->core->vm[vm].space, addr);

	FAKE_ASSERT(!va == !pte->kind);
	if (!va)
		return;
	FAKE_ASSERT((va->flags & XENUSERPTR_BIND_READONLY) == pte->readonly);
	FAKE_ASSERT((va->owner == VA_NO_OWNER) ==
		    (pte->kind == XENUSERPTR_BIND_MAP_NULL));
	if (va->owner == VA_NO_OWNER)
		return;
	FAKE_ASSERT(fake->core->import[va->owner].obj == pte->obj);
	FAKE_ASSERT(va->offset + (addr - va->start) ==
		    (uint64_t)pte->page * FAKE_PAGE);
}

void fake_compare(struct fake *fake)
{
	uint32_t vm, page;

	for (vm = 0; vm < fake->limits.max_vms; vm++)
		for (page = 0; fake->vm[vm].open && page < FAKE_PAGES; page++)
			compare_page(fake, vm, page);
}

void fake_assert_empty(struct fake *fake)
{
	const struct core *core = fake->core;

	FAKE_ASSERT(!fake->nr_pending && !fake->nr_in_flight);
	FAKE_ASSERT(!core->pages_used && !core->va.charged);
	FAKE_ASSERT(!core->va.free.used && !core->va.nodes.pool.used);
	FAKE_ASSERT(!core->req_pool.used && !core->obj_pool.used);
	FAKE_ASSERT(!core->vm_pool.used && !core->import_pool.used);
	FAKE_ASSERT(!core->job_pool.used);
	FAKE_ASSERT(core->buffers_free == (1U << NR_BUFFERS) - 1);
}
