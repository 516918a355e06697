// SPDX-License-Identifier: MIT
/* What fake-back does with one request. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"

/* Of one job, with four events each. */
#define CHATTER_ROUNDS	4U

static struct fake_object *object_find(struct fake *fake, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < FAKE_OBJECTS; i++)
		if (fake->object[i].id == id && !fake->object[i].kept)
			return &fake->object[i];
	return NULL;
}

static struct fake_object *object_slot(struct fake *fake)
{
	uint32_t i;

	for (i = 0; i < FAKE_OBJECTS; i++)
		if (!fake->object[i].map)
			return &fake->object[i];
	return NULL;
}

static void object_unmap(struct fake *fake, struct fake_object *object)
{
	if (xengnttab_unmap(fake->gnttab, object->map, object->nr_pages))
		fake_die("unmap an object");
	memset(object, 0, sizeof(*object));
}

void fake_unmap_kept(struct fake *fake)
{
	uint32_t i, pages = 0;

	for (i = 0; i < fake->nr_kept; i++) {
		if (xengnttab_unmap(fake->gnttab, fake->kept[i].map,
				    fake->kept[i].nr_pages))
			fake_die("unmap what was kept");
		pages += fake->kept[i].nr_pages;
	}
	fake->nr_kept = 0;
	for (i = 0; i < FAKE_OBJECTS; i++) {
		if (!fake->object[i].map || !fake->object[i].kept)
			continue;
		pages += fake->object[i].nr_pages;
		object_unmap(fake, &fake->object[i]);
	}
	printf("fake-back: unmapped %u kept pages\n", pages);
}

void fake_unmap_all(struct fake *fake)
{
	uint32_t i;

	for (i = 0; i < FAKE_OBJECTS; i++)
		if (fake->object[i].map)
			object_unmap(fake, &fake->object[i]);
	fake->nr_objects = 0;
	fake->nr_late = 0;
	memset(fake->stuck, 0, sizeof(fake->stuck));
}

/* Read a directory page as the real backend does: by grant copy. */
static int dir_copy(struct fake *fake, uint32_t gref,
		    struct xen_userptrif_dir *dir)
{
	xengnttab_grant_copy_segment_t segment = {
		.source.foreign = { gref, 0, (uint16_t)fake->domid },
		.dest.virt = dir,
		.len = sizeof(*dir),
		.flags = GNTCOPY_source_gref,
	};

	if (xengnttab_grant_copy(fake->gnttab, 1, &segment) ||
	    segment.status != GNTST_okay)
		return -1;
	if (fake->keep_dirs)
		fake_map_keep(fake, xengnttab_map_grant_ref(fake->gnttab,
							    fake->domid, gref,
							    PROT_READ), 1);
	return 0;
}

static int dir_read(struct fake *fake, uint32_t gref, uint32_t *grefs,
		    uint32_t nr)
{
	static struct xen_userptrif_dir dir
		__attribute__((aligned(XENUSERPTR_PAGE_SIZE)));
	uint32_t done = 0, part;

	while (done < nr) {
		part = nr - done;
		if (part > XENUSERPTR_DIR_ENTRIES)
			part = XENUSERPTR_DIR_ENTRIES;
		if (!gref || dir_copy(fake, gref, &dir))
			return -1;
		memcpy(grefs + done, dir.gref, part * sizeof(*grefs));
		done += part;
		gref = dir.next;
	}
	return gref ? -1 : 0;
}

