// SPDX-License-Identifier: MIT
/*
 * The backend's side of the tests of revocable grants, run in dom0.
 *
 * rv-backend DOMID TEST [ARGUMENT...] -- GREF...
 *
 *   cycles N SEED    revoke and restore pages in batches, N times in all, while
 *                    the guest works on them
 *   threads N SECONDS SEED
 *                    N threads doing that for some time, each on its own pages
 *   hold MODE        revoke all pages (MODE all, writes or none), print "held"
 *                    and wait to be killed
 *   maps             a page that is revoked cannot be mapped, and that is a want
 *   states           every operation in every state
 *   refuse STATUS    arming each page is refused with this status
 *   bench N          times of batches of 512, N times
 *
 * While all access is revoked the contents are kept here and the guest's page
 * is filled with rubbish, as if the data were in the memory of a device; while
 * writes are revoked it is checked that none gets through.
 */
#include "rv.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
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
	uint8_t *kept;
	uint8_t state;
	uint64_t wants;
};

static struct page pages[MAX_PAGES];
static unsigned int nr_pages, domid;
static int hyp;
static xengnttab_handle *gnt;
static xenevtchn_handle *evt;
static uint64_t revocations, wants_foreign, wants_all;

static void map_pages(void)
{
	unsigned int i;

	gnt = xengnttab_open(NULL, 0);
	if (!gnt)
		die("gntdev: %s", strerror(errno));
	for (i = 0; i < nr_pages; i++) {
		pages[i].home = xengnttab_map_grant_ref(gnt, domid, pages[i].gref,
							PROT_READ | PROT_WRITE);
		if (!pages[i].home)
			die("map of gref %u: %s", pages[i].gref, strerror(errno));
		pages[i].kept = malloc(RV_PAGE);
	}
}

static int setup(unsigned int flags, struct gnttab_revocable_setup *out)
{
	struct gnttab_revocable_setup *op = hypercall_alloc(sizeof(*op));
	int rc;

	op->dom = domid;
	op->flags = flags;
	rc = grant_table_op(hyp, GNTTABOP_revocable_setup, op, 1);
	if (rc)
		die("revocable_setup: %s", strerror(-rc));
	*out = *op;
	munlock(op, sizeof(*op));
	return out->status;
}

static void channel_open(void)
{
	struct gnttab_revocable_setup s;
	int rc = setup(GNTREV_SETUP_open, &s);

	if (rc != GNTST_okay)
		die("revocable_setup: status %d", rc);
	evt = xenevtchn_open(NULL, 0);
	if (!evt)
		die("evtchn: %s", strerror(errno));
	if (xenevtchn_bind_interdomain(evt, domid, s.port) < 0)
		die("bind of port %u: %s", s.port, strerror(errno));
}

/* One operation for some pages; ops is left with the results. */
static void op_pages(struct gnttab_revocable_op *ops, const unsigned int *which,
		     unsigned int nr, unsigned int cmd, unsigned int flags)
{
	unsigned int i;
	int rc;

	for (i = 0; i < nr; i++)
		ops[i] = (struct gnttab_revocable_op){
			.dom = domid, .cmd = cmd, .flags = flags, .ref = pages[which[i]].gref,
			.status = 1,
		};
	rc = grant_table_op(hyp, GNTTABOP_revocable_op, ops, nr);
	if (rc)
		die("revocable_op %u of %u pages: %s", cmd, nr, strerror(-rc));
	for (i = 0; i < nr; i++)
		pages[which[i]].state = ops[i].state;
}

static void op_okay(struct gnttab_revocable_op *ops, const unsigned int *which,
		    unsigned int nr, unsigned int cmd, unsigned int flags, unsigned int state)
{
	unsigned int i;

	op_pages(ops, which, nr, cmd, flags);
	for (i = 0; i < nr; i++)
		if (ops[i].status != GNTST_okay || ops[i].state != state)
			die("op %u (flags %u) of gref %u: status %d state %u, want state %u",
			    cmd, flags, ops[i].ref, ops[i].status, ops[i].state, state);
}

static void arm_all(void)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int which[BATCH], i, nr = 0;

	for (i = 0; i < nr_pages; i++) {
		which[nr++] = i;
		if (nr == BATCH || i + 1 == nr_pages) {
			op_okay(ops, which, nr, GNTREV_CMD_arm, 0, GNTREV_STATE_home);
			nr = 0;
		}
	}
}

/* ---- cycles ---- */
struct cycler {
	pthread_t thread;
	unsigned int first, nr;		/* the pages that are its own */
	uint64_t seed, limit, end_ns, revocations;
	struct gnttab_revocable_op *ops;
};

