// SPDX-License-Identifier: MIT
/* VM_BIND: meaning, all or nothing, order, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define OK	XENUSERPTR_STATUS_OK
#define RO	XENUSERPTR_BIND_READONLY

/* VMs 1 and 2; objects 1 (16 pages), 2 (4 pages), 3 (4 pages, read-only). */
static int setup(void **state)
{
	struct fake *fake = fake_new(NULL, NULL);

	*state = fake;
	fake_vm_create(fake, 1);
	fake_vm_create(fake, 2);
	fake_obj_create(fake, 1, 16, 0);
	fake_obj_create(fake, 2, 4, 0);
	fake_obj_create(fake, 3, 4, XENUSERPTR_OBJ_READONLY);
	fake_run(fake);
	return 0;
}

/* Everything that a test left must go away again. */
static int teardown(void **state)
{
	struct fake *fake = *state;
	uint32_t i;

	fake_run(fake);
	fake_compare(fake);
	for (i = 1; i <= 3; i++)
		fake_obj_destroy(fake, i);
	fake_vm_destroy(fake, 1);
	fake_vm_destroy(fake, 2);
	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, XENUSERPTR_STATUS_CANCELED);
	fake_run(fake);
	fake_assert_empty(fake);
	fake_free(fake);
	return 0;
}

static uint32_t bind_now(struct fake *fake, uint32_t vm,
			 struct xen_userptrif_bind_op op)
{
	uint16_t id = fake_bind(fake, vm, &op);

	fake_run(fake);
	fake_compare(fake);
	return fake_status(fake, id);
}

static struct fake_pte *pte(struct fake *fake, uint32_t vm, uint32_t page)
{
	return &fake->vm[vm].pte[page];
}

static void bind_map_unmap(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(bind_now(fake, 1, fake_map(1, 4, 8, 100, 0)), OK);
	assert_int_equal(pte(fake, 0, 107)->page, 11);
	assert_int_equal(bind_now(fake, 1, fake_unmap(8, 100)), OK);
	assert_int_equal(pte(fake, 0, 107)->kind, 0);
	assert_int_equal(fake->core->va.charged, 0);
}

static void bind_replace_and_split(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(bind_now(fake, 1, fake_map(1, 0, 16, 0, 0)), OK);
	assert_int_equal(bind_now(fake, 1, fake_map(2, 0, 4, 6, 0)), OK);
	assert_int_equal(bind_now(fake, 1, fake_map_null(2, 1)), OK);
	assert_int_equal(bind_now(fake, 1, fake_unmap(1, 12)), OK);
	assert_int_equal(fake->core->va.charged, 6);
	assert_int_equal(pte(fake, 0, 10)->page, 10);
	assert_int_equal(pte(fake, 0, 13)->page, 13);
	assert_int_equal(bind_now(fake, 1, fake_unmap(256, 0)), OK);
	assert_int_equal(fake->core->va.charged, 0);
}

static void bind_unmap_of_nothing(void **state)
{
	assert_int_equal(bind_now(*state, 1, fake_unmap(256, 0)), OK);
}

/* Each of these is refused, says which operation, and changes nothing. */
static void bind_refused(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op unaligned[3];
	const struct {
		struct xen_userptrif_bind_op op;
		uint32_t status;
	} bad[] = {
		{ fake_map(9, 0, 1, 0, 0), XENUSERPTR_STATUS_NO_ENTRY },
		{ fake_map(1, 0, 17, 0, 0), XENUSERPTR_STATUS_INVALID },
		{ fake_map(1, 16, 1, 0, 0), XENUSERPTR_STATUS_INVALID },
		{ fake_map(1, 0, 0, 0, 0), XENUSERPTR_STATUS_INVALID },
		{ fake_unmap(0, 0), XENUSERPTR_STATUS_INVALID },
		{ fake_map(1, 0, 1, 256, 0), XENUSERPTR_STATUS_RANGE },
		{ fake_map(1, 0, 2, 255, 0), XENUSERPTR_STATUS_RANGE },
		{ fake_unmap(257, 0), XENUSERPTR_STATUS_RANGE },
		{ fake_map(3, 0, 1, 0, 0), XENUSERPTR_STATUS_ACCESS },
	};
	uint32_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct xen_userptrif_bind_op ops[3] = {
			fake_map(1, 0, 4, 20, 0), fake_map(2, 0, 1, 30, 0),
			bad[i].op,
		};
		uint16_t id = fake_bind_list(fake, 1, 1, ops, 3);

		fake_run(fake);
		assert_int_equal(fake_status(fake, id), bad[i].status);
		assert_int_equal(fake->rsp[id].u.error_index, 2);
		assert_int_equal(fake->core->va.charged, 0);
		assert_int_equal(fake->core->import_pool.used, 0);
	}
	for (i = 0; i < 3; i++)
		unaligned[i] = fake_map(1, 0, 1, 0, 0);
	unaligned[0].gpu_va += 8;
	unaligned[1].length += 8;
	unaligned[2].offset += 8;
	for (i = 0; i < 3; i++)
		assert_int_equal(bind_now(fake, 1, unaligned[i]),
				 XENUSERPTR_STATUS_INVALID);
}

