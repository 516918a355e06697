// SPDX-License-Identifier: MIT
/* The shared pages of fake-back: ring, events, fences, event channel. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"

/* Longest wait for room for an event. */
#define EVENT_WAIT_MS	5000U

static int read_number(struct fake *fake, const char *key, uint32_t *value)
{
	char path[128], *text;

	snprintf(path, sizeof(path), "%s/%s", fake->front, key);
	text = xs_read(fake->xs, XBT_NULL, path, NULL);
	if (!text)
		return -1;
	*value = (uint32_t)strtoul(text, NULL, 10);
	free(text);
	return 0;
}

static int link_read(struct fake *fake, uint32_t *grefs, uint32_t *evt,
		     uint32_t *fence, uint32_t *port)
{
	uint32_t order = 0, i;
	char key[32];

	(void)read_number(fake, XENUSERPTR_FIELD_RING_ORDER, &order);
	if (order > XENUSERPTR_MAX_RING_ORDER)
		return -1;
	fake->nr_ring_pages = 1U << order;
	for (i = 0; i < fake->nr_ring_pages; i++) {
		snprintf(key, sizeof(key), XENUSERPTR_FIELD_RING_REF "%u", i);
		if (read_number(fake, key, &grefs[i]))
			return -1;
	}
	return read_number(fake, XENUSERPTR_FIELD_EVT_RING_REF, evt) ||
	       read_number(fake, XENUSERPTR_FIELD_FENCE_REF, fence) ||
	       read_number(fake, XENUSERPTR_FIELD_EVENT_CHANNEL, port) ? -1 : 0;
}

bool fake_map_keep(struct fake *fake, void *map, uint32_t nr_pages)
{
	if (!map || fake->nr_kept == FAKE_MAPS)
		return false;
	fake->kept[fake->nr_kept].map = map;
	fake->kept[fake->nr_kept].nr_pages = nr_pages;
	fake->nr_kept++;
	return true;
}

static void link_unmap(struct fake *fake, void *map, uint32_t nr)
{
	if (fake->reoffer && fake_map_keep(fake, map, nr))
		return;
	if (map && xengnttab_unmap(fake->gnttab, map, nr))
		fake_die("unmap a shared page");
}

static void link_unmap_all(struct fake *fake)
{
	link_unmap(fake, fake->ring_map, fake->nr_ring_pages);
	link_unmap(fake, fake->events, 1);
	link_unmap(fake, fake->fences, 1);
	fake->ring_map = NULL;
	fake->events = NULL;
	fake->fences = NULL;
}

int fake_link_open(struct fake *fake)
{
	uint32_t grefs[1U << XENUSERPTR_MAX_RING_ORDER], evt, fence, port;
	struct xen_userptrif_sring *sring;
	int prot = PROT_READ | PROT_WRITE;

	if (link_read(fake, grefs, &evt, &fence, &port))
		return -1;
	fake->ring_map = xengnttab_map_domain_grant_refs(fake->gnttab,
							 fake->nr_ring_pages,
							 fake->domid, grefs,
							 prot);
	fake->events = xengnttab_map_grant_ref(fake->gnttab, fake->domid, evt,
					       prot);
	fake->fences = xengnttab_map_grant_ref(fake->gnttab, fake->domid,
					       fence, prot);
	if (!fake->ring_map || !fake->events || !fake->fences) {
		link_unmap_all(fake);
		return -1;
	}
	sring = fake->ring_map;
	BACK_RING_INIT(&fake->ring, sring,
		       fake->nr_ring_pages * XENUSERPTR_PAGE_SIZE);
	fake->port = (evtchn_port_t)xenevtchn_bind_interdomain(fake->evtchn,
							       fake->domid,
							       port);
	fake->connected = true;
	return 0;
}

void fake_link_close(struct fake *fake)
{
	if (!fake->connected)
		return;
	fake->connected = false;
	xenevtchn_unbind(fake->evtchn, fake->port);
	link_unmap_all(fake);
}

void fake_respond(struct fake *fake, const struct xen_userptrif_rsp *rsp)
{
	int notify;

	*RING_GET_RESPONSE(&fake->ring, fake->ring.rsp_prod_pvt) = *rsp;
	fake->ring.rsp_prod_pvt++;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&fake->ring, notify);
	if (notify)
		fake_notify(fake);
}

void fake_notify(struct fake *fake)
{
	xenevtchn_notify(fake->evtchn, fake->port);
}

bool fake_event_room(const struct fake *fake)
{
	uint32_t cons = __atomic_load_n(&fake->events->cons, __ATOMIC_ACQUIRE);

	return fake->events->prod - cons < XENUSERPTR_EVT_RING_LEN;
}

/* The guest says only now and then that it has read events, so look again. */
static bool event_room_wait(struct fake *fake)
{
	unsigned int ms;

	for (ms = 0; ms < EVENT_WAIT_MS && !fake_event_room(fake); ms++) {
		fake_notify(fake);
		poll(NULL, 0, 1);
	}
	return fake_event_room(fake);
}

void fake_events_wait(struct fake *fake)
{
	unsigned int ms;

	for (ms = 0; ms < EVENT_WAIT_MS &&
	     __atomic_load_n(&fake->events->cons, __ATOMIC_ACQUIRE) !=
	     fake->events->prod; ms++)
		poll(NULL, 0, 1);
}

void fake_event(struct fake *fake, const struct xen_userptrif_evt *evt)
{
	uint32_t prod = fake->events->prod;

	/* One that was broken on purpose has no room until the next connection. */
	if (!event_room_wait(fake))
		return;
	fake->events->ring[prod % XENUSERPTR_EVT_RING_LEN] = *evt;
	fake->events->ring[prod % XENUSERPTR_EVT_RING_LEN].id = (uint16_t)prod;
	xen_wmb();
	fake->events->prod = prod + 1;
}
