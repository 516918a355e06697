// SPDX-License-Identifier: MIT
/* Every quota: reached, refused with QUOTA, given back, reached again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define OK	XENUSERPTR_STATUS_OK
#define QUOTA	XENUSERPTR_STATUS_QUOTA

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

static uint32_t create(struct fake *fake, uint32_t obj, uint32_t nr_pages)
{
	uint16_t id = fake_obj_create(fake, obj, nr_pages, 0);

	fake_run(fake);
	return fake_status(fake, id);
}

static uint32_t destroy(struct fake *fake, uint32_t obj)
{
	uint16_t id = fake_obj_destroy(fake, obj);

	fake_run(fake);
	return fake_status(fake, id);
}

static void quota_pages(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(create(fake, 1, 257), QUOTA);
	assert_int_equal(create(fake, 1, 200), OK);
	assert_int_equal(create(fake, 2, 57), QUOTA);
	assert_int_equal(create(fake, 2, XENUSERPTR_MAX_OBJ_PAGES), QUOTA);
	assert_int_equal(create(fake, 2, 56), OK);
	assert_int_equal(create(fake, 3, 1), QUOTA);
	assert_int_equal(destroy(fake, 1), OK);
	assert_int_equal(create(fake, 3, 200), OK);
	assert_int_equal(fake->core->pages_used, 256);
}

/* What was given back is kept in tables until its object ends: not without end. */
static void quota_pages_given_back(void **state)
{
	struct fake *fake = *state;
	uint32_t obj;

	for (obj = 1; obj <= 2; obj++) {
		assert_int_equal(create(fake, obj, 256), OK);
		fake_obj_trim(fake, obj, 0, 256);
		fake_run(fake);
		assert_int_equal(fake->core->pages_used, 0);
	}
	assert_int_equal(create(fake, 3, 1), QUOTA);
	assert_int_equal(destroy(fake, 1), OK);
	assert_int_equal(create(fake, 3, 256), OK);
	assert_int_equal(fake->core->pages_kept, 512);
}

/* Pages count from the request on, and come back if the map fails. */
static void quota_pages_of_failed_create(void **state)
{
	struct fake *fake = *state;
	uint16_t first = fake_obj_create(fake, 1, 256, 0);
	uint16_t second = fake_obj_create(fake, 2, 1, 0);

	assert_int_equal(fake_status(fake, second), QUOTA);
	fake_complete(fake, 0, OK);
	fake_complete(fake, 0, XENUSERPTR_STATUS_BUDGET);
	assert_int_equal(fake_status(fake, first), XENUSERPTR_STATUS_BUDGET);
	assert_int_equal(fake->core->pages_used, 0);
	assert_int_equal(create(fake, 1, 256), OK);
}

static void quota_objects(void **state)
{
	struct fake *fake = *state;
	uint32_t i;

	for (i = 0; i < 8; i++)
		assert_int_equal(create(fake, i, 1), OK);
	assert_int_equal(create(fake, 8, 1), QUOTA);
	assert_int_equal(destroy(fake, 3), OK);
	assert_int_equal(create(fake, 8, 1), OK);
	assert_int_equal(create(fake, 3, 1), QUOTA);
}

static void quota_vms(void **state)
{
	struct fake *fake = *state;
	uint32_t i;

	for (i = 0; i < 6; i++)
		fake_vm_create(fake, i);
	assert_int_equal(fake_status(fake, fake_vm_create(fake, 6)), QUOTA);
	fake_run(fake);
	fake_vm_destroy(fake, 2);
	fake_run(fake);
	fake_vm_create(fake, 6);
	fake_run(fake);
	assert_int_equal(fake->core->vm_pool.used, 6);
}

static uint32_t bind_now(struct fake *fake, struct xen_userptrif_bind_op op)
{
	uint16_t id = fake_bind(fake, 1, &op);

	fake_run(fake);
	fake_compare(fake);
	return fake_status(fake, id);
}