static uint32_t object_create(struct fake *fake,
			      const struct xen_userptrif_obj_create *create)
{
	struct fake_object *object = object_slot(fake);
	int prot = PROT_READ;
	uint32_t *grefs;

	if (!object || fake->nr_objects >= fake->max_objects)
		return XENUSERPTR_STATUS_QUOTA;
	grefs = calloc(create->nr_pages, sizeof(*grefs));
	if (!grefs)
		return XENUSERPTR_STATUS_NO_MEMORY;
	if (dir_read(fake, create->gref_directory, grefs, create->nr_pages)) {
		free(grefs);
		return XENUSERPTR_STATUS_BAD_GREF;
	}
	if (!(create->flags & XENUSERPTR_OBJ_READONLY))
		prot |= PROT_WRITE;
	object->map = xengnttab_map_domain_grant_refs(fake->gnttab,
						      create->nr_pages,
						      fake->domid, grefs, prot);
	free(grefs);
	if (!object->map)
		return XENUSERPTR_STATUS_BAD_GREF;
	object->id = create->obj_id;
	object->nr_pages = create->nr_pages;
	fake->nr_objects++;
	return XENUSERPTR_STATUS_OK;
}

static uint32_t object_destroy(struct fake *fake, uint32_t id)
{
	struct fake_object *object = object_find(fake, id);

	if (!object)
		return XENUSERPTR_STATUS_NO_ENTRY;
	fake->nr_objects--;
	if (fake->keep)
		object->kept = true;
	else
		object_unmap(fake, object);
	if (!fake->sour)
		return XENUSERPTR_STATUS_OK;
	fake->sour_id = id;
	return XENUSERPTR_STATUS_IO;
}

static void job_error(struct fake *fake, uint32_t timeline, uint64_t seqno,
		      uint32_t status)
{
	struct xen_userptrif_evt evt = { .type = XENUSERPTR_EVT_FENCE };

	evt.op.fence.timeline = timeline;
	evt.op.fence.status = status;
	evt.op.fence.seqno = seqno;
	if (status == XENUSERPTR_STATUS_GPU_FAULT)
		evt.op.fence.fault_va = 0xdead000;
	fake_event(fake, &evt);
}

static void objects_lose(struct fake *fake, uint64_t first_page)
{
	struct xen_userptrif_evt evt = { .type = XENUSERPTR_EVT_LOST };
	uint32_t i;

	evt.op.lost.first_page = first_page;
	evt.op.lost.nr_pages = 2;
	for (i = 0; i < FAKE_OBJECTS; i++) {
		if (!fake->object[i].id || fake->object[i].kept ||
		    fake->object[i].nr_pages < 3)
			continue;
		evt.op.lost.obj_id = fake->object[i].id;
		fake_event(fake, &evt);
	}
	evt.op.lost.obj_id = fake->sour_id;
	if (fake->sour_id)
		fake_event(fake, &evt);
}

static void job_end(struct fake *fake, uint32_t timeline, uint64_t seqno)
{
	xen_wmb();
	__atomic_store_n(&fake->fences->seqno[timeline], seqno,
			 __ATOMIC_RELEASE);
	fake_notify(fake);
}

static void job_stick(struct fake *fake,
		      const struct xen_userptrif_exec *exec)
{
	uint32_t i;

	for (i = 0; i < FAKE_STUCK; i++) {
		if (fake->stuck[i].used)
			continue;
		fake->stuck[i].used = true;
		fake->stuck[i].vm_id = exec->vm_id;
		fake->stuck[i].timeline = exec->timeline;
		fake->stuck[i].seqno = exec->seqno;
		return;
	}
	fake_die("too many stuck jobs");
}

static void events_told(struct fake *fake)
{
	fake_notify(fake);
	fake_events_wait(fake);
}

/* One event at a time, and none that the guest does not know already. */
static void job_chatter(struct fake *fake, const struct xen_userptrif_exec *exec)
{
	struct xen_userptrif_evt lost = { .type = XENUSERPTR_EVT_LOST };
	struct xen_userptrif_evt reset = { .type = XENUSERPTR_EVT_RESET };
	uint32_t i;

	lost.op.lost.obj_id = ~0U;
	lost.op.lost.nr_pages = 1;
	objects_lose(fake, 1);
	job_error(fake, exec->timeline, exec->seqno, XENUSERPTR_STATUS_IO);
	events_told(fake);
	for (i = 0; i < CHATTER_ROUNDS; i++) {
		fake_event(fake, &reset);
		events_told(fake);
		fake_event(fake, &lost);
		events_told(fake);
		objects_lose(fake, 1);
		events_told(fake);
		job_error(fake, exec->timeline, exec->seqno,
			  XENUSERPTR_STATUS_IO);
		events_told(fake);
	}
}

