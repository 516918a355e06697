// SPDX-License-Identifier: MIT
/* Random lives of a core; see actions.h. Single-threaded. */
#include <errno.h>
#include <string.h>

#include "actions.h"
#include "internal.h"

#define NR_VM_IDS	8U
#define NR_OBJ_IDS	12U
#define OK		XENUSERPTR_STATUS_OK

const struct core_limits actions_limits = {
	.max_pages = 200,
	.max_objects = 8,
	.max_vms = 6,
	.max_mappings = 60,
	.max_jobs = 8,
	.max_requests = 48,
	.max_bind_ops = 16,
	.hash_seed = 99,
};

bool source_empty(const struct source *src)
{
	return !src->rng && !src->left;
}

uint32_t source_below(struct source *src, uint32_t n)
{
	uint32_t x;

	if (src->rng)
		return rng_below(src->rng, n);
	if (source_empty(src))
		return 0;
	x = *src->data++;
	src->left--;
	if (n > 256 && src->left) {
		x |= (uint32_t)*src->data++ << 8;
		src->left--;
	}
	return x % n;
}

static bool one_in(struct source *src, uint32_t n)
{
	return source_below(src, n) == n - 1;
}

static void do_vm_create(struct fake *fake, struct source *src)
{
	uint32_t id = source_below(src, NR_VM_IDS);

	if (idmap_find(&fake->core->vm_ids, id) == IDMAP_NONE)
		fake_vm_create_on(fake, id, id % 2);
}

static void do_vm_destroy(struct fake *fake, struct source *src)
{
	uint32_t id = source_below(src, NR_VM_IDS);

	if (one_in(src, 8))
		fake_vm_destroy(fake, id);
}

static void do_obj_create(struct fake *fake, struct source *src)
{
	uint32_t id = source_below(src, NR_OBJ_IDS);
	uint32_t nr = 1 + source_below(src, 40);
	uint32_t flags = one_in(src, 4) ? XENUSERPTR_OBJ_READONLY : 0;

	if (idmap_find(&fake->core->obj_ids, id) == IDMAP_NONE)
		fake_obj_create(fake, id, nr, flags);
}

/* An honest frontend waits for the answer then. */
static bool is_trimming(const struct fake *fake, uint32_t id)
{
	uint32_t slot = idmap_find(&fake->core->obj_ids, id);

	return slot != IDMAP_NONE && fake->core->obj[slot].trimming;
}

static void do_obj_destroy(struct fake *fake, struct source *src)
{
	uint32_t id = source_below(src, NR_OBJ_IDS);

	if (one_in(src, 4) && !is_trimming(fake, id))
		fake_obj_destroy(fake, id);
}

static void do_obj_trim(struct fake *fake, struct source *src)
{
	uint32_t id = source_below(src, NR_OBJ_IDS);
	uint32_t slot = idmap_find(&fake->core->obj_ids, id);
	uint32_t nr_pages = slot == IDMAP_NONE ? 40 :
			    fake->core->obj[slot].nr_pages;
	uint32_t first = source_below(src, nr_pages);

	if (!is_trimming(fake, id))
		fake_obj_trim(fake, id, first,
			      1 + source_below(src, nr_pages - first));
}

/* Mostly right, sometimes wrong in one field. */
static struct xen_userptrif_bind_op random_op(struct source *src)
{
	struct xen_userptrif_bind_op op;
	uint32_t kind = source_below(src, 8);
	uint32_t va = source_below(src, 200);
	uint32_t nr = 1 + source_below(src, 24);

	if (kind < 5)
		op = fake_map(source_below(src, NR_OBJ_IDS),
			      source_below(src, 16), nr, va,
			      one_in(src, 3) ? XENUSERPTR_BIND_READONLY : 0);
	else if (kind < 7)
		op = fake_unmap(one_in(src, 8) ? FAKE_PAGES - va : nr, va);
	else
		op = fake_map_null(nr, va);
	switch (source_below(src, 64)) {
	case 60:
		op.gpu_va += 1 + source_below(src, 4096);
		break;
	case 61:
		op.length += 1 + source_below(src, 4096);
		break;
	case 62:
		op.gpu_va <<= source_below(src, 64);
		break;
	case 63:
		op.length = ~UINT64_C(0) << source_below(src, 64);
		break;
	default: /* leave it right */
		break;
	}
	return op;
}

static void do_bind(struct fake *fake, struct source *src)
{
	struct xen_userptrif_bind_op op = random_op(src);

	fake_bind(fake, source_below(src, NR_VM_IDS), &op);
}

/* The operations are made up when they are read: do_complete(). */
static void do_bind_list(struct fake *fake, struct source *src)
{
	uint32_t vm = source_below(src, NR_VM_IDS);

	fake_bind_list(fake, vm, 1, NULL, 1 + source_below(src, 17));
}

static void do_exec(struct fake *fake, struct source *src)
{
	uint32_t vm = source_below(src, NR_VM_IDS);
	uint32_t engine = source_below(src, 3);
	uint32_t timeline = vm * 4 + engine;

	fake_exec(fake, vm, engine, timeline,
		  fake->core->timeline[timeline].seqno + 1 +
		  source_below(src, 3));
}

