// SPDX-License-Identifier: MIT
/* The line between "closes the connection" and "gets a status". */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fake.h"
#include "internal.h"

#define FIELD(path) offsetof(struct xen_userptrif_req, path), \
		    sizeof(((struct xen_userptrif_req *)0)->path)

/* A packet of each operation that is right in every field. */
static struct xen_userptrif_req good(uint8_t operation)
{
	struct xen_userptrif_req req = fake_req(operation, 77);

	switch (operation) {
	case XENUSERPTR_OP_OBJ_CREATE:
		req.op.obj_create.nr_pages = 1;
		req.op.obj_create.gref_directory = 1;
		break;
	case XENUSERPTR_OP_VM_BIND:
		req.op.vm_bind.nr_ops = 1;
		req.op.vm_bind.op = fake_map(1, 0, 1, 0, 0);
		break;
	case XENUSERPTR_OP_EXEC:
		req.op.exec.cmd_va = FAKE_VA_START;
		req.op.exec.cmd_length = 4;
		req.op.exec.seqno = 1;
		break;
	case XENUSERPTR_OP_ADVISE:
		req.op.advise.length = 1;
		break;
	case XENUSERPTR_OP_OBJ_TRIM:
		req.op.obj_trim.nr_pages = 1;
		break;
	case XENUSERPTR_OP_QUERY:
		req.op.query.what = XENUSERPTR_QUERY_LIMITS;
		break;
	default:
		break;
	}
	return req;
}

static int validate(const struct xen_userptrif_req *req)
{
	struct xen_userptrif_req clean;

	memset(&clean, 0xee, sizeof(clean));
	if (request_validate(req, &clean))
		return -EPROTO;
	assert_memory_equal(&clean, req, sizeof(clean));
	return 0;
}

static void request_good_ones(void **state)
{
	uint8_t operation;

	(void)state;
	for (operation = 1; operation <= XENUSERPTR_OP_OBJ_TRIM; operation++) {
		struct xen_userptrif_req req = good(operation);

		assert_int_equal(validate(&req), 0);
	}
}

static void request_unknown_operation(void **state)
{
	unsigned int operation;

	(void)state;
	for (operation = 0; operation < 256; operation++) {
		struct xen_userptrif_req req = good((uint8_t)operation);

		assert_int_equal(validate(&req), operation >= 1 &&
				 operation <= 10 ? 0 : -EPROTO);
	}
}

/* Octets that each operation does not use must be zero, every one of them. */
static void request_unused_octets(void **state)
{
	static const size_t size[] = {
		0, 12, 8, 16, 8, 56, 40, 24, 8, 8, 16,
	};
	uint8_t operation;
	size_t i;

	(void)state;
	for (operation = 1; operation <= XENUSERPTR_OP_OBJ_TRIM; operation++) {
		for (i = 3; i < sizeof(struct xen_userptrif_req); i++) {
			struct xen_userptrif_req req = good(operation);

			if (i >= 8 && i < 8 + size[operation])
				continue;
			((uint8_t *)&req)[i] = 1;
			assert_int_equal(validate(&req), -EPROTO);
		}
	}
}

