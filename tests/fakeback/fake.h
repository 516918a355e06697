/* SPDX-License-Identifier: MIT */
/*
 * fake-back: a backend in one small program, which can be told to break the
 * protocol. It stands in for userptrd where a test needs a backend that lies.
 *
 * What a job does is chosen by the low octet of its command address, so one
 * run serves many cases.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

/* ring.h needs these. */
#define xen_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/xen.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>

#include "userptrif.h"

enum fake_job {
	FAKE_JOB_OK = 0,
	FAKE_JOB_FAULT = 1,		/* GPU fault at 0xdead000 */
	FAKE_JOB_REFUSE = 2,		/* answered INVALID */
	FAKE_JOB_STUCK = 3,		/* until its VM goes */
	FAKE_JOB_LOST = 4,		/* pages 1 and 2 of all objects are lost */
	FAKE_JOB_CHATTER = 5,		/* fails, with many events that say nothing new */
	FAKE_JOB_BAD_RSP_ID = 16,
	FAKE_JOB_BAD_RSP_OP = 17,
	FAKE_JOB_BAD_RSP_PROD = 18,
	FAKE_JOB_BAD_RSP_TWICE = 19,
	FAKE_JOB_BAD_EVT_PROD = 20,
	FAKE_JOB_BAD_EVT_JOB = 21,
	FAKE_JOB_BAD_EVT_TYPE = 22,
	FAKE_JOB_BAD_FENCE_AHEAD = 23,
	FAKE_JOB_BAD_FENCE_BACK = 24,
	FAKE_JOB_BAD_EVT_PAGE = 25,	/* beyond 32 bits, whose low ones would do */
};

#define FAKE_OBJECTS	4096U
#define FAKE_STUCK	512U
#define FAKE_LATE	16U
#define FAKE_MAPS	256U

struct fake_object {
	uint32_t id;			/* 0: free */
	uint32_t nr_pages;
	void *map;
	bool kept;			/* answered UNMAPPED, still mapped */
};

/* Shared pages of an ended connection, or a directory. */
struct fake_map {
	void *map;
	uint32_t nr_pages;
};

struct fake_stuck {
	bool used;
	uint32_t vm_id;
	uint32_t timeline;
	uint64_t seqno;
};

struct fake {
	uint32_t domid;
	uint32_t devid;
	bool trim;			/* say that it takes OBJ_TRIM */
	bool stay;			/* say that it takes STAY in EXEC */
	bool keep;			/* lie about UNMAPPED until SIGUSR1 */
	bool keep_dirs;			/* map directories, until SIGUSR1 */
	bool reoffer;			/* close and offer again, until SIGUSR1 */
	struct fake_map kept[FAKE_MAPS];
	uint32_t nr_kept;
	bool sour;			/* nothing can be destroyed, it says */
	uint32_t sour_id;		/* the last object that was */
	unsigned int mute;		/* operation that is not answered */
	unsigned int late;		/* operations that SIGUSR1 answers, a bit each */
	struct xen_userptrif_req late_req[FAKE_LATE];
	uint32_t nr_late;
	unsigned int refuse_queries;	/* the next so many are refused */
	unsigned int bad_queries;	/* then so many are answered wrongly */
	unsigned int flaps, seed;	/* times that it goes before it stays */
	bool is_away;			/* Closed, until the frontend is */
	uint32_t max_objects;
	char back[64];
	char front[64];

	struct xs_handle *xs;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;

	bool connected;
	uint32_t nr_ring_pages;
	void *ring_map;
	struct xen_userptrif_back_ring ring;
	struct xen_userptrif_evt_page *events;
	struct xen_userptrif_fence_page *fences;
	evtchn_port_t port;

	uint32_t nr_objects;
	struct fake_object object[FAKE_OBJECTS];
	struct fake_stuck stuck[FAKE_STUCK];
};

void fake_die(const char *what) __attribute__((noreturn));

/* fake_link.c: the shared pages. 0 or -1. */
int fake_link_open(struct fake *fake);
void fake_link_close(struct fake *fake);
void fake_respond(struct fake *fake, const struct xen_userptrif_rsp *rsp);
void fake_notify(struct fake *fake);
bool fake_event_room(const struct fake *fake);
void fake_event(struct fake *fake, const struct xen_userptrif_evt *evt);
/* The guest has taken every event, or does not any more. */
void fake_events_wait(struct fake *fake);
/* To be unmapped at SIGUSR1. False: there are too many. */
bool fake_map_keep(struct fake *fake, void *map, uint32_t nr_pages);

/* fake_op.c: one request. */
void fake_handle(struct fake *fake, const struct xen_userptrif_req *req);
void fake_answer_late(struct fake *fake);
void fake_unmap_kept(struct fake *fake);
void fake_unmap_all(struct fake *fake);

#endif /* FAKE_H */