static void vm_destroy(struct fake *fake, uint32_t vm_id)
{
	uint32_t i;

	for (i = 0; i < FAKE_STUCK; i++) {
		struct fake_stuck *stuck = &fake->stuck[i];

		if (!stuck->used || stuck->vm_id != vm_id)
			continue;
		job_error(fake, stuck->timeline, stuck->seqno,
			  XENUSERPTR_STATUS_CANCELED);
		job_end(fake, stuck->timeline, stuck->seqno);
		stuck->used = false;
	}
}

/* The ways to break the protocol. */
static void job_violate(struct fake *fake,
			const struct xen_userptrif_exec *exec,
			const struct xen_userptrif_rsp *good)
{
	struct xen_userptrif_rsp rsp = *good;
	struct xen_userptrif_evt evt = { .type = 99 };

	switch (exec->cmd_va & 0xff) {
	case FAKE_JOB_BAD_RSP_ID:
		rsp.id = (uint16_t)(rsp.id + 1);
		fake_respond(fake, &rsp);
		break;
	case FAKE_JOB_BAD_RSP_OP:
		rsp.operation = XENUSERPTR_OP_OBJ_DESTROY;
		fake_respond(fake, &rsp);
		break;
	case FAKE_JOB_BAD_RSP_TWICE:
		fake_respond(fake, &rsp);
		fake_respond(fake, &rsp);
		break;
	case FAKE_JOB_BAD_RSP_PROD:
		fake->ring.sring->rsp_prod += 10000;
		break;
	case FAKE_JOB_BAD_EVT_PROD:
		fake->events->prod += 1000;
		break;
	case FAKE_JOB_BAD_EVT_JOB:
		job_error(fake, exec->timeline, exec->seqno + 77,
			  XENUSERPTR_STATUS_IO);
		break;
	case FAKE_JOB_BAD_EVT_TYPE:
		fake_event(fake, &evt);
		break;
	case FAKE_JOB_BAD_FENCE_AHEAD:
		fake->fences->seqno[exec->timeline] = exec->seqno + 1;
		break;
	case FAKE_JOB_BAD_FENCE_BACK:
		fake->fences->seqno[exec->timeline] = 0;
		break;
	case FAKE_JOB_BAD_EVT_PAGE:
		objects_lose(fake, (1ULL << 32) + 1);
		break;
	}
	fake_notify(fake);
}

static void exec(struct fake *fake, const struct xen_userptrif_exec *exec,
		 struct xen_userptrif_rsp *rsp)
{
	uint32_t what = exec->cmd_va & 0xff;

	if (exec->flags & XENUSERPTR_EXEC_STAY)
		printf("fake-back: a job that stays\n");
	if (what >= FAKE_JOB_BAD_RSP_ID) {
		job_violate(fake, exec, rsp);
		return;
	}
	if (what == FAKE_JOB_REFUSE)
		rsp->status = XENUSERPTR_STATUS_INVALID;
	if (what == FAKE_JOB_STUCK)
		job_stick(fake, exec);
	if (what == FAKE_JOB_FAULT)
		job_error(fake, exec->timeline, exec->seqno,
			  XENUSERPTR_STATUS_GPU_FAULT);
	if (what == FAKE_JOB_LOST) {
		objects_lose(fake, 1);
		job_error(fake, exec->timeline, exec->seqno,
			  XENUSERPTR_STATUS_LOST);
	}
	if (what == FAKE_JOB_CHATTER)
		job_chatter(fake, exec);
	if (what == FAKE_JOB_OK || what == FAKE_JOB_FAULT ||
	    what == FAKE_JOB_LOST || what == FAKE_JOB_CHATTER)
		job_end(fake, exec->timeline, exec->seqno);
	fake_respond(fake, rsp);
}