/* One field changed in a good packet: what then? */
static const struct {
	uint8_t operation;
	size_t offset;
	size_t size;
	uint64_t value;
	int expect;
} cases[] = {
	{ 1, FIELD(op.vm_create.flags), 1, -EPROTO },
	{ 1, FIELD(op.vm_create.vm_id), UINT32_MAX, 0 },
	{ 1, FIELD(op.vm_create.gpu), UINT32_MAX, 0 }, /* gets a status */
	{ 2, FIELD(op.vm_destroy.flags), 1, -EPROTO },
	{ 3, FIELD(op.obj_create.flags), XENUSERPTR_OBJ_READONLY, 0 },
	{ 3, FIELD(op.obj_create.flags), 2, -EPROTO },
	{ 3, FIELD(op.obj_create.nr_pages), 0, -EPROTO },
	{ 3, FIELD(op.obj_create.nr_pages), XENUSERPTR_MAX_OBJ_PAGES, 0 },
	{ 3, FIELD(op.obj_create.nr_pages), XENUSERPTR_MAX_OBJ_PAGES + 1,
	  -EPROTO },
	{ 3, FIELD(op.obj_create.gref_directory), 0, -EPROTO },
	{ 4, FIELD(op.obj_destroy.flags), XENUSERPTR_DESTROY_DISCARD, 0 },
	{ 4, FIELD(op.obj_destroy.flags), 2, -EPROTO },
	{ 10, FIELD(op.obj_trim.flags), XENUSERPTR_TRIM_DISCARD, 0 },
	{ 5, FIELD(op.vm_bind.flags), 2, -EPROTO },
	{ 5, FIELD(op.vm_bind.flags), 1, -EPROTO }, /* has an inline op */
	{ 5, FIELD(op.vm_bind.nr_ops), 0, -EPROTO },
	{ 5, FIELD(op.vm_bind.nr_ops), 2, -EPROTO },
	{ 5, FIELD(op.vm_bind.gref_directory), 1, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.op), 0, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.op), 4, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.op), XENUSERPTR_BIND_UNMAP, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.op), XENUSERPTR_BIND_MAP_NULL, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.flags), XENUSERPTR_BIND_READONLY, 0 },
	{ 5, FIELD(op.vm_bind.op.flags), 2, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.reserved), 1, -EPROTO },
	{ 5, FIELD(op.vm_bind.op.length), 0, 0 },	/* a status later */
	{ 5, FIELD(op.vm_bind.op.gpu_va), 1, 0 },	/* a status later */
	{ 5, FIELD(op.vm_bind.op.offset), UINT64_MAX, 0 }, /* the same */
	{ 6, FIELD(op.exec.timeline), 511, 0 },
	{ 6, FIELD(op.exec.timeline), 512, -EPROTO },
	{ 6, FIELD(op.exec.flags), XENUSERPTR_EXEC_STAY, 0 },
	{ 6, FIELD(op.exec.flags), 2, -EPROTO },
	{ 6, FIELD(op.exec.reserved), 1, -EPROTO },
	{ 6, FIELD(op.exec.cmd_length), 0, 0 },		/* a status later */
	{ 6, FIELD(op.exec.engine), UINT32_MAX, 0 },	/* a status later */
	{ 7, FIELD(op.advise.advice), 99, 0 },		/* a status later */
	{ 8, FIELD(op.query.what), 99, 0 },		/* a status later */
	{ 8, FIELD(op.query.obj_id), 1, -EPROTO },
	{ 9, FIELD(op.quiesce.flags), 1, -EPROTO },
	{ 9, FIELD(op.quiesce.reserved), 1, -EPROTO },
	{ 10, FIELD(op.obj_trim.flags), 2, -EPROTO },
	{ 10, FIELD(op.obj_trim.nr_pages), 0, -EPROTO },
	{ 10, FIELD(op.obj_trim.first_page), UINT32_MAX, 0 }, /* later */
};

static void request_fields(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xen_userptrif_req req = good(cases[i].operation);
		int ret;

		memcpy((uint8_t *)&req + cases[i].offset, &cases[i].value,
		       cases[i].size);
		ret = validate(&req);
		if (ret != cases[i].expect)
			fail_msg("case %zu: %d", i, ret);
	}
}