static void do_query(struct fake *fake, struct source *src)
{
	uint32_t what = source_below(src, 7);

	fake_query(fake, what, what == XENUSERPTR_QUERY_OBJECT ?
			       source_below(src, NR_OBJ_IDS) : 0);
}

static void do_complete(struct fake *fake, struct source *src)
{
	struct xen_userptrif_bind_op list[16];
	uint32_t place, status = OK, i;

	if (!fake->nr_pending)
		return;
	place = source_below(src, fake->nr_pending);
	if (one_in(src, 24))
		status = 1 + source_below(src, XENUSERPTR_STATUS_BUSY);
	if (fake->pending[place].type == CORE_OP_READ_BIND)
		for (i = 0; i < fake->pending[place].nr; i++)
			list[i] = random_op(src);
	fake->any_list = list;
	FAKE_ASSERT(fake_complete(fake, place, status) == 0);
	fake->any_list = NULL;
}

static void do_job_end(struct fake *fake, struct source *src)
{
	uint32_t job = source_below(src, fake->limits.max_jobs);
	uint32_t status = one_in(src, 4) ?
			  1 + source_below(src, XENUSERPTR_STATUS_BUSY) : OK;

	if (fake->job[job].running && !fake->job[job].ended)
		FAKE_ASSERT(fake_job_end(fake, job, status, 0x1000) == 0);
}

static void do_unmapped(struct fake *fake, struct source *src)
{
	uint32_t obj = source_below(src, fake->limits.max_objects);
	unsigned int i;

	if (fake->obj[obj].unmapping) {
		FAKE_ASSERT(fake_unmapped(fake, obj) == 0);
		return;
	}
	for (i = 0; i < fake->nr_pending; i++)
		if (fake->pending[i].type == CORE_OP_UNMAP &&
		    fake->pending[i].obj == obj && !fake->obj[obj].early) {
			FAKE_ASSERT(fake_unmapped(fake, obj) == 0);
			return;
		}
}

void action_honest(struct fake *fake, struct source *src)
{
	static void (*const actions[])(struct fake *fake,
				       struct source *src) = {
		do_vm_create, do_vm_destroy, do_obj_create, do_obj_create,
		do_obj_destroy, do_bind, do_bind, do_bind, do_bind_list,
		do_bind_list, do_exec, do_exec, do_query, do_obj_trim,
	};
	static void (*const endings[])(struct fake *fake,
				       struct source *src) = {
		do_complete, do_complete, do_complete, do_complete,
		do_complete, do_job_end, do_unmapped,
	};
	uint32_t i = source_below(src, 32);

	fake->max_ops = 1 + source_below(src, 8);
	/* An honest guest does not send more than its ring holds. */
	if (i < 14 && fake->nr_in_flight < fake->limits.max_requests)
		actions[i](fake, src);
	else
		endings[i % 7](fake, src);
}

static int hostile_packet(struct fake *fake, struct source *src)
{
	struct xen_userptrif_req req;
	uint8_t *octet = (uint8_t *)&req;
	uint32_t i, nr = source_below(src, sizeof(req) + 1);

	memset(&req, 0, sizeof(req));
	for (i = 0; i < nr; i++)
		octet[i] = (uint8_t)source_below(src, 256);
	return fake_request(fake, &req);
}

static int hostile_event(struct fake *fake, struct source *src)
{
	struct core_event ev = {
		.type = (enum core_event_type)(1 + source_below(src, 4)),
		.op_id = source_below(src, 65536) << source_below(src, 17),
		.job = source_below(src, 65536) << source_below(src, 17),
		.obj = source_below(src, 65536) << source_below(src, 17),
	};
	unsigned int i;

	/* One that fits is another action's job. */
	for (i = 0; i < fake->nr_pending; i++)
		if (fake->pending[i].id == ev.op_id)
			return 0;
	if (ev.job < FAKE_MAX && fake->job[ev.job].running)
		return 0;
	if (ev.obj < FAKE_MAX)
		return 0;
	FAKE_ASSERT(fake_event(fake, &ev) == -EINVAL);
	return 0;
}

int action_hostile(struct fake *fake, struct source *src)
{
	return one_in(src, 4) ? hostile_event(fake, src) :
				hostile_packet(fake, src);
}

/* Destroy what has a name; returns how many. */
static unsigned int destroy_all(struct fake *fake)
{
	struct core *core = fake->core;
	unsigned int i, nr = 0;

	for (i = 0; i < core->obj_pool.fresh; i++)
		if (core->obj[i].used && ++nr)
			fake_obj_destroy(fake, core->obj[i].id);
	for (i = 0; i < core->vm_pool.fresh; i++)
		if (core->vm[i].used && ++nr)
			fake_vm_destroy(fake, core->vm[i].id);
	return nr;
}

void actions_end(struct fake *fake)
{
	struct xen_userptrif_bind_op list[16];
	unsigned int i;

	for (i = 0; i < 16; i++)
		list[i] = fake_unmap(1, i);
	fake->any_list = list;
	do {
		fake_run(fake);
		fake_jobs_end(fake, UINT32_MAX, XENUSERPTR_STATUS_CANCELED);
		fake_compare(fake);
	} while (fake->nr_pending || destroy_all(fake));
	fake_assert_empty(fake);
	fake->any_list = NULL;
}
