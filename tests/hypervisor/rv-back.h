/* SPDX-License-Identifier: MIT */
/*
 * What the parts of rv-backend share: the pages that a guest granted, and the
 * operations on them. Everything that fails unexpectedly ends the process.
 */
#ifndef RV_BACK_H
#define RV_BACK_H

#include "rv.h"

#include <stdbool.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/grant_table.h>
#include "../../protocol/xen_revocable.h"

#define MAX_PAGES 4096
#define BATCH 512
#define RUBBISH 0xe5

struct page {
	uint32_t gref;
	uint8_t *home;
	uint8_t *kept;		/* a copy of the contents while they are away */
	uint8_t *other;		/* what stands in for home, or NULL */
	uint64_t other_frame;
	uint8_t state;
	uint64_t wants;
};

extern struct page pages[MAX_PAGES];
extern unsigned int nr_pages, domid;
extern uint64_t wants_foreign, wants_all;
extern xengnttab_handle *gnt;

void gnttab_open(void);
void map_pages(bool writable);

/* Open the channel of wants and bind its event. */
void channel_open(void);
/* GNTTABOP_revocable_setup; returns the status. */
int setup(unsigned int flags, struct gnttab_revocable_setup *out);
int hypervisor(void);

/* One operation for some pages (at most BATCH); ops is left with the results. */
void op_pages(struct gnttab_revocable_op *ops, const unsigned int *which, unsigned int nr,
	      unsigned int cmd, unsigned int flags);
/* The same; every page has to succeed and be in this state then. */
void op_okay(struct gnttab_revocable_op *ops, const unsigned int *which, unsigned int nr,
	     unsigned int cmd, unsigned int flags, unsigned int state);
/* One page, as op_pages; returns the status. */
int op_one(unsigned int page, unsigned int cmd, unsigned int flags, uint64_t frame);
void one_okay(unsigned int page, unsigned int cmd, unsigned int flags, unsigned int state);
/* Whether the last op_one() left this in a field. */
struct gnttab_revocable_op *op_last(void);

void arm_all(void);

unsigned int index_of(uint32_t gref);
/* Fetch at most max wants; returns how many there were. */
unsigned int fetch(struct gnttab_revocable_fault *faults, unsigned int max);
/* Fetch until a want for this page came; false if none does within ms. */
bool want_seen(unsigned int page, unsigned int access, int ms);
/* Wait until an event comes; false if none does. */
bool event_wait(int ms);

/* The frame of a page of this program's memory, as Xen calls it. */
uint64_t own_frame(const void *p);

/* Give each page memory that can stand in for it. */
enum other { OTHER_NONE, OTHER_RAM, OTHER_MMIO };
void others_open(enum other kind, const char *resource);

/* rv-cycles.c: N revocations in all, by this many threads, at most for this time. */
void cycle_threads(unsigned int threads, uint64_t limit, uint64_t seconds, uint64_t seed,
		   enum other kind);

/*
 * Xen itself or another may be about to use a page that was revoked: it holds a
 * reference then, and nothing may be copied before it dropped it.
 */
void references_await(unsigned int page);

/*
 * rv-race.c: maps and copies by others while page 0 is revoked, again and again, at least
 * for this time; which: a bit for each of the racers.
 */
void race_run(unsigned int seconds, uint64_t seed, unsigned int which);

/* rv-arm.c: all pages (at most BATCH) are armed again and again while they are unmapped. */
void race_arm(uint64_t seed);

/* rv-cases.c: single tests, by name; false if there is none. */
bool case_run(int argc, char **argv);

#endif
