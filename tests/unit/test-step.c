// SPDX-License-Identifier: MIT
/* Walk A through core_step(): events in, ops out, in the right order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define OK XENUSERPTR_STATUS_OK

static int setup(void **state)
{
	*state = fake_new(NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

/* The only op in flight is of this type; answer it. */
static void expect(struct fake *fake, enum core_op_type type, uint32_t status)
{
	assert_int_equal(fake->nr_pending, 1);
	assert_int_equal(fake->pending[0].type, type);
	assert_int_equal(fake_complete(fake, 0, status), 0);
}

/* VM 7, object 9 of 16 pages, mapped at page 0. */
static void walk_a(struct fake *fake)
{
	struct xen_userptrif_bind_op map = fake_map(9, 0, 16, 0, 0);
	uint16_t id;

	id = fake_vm_create(fake, 7);
	expect(fake, CORE_OP_VM_OPEN, OK);
	assert_int_equal(fake_status(fake, id), OK);
	id = fake_obj_create(fake, 9, 16, 0);
	expect(fake, CORE_OP_READ_DIR, OK);
	expect(fake, CORE_OP_MAP, OK);
	assert_int_equal(fake_status(fake, id), OK);
	id = fake_bind(fake, 7, &map);
	expect(fake, CORE_OP_IMPORT, OK);
	expect(fake, CORE_OP_BIND, OK);
	assert_int_equal(fake_status(fake, id), OK);
	fake_compare(fake);
}

static void walk_a_back(struct fake *fake)
{
	uint16_t id = fake_obj_destroy(fake, 9);

	expect(fake, CORE_OP_BIND, OK);
	expect(fake, CORE_OP_CLOSE, OK);
	expect(fake, CORE_OP_UNMAP, OK);
	assert_false(fake_answered(fake, id));
	assert_int_equal(fake_unmapped(fake, 0), 0);
	assert_int_equal(fake_status(fake, id), OK);
	id = fake_vm_destroy(fake, 7);
	expect(fake, CORE_OP_VM_CLOSE, OK);
	assert_int_equal(fake_status(fake, id), OK);
	fake_assert_empty(fake);
}

static void step_walk_a(void **state)
{
	walk_a(*state);
	walk_a_back(*state);
}

/* Whatever the room for ops is, the same happens. */
static void step_room_for_one_op(void **state)
{
	struct fake *fake = *state;

	fake->max_ops = 1;
	walk_a(fake);
	walk_a_back(fake);
}

static void step_exec_fence(void **state)
{
	struct fake *fake = *state;
	uint16_t id;

	walk_a(fake);
	id = fake_exec(fake, 7, 1, 3, 100);
	assert_int_equal(fake->pending[0].engine, 1);
	assert_int_equal(fake->pending[0].cmd_length, 64);
	expect(fake, CORE_OP_EXEC, OK);
	assert_int_equal(fake_status(fake, id), OK);
	assert_int_equal(fake->fence[3], 0);
	assert_int_equal(fake_job_end(fake, 0, OK, 0), 0);
	assert_int_equal(fake->fence[3], 100);
	assert_int_equal(fake->nr_events, 0);
	walk_a_back(fake);
}

static void step_exec_fault(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 3, 100);
	expect(fake, CORE_OP_EXEC, OK);
	fake_job_end(fake, 0, XENUSERPTR_STATUS_GPU_FAULT, 0xdead000);
	assert_int_equal(fake->nr_events, 1);
	assert_int_equal(fake->last_event.op.fence.status,
			 XENUSERPTR_STATUS_GPU_FAULT);
	assert_int_equal(fake->last_event.op.fence.fault_va, 0xdead000);
	assert_int_equal(fake->fence[3], 100);
	walk_a_back(fake);
}

/* The event of a job has five statuses; whatever else was said is IO. */
static void step_exec_odd_status(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 3, 100);
	expect(fake, CORE_OP_EXEC, OK);
	fake_job_end(fake, 0, XENUSERPTR_STATUS_INVALID, 0x1000);
	assert_int_equal(fake->last_event.op.fence.status,
			 XENUSERPTR_STATUS_IO);
	assert_int_equal(fake->last_event.op.fence.fault_va, 0);
	walk_a_back(fake);
}

/* A later job that ends first waits for the earlier one: no early fence. */
static void step_exec_out_of_order(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 3, 1);
	fake_exec(fake, 7, 0, 3, 2);
	fake_exec(fake, 7, 0, 3, 3);
	fake_run(fake);
	fake_job_end(fake, 1, XENUSERPTR_STATUS_GPU_HANG, 0);
	fake_job_end(fake, 2, OK, 0);
	assert_int_equal(fake->fence[3], 0);
	assert_int_equal(fake->nr_events, 0);
	fake_job_end(fake, 0, OK, 0);
	assert_int_equal(fake->fence[3], 3);
	assert_int_equal(fake->nr_events, 1);
	walk_a_back(fake);
}

