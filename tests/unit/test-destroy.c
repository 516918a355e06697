// SPDX-License-Identifier: MIT
/* OBJ_DESTROY and VM_DESTROY: order of release, who waits for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define OK XENUSERPTR_STATUS_OK

/* Object 1 (16 pages) mapped in VMs 1 and 2, twice in VM 1. */
static int setup(void **state)
{
	struct fake *fake = fake_new(NULL, NULL);
	struct xen_userptrif_bind_op map = fake_map(1, 0, 16, 0, 0);
	struct xen_userptrif_bind_op again = fake_map(1, 0, 4, 20, 0);

	*state = fake;
	fake_vm_create(fake, 1);
	fake_vm_create(fake, 2);
	fake_obj_create(fake, 1, 16, 0);
	fake_run(fake);
	fake_bind(fake, 1, &map);
	fake_bind(fake, 2, &map);
	fake_bind(fake, 1, &again);
	fake_run(fake);
	return 0;
}

static int teardown(void **state)
{
	struct fake *fake = *state;

	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, XENUSERPTR_STATUS_CANCELED);
	fake_obj_destroy(fake, 1);
	fake_vm_destroy(fake, 1);
	fake_vm_destroy(fake, 2);
	fake_run(fake);
	fake_jobs_end(fake, UINT32_MAX, XENUSERPTR_STATUS_CANCELED);
	fake_run(fake);
	fake_assert_empty(fake);
	fake_free(fake);
	return 0;
}

/* One bind per VM with all unmaps, then close, then unmap, then UNMAPPED. */
static void destroy_object_everywhere(void **state)
{
	struct fake *fake = *state;
	uint16_t id = fake_obj_destroy(fake, 1);

	assert_int_equal(fake->nr_pending, 2);
	assert_int_equal(fake->pending[0].type, CORE_OP_BIND);
	assert_int_equal(fake->pending[1].type, CORE_OP_BIND);
	assert_int_equal(fake->pending[0].nr + fake->pending[1].nr, 3);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake->pending[1].type, CORE_OP_CLOSE);
	fake_complete(fake, 1, OK);
	assert_int_equal(fake->nr_pending, 1);
	fake_complete(fake, 0, OK);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake->pending[0].type, CORE_OP_UNMAP);
	fake_complete(fake, 0, OK);
	assert_false(fake_answered(fake, id));
	assert_int_equal(fake->core->pages_used, 16);
	fake_unmapped(fake, 0);
	assert_int_equal(fake_status(fake, id), OK);
	assert_int_equal(fake->core->pages_used, 0);
	assert_int_equal(fake->core->va.charged, 0);
}

/* From the request on the object cannot be bound or destroyed again. */
static void destroy_object_not_usable(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(1, 0, 1, 40, 0);
	uint16_t bind, destroy, again;

	destroy = fake_obj_destroy(fake, 1);
	bind = fake_bind(fake, 1, &map);
	again = fake_obj_destroy(fake, 1);
	assert_int_equal(fake_status(fake, again), XENUSERPTR_STATUS_NO_ENTRY);
	fake_run(fake);
	assert_int_equal(fake_status(fake, bind), XENUSERPTR_STATUS_NO_ENTRY);
	assert_int_equal(fake_status(fake, destroy), OK);
}

/* A bind that runs ends first; one that waits finds the object gone. */
static void destroy_object_behind_bind(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(1, 0, 1, 40, 0);
	uint16_t running, waiting, destroy;

	running = fake_bind(fake, 1, &map);
	waiting = fake_bind(fake, 1, &map);
	destroy = fake_obj_destroy(fake, 1);
	fake_run(fake);
	assert_int_equal(fake_status(fake, running), OK);
	assert_int_equal(fake_status(fake, waiting),
			 XENUSERPTR_STATUS_NO_ENTRY);
	assert_int_equal(fake_status(fake, destroy), OK);
}

/* The bind that runs makes the import, and then the GPU refuses. */
static void destroy_object_behind_failing_bind(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(2, 0, 1, 40, 0);
	uint16_t bind, destroy;

	fake_obj_create(fake, 2, 4, 0);
	fake_run(fake);
	bind = fake_bind(fake, 1, &map);
	assert_int_equal(fake->pending[0].type, CORE_OP_IMPORT);
	destroy = fake_obj_destroy(fake, 2);
	fake_complete(fake, 0, XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake_status(fake, bind), XENUSERPTR_STATUS_NO_MEMORY);
	fake_run(fake);
	assert_int_equal(fake_status(fake, destroy), OK);
}

/* More mappings than one bind can take: several binds, one after another. */
static void destroy_object_in_batches(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op op;
	unsigned int binds = 0, unmaps = 0;
	uint32_t i;
	uint16_t id;

	for (i = 0; i < 20; i++) {
		op = fake_map(1, 0, 1, 60 + 2 * i, 0);
		fake_bind(fake, 1, &op);
		fake_run(fake);
	}
	id = fake_obj_destroy(fake, 1);
	while (fake->nr_pending) {
		if (fake->pending[0].type == CORE_OP_BIND) {
			assert_true(fake->pending[0].nr <=
				    fake->limits.max_bind_ops);
			binds++;
			unmaps += fake->pending[0].nr;
		}
		fake_complete(fake, 0, OK);
	}
	assert_int_equal(binds, 3);	/* 16 + 6 in VM 1, 1 in VM 2 */
	assert_int_equal(unmaps, 23);
	fake_compare(fake);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
}

