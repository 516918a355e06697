// SPDX-License-Identifier: MIT
/*
 * Shows events and fences to the frontend. Last step of an EXEC in walk A.
 * Stores are ordered: the event, its index, then the seqno.
 */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* LOST and RESET events beside those of the jobs. */
#define EVENTS_SPARE	64U

/* Either an event or, if evt.type is 0, a fence. */
struct events_item {
	struct xen_userptrif_evt evt;
	uint32_t timeline;
	uint64_t seqno;
};

int events_init(struct events *events, struct xen_userptrif_evt_page *evt_page,
		struct xen_userptrif_fence_page *fence_page, uint32_t max_jobs)
{
	memset(events, 0, sizeof(*events));
	if (__builtin_mul_overflow(max_jobs, 2U, &events->queue_size) ||
	    __builtin_add_overflow(events->queue_size, EVENTS_SPARE,
				   &events->queue_size))
		return -ENOMEM;
	events->queue = calloc(events->queue_size, sizeof(*events->queue));
	if (!events->queue)
		return -ENOMEM;
	events->evt_page = evt_page;
	events->fence_page = fence_page;
	return 0;
}

void events_fini(struct events *events)
{
	free(events->queue);
	events->queue = NULL;
}

/* 1: there is room, 0: full, -EPROTO: the frontend's index is impossible. */
static int events_room(const struct events *events)
{
	uint32_t untrusted_cons;
	uint32_t used;

	untrusted_cons = __atomic_load_n(&events->evt_page->cons,
					 __ATOMIC_ACQUIRE);
	used = events->prod - untrusted_cons;
	if (used > XENUSERPTR_EVT_RING_LEN)
		return -EPROTO;
	return used < XENUSERPTR_EVT_RING_LEN;
}

static void events_show(struct events *events,
			const struct xen_userptrif_evt *evt)
{
	events->evt_page->ring[events->prod % XENUSERPTR_EVT_RING_LEN] = *evt;
	events->prod++;
	__atomic_store_n(&events->evt_page->prod, events->prod,
			 __ATOMIC_RELEASE);
	events->shown++;
	events->has_news = true;
}

static void events_store_fence(struct events *events, uint32_t timeline,
			       uint64_t seqno)
{
	__atomic_store_n(&events->fence_page->seqno[timeline], seqno,
			 __ATOMIC_RELEASE);
	events->has_news = true;
}

static int events_queue(struct events *events, const struct events_item *item)
{
	uint32_t slot;

	if (events->queue_used == events->queue_size)
		return -ENOBUFS;
	slot = (events->queue_head + events->queue_used) % events->queue_size;
	events->queue[slot] = *item;
	events->queue_used++;
	events->held += item->evt.type != 0;
	return 0;
}

int events_put(struct events *events, const struct xen_userptrif_evt *evt)
{
	struct events_item item = { .evt = *evt };
	int ret;

	item.evt.id = events->next_id++;
	ret = events_flush(events);
	if (ret)
		return ret;
	ret = events_waiting(events) ? 0 : events_room(events);
	if (ret < 0)
		return ret;
	if (!ret)
		return events_queue(events, &item);
	events_show(events, &item.evt);
	return 0;
}

int events_fence(struct events *events, uint32_t timeline, uint64_t seqno)
{
	struct events_item item = { .timeline = timeline, .seqno = seqno };

	if (timeline >= XENUSERPTR_MAX_TIMELINES)
		return -EINVAL;
	if (events_waiting(events))
		return events_queue(events, &item);
	events_store_fence(events, timeline, seqno);
	return 0;
}

int events_flush(struct events *events)
{
	while (events_waiting(events)) {
		const struct events_item *item;
		int ret = 1;

		item = &events->queue[events->queue_head];
		if (item->evt.type)
			ret = events_room(events);
		if (ret <= 0)
			return ret;
		if (item->evt.type)
			events_show(events, &item->evt);
		else
			events_store_fence(events, item->timeline, item->seqno);
		events->queue_head = (events->queue_head + 1) %
				     events->queue_size;
		events->queue_used--;
	}
	return 0;
}

bool events_news(struct events *events)
{
	bool news = events->has_news;

	events->has_news = false;
	return news;
}
