/* SPDX-License-Identifier: MIT */
/*
 * The backend's end of the request ring (userptrif.md section 3).
 *
 * Knows nothing about grants or event channels: it works on memory that
 * somebody else maps and writes at the same time. Single-threaded.
 */
#ifndef XU_RING_H
#define XU_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef xen_mb
#define xen_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#endif
#include <string.h>
#include <xen/io/ring.h>
#include "userptrif.h"

/* Own names: userptrif.h may have been included before Xen's ring.h. */
DEFINE_RING_TYPES(ring_packets, struct xen_userptrif_req,
		  struct xen_userptrif_rsp);

struct ring {
	struct ring_packets_back_ring back;
	bool has_unpushed;	/* responses that the frontend cannot see yet */
};

/**
 * ring_init() - begin with an empty ring
 * @shared: 2^order mapped pages; must stay mapped while the ring is used
 */
void ring_init(struct ring *ring, void *shared, unsigned int order);

/** ring_size() - packets that fit */
uint32_t ring_size(const struct ring *ring);

/**
 * ring_take() - copy the next request out, once
 *
 * Returns 1 (copied), 0 (none there now), or -EPROTO if the producer index is
 * one that no honest frontend can write.
 */
int ring_take(struct ring *ring, struct xen_userptrif_req *untrusted_req);

/**
 * ring_put() - put a response on the ring; visible after ring_push()
 *
 * Returns 0, or -EOVERFLOW if there is no request that it could answer.
 */
int ring_put(struct ring *ring, const struct xen_userptrif_rsp *rsp);

/** ring_push() - show the responses; true: the frontend wants to be notified */
bool ring_push(struct ring *ring);

/**
 * ring_arm() - ask for a notification with the next request
 *
 * Returns true if there is one already: do not wait, take it.
 */
bool ring_arm(struct ring *ring);

#endif /* XU_RING_H */
