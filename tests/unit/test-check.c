// SPDX-License-Identifier: MIT
/*
 * core_check() must see damage, else it proves nothing. One core with a bit of
 * everything in flight; one thing at a time is damaged, and the number of the
 * broken invariant must come out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define OK XENUSERPTR_STATUS_OK

/*
 * VM slot 0: object slot 0 mapped twice, a job that runs, a bind in flight that
 * replaces one of its mappings, one bind that waits. VM slot 1: closed, waits
 * for its job. Object slot 1 is being created, slot 2 unmapped, slot 3 waits in
 * VM slot 2 for its release behind a bind.
 */
static struct fake *busy_core(void)
{
	struct fake *fake = fake_new(NULL, NULL);
	struct xen_userptrif_bind_op op;
	uint32_t i;

	for (i = 0; i < 3; i++)
		fake_vm_create(fake, i);
	fake_obj_create(fake, 0, 16, XENUSERPTR_OBJ_READONLY);
	fake_obj_create(fake, 2, 4, 0);
	fake_obj_create(fake, 3, 4, 0);
	fake_run(fake);
	op = fake_map(0, 0, 8, 0, XENUSERPTR_BIND_READONLY);
	fake_bind(fake, 0, &op);
	op = fake_map(0, 8, 8, 20, XENUSERPTR_BIND_READONLY);
	fake_bind(fake, 0, &op);
	op = fake_map(3, 0, 4, 0, 0);
	fake_bind(fake, 2, &op);
	fake_exec(fake, 0, 0, 0, 1);
	fake_exec(fake, 0, 0, 0, 2);
	fake_exec(fake, 1, 0, 1, 1);
	fake_run(fake);
	fake_job_end(fake, 1, OK, 0);
	fake_vm_destroy(fake, 1);
	fake_complete(fake, 0, OK);
	fake_obj_destroy(fake, 2);
	fake_complete(fake, 0, OK);
	op = fake_map_null(4, 2);
	fake_bind(fake, 0, &op);
	fake_bind(fake, 0, &op);
	fake_bind(fake, 2, &op);
	fake_obj_destroy(fake, 3);
	fake_obj_create(fake, 1, 1, 0);
	return fake;
}

static struct gpuva *mapping(struct core *core, uint32_t page)
{
	uint64_t addr = FAKE_VA_START + page * FAKE_PAGE;
	const struct gpuva *va = va_find(&core->va, &core->vm[0].space, addr);

	return &core->va.va[va - core->va.va];
}

static struct request *request_in(struct core *core, uint32_t phase)
{
	uint32_t i;

	for (i = 0; i < core->req_pool.fresh; i++)
		if (core->req[i].item.place != PLACE_IDLE &&
		    core->req[i].phase == phase)
			return &core->req[i];
	fail_msg("no request in phase %u", phase);
	return NULL;
}

static struct gpuva *retired(struct core *core)
{
	return &core->va.va[core->vm[0].space.retired];
}

static struct timeline *line(struct core *core)
{
	return &core->timeline[0];
}

static struct job *running_job(struct core *core)
{
	return &core->job[line(core)->first];
}

static struct va_node *leaf(struct core *core)
{
	return &core->va.nodes.node[core->vm[0].space.index.root];
}