/* A refused EXEC uses up its seqno and writes nothing. */
static void step_exec_refused(void **state)
{
	struct fake *fake = *state;
	uint16_t id;

	walk_a(fake);
	id = fake_exec(fake, 7, 0, 3, 1);
	expect(fake, CORE_OP_EXEC, XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake->fence[3], 0);
	fake_exec(fake, 7, 0, 3, 2);
	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, OK);
	assert_int_equal(fake->fence[3], 2);
	walk_a_back(fake);
}

/* The refused one was first in line; those behind it had ended already. */
static void step_exec_refused_late(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 3, 1);
	fake_exec(fake, 7, 0, 3, 2);
	assert_int_equal(fake->nr_pending, 2);
	fake_complete(fake, 1, OK);
	fake_job_end(fake, 1, OK, 0);
	assert_int_equal(fake->fence[3], 0);
	fake_complete(fake, 0, XENUSERPTR_STATUS_IO);
	assert_int_equal(fake->fence[3], 2);
	walk_a_back(fake);
}

static void step_exec_bad(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_EXEC, 5000);

	walk_a(fake);
	req.op.exec.vm_id = 7;
	req.op.exec.cmd_va = FAKE_VA_START - 1;
	req.op.exec.cmd_length = 1;
	req.op.exec.timeline = 9;
	req.op.exec.seqno = 10;
	assert_int_equal(fake_request(fake, &req), 0);
	assert_int_equal(fake_status(fake, 5000), XENUSERPTR_STATUS_INVALID);
	req.op.exec.seqno++;
	req.op.exec.cmd_va = UINT64_MAX;
	assert_int_equal(fake_request(fake, &req), 0);
	assert_int_equal(fake_status(fake, 5000), XENUSERPTR_STATUS_INVALID);
	req.op.exec.seqno++;
	req.op.exec.cmd_va = FAKE_VA_START;
	req.op.exec.cmd_length = 0;
	assert_int_equal(fake_request(fake, &req), 0);
	assert_int_equal(fake_status(fake, 5000), XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake->rsp[5000].u.error_index, UINT32_MAX);
	assert_int_equal(fake_status(fake, fake_exec(fake, 7, 2, 9, 20)),
			 XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake_status(fake, fake_exec(fake, 8, 0, 9, 21)),
			 XENUSERPTR_STATUS_NO_ENTRY);
	assert_int_equal(fake->nr_pending, 0);
	walk_a_back(fake);
}

static int exec_raw(struct fake *fake, uint32_t vm, uint32_t engine,
		    uint32_t timeline, uint64_t seqno)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_EXEC, 6000);

	req.op.exec.vm_id = vm;
	req.op.exec.engine = engine;
	req.op.exec.cmd_va = FAKE_VA_START;
	req.op.exec.cmd_length = 4;
	req.op.exec.timeline = timeline;
	req.op.exec.seqno = seqno;
	return fake_request(fake, &req);
}

static void step_seqno_must_rise(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 0, 5);
	assert_int_equal(exec_raw(fake, 7, 0, 0, 5), -EPROTO);
	/* The connection is over, for any event. */
	assert_int_equal(exec_raw(fake, 7, 0, 0, 6), -EPROTO);
}

static void step_timeline_of_other_engine(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 0, 5);
	assert_int_equal(exec_raw(fake, 7, 1, 0, 6), -EPROTO);
}

/* Each VM is opened on the GPU that its program chose; there are two. */
static void step_gpus(void **state)
{
	struct fake *fake = *state;
	uint32_t gpu;

	for (gpu = 0; gpu < 2; gpu++) {
		uint16_t id = fake_vm_create_on(fake, 7 + gpu, gpu);

		assert_int_equal(fake->nr_pending, 1);
		assert_int_equal(fake->pending[0].gpu, gpu);
		expect(fake, CORE_OP_VM_OPEN, OK);
		assert_int_equal(fake_status(fake, id), OK);
	}
	assert_int_equal(fake_status(fake, fake_vm_create_on(fake, 9, 2)),
			 XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake_status(fake, fake_vm_create_on(fake, 9,
							     UINT32_MAX)),
			 XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake->nr_pending, 0);
	fake_vm_create_on(fake, 9, 1);	/* the id is free */
	expect(fake, CORE_OP_VM_OPEN, OK);
}

/* After its VM is gone a timeline may serve another, and goes on rising. */
static void step_timeline_reuse(void **state)
{
	struct fake *fake = *state;

	walk_a(fake);
	fake_exec(fake, 7, 0, 0, 5);
	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, OK);
	walk_a_back(fake);
	fake_vm_create(fake, 8);
	fake_run(fake);
	fake_exec(fake, 8, 1, 0, 6);
	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, OK);
	assert_int_equal(fake->fence[0], 6);
	assert_int_equal(exec_raw(fake, 8, 1, 0, 6), -EPROTO);
}