static void request_bind_indirect(void **state)
{
	struct xen_userptrif_req req = fake_req(XENUSERPTR_OP_VM_BIND, 1);
	struct xen_userptrif_req bad;

	(void)state;
	req.op.vm_bind.flags = XENUSERPTR_VM_BIND_INDIRECT;
	req.op.vm_bind.nr_ops = XENUSERPTR_MAX_BIND_OPS;
	req.op.vm_bind.gref_directory = 5;
	assert_int_equal(validate(&req), 0);
	bad = req;
	bad.op.vm_bind.nr_ops++;
	assert_int_equal(validate(&bad), -EPROTO);
	bad = req;
	bad.op.vm_bind.nr_ops = 0;
	assert_int_equal(validate(&bad), -EPROTO);
	bad = req;
	bad.op.vm_bind.gref_directory = 0;
	assert_int_equal(validate(&bad), -EPROTO);
	bad = req;
	bad.op.vm_bind.op.op = XENUSERPTR_BIND_UNMAP;
	assert_int_equal(validate(&bad), -EPROTO);
}

static void request_unmap_has_no_object(void **state)
{
	struct xen_userptrif_bind_op op = fake_unmap(1, 0);

	(void)state;
	assert_int_equal(bind_op_validate(&op), 0);
	op.flags = XENUSERPTR_BIND_READONLY;
	assert_int_equal(bind_op_validate(&op), -EPROTO);
	op = fake_unmap(1, 0);
	op.obj_id = 1;
	assert_int_equal(bind_op_validate(&op), -EPROTO);
	op = fake_map_null(1, 0);
	op.offset = 4096;
	assert_int_equal(bind_op_validate(&op), -EPROTO);
}

/* What ends the connection must do so in core_step(), with no op. */
static void expect_proto(const struct xen_userptrif_req *req,
			 void (*prepare)(struct fake *fake))
{
	struct fake *fake = fake_new(NULL, NULL);

	if (prepare)
		prepare(fake);
	assert_int_equal(fake_request(fake, req), -EPROTO);
	assert_int_equal(core_check(fake->core), 0);
	fake_free(fake);
}

static void one_of_each(struct fake *fake)
{
	fake_vm_create(fake, 0);
	fake_obj_create(fake, 0, 1, 0);
}

static void ring_full(struct fake *fake)
{
	uint32_t i;

	fake_vm_create(fake, 0);
	fake_run(fake);
	for (i = 0; i < fake->limits.max_requests; i++) {
		struct xen_userptrif_bind_op op = fake_unmap(1, 0);

		fake_bind(fake, 0, &op);
	}
}

static void request_ids_in_use(void **state)
{
	struct xen_userptrif_req req = good(XENUSERPTR_OP_VM_CREATE);

	(void)state;
	expect_proto(&req, one_of_each);		/* vm_id in use */
	req = good(XENUSERPTR_OP_OBJ_CREATE);
	expect_proto(&req, one_of_each);		/* obj_id in use */
	req = good(XENUSERPTR_OP_QUIESCE);
	req.id = 0;
	expect_proto(&req, one_of_each);		/* id in flight */
	req.id = 77;
	expect_proto(&req, ring_full);
	req.operation = 0;
	expect_proto(&req, NULL);
}

/* The array of an indirect bind is the guest's, too. */
static void request_bind_list_malformed(void **state)
{
	struct xen_userptrif_bind_op ops[3] = {
		fake_map_null(1, 0), fake_map_null(1, 1), fake_unmap(1, 0),
	};
	struct fake *fake = fake_new(NULL, NULL);

	(void)state;
	fake_vm_create(fake, 0);
	fake_run(fake);
	ops[2].reserved = 1;
	fake_bind_list(fake, 0, 1, ops, 3);
	assert_int_equal(fake_complete(fake, 0, XENUSERPTR_STATUS_OK), -EPROTO);
	assert_int_equal(core_check(fake->core), 0);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_good_ones),
		cmocka_unit_test(request_unknown_operation),
		cmocka_unit_test(request_unused_octets),
		cmocka_unit_test(request_fields),
		cmocka_unit_test(request_bind_indirect),
		cmocka_unit_test(request_unmap_has_no_object),
		cmocka_unit_test(request_ids_in_use),
		cmocka_unit_test(request_bind_list_malformed),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
