// SPDX-License-Identifier: MIT
/* OBJ_TRIM: pages given back while the rest of the object stays in use. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define OK XENUSERPTR_STATUS_OK

/* Object 1 (16 pages) mapped in VM 1. */
static int setup(void **state)
{
	struct fake *fake = fake_new(NULL, NULL);
	struct xen_userptrif_bind_op map = fake_map(1, 0, 16, 0, 0);

	*state = fake;
	fake_vm_create(fake, 1);
	fake_obj_create(fake, 1, 16, 0);
	fake_run(fake);
	fake_bind(fake, 1, &map);
	fake_run(fake);
	return 0;
}

static int teardown(void **state)
{
	struct fake *fake = *state;

	if (!fake->core->dead) {
		fake_run(fake);
		fake_obj_destroy(fake, 1);
		fake_vm_destroy(fake, 1);
		fake_run(fake);
		fake_assert_empty(fake);
	}
	fake_free(fake);
	return 0;
}

/* One op; the quota is free at its end; what is bound stays bound. */
static void trim_gives_pages_back(void **state)
{
	struct fake *fake = *state;
	uint16_t id = fake_obj_trim(fake, 1, 4, 8);

	assert_int_equal(fake->nr_pending, 1);
	assert_int_equal(fake->pending[0].type, CORE_OP_TRIM);
	assert_int_equal(fake->pending[0].first, 4);
	assert_int_equal(fake->pending[0].nr, 8);
	assert_int_equal(fake->core->pages_used, 16);
	assert_false(fake_answered(fake, id));
	fake_complete(fake, 0, OK);
	assert_int_equal(fake_status(fake, id), OK);
	assert_int_equal(fake->core->pages_used, 8);
	assert_int_equal(fake->core->va.charged, 1);
	fake_compare(fake);
}

static void trim_refused_changes_nothing(void **state)
{
	struct fake *fake = *state;
	uint16_t id = fake_obj_trim(fake, 1, 0, 1), again;

	fake_complete(fake, 0, XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_MEMORY);
	assert_int_equal(fake->core->pages_used, 16);
	again = fake_obj_trim(fake, 1, 0, 1);
	fake_run(fake);
	assert_int_equal(fake_status(fake, again), OK);
}

/* A page counts once. */
static void trim_twice(void **state)
{
	struct fake *fake = *state;
	uint16_t id;

	fake_obj_trim(fake, 1, 0, 4);
	fake_run(fake);
	id = fake_obj_trim(fake, 1, 3, 4);
	fake_run(fake);
	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_INVALID);
	assert_int_equal(fake->core->pages_used, 12);
}

/* Binds and jobs go on meanwhile. */
static void trim_does_not_stop_others(void **state)
{
	struct fake *fake = *state;
	struct xen_userptrif_bind_op map = fake_map(1, 8, 4, 40, 0);
	uint16_t trim = fake_obj_trim(fake, 1, 0, 4);
	uint16_t bind = fake_bind(fake, 1, &map);

	fake_complete(fake, 1, OK);
	assert_int_equal(fake_status(fake, bind), OK);
	assert_false(fake_answered(fake, trim));
	fake_run(fake);
	assert_int_equal(fake_status(fake, trim), OK);
}

static void trim_unknown_object(void **state)
{
	struct fake *fake = *state;
	uint16_t id = fake_obj_trim(fake, 77, 0, 1);

	assert_int_equal(fake_status(fake, id), XENUSERPTR_STATUS_NO_ENTRY);
}

static void expect_eproto(struct fake *fake, uint8_t operation, uint32_t first,
			  uint32_t nr)
{
	struct xen_userptrif_req req = fake_req(operation, 500);

	if (operation == XENUSERPTR_OP_OBJ_TRIM) {
		req.op.obj_trim.obj_id = 1;
		req.op.obj_trim.first_page = first;
		req.op.obj_trim.nr_pages = nr;
	} else {
		req.op.obj_destroy.obj_id = 1;
	}
	assert_int_equal(fake_request(fake, &req), -EPROTO);
}

static void trim_outside_of_object(void **state)
{
	expect_eproto(*state, XENUSERPTR_OP_OBJ_TRIM, 16, 1);
}

static void trim_past_the_end(void **state)
{
	expect_eproto(*state, XENUSERPTR_OP_OBJ_TRIM, 15, 2);
}

static void trim_wraps_around(void **state)
{
	expect_eproto(*state, XENUSERPTR_OP_OBJ_TRIM, 1, UINT32_MAX);
}

static void trim_while_trimming(void **state)
{
	fake_obj_trim(*state, 1, 0, 1);
	expect_eproto(*state, XENUSERPTR_OP_OBJ_TRIM, 2, 1);
}

static void destroy_while_trimming(void **state)
{
	fake_obj_trim(*state, 1, 0, 1);
	expect_eproto(*state, XENUSERPTR_OP_OBJ_DESTROY, 0, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(trim_gives_pages_back),
		T(trim_refused_changes_nothing),
		T(trim_twice),
		T(trim_does_not_stop_others),
		T(trim_unknown_object),
		T(trim_outside_of_object),
		T(trim_past_the_end),
		T(trim_wraps_around),
		T(trim_while_trimming),
		T(destroy_while_trimming),
	};

	return cmocka_run_group_tests_name("trim", tests, NULL, NULL);
}