static void take_away(struct cycler *c, const unsigned int *which, unsigned int nr, bool writes)
{
	unsigned int i;

	op_okay(c->ops, which, nr, GNTREV_CMD_revoke, writes ? GNTREV_OP_writes : 0,
		writes ? GNTREV_STATE_wrevoked : GNTREV_STATE_revoked);
	for (i = 0; i < nr; i++) {
		struct page *p = &pages[which[i]];

		if (c->ops[i].extra_refs)
			die("gref %u has %u extra references", p->gref, c->ops[i].extra_refs);
		memcpy(p->kept, p->home, RV_PAGE);
		if (!writes)
			memset(p->home, RUBBISH, RV_PAGE);
	}
	if ((c->revocations + nr) / 1000 != c->revocations / 1000) {
		printf("%llu revocations, %llu wants\n",
		       (unsigned long long)c->revocations + nr, (unsigned long long)wants_all);
		fflush(stdout);
	}
	c->revocations += nr;
}

static void give_back(struct cycler *c, const unsigned int *which, unsigned int nr)
{
	unsigned int i, k;

	for (i = 0; i < nr; i++) {
		struct page *p = &pages[which[i]];

		if (p->state == GNTREV_STATE_wrevoked) {
			if (memcmp(p->home, p->kept, RV_PAGE))
				die("gref %u was written to while revoked for writes", p->gref);
			continue;
		}
		for (k = 0; k < RV_PAGE; k++)
			if (p->home[k] != RUBBISH)
				die("gref %u was written to while revoked", p->gref);
		memcpy(p->home, p->kept, RV_PAGE);
	}
	op_okay(c->ops, which, nr, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
}

static unsigned int index_of(uint32_t gref)
{
	unsigned int i;

	for (i = 0; i < nr_pages; i++)
		if (pages[i].gref == gref)
			return i;
	die("a want for gref %u, which is not ours", gref);
}

/* Fetch what is wanted now. */
static unsigned int fetch(struct gnttab_revocable_fault *faults, unsigned int max)
{
	unsigned int i;
	int rc;

	for (i = 0; i < max; i++)
		faults[i] = (struct gnttab_revocable_fault){ .dom = domid, .status = 1 };
	rc = grant_table_op(hyp, GNTTABOP_revocable_faults, faults, max);
	if (rc)
		die("revocable_faults: %s", strerror(-rc));
	for (i = 0; i < max && faults[i].status == GNTST_okay; i++) {
		pages[index_of(faults[i].ref)].wants++;
		__atomic_fetch_add(&wants_all, 1, __ATOMIC_RELAXED);
		if (faults[i].access & GNTREV_ACCESS_foreign)
			__atomic_fetch_add(&wants_foreign, 1, __ATOMIC_RELAXED);
	}
	return i;
}

/* Wait until an event comes; false if none does. */
static bool event_wait(int ms)
{
	struct pollfd p = { .fd = xenevtchn_fd(evt), .events = POLLIN };
	int port;

	if (poll(&p, 1, ms) <= 0)
		return false;
	port = xenevtchn_pending(evt);
	if (port < 0 || xenevtchn_unmask(evt, port))
		die("evtchn: %s", strerror(errno));
	return true;
}

static unsigned int pick(struct cycler *c, unsigned int *which, unsigned int max, bool home)
{
	unsigned int i, nr = 0, start = random_next(&c->seed) % c->nr;

	for (i = 0; i < c->nr && nr < max; i++) {
		unsigned int n = c->first + (start + i) % c->nr;

		if ((pages[n].state == GNTREV_STATE_home) == home)
			which[nr++] = n;
	}
	return nr;
}

/* What some thread fetched may be a page of another: hand it over. */
static uint8_t wanted[MAX_PAGES];

static void serve(struct cycler *c, struct gnttab_revocable_fault *faults)
{
	unsigned int which[BATCH], nr = 0, i, n;

	while ((n = fetch(faults, 64)) > 0)
		for (i = 0; i < n; i++)
			__atomic_store_n(&wanted[index_of(faults[i].ref)], 1, __ATOMIC_RELEASE);
	for (i = c->first; i < c->first + c->nr && nr < BATCH; i++)
		if (__atomic_exchange_n(&wanted[i], 0, __ATOMIC_ACQUIRE) &&
		    pages[i].state != GNTREV_STATE_home)
			which[nr++] = i;
	if (nr)
		give_back(c, which, nr);
}

static void *cycle(void *arg)
{
	struct cycler *c = arg;
	struct gnttab_revocable_fault *faults = hypercall_alloc(64 * sizeof(*faults));
	unsigned int which[BATCH], nr, max = c->nr < BATCH ? c->nr : BATCH;

	c->ops = hypercall_alloc(BATCH * sizeof(*c->ops));
	while (c->revocations < c->limit && now_ns() < c->end_ns) {
		nr = pick(c, which, 1 + random_next(&c->seed) % max, true);
		if (nr)
			take_away(c, which, nr, random_next(&c->seed) % 3 == 0);
		event_wait(random_next(&c->seed) % 20);
		serve(c, faults);
		if (pick(c, which, max, false) > max / 2) {
			nr = pick(c, which, 1 + random_next(&c->seed) % max, false);
			give_back(c, which, nr);
		}
	}
	while ((nr = pick(c, which, max, false)) > 0)
		give_back(c, which, nr);
	return NULL;
}

static void cycle_threads(unsigned int threads, uint64_t limit, uint64_t seconds, uint64_t seed)
{
	struct cycler *c = calloc(threads, sizeof(*c));
	unsigned int t;

	for (t = 0; t < threads; t++) {
		c[t].first = nr_pages * t / threads;
		c[t].nr = nr_pages * (t + 1) / threads - c[t].first;
		c[t].seed = seed + t + 1;
		c[t].limit = limit;
		c[t].end_ns = now_ns() + seconds * 1000000000ULL;
		if (pthread_create(&c[t].thread, NULL, cycle, &c[t]))
			die("no thread");
	}
	for (t = 0; t < threads; t++) {
		pthread_join(c[t].thread, NULL);
		revocations += c[t].revocations;
	}
	printf("backend: revocations %llu, wants %llu (foreign %llu)\n",
	       (unsigned long long)revocations, (unsigned long long)wants_all,
	       (unsigned long long)wants_foreign);
	if (revocations < (limit == ~0ULL ? 1 : limit))
		die("only %llu revocations", (unsigned long long)revocations);
	if (!wants_all)
		die("the guest never wanted a page");
}

/* ---- single tests ---- */
static void test_hold(const char *mode)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int which[BATCH], i, nr = nr_pages < BATCH ? nr_pages : BATCH;

	for (i = 0; i < nr; i++)
		which[i] = i;
	if (!strcmp(mode, "all"))
		op_okay(ops, which, nr, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
	else if (!strcmp(mode, "writes"))
		op_okay(ops, which, nr, GNTREV_CMD_revoke, GNTREV_OP_writes,
			GNTREV_STATE_wrevoked);
	printf("held\n");
	fflush(stdout);
	for (;;)
		pause();
}

static void test_maps(void)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(sizeof(*ops));
	struct gnttab_revocable_fault *faults = hypercall_alloc(64 * sizeof(*faults));
	unsigned int zero = 0;
	bool seen = false;
	uint64_t start;
	unsigned int n, i;
	void *p;

	op_okay(ops, &zero, 1, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
	start = now_ns();
	p = xengnttab_map_grant_ref(gnt, domid, pages[0].gref, PROT_READ);
	if (p)
		die("a revoked page could be mapped");
	if (now_ns() - start > 5000000000ULL)
		die("the map of a revoked page did not fail at once");
	n = fetch(faults, 64);
	for (i = 0; i < n; i++)
		seen |= faults[i].ref == pages[0].gref &&
			(faults[i].access & GNTREV_ACCESS_foreign);
	if (!seen)
		die("the map of a revoked page was no want");
	op_okay(ops, &zero, 1, GNTREV_CMD_revoke, GNTREV_OP_writes, GNTREV_STATE_wrevoked);
	if (xengnttab_map_grant_ref(gnt, domid, pages[0].gref, PROT_READ | PROT_WRITE))
		die("a page that is revoked for writes could be mapped for writing");
	p = xengnttab_map_grant_ref(gnt, domid, pages[0].gref, PROT_READ);
	if (!p)
		die("a page that is revoked for writes could not be mapped for reading");
	xengnttab_unmap(gnt, p, 1);
	op_okay(ops, &zero, 1, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
}

static const uint8_t no = 0xff;

/* The state after each command; it is the table of the design, spelled out once more. */
static void test_states(void)
{
	static const struct { uint8_t cmd, flags; } cmds[] = {
		{ GNTREV_CMD_disarm, 0 }, { GNTREV_CMD_revoke, 0 },
		{ GNTREV_CMD_revoke, GNTREV_OP_writes }, { GNTREV_CMD_restore, 0 },
		{ GNTREV_CMD_query, 0 },
	};
	static const uint8_t next[][5] = {
		[GNTREV_STATE_home] = { 0, 3, 2, 1, 1 },
		[GNTREV_STATE_wrevoked] = { no, 3, 2, 1, 2 },
		[GNTREV_STATE_revoked] = { no, 3, 2, 1, 3 },
	};
	struct gnttab_revocable_op *ops = hypercall_alloc(sizeof(*ops));
	unsigned int zero = 0, state, k;

	for (state = GNTREV_STATE_home; state <= GNTREV_STATE_revoked; state++)
		for (k = 0; k < 5; k++) {
			op_pages(ops, &zero, 1, GNTREV_CMD_restore, 0);
			op_okay(ops, &zero, 1, GNTREV_CMD_arm, 0, GNTREV_STATE_home);
			if (state != GNTREV_STATE_home)
				op_okay(ops, &zero, 1, GNTREV_CMD_revoke,
					state == GNTREV_STATE_wrevoked ? GNTREV_OP_writes : 0, state);
			op_pages(ops, &zero, 1, cmds[k].cmd, cmds[k].flags);
			if (next[state][k] == no ? ops->status != GNTST_bad_state || ops->state != state
						 : ops->status != GNTST_okay || ops->state != next[state][k])
				die("state %u, command %u flags %u: status %d state %u", state,
				    cmds[k].cmd, cmds[k].flags, ops->status, ops->state);
			op_pages(ops, &zero, 1, GNTREV_CMD_restore, 0);
		}
}

static void test_refuse(int status)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(sizeof(*ops));
	unsigned int i;

	for (i = 0; i < nr_pages; i++) {
		op_pages(ops, &i, 1, GNTREV_CMD_arm, 0);
		if (ops->status != status)
			die("arming gref %u: status %d, want %d", ops->ref, ops->status, status);
		op_pages(ops, &i, 1, GNTREV_CMD_query, 0);
		if (ops->state != GNTREV_STATE_none)
			die("gref %u has state %u after a refusal", ops->ref, ops->state);
	}
}

static void test_bench(unsigned int rounds)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int which[BATCH], i, nr = nr_pages < BATCH ? nr_pages : BATCH;
	uint64_t t[4], sum[3] = { 0 };

	for (i = 0; i < nr; i++)
		which[i] = i;
	for (i = 0; i < rounds; i++) {
		t[0] = now_ns();
		op_okay(ops, which, nr, GNTREV_CMD_query, 0, GNTREV_STATE_home);
		t[1] = now_ns();
		op_okay(ops, which, nr, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
		t[2] = now_ns();
		op_okay(ops, which, nr, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
		t[3] = now_ns();
		sum[0] += t[1] - t[0];
		sum[1] += t[2] - t[1];
		sum[2] += t[3] - t[2];
	}
	printf("bench: %u pages: query %llu revoke %llu restore %llu ns a page\n", nr,
	       (unsigned long long)sum[0] / rounds / nr, (unsigned long long)sum[1] / rounds / nr,
	       (unsigned long long)sum[2] / rounds / nr);
}

static void run_test(int argc, char **argv)
{
	const char *name = argv[0];
	uint64_t a = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;

	if (!strcmp(name, "refuse")) {
		test_refuse(atoi(argv[1]));
		return;
	}
	channel_open();
	arm_all();
	if (!strcmp(name, "cycles"))
		cycle_threads(1, a, 100000, argc > 2 ? strtoull(argv[2], NULL, 0) : 1);
	else if (!strcmp(name, "threads"))
		cycle_threads(a, ~0ULL, argc > 2 ? strtoull(argv[2], NULL, 0) : 10,
			      argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
	else if (!strcmp(name, "hold"))
		test_hold(argc > 1 ? argv[1] : "all");
	else if (!strcmp(name, "maps"))
		test_maps();
	else if (!strcmp(name, "states"))
		test_states();
	else if (!strcmp(name, "bench"))
		test_bench(a);
	else
		die("no test %s", name);
}

int main(int argc, char **argv)
{
	int i, args;

	for (args = 3; args < argc && strcmp(argv[args], "--"); args++)
		;
	if (argc < 5 || args == argc)
		die("usage: rv-backend DOMID TEST [ARGUMENT...] -- GREF...");
	domid = strtoul(argv[1], NULL, 0);
	for (i = args + 1; i < argc && nr_pages < MAX_PAGES; i++)
		pages[nr_pages++].gref = strtoul(argv[i], NULL, 0);
	hyp = hypercall_open();
	map_pages();
	run_test(args - 2, argv + 2);
	printf("ok\n");
	return 0;
}