static void bind_overflow(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op op = fake_map(1, 0, 1, 0, 0);

	op.length = ~UINT64_C(4095);
	assert_int_equal(bind_now(fake, 1, op), XENUSERPTR_STATUS_INVALID);
	op = fake_map(1, 0, 1, 0, 0);
	op.gpu_va = ~UINT64_C(4095);
	assert_int_equal(bind_now(fake, 1, op), XENUSERPTR_STATUS_INVALID);
	op = fake_map(1, 0, 1, 0, 0);
	op.offset = ~UINT64_C(4095);
	assert_int_equal(bind_now(fake, 1, op), XENUSERPTR_STATUS_INVALID);
	op = fake_map(1, 0, 1, 0, 0);
	op.gpu_va = 0;
	assert_int_equal(bind_now(fake, 1, op), XENUSERPTR_STATUS_RANGE);
}

static void bind_readonly(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(bind_now(fake, 1, fake_map(3, 0, 4, 0, RO)), OK);
	assert_int_equal(pte(fake, 0, 3)->readonly, RO);
	assert_int_equal(bind_now(fake, 1, fake_map(1, 0, 2, 1, RO)), OK);
	assert_int_equal(bind_now(fake, 1, fake_unmap(1, 1)), OK);
	assert_int_equal(pte(fake, 0, 2)->readonly, RO);
}

/* A GPU without these features, and with pages of 64 KiB only. */
static void bind_features(void **state)
{
	struct core_gpu gpu = fake_gpu;
	struct fake *fake;
	uint16_t id;

	(void)state;
	gpu.features = 0;
	gpu.page_sizes = 1 << 16;
	fake = fake_new(NULL, &gpu);
	fake_vm_create(fake, 1);
	fake_obj_create(fake, 1, 32, 0);
	fake_run(fake);
	id = fake_obj_create(fake, 3, 4, XENUSERPTR_OBJ_READONLY);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_UNSUPPORTED);
	assert_int_equal(bind_now(fake, 1, fake_map(1, 0, 16, 0, RO)),
			 XENUSERPTR_STATUS_UNSUPPORTED);
	assert_int_equal(bind_now(fake, 1, fake_map_null(16, 0)),
			 XENUSERPTR_STATUS_UNSUPPORTED);
	assert_int_equal(bind_now(fake, 1, fake_map(1, 0, 1, 0, 0)),
			 XENUSERPTR_STATUS_INVALID);
	assert_int_equal(bind_now(fake, 1, fake_map(1, 16, 16, 32, 0)), OK);
	fake_free(fake);
}

/* Operations of one array take effect in order. */
static void bind_list_in_order(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op ops[] = {
		fake_map(1, 0, 16, 0, 0), fake_map(2, 0, 4, 4, 0),
		fake_unmap(2, 5), fake_map(1, 8, 1, 5, 0), fake_unmap(4, 0),
		fake_map(2, 0, 1, 0, RO), fake_map(1, 0, 1, 0, 0),
	};
	uint16_t id = fake_bind_list(fake, 1, 1, ops, 7);

	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
	fake_compare(fake);
	assert_int_equal(pte(fake, 0, 0)->obj, 0);
	assert_int_equal(pte(fake, 0, 5)->page, 8);
	assert_int_equal(pte(fake, 0, 6)->kind, 0);
}