static void step_name_before_answer(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(9, 0, 1, 0, 0);
	uint16_t id;

	fake_vm_create(fake, 7);
	id = fake_bind(fake, 7, &map);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_ENTRY);
	id = fake_vm_destroy(fake, 7);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_ENTRY);
	fake_run(fake);
	fake_obj_create(fake, 9, 1, 0);
	id = fake_bind(fake, 7, &map);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_ENTRY);
	id = fake_obj_destroy(fake, 9);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_ENTRY);
	fake_run(fake);
	id = fake_bind(fake, 7, &map);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
}

static void step_event_that_does_not_fit(void **state)
{
	struct fake *fake = *state;
	struct core_event ev = { .type = CORE_EV_DONE, .op_id = 0 };

	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	walk_a(fake);
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	ev.op_id = UINT32_MAX;
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	ev.op_id = ITEM(ITEM_IMPORT, 0);
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	ev.type = CORE_EV_JOB;
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	ev.type = CORE_EV_UNMAPPED;
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	ev.obj = 77;
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	ev.type = (enum core_event_type)99;
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	walk_a_back(fake);
}

/* READ_BIND that is DONE with OK must bring the operations. */
static void step_read_bind_without_list(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op unmap = fake_unmap(1, 0);
	struct core_event ev = { .type = CORE_EV_DONE };
	uint16_t id;

	walk_a(fake);
	id = fake_bind_list(fake, 7, 1, &unmap, 1);
	ev.op_id = fake->pending[0].id;
	assert_int_equal(fake_event(fake, &ev), -EINVAL);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
	walk_a_back(fake);
}

/* UNMAPPED may be read before the DONE of UNMAP. */
static void step_unmapped_before_done(void **state)
{
	struct fake *fake = *state;
	uint16_t id;

	fake_obj_create(fake, 1, 1, 0);
	fake_run(fake);
	id = fake_obj_destroy(fake, 1);
	assert_int_equal(fake->pending[0].type, CORE_OP_UNMAP);
	assert_int_equal(fake_unmapped(fake, 0), 0);
	assert_int_equal(fake_unmapped(fake, 0), -EINVAL);
	assert_false(fake_answered(fake, id));
	assert_int_equal(fake_complete(fake, 0, OK), 0);
	assert_int_equal(fake_status(fake, id), OK);
	fake_assert_empty(fake);
}

static void step_query(void **state)
{
	struct fake *fake = *state;
	const struct xen_userptrif_rsp *rsp;
	uint16_t id;

	walk_a(fake);
	id = fake_query(fake, XENUSERPTR_QUERY_DEVICE, 0);
	rsp = &fake->rsp[id];
	assert_int_equal(rsp->u.device.va_start, FAKE_VA_START);
	assert_int_equal(rsp->u.device.nr_engines, 2);
	id = fake_query(fake, XENUSERPTR_QUERY_NAME, 0);
	assert_string_equal(fake->rsp[id].u.name.name, "fake");
	id = fake_query(fake, XENUSERPTR_QUERY_MEMORY, 0);
	assert_int_equal(fake->rsp[id].u.memory.vram_total, 1 << 20);
	id = fake_query(fake, XENUSERPTR_QUERY_LIMITS, 0);
	assert_int_equal(fake->rsp[id].u.limits.used_pages, 16);
	assert_int_equal(fake->rsp[id].u.limits.max_jobs, 8);
	id = fake_query(fake, XENUSERPTR_QUERY_OBJECT, 9);
	assert_int_equal(fake->rsp[id].u.object.pages_home, 16);
	id = fake_query(fake, XENUSERPTR_QUERY_OBJECT, 10);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_ENTRY);
	id = fake_query(fake, 99, 0);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_INVALID);
	id = fake_query(fake, 0, 0);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_INVALID);
	walk_a_back(fake);
}

static uint32_t advise(struct fake *fake, uint32_t obj, uint32_t advice,
		       uint64_t offset, uint64_t length)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_ADVISE, 7000);

	req.op.advise.obj_id = obj;
	req.op.advise.advice = advice;
	req.op.advise.offset = offset;
	req.op.advise.length = length;
	assert_int_equal(fake_request(fake, &req), 0);
	return fake_status(fake, 7000);
}

