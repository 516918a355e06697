/* SPDX-License-Identifier: MIT */
/*
 * The backend's end of the event page and of the fence page (userptrif.md
 * sections 3.2 and 3.3).
 *
 * An event that finds the page full waits in a bounded queue, and so does
 * every fence after it: a seqno must not be visible before the event that
 * says how its job ended. Single-threaded.
 */
#ifndef XU_EVENTS_H
#define XU_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userptrif.h"

struct events_item;

struct events {
	struct xen_userptrif_evt_page *evt_page;	/* shared */
	struct xen_userptrif_fence_page *fence_page;	/* shared */
	uint32_t prod;
	uint16_t next_id;
	bool has_news;		/* the frontend was not notified yet */
	struct events_item *queue;
	uint32_t queue_size;
	uint32_t queue_head;
	uint32_t queue_used;
	uint64_t shown;		/* events put on the page, ever */
	uint64_t held;		/* events that had to wait, ever */
};

/**
 * events_init() - begin with an empty event page
 * @max_jobs: jobs in flight; the queue holds an event and a fence for each
 *
 * Returns 0 or -ENOMEM. events_fini() frees.
 */
int events_init(struct events *events, struct xen_userptrif_evt_page *evt_page,
		struct xen_userptrif_fence_page *fence_page, uint32_t max_jobs);
void events_fini(struct events *events);

/**
 * events_put() - an event, now or as soon as the frontend makes room
 *
 * The id of the event is set here. Returns 0, -EPROTO (the frontend's index is
 * impossible), or -ENOBUFS (more than the queue can hold).
 */
int events_put(struct events *events, const struct xen_userptrif_evt *evt);

/** events_fence() - fence_page[timeline] = seqno, behind all earlier events */
int events_fence(struct events *events, uint32_t timeline, uint64_t seqno);

/** events_flush() - move what waits to the page; 0 or -EPROTO */
int events_flush(struct events *events);

/**
 * events_waiting() - does something wait for the frontend?
 *
 * Then no request should be taken: so the queue stays bounded and only the
 * guest that does not read its events is slowed down.
 */
static inline bool events_waiting(const struct events *events)
{
	return events->queue_used != 0;
}

/** events_news() - was anything shown since the last call? Then notify. */
bool events_news(struct events *events);

#endif /* XU_EVENTS_H */
