// SPDX-License-Identifier: MIT
/* The backend's end of the ring against a frontend that is honest, or not. */
#include "cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

struct ring_test {
	_Alignas(4096) unsigned char page[4096 * 2];
	struct ring_packets_front_ring front;
	struct ring ring;
};

static struct ring_test test;

static int ring_setup(void **state)
{
	struct ring_packets_sring *shared = (void *)test.page;

	(void)state;
	memset(&test, 0, sizeof(test));
	XEN_FRONT_RING_INIT(&test.front, shared, 4096);
	ring_init(&test.ring, shared, 0);
	return 0;
}

static bool ring_send(uint16_t id)
{
	struct xen_userptrif_req *req;
	bool notify;

	req = RING_GET_REQUEST(&test.front, test.front.req_prod_pvt);
	memset(req, 0, sizeof(*req));
	req->id = id;
	test.front.req_prod_pvt++;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&test.front, notify);
	return notify;
}

static void ring_sizes(void **state)
{
	struct ring ring;

	(void)state;
	assert_int_equal(ring_size(&test.ring), 32);
	ring_init(&ring, test.page, 1);
	assert_int_equal(ring_size(&ring), 64);
}

static void ring_carries_packets(void **state)
{
	struct xen_userptrif_req req;
	struct xen_userptrif_rsp rsp = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		assert_int_equal(ring_take(&test.ring, &req), 0);
		assert_false(ring_arm(&test.ring));
		assert_true(ring_send((uint16_t)i));
		assert_int_equal(ring_take(&test.ring, &req), 1);
		assert_int_equal(req.id, i);
		rsp.id = req.id;
		assert_int_equal(ring_put(&test.ring, &rsp), 0);
		assert_true(ring_push(&test.ring));
		assert_false(ring_push(&test.ring));
		assert_int_equal(RING_GET_RESPONSE(&test.front, i)->id, i);
		test.front.rsp_cons++;
		test.front.sring->rsp_event = test.front.rsp_cons + 1;
	}
}

static void ring_arm_sees_the_last_request(void **state)
{
	struct xen_userptrif_req req;

	(void)state;
	ring_send(1);
	ring_send(2);
	assert_int_equal(ring_take(&test.ring, &req), 1);
	assert_true(ring_arm(&test.ring));
	assert_int_equal(ring_take(&test.ring, &req), 1);
	assert_false(ring_arm(&test.ring));
}

static void ring_is_copied_once(void **state)
{
	struct xen_userptrif_req req;

	(void)state;
	ring_send(1);
	assert_int_equal(ring_take(&test.ring, &req), 1);
	RING_GET_REQUEST(&test.front, 0)->id = 99;
	assert_int_equal(req.id, 1);
}

static void ring_refuses_wild_indices(void **state)
{
	static const uint32_t wild[] = { 33, 34, 1000, 0x80000000u,
					 0xfffffffeu };
	struct xen_userptrif_req req;
	size_t i;

	for (i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		ring_setup(state);
		test.front.sring->req_prod = wild[i];
		assert_int_equal(ring_take(&test.ring, &req), -EPROTO);
	}
}

static void ring_refuses_more_than_fits(void **state)
{
	struct xen_userptrif_req req;
	unsigned int i;

	(void)state;
	for (i = 0; i < 32; i++)
		ring_send((uint16_t)i);
	for (i = 0; i < 32; i++)
		assert_int_equal(ring_take(&test.ring, &req), 1);
	ring_send(32);	/* none of the 32 is answered */
	assert_int_equal(ring_take(&test.ring, &req), -EPROTO);
}

static void ring_refuses_an_index_that_goes_back(void **state)
{
	struct xen_userptrif_req req;
	struct xen_userptrif_rsp rsp = { 0 };

	(void)state;
	ring_send(0);
	ring_send(1);
	assert_int_equal(ring_take(&test.ring, &req), 1);
	assert_int_equal(ring_take(&test.ring, &req), 1);
	assert_int_equal(ring_put(&test.ring, &rsp), 0);
	test.front.sring->req_prod = 1;
	assert_int_equal(ring_take(&test.ring, &req), -EPROTO);
}

static void ring_answers_no_more_than_asked(void **state)
{
	struct xen_userptrif_req req;
	struct xen_userptrif_rsp rsp = { 0 };

	(void)state;
	assert_int_equal(ring_put(&test.ring, &rsp), -EOVERFLOW);
	ring_send(0);
	assert_int_equal(ring_take(&test.ring, &req), 1);
	assert_int_equal(ring_put(&test.ring, &rsp), 0);
	assert_int_equal(ring_put(&test.ring, &rsp), -EOVERFLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ring_sizes, ring_setup),
		cmocka_unit_test_setup(ring_carries_packets, ring_setup),
		cmocka_unit_test_setup(ring_arm_sees_the_last_request,
				       ring_setup),
		cmocka_unit_test_setup(ring_is_copied_once, ring_setup),
		cmocka_unit_test_setup(ring_refuses_wild_indices, ring_setup),
		cmocka_unit_test_setup(ring_refuses_more_than_fits, ring_setup),
		cmocka_unit_test_setup(ring_refuses_an_index_that_goes_back,
				       ring_setup),
		cmocka_unit_test_setup(ring_answers_no_more_than_asked,
				       ring_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
