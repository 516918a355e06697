// SPDX-License-Identifier: MIT
/*
 * Maps and copies of a page by others while it is taken away and given back, as fast
 * as it goes: what Xen has let in when the page is revoked is reported as a reference,
 * and what comes later fails.
 *
 * Page 0 is the one that is revoked; page 1 is another grant of the same memory, which
 * has no mapping of its own. Each racer writes a word of its own through page 1, or
 * reads through page 0. It dies if
 * - a call of its own began and ended while the page was away, and worked;
 * - a word that it has written is not there the next time it reads.
 * The revoker keeps the contents once no references are left, fills the page with
 * rubbish, and dies if that changes.
 */
#include "rv-back.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* How often each racer has to meet the page at home, and away. */
#define ENOUGH 10

struct racer {
	pthread_t thread;
	const char *name;
	bool (*access)(struct racer *r, bool write, uint64_t *value);
	unsigned int page;	/* 0: only reads */
	unsigned int word;
	struct gnttab_copy *op;
	uint64_t *buffer, frame, value;
	atomic_ulong worked, refused;
	xengnttab_handle *gnt;
};

/* Odd while the page is away. */
static atomic_ulong epoch;
static atomic_bool stop;

/* Copy the racer's word from or to the page; false if Xen refuses. */
static bool access_copy(struct racer *r, bool write, uint64_t *value)
{
	struct gnttab_copy_ptr *page = write ? &r->op->dest : &r->op->source;
	struct gnttab_copy_ptr *own = write ? &r->op->source : &r->op->dest;
	int rc;

	*r->op = (struct gnttab_copy){
		.flags = write ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
		.len = sizeof(*value), .status = 1,
	};
	page->domid = domid;
	page->u.ref = pages[r->page].gref;
	page->offset = r->word * sizeof(*value);
	own->domid = DOMID_SELF;
	own->u.gmfn = r->frame;
	*r->buffer = *value;
	rc = grant_table_op(hypervisor(), GNTTABOP_copy, r->op, 1);
	if (rc)
		die("%s: %s", r->name, strerror(-rc));
	if (r->op->status != GNTST_okay && r->op->status != GNTST_bad_page)
		die("%s: status %d", r->name, r->op->status);
	*value = *r->buffer;
	return r->op->status == GNTST_okay;
}

/* The same by a mapping. */
static bool access_map(struct racer *r, bool write, uint64_t *value)
{
	void *page = xengnttab_map_grant_ref(r->gnt, domid, pages[r->page].gref,
					     PROT_READ | (write ? PROT_WRITE : 0));
	volatile uint64_t *word = (uint64_t *)page + r->word;

	if (!page)
		return false;
	if (write)
		*word = *value;
	else
		*value = *word;
	if (xengnttab_unmap(r->gnt, page, 1))
		die("%s: unmap", r->name);
	return true;
}

static bool race_access(struct racer *r, bool write, uint64_t *value)
{
	unsigned long before = atomic_load(&epoch);
	bool worked = r->access(r, write, value);

	if (worked && before % 2 && atomic_load(&epoch) == before)
		die("%s: works while the page is away", r->name);
	atomic_fetch_add(worked ? &r->worked : &r->refused, 1);
	return worked;
}

static void *race(void *arg)
{
	struct racer *r = arg;
	uint64_t value, next;

	while (!atomic_load(&stop)) {
		next = r->value + 1;
		if (r->page && race_access(r, true, &next))
			r->value++;
		value = 0;
		/* What page 0's own grant lets in is known to its user, and may read rubbish. */
		if (race_access(r, false, &value) && r->page && value != r->value)
			die("%s: reads %llx, wrote %llx", r->name, (unsigned long long)value,
			    (unsigned long long)r->value);
	}
	xengnttab_close(r->gnt);
	return NULL;
}

/* Not by the threads: who asks for frames must be alone. */
static void racer_prepare(struct racer *r)
{
	r->op = hypercall_alloc(sizeof(*r->op));
	r->buffer = hypercall_alloc(RV_PAGE);
	r->frame = own_frame(r->buffer);
	r->gnt = xengnttab_open(NULL, 0);
	if (!r->gnt)
		die("gntdev");
}

static void rubbish_check(void)
{
	unsigned int k;

	for (k = 0; k < RV_PAGE; k++)
		if (pages[0].home[k] != RUBBISH)
			die("offset %u was written to while the page was away", k);
}

static void revoke_once(uint64_t *seed)
{
	one_okay(0, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
	atomic_fetch_add(&epoch, 1);
	references_await(0);
	memcpy(pages[0].kept, pages[0].home, RV_PAGE);
	memset(pages[0].home, RUBBISH, RV_PAGE);
	usleep(random_next(seed) % 500);
	rubbish_check();
	memcpy(pages[0].home, pages[0].kept, RV_PAGE);
	atomic_fetch_add(&epoch, 1);
	one_okay(0, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
	usleep(random_next(seed) % 500);
}

static struct racer racers[] = {
	{ .name = "copy", .access = access_copy, .page = 1, .word = 8 },
	{ .name = "map", .access = access_map, .page = 1, .word = 9 },
	{ .name = "copy by a grant in use", .access = access_copy, .page = 0 },
	{ .name = "map of a grant in use", .access = access_map, .page = 0 },
};
#define RACERS (sizeof(racers) / sizeof(racers[0]))

/* Whether each of these met the page at home and away, often enough. */
static bool all_met_both(unsigned int which)
{
	unsigned int i;

	for (i = 0; i < RACERS; i++)
		if ((which >> i & 1) && (atomic_load(&racers[i].worked) < ENOUGH ||
					 atomic_load(&racers[i].refused) < ENOUGH))
			return false;
	return true;
}

static void racers_start(unsigned int which)
{
	unsigned int i;

	for (i = 0; i < RACERS; i++)
		racer_prepare(&racers[i]);
	for (i = 0; i < RACERS; i++)
		if ((which >> i & 1) && pthread_create(&racers[i].thread, NULL, race, &racers[i]))
			die("no thread");
}

static void racers_end(unsigned int which)
{
	unsigned int i;

	atomic_store(&stop, true);
	for (i = 0; i < RACERS; i++) {
		if (!(which >> i & 1))
			continue;
		pthread_join(racers[i].thread, NULL);
		printf("race: %s: worked %lu refused %lu\n", racers[i].name,
		       atomic_load(&racers[i].worked), atomic_load(&racers[i].refused));
	}
}

void race_run(unsigned int seconds, uint64_t seed, unsigned int which)
{
	uint64_t end = now_ns() + seconds * 1000000000ULL, revocations = 0;

	if (nr_pages != 2 || xengnttab_unmap(gnt, pages[1].home, 1))
		die("two grants of a page are needed");
	printf("seed %llu\n", (unsigned long long)seed);
	channel_open();
	one_okay(0, GNTREV_CMD_arm, 0, GNTREV_STATE_home);
	racers_start(which);
	for (seed++; now_ns() < end || !all_met_both(which); revocations++)
		revoke_once(&seed);
	printf("race: revocations %llu\n", (unsigned long long)revocations);
	racers_end(which);
}