static void step_advise_quiesce(void **state)
{
	struct fake *fake = *state;
	struct core_gpu gpu = fake_gpu;
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_QUIESCE, 1);

	assert_int_equal(advise(fake, 1, 0, 0, 1),
			 XENUSERPTR_STATUS_UNSUPPORTED);
	assert_int_equal(advise(fake, 1, 6, 0, 1), XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake_request(fake, &req), 0);
	assert_int_equal(fake_status(fake, 1), OK);

	gpu.features |= XENUSERPTR_FEATURE_MIGRATION;
	fake_free(fake);
	*state = fake = fake_new(NULL, &gpu);
	assert_int_equal(advise(fake, 1, 0, 0, 1), XENUSERPTR_STATUS_NO_ENTRY);
	fake_obj_create(fake, 1, 2, 0);
	fake_run(fake);
	assert_int_equal(advise(fake, 1, 5, 0, 8192), OK);
	assert_int_equal(advise(fake, 1, 5, 0, 0), XENUSERPTR_STATUS_INVALID);
	assert_int_equal(advise(fake, 1, 5, 1, 8192),
			 XENUSERPTR_STATUS_INVALID);
	assert_int_equal(advise(fake, 1, 5, UINT64_MAX, 8),
			 XENUSERPTR_STATUS_INVALID);
}

/* The whole walk, with the Nth op failing, for every N until none fails. */
static void walk_failing(struct fake *fake)
{
	struct xen_userptrif_bind_op ops[] = {
		fake_map(9, 0, 8, 0, 0), fake_map_null(4, 2),
		fake_map(10, 1, 2, 20, XENUSERPTR_BIND_READONLY),
	};

	fake_vm_create(fake, 7);
	fake_vm_create(fake, 8);
	fake_obj_create(fake, 9, 16, 0);
	fake_obj_create(fake, 10, 4, XENUSERPTR_OBJ_READONLY);
	fake_run(fake);
	fake_bind_list(fake, 7, 1, ops, 3);
	fake_bind(fake, 8, &ops[0]);
	fake_exec(fake, 7, 0, 0, fake->nr_answered + 1);
	fake_exec(fake, 8, 0, 1, fake->nr_answered + 1);
	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, XENUSERPTR_STATUS_GPU_HANG);
	fake_compare(fake);
	fake_obj_destroy(fake, 9);
	fake_vm_destroy(fake, 7);
	fake_obj_destroy(fake, 10);
	fake_run(fake);
	fake_vm_destroy(fake, 8);
	fake_run(fake);
}

/* What a failed release left can be released by asking again. */
static void walk_clean_up(struct fake *fake)
{
	fake_obj_destroy(fake, 9);
	fake_obj_destroy(fake, 10);
	fake_vm_destroy(fake, 7);
	fake_vm_destroy(fake, 8);
	fake_run(fake);
	fake_assert_empty(fake);
}

static void step_fail_nth_op(void **state)
{
	struct fake *fake = *state;
	unsigned int n = 0;

	do {
		fake->fail_at = fake->nr_answered + ++n;
		fake->nr_failed = 0;
		fake->fail_status = 1 + n % XENUSERPTR_STATUS_BUSY;
		walk_failing(fake);
		walk_clean_up(fake);
	} while (fake->nr_failed);
	assert_true(n > 20);
}

/* An adapter's status that does not exist is told as IO. */
static void step_status_undefined(void **state)
{
	struct fake *fake = *state;
	uint16_t id = fake_vm_create(fake, 1);

	fake_complete(fake, 0, 0x12345);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_IO);
	fake_assert_empty(fake);
}

static void core_init_refuses_limits(void **state)
{
	struct core_limits l = fake_limits;
	static uint8_t mem[64];

	(void)state;
	l.max_jobs = 0;
	assert_int_equal(core_size(&l), 0);
	assert_null(core_init(mem, &l, &fake_gpu));
	l = fake_limits;
	l.max_bind_ops = XENUSERPTR_MAX_BIND_OPS + 1;
	assert_int_equal(core_size(&l), 0);
	l = fake_limits;
	l.max_requests = 65537;
	assert_int_equal(core_size(&l), 0);
	l = fake_limits;
	l.max_mappings = UINT32_MAX;
	assert_int_equal(core_size(&l), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(step_walk_a),
		T(step_room_for_one_op),
		T(step_exec_fence),
		T(step_exec_fault),
		T(step_exec_odd_status),
		T(step_exec_out_of_order),
		T(step_exec_refused),
		T(step_exec_refused_late),
		T(step_exec_bad),
		T(step_seqno_must_rise),
		T(step_timeline_of_other_engine),
		T(step_gpus),
		T(step_timeline_reuse),
		T(step_name_before_answer),
		T(step_event_that_does_not_fit),
		T(step_read_bind_without_list),
		T(step_unmapped_before_done),
		T(step_query),
		T(step_advise_quiesce),
		T(step_fail_nth_op),
		T(step_status_undefined),
		cmocka_unit_test(core_init_refuses_limits),
	};

	return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
