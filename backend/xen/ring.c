// SPDX-License-Identifier: MIT
/*
 * Takes requests off the shared ring and puts responses on it. First step of
 * walk A in the backend; next is core_step(), by way of worker/route.c.
 *
 * The shared page is hostile memory: each index is read once per decision and
 * each packet is copied once.
 */
#include "ring.h"

#include <errno.h>

void ring_init(struct ring *ring, void *shared, unsigned int order)
{
	struct ring_packets_sring *sring = shared;

	BACK_RING_INIT(&ring->back, sring,
		       (size_t)XENUSERPTR_PAGE_SIZE << order);
	ring->has_unpushed = false;
}

uint32_t ring_size(const struct ring *ring)
{
	return RING_SIZE(&ring->back);
}

int ring_take(struct ring *ring, struct xen_userptrif_req *untrusted_req)
{
	struct ring_packets_back_ring *back = &ring->back;
	RING_IDX untrusted_prod;

	untrusted_prod = __atomic_load_n(&back->sring->req_prod,
					 __ATOMIC_ACQUIRE);
	if (RING_REQUEST_PROD_OVERFLOW(back, untrusted_prod))
		return -EPROTO;
	if (untrusted_prod - back->req_cons > RING_SIZE(back))
		return -EPROTO;	/* the index went backwards */
	if (untrusted_prod == back->req_cons)
		return 0;
	RING_COPY_REQUEST(back, back->req_cons, untrusted_req);
	back->req_cons++;
	return 1;
}

int ring_put(struct ring *ring, const struct xen_userptrif_rsp *rsp)
{
	struct ring_packets_back_ring *back = &ring->back;

	if (back->rsp_prod_pvt == back->req_cons)
		return -EOVERFLOW;
	*RING_GET_RESPONSE(back, back->rsp_prod_pvt) = *rsp;
	back->rsp_prod_pvt++;
	ring->has_unpushed = true;
	return 0;
}

bool ring_push(struct ring *ring)
{
	bool notify;

	if (!ring->has_unpushed)
		return false;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->back, notify);
	ring->has_unpushed = false;
	return notify;
}

bool ring_arm(struct ring *ring)
{
	int more;

	RING_FINAL_CHECK_FOR_REQUESTS(&ring->back, more);
	return more != 0;
}