/* Damage: name, invariant, statement. The core is "c". */
#define DAMAGES(D) \
	D(overlap, 1, leaf(c)->leaf.end[0] += 1) \
	D(record_not_entry, 1, mapping(c, 20)->end += FAKE_PAGE) \
	D(record_state, 1, mapping(c, 20)->state = VA_OLD) \
	D(outside_va, 1, c->gpu.va_end = FAKE_VA_START + 21 * FAKE_PAGE) \
	D(outside_object, 1, mapping(c, 20)->offset += FAKE_PAGE) \
	D(writable_of_readonly, 1, mapping(c, 20)->flags = 0) \
	D(null_with_offset, 1, mapping(c, 2)->offset = 1) \
	D(import_of_other_vm, 1, c->import[0].vm = 2) \
	D(import_unused, 1, c->import[0].used = false) \
	D(old_record_state, 1, retired(c)->state = VA_LIVE) \
	D(transaction_of_nobody, 1, c->vm[0].running = NONE) \
	D(base_too_small, 1, c->vm[0].space.base = 0) \
	D(charge, 5, c->va.charged++) \
	D(records, 5, c->va.free.used++) \
	D(nodes, 5, c->va.nodes.pool.used++) \
	D(mappings_above_quota, 5, c->limits.max_mappings = 1) \
	D(object_id, 2, c->obj[0].id = 77) \
	D(object_state_with_imports, 2, c->obj[0].state = OBJ_UNMAPPING) \
	D(object_live_with_request, 2, c->obj[0].request = 0) \
	D(object_creating_without, 2, c->obj[3].request = NONE) \
	D(object_dying_count, 2, c->obj[2].releasing++) \
	D(object_state_undefined, 2, c->obj[0].state = 99) \
	D(import_list, 2, c->obj[0].imports = 1) \
	D(import_vm_list, 2, c->vm[0].imports = 1) \
	D(import_vm_list_lost, 2, c->vm[0].imports = NONE) \
	D(import_list_lost, 2, c->obj[0].imports = NONE) \
	D(import_of_nothing, 1, c->obj[2].used = false) \
	D(import_vm_gone, 5, c->vm[2].used = false) \
	D(import_not_open, 2, c->vm[0].running = NONE; \
		c->import[0].open = false; \
		va_rollback(&c->va, &c->vm[0].space)) \
	D(owner_count, 2, c->va.owner[0].nr++) \
	D(owner_list, 2, mapping(c, 20)->owner = VA_NO_OWNER; \
		mapping(c, 20)->offset = 0) \
	D(pages, 5, c->pages_used++) \
	D(pages_kept, 5, c->pages_kept++) \
	D(pages_above_quota, 5, c->limits.max_pages = 10) \
	D(objects, 5, c->obj_pool.used++) \
	D(imports, 5, c->import_pool.used--) \
	D(import_names, 5, c->import_ids.nr++) \
	D(job_unused, 6, running_job(c)->used = false) \
	D(job_timeline, 6, running_job(c)->timeline = 5) \
	D(job_vm, 6, running_job(c)->vm = 2) \
	D(job_seqno_late, 6, c->job[line(c)->last].seqno = 99) \
	D(job_seqnos_fall, 6, running_job(c)->seqno = 2) \
	D(job_lost, 6, line(c)->first = NONE) \
	D(job_due, 6, running_job(c)->state = JOB_ENDED) \
	D(jobs, 5, c->job_pool.used++) \
	D(jobs_of_vm, 5, c->vm[0].nr_jobs++) \
	D(vm_id, 6, c->vm[0].id = 77) \
	D(vms, 5, c->vm_pool.used++) \
	D(turn_of_nobody, 6, c->vm[2].running = NONE; \
		va_commit(&c->va, &c->vm[2].space)) \
	D(turn_of_two, 6, c->vm[0].nr_execs = 1) \
	D(turn_of_idle, 6, c->vm[0].running = ITEM(ITEM_TIMELINE, 9)) \
	D(turn_queue_lost, 6, queue_init(&c->vm[0].turns)) \
	D(turn_queue_bad, 6, c->vm[0].turns.head = ITEM(ITEM_REQUEST, 31)) \
	D(turn_queue_kind, 6, c->vm[0].turns.head = ITEM(7, 0)) \
	D(turn_queue_tail, 6, c->vm[0].turns.tail = 0) \
	D(ready_queue_loop, 6, c->ready.head = ITEM(ITEM_REQUEST, 0)) \
	D(ready_lost, 6, c->timeline[9].item.place = PLACE_READY) \
	D(buffer_lost, 6, c->timeline[9].item.place = PLACE_BUFFER) \
	D(request_waits, 6, \
		request_in(c, PHASE_VM_JOBS)->phase = PHASE_UNMAP; \
		c->req[0].obj = 0) \
	D(request_waits_op, 6, \
		request_in(c, PHASE_BIND)->item.place = PLACE_WAIT) \
	D(jobs_all_ended, 5, c->vm[1].nr_jobs = 0) \
	D(request_lost, 6, \
		request_in(c, PHASE_READ_DIR)->item.place = PLACE_IDLE) \
	D(requests, 6, c->req_pool.used++) \
	D(id_not_in_flight, 6, c->in_flight[5] ^= 4) \
	D(requests_above_ring, 6, c->limits.max_requests = 2)

#define D(name, number, damage) \
	static void damage_##name(struct core *c) { damage; }
DAMAGES(D)
#undef D

#define D(name, number, damage) { #name, number, damage_##name },
static const struct {
	const char *name;
	int number;
	void (*damage)(struct core *core);
} damages[] = { DAMAGES(D) };
#undef D

static void check_sees_damage(void **state)
{
	struct fake *fake = busy_core();
	size_t size = core_size(&fake->limits);
	void *good = malloc(size);
	unsigned int i, missed = 0;

	(void)state;
	assert_non_null(good);
	memcpy(good, fake->mem, size);
	for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		int number;

		assert_int_equal(core_check(fake->core), 0);
		damages[i].damage(fake->core);
		number = core_check(fake->core);
		if (number != damages[i].number) {
			print_error("%s: %d, not %d\n", damages[i].name,
				    number, damages[i].number);
			missed++;
		}
		memcpy(fake->mem, good, size);
	}
	free(good);
	fake_free(fake);
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_sees_damage),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