static void quota_mappings(void **state)
{
	struct fake *fake = *state;
	uint32_t i;

	fake_vm_create(fake, 1);
	fake_run(fake);
	for (i = 0; i < 32; i++)
		assert_int_equal(bind_now(fake, fake_map_null(4, 4 * i)), OK);
	assert_int_equal(bind_now(fake, fake_map_null(4, 200)), QUOTA);
	/* A split needs one more, a replacement does not. */
	assert_int_equal(bind_now(fake, fake_unmap(1, 1)), QUOTA);
	assert_int_equal(bind_now(fake, fake_map_null(4, 8)), OK);
	assert_int_equal(bind_now(fake, fake_unmap(1, 0)), OK);
	assert_int_equal(bind_now(fake, fake_map_null(128, 0)), OK);
	assert_int_equal(fake->core->va.charged, 1);
}

/* An array may pass through more mappings than stay, but not above the quota. */
static void quota_mappings_of_array(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op ops[16];
	uint32_t i;
	uint16_t id;

	fake_vm_create(fake, 1);
	fake_run(fake);
	for (i = 0; i < 20; i++)
		assert_int_equal(bind_now(fake, fake_map_null(2, 4 * i)), OK);
	for (i = 0; i < 16; i++)
		ops[i] = fake_map_null(1, 100 + 2 * i);
	id = fake_bind_list(fake, 1, 1, ops, 16);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), QUOTA);
	assert_int_equal(fake->rsp[id].u.error_index, 12);
	assert_int_equal(fake->core->va.charged, 20);
	ops[4] = fake_unmap(100, 0);
	id = fake_bind_list(fake, 1, 1, ops, 16);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
	assert_int_equal(fake->core->va.charged, 15);
}

static void quota_bind_ops(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op ops[17];
	uint32_t i;

	fake_vm_create(fake, 1);
	fake_run(fake);
	for (i = 0; i < 17; i++)
		ops[i] = fake_unmap(1, 0);
	assert_int_equal(fake_status(fake, fake_bind_list(fake, 1, 1, ops, 17)),
			 QUOTA);
}

static void quota_jobs(void **state)
{
	struct fake *fake = *state;
	uint32_t i;
	uint16_t id;

	fake_vm_create(fake, 1);
	fake_run(fake);
	for (i = 0; i < 8; i++)
		fake_exec(fake, 1, 0, 0, i + 1);
	id = fake_exec(fake, 1, 0, 0, 100);
	assert_int_equal(fake_status(fake, id), QUOTA);
	fake_run(fake);
	fake_job_end(fake, 0, OK, 0);
	id = fake_exec(fake, 1, 0, 0, 101);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), OK);
	/* A job that ended behind one that runs still counts. */
	fake_job_end(fake, 5, OK, 0);
	id = fake_exec(fake, 1, 0, 0, 102);
	assert_int_equal(fake_status(fake, id), QUOTA);
}

/* Imports are bounded by mappings + objects; they are given back. */
static void quota_imports(void **state)
{
	struct core_limits limits = fake_limits;
	struct fake *fake;
	uint32_t vm, obj;
	uint16_t id = 0;

	limits.max_mappings = 1;
	fake_free(*state);
	*state = fake = fake_new(&limits, NULL);
	for (obj = 0; obj < 8; obj++)
		assert_int_equal(create(fake, obj, 1), OK);
	for (vm = 0; vm < 6; vm++)
		fake_vm_create(fake, vm);
	fake_run(fake);
	for (vm = 0; vm < 2; vm++)
		for (obj = 0; obj < 8; obj++) {
			struct xen_userptrif_bind_op ops[] = {
				fake_map(obj, 0, 1, 0, 0), fake_unmap(1, 0),
			};

			id = fake_bind_list(fake, vm, 1, ops, 2);
			fake_run(fake);
			assert_int_equal(fake_status(fake, id),
					 8 * vm + obj < 9 ? OK : QUOTA);
		}
	assert_int_equal(destroy(fake, 0), OK);
	assert_int_equal(fake->core->import_pool.used, 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(quota_pages),
		T(quota_pages_given_back),
		T(quota_pages_of_failed_create),
		T(quota_objects),
		T(quota_vms),
		T(quota_mappings),
		T(quota_mappings_of_array),
		T(quota_bind_ops),
		T(quota_jobs),
		T(quota_imports),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