/* The later ones of a VM wait; those of another VM do not. */
static void bind_turns(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(1, 0, 4, 0, 0);
	struct xen_userptrif_bind_op unmap = fake_unmap(4, 0);
	uint16_t id[4];

	id[0] = fake_bind(fake, 1, &map);
	id[1] = fake_bind(fake, 1, &unmap);
	id[2] = fake_exec(fake, 1, 0, 0, 1);
	assert_int_equal(fake->nr_pending, 1);
	id[3] = fake_bind(fake, 2, &map);
	assert_int_equal(fake->nr_pending, 2);
	fake_complete(fake, 1, OK);
	fake_complete(fake, 1, OK);
	assert_int_equal(fake_status(fake, id[3]), OK);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake->pending[0].type, CORE_OP_BIND);
	assert_int_equal(fake->nr_pending, 1);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake_status(fake, id[0]), OK);
	assert_int_equal(fake->pending[0].binds[0].op, XENUSERPTR_BIND_UNMAP);
	assert_int_equal(fake->nr_pending, 1);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake_status(fake, id[1]), OK);
	assert_int_equal(fake->pending[0].type, CORE_OP_EXEC);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id[2]), OK);
}

/* EXECs share a turn, a bind behind them waits until they are queued. */
static void bind_behind_execs(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op null = fake_map_null(1, 0);

	fake_exec(fake, 1, 0, 0, 1);
	fake_exec(fake, 1, 1, 1, 1);
	fake_bind(fake, 1, &null);
	fake_exec(fake, 1, 0, 0, 2);
	assert_int_equal(fake->nr_pending, 2);
	fake_complete(fake, 1, OK);
	assert_int_equal(fake->nr_pending, 1);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake->nr_pending, 1);
	assert_int_equal(fake->pending[0].type, CORE_OP_BIND);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake->pending[0].type, CORE_OP_EXEC);
}

/* A refusal by the GPU leaves the tree as it was; the next one works. */
static void bind_gpu_refuses(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op ops[] = {
		fake_map(2, 0, 4, 4, 0), fake_unmap(1, 0),
	};
	uint16_t id;

	assert_int_equal(bind_now(fake, 1, fake_map(1, 0, 16, 0, 0)), OK);
	fake->fail_status = XENUSERPTR_STATUS_NO_MEMORY;
	fake->fail_at = fake->nr_answered + 3;	/* READ_BIND IMPORT BIND */
	id = fake_bind_list(fake, 1, 1, ops, 2);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake->core->va.charged, 1);
	fake_compare(fake);
	fake->fail_at = fake->nr_answered + 1;
	id = fake_bind_list(fake, 1, 1, ops, 2);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake->rsp[id].u.error_index, UINT32_MAX);
	id = fake_bind_list(fake, 1, 1, ops, 2);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
}

/* An import that fails names the operation that wanted it. */
static void bind_import_fails(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op ops[] = {
		fake_map_null(1, 0), fake_map(1, 0, 1, 1, 0),
		fake_map(1, 1, 1, 9, 0), fake_map(2, 0, 1, 2, 0),
	};
	uint16_t id;

	fake->fail_at = fake->nr_answered + 3;	/* READ_BIND IMPORT IMPORT */
	id = fake_bind_list(fake, 1, 1, ops, 4);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_IO);
	assert_int_equal(fake->rsp[id].u.error_index, 3);
	/* The import that worked stays, the other one is gone. */
	assert_int_equal(fake->core->import_pool.used, 1);
	assert_int_equal(fake->core->va.charged, 0);
}

/* More long binds than buffers: the rest waits, and all are answered. */
static void bind_buffers_run_out(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op ops[] = { fake_map_null(1, 0),
					       fake_unmap(1, 0) };
	uint16_t id[6];
	uint32_t i;

	for (i = 3; i <= 6; i++)
		fake_vm_create(fake, i);
	fake_run(fake);
	for (i = 0; i < 6; i++)
		id[i] = fake_bind_list(fake, i + 1, 1, ops, 2);
	assert_int_equal(fake->nr_pending, NR_BUFFERS);
	while (fake->nr_pending)
		fake_complete(fake, fake->nr_pending - 1, OK);
	for (i = 0; i < 6; i++)
		assert_int_equal(fake_status(fake, id[i]), OK);
	for (i = 3; i <= 6; i++)
		fake_vm_destroy(fake, i);
}

static void bind_unknown_vm(void **state)
{
	assert_int_equal(bind_now(*state, 99, fake_unmap(1, 0)),
			 XENUSERPTR_STATUS_NO_ENTRY);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bind_map_unmap),
		T(bind_replace_and_split),
		T(bind_unmap_of_nothing),
		T(bind_refused),
		T(bind_overflow),
		T(bind_readonly),
		cmocka_unit_test(bind_features),
		T(bind_list_in_order),
		T(bind_turns),
		T(bind_behind_execs),
		T(bind_gpu_refuses),
		T(bind_import_fails),
		T(bind_buffers_run_out),
		T(bind_unknown_vm),
	};

	return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