/* A release that fails keeps the object, unusable, and can be tried again. */
static void destroy_object_fails(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(1, 0, 1, 40, 0);
	unsigned int n;
	uint16_t id;

	for (n = 1;; n++) {
		fake->fail_at = fake->nr_answered + n;
		fake->nr_failed = 0;
		id = fake_obj_destroy(fake, 1);
		fake_run(fake);
		if (!fake->nr_failed)
			break;
		assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_IO);
		assert_int_equal(fake->core->pages_used, 16);
		id = fake_bind(fake, 1, &map);
		fake_run(fake);
		assert_int_equal(fake_status(fake, id),
				 XENUSERPTR_STATUS_NO_ENTRY);
		fake_compare(fake);
		fake->fail_at = 0;
		id = fake_obj_destroy(fake, 1);
		fake_run(fake);
		assert_int_equal(fake_status(fake, id), OK);
		fake_obj_create(fake, 1, 16, 0);
		fake_run(fake);
		map.gpu_va = FAKE_VA_START;
		fake_bind(fake, 1, &map);
		fake_bind(fake, 2, &map);
		fake_run(fake);
	}
	fake->fail_at = 0;
	assert_int_equal(n, 6);	/* two BINDs, two CLOSEs, one UNMAP */
	assert_int_equal(fake_status(fake, id), OK);
}

/* The answer comes when the close is DONE and the last fence is written. */
static void destroy_vm_with_jobs(void **state)
{
	struct fake *fake = *state;
	uint16_t id;

	fake_exec(fake, 1, 0, 0, 1);
	fake_exec(fake, 1, 1, 1, 1);
	fake_run(fake);
	id = fake_vm_destroy(fake, 1);
	assert_int_equal(fake->pending[0].type, CORE_OP_VM_CLOSE);
	fake_job_end(fake, 0, XENUSERPTR_STATUS_CANCELED, 0);
	fake_complete(fake, 0, OK);
	assert_false(fake_answered(fake, id));
	fake_job_end(fake, 1, XENUSERPTR_STATUS_CANCELED, 0);
	assert_int_equal(fake_status(fake, id), OK);
	assert_int_equal(fake->nr_events, 2);
	assert_int_equal(fake->fence[0], 1);
	assert_int_equal(fake->fence[1], 1);
	/* What it had mapped is uncharged; the object lives on in VM 2. */
	assert_int_equal(fake->core->va.charged, 1);
	assert_int_equal(fake->core->import_pool.used, 1);
}

static void destroy_vm_not_usable(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op op = fake_unmap(1, 0);
	uint16_t id = fake_vm_destroy(fake, 1);

	assert_int_equal(fake_status(fake, fake_bind(fake, 1, &op)),
			 XENUSERPTR_STATUS_NO_ENTRY);
	assert_int_equal(fake_status(fake, fake_exec(fake, 1, 0, 5, 1)),
			 XENUSERPTR_STATUS_NO_ENTRY);
	assert_int_equal(fake_status(fake, fake_vm_destroy(fake, 1)),
			 XENUSERPTR_STATUS_NO_ENTRY);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
	fake_vm_create(fake, 1);
	fake_run(fake);
}

static void destroy_vm_close_fails(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op op = fake_unmap(1, 0);
	uint16_t id = fake_vm_destroy(fake, 1);

	fake_complete(fake, 0, XENUSERPTR_STATUS_IO);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_IO);
	assert_int_equal(fake_status(fake, fake_bind(fake, 1, &op)),
			 XENUSERPTR_STATUS_NO_ENTRY);
	id = fake_vm_destroy(fake, 1);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
}

/* The release of an object waits behind VM_DESTROY and ends with the VM. */
static void destroy_object_in_dying_vm(void **state)
{
	struct fake *fake = *state;
	uint16_t vm, obj;

	vm = fake_vm_destroy(fake, 1);
	obj = fake_obj_destroy(fake, 1);
	assert_int_equal(fake->pending[0].type, CORE_OP_VM_CLOSE);
	fake_complete(fake, 0, OK);
	assert_int_equal(fake_status(fake, vm), OK);
	assert_false(fake_answered(fake, obj));
	fake_run(fake);
	assert_int_equal(fake_status(fake, obj), OK);
}

/* The close fails: then the release has to be done in the broken VM. */
static void destroy_object_in_broken_vm(void **state)
{
	struct fake *fake = *state;
	uint16_t obj;

	fake_vm_destroy(fake, 1);
	obj = fake_obj_destroy(fake, 1);
	fake_complete(fake, 0, XENUSERPTR_STATUS_IO);
	fake_run(fake);
	assert_int_equal(fake_status(fake, obj), OK);
	fake_compare(fake);
}

static void destroy_unknown(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(fake_status(fake, fake_obj_destroy(fake, 99)),
			 XENUSERPTR_STATUS_NO_ENTRY);
	assert_int_equal(fake_status(fake, fake_vm_destroy(fake, 99)),
			 XENUSERPTR_STATUS_NO_ENTRY);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(destroy_object_everywhere),
		T(destroy_object_not_usable),
		T(destroy_object_behind_bind),
		T(destroy_object_behind_failing_bind),
		T(destroy_object_in_batches),
		T(destroy_object_fails),
		T(destroy_vm_with_jobs),
		T(destroy_vm_not_usable),
		T(destroy_vm_close_fails),
		T(destroy_object_in_dying_vm),
		T(destroy_object_in_broken_vm),
		T(destroy_unknown),
	};

	return cmocka_run_group_tests_name("destroy", tests, NULL, NULL);
}