static void query(struct fake *fake, uint32_t what,
		  struct xen_userptrif_rsp *rsp)
{
	if (fake->refuse_queries) {
		fake->refuse_queries--;
		rsp->status = XENUSERPTR_STATUS_IO;
		return;
	}
	switch (what) {
	case XENUSERPTR_QUERY_DEVICE:
		if (fake->bad_queries) {
			fake->bad_queries--;
			return;
		}
		rsp->u.device.va_start = 0x10000;
		rsp->u.device.va_end = 1ULL << 40;
		rsp->u.device.page_sizes = 4096;
		rsp->u.device.features = XENUSERPTR_FEATURE_READONLY;
		rsp->u.device.nr_engines = 2;
		rsp->u.device.va_bits = 40;
		break;
	case XENUSERPTR_QUERY_NAME:
		strcpy(rsp->u.name.name, "fake");
		break;
	case XENUSERPTR_QUERY_LIMITS:
		rsp->u.limits.max_pages = 1U << 20;
		rsp->u.limits.max_objects = fake->max_objects;
		rsp->u.limits.max_vms = 64;
		rsp->u.limits.max_mappings = 1024;
		rsp->u.limits.max_jobs = 256;
		rsp->u.limits.max_bind_ops = 65536;
		break;
	case XENUSERPTR_QUERY_MEMORY:
		break;
	default:
		rsp->status = XENUSERPTR_STATUS_INVALID;
	}
}

void fake_handle(struct fake *fake, const struct xen_userptrif_req *req)
{
	struct xen_userptrif_rsp rsp = {
		.id = req->id, .operation = req->operation,
	};

	if (fake->mute == req->operation) {
		printf("fake-back: no answer to operation %u\n", req->operation);
		return;
	}
	if (fake->late & 1u << req->operation && fake->nr_late < FAKE_LATE) {
		fake->late_req[fake->nr_late++] = *req;
		printf("fake-back: operation %u waits\n", req->operation);
		return;
	}
	switch (req->operation) {
	case XENUSERPTR_OP_EXEC:
		exec(fake, &req->op.exec, &rsp);
		return;
	case XENUSERPTR_OP_QUERY:
		query(fake, req->op.query.what, &rsp);
		break;
	case XENUSERPTR_OP_OBJ_CREATE:
		rsp.status = object_create(fake, &req->op.obj_create);
		break;
	case XENUSERPTR_OP_OBJ_DESTROY:
		rsp.status = object_destroy(fake,
					    req->op.obj_destroy.obj_id);
		break;
	case XENUSERPTR_OP_VM_DESTROY:
		vm_destroy(fake, req->op.vm_destroy.vm_id);
		rsp.status = fake->sour ? XENUSERPTR_STATUS_IO : XENUSERPTR_STATUS_OK;
		break;
	case XENUSERPTR_OP_VM_CREATE:
	case XENUSERPTR_OP_VM_BIND:
	case XENUSERPTR_OP_ADVISE:
		break;
	default:
		printf("fake-back: operation %u\n", req->operation);
		rsp.status = XENUSERPTR_STATUS_UNSUPPORTED;
	}
	if (rsp.status)
		rsp.u.error_index = ~0U;
	fake_respond(fake, &rsp);
}

void fake_answer_late(struct fake *fake)
{
	uint32_t i, nr = fake->nr_late;
	unsigned int late = fake->late;

	fake->nr_late = 0;
	fake->late = 0;
	for (i = 0; i < nr && fake->connected; i++) {
		late &= ~(1u << fake->late_req[i].operation);
		fake_handle(fake, &fake->late_req[i]);
	}
	fake->late = late;
	printf("fake-back: %u late answers\n", nr);
}
