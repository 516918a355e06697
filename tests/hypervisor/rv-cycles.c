// SPDX-License-Identifier: MIT
/*
 * Takes pages away and gives them back at random while the guest works on them.
 *
 * While all access is revoked the contents are kept here, or in the memory that
 * stands in for the page, and the guest's own page is filled with rubbish, as if
 * the data were in the memory of a device; while writes are revoked it is checked
 * that none gets through. Each thread has its own pages; only the wants are
 * fetched by whoever comes first and handed over.
 */
#include "rv-back.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct cycler {
	pthread_t thread;
	unsigned int first, nr;		/* the pages that are its own */
	uint64_t seed, limit, end_ns, revocations, replaced;
	enum other kind;
	struct gnttab_revocable_op *ops;
};

static uint8_t wanted[MAX_PAGES];

static void progress(const struct cycler *c, unsigned int nr)
{
	if ((c->revocations + nr) / 1000 == c->revocations / 1000)
		return;
	printf("%llu revocations, %llu wants\n", (unsigned long long)c->revocations + nr,
	       (unsigned long long)wants_all);
	fflush(stdout);
}

static void replace(struct cycler *c, const unsigned int *which, unsigned int nr)
{
	bool ram = c->kind == OTHER_RAM;
	unsigned int i;

	for (i = 0; i < nr; i++)
		memcpy(pages[which[i]].other, pages[which[i]].kept, RV_PAGE);
	op_okay(c->ops, which, nr, ram ? GNTREV_CMD_replace_ram : GNTREV_CMD_replace_mmio, 0,
		ram ? GNTREV_STATE_ram : GNTREV_STATE_mmio);
	c->replaced += nr;
}

void references_await(unsigned int page)
{
	uint64_t end = now_ns() + 5000000000ULL;
	struct gnttab_revocable_op op;
	struct gnttab_revocable_op *arg = hypercall_alloc(sizeof(*arg));

	do {
		op_pages(arg, &page, 1, GNTREV_CMD_query, 0);
		op = *arg;
		if (!op.extra_refs)
			break;
		sched_yield();
	} while (now_ns() < end);
	munmap(arg, sizeof(*arg));
	if (op.extra_refs)
		die("gref %u keeps %u extra references", op.ref, op.extra_refs);
}

static void take_away(struct cycler *c, const unsigned int *which, unsigned int nr)
{
	unsigned int how = random_next(&c->seed) % 3, i;
	bool writes = how == 0;

	op_okay(c->ops, which, nr, GNTREV_CMD_revoke, writes ? GNTREV_OP_writes : 0,
		writes ? GNTREV_STATE_wrevoked : GNTREV_STATE_revoked);
	for (i = 0; i < nr; i++) {
		struct page *p = &pages[which[i]];

		if (c->ops[i].extra_refs)
			references_await(which[i]);
		memcpy(p->kept, p->home, RV_PAGE);
		if (!writes)
			memset(p->home, RUBBISH, RV_PAGE);
	}
	if (how == 1 && c->kind != OTHER_NONE)
		replace(c, which, nr);
	progress(c, nr);
	c->revocations += nr;
}

/* Take what stands in for pages out of use; what was written there counts. */
static void fetch_others(struct cycler *c, const unsigned int *which, unsigned int nr)
{
	unsigned int replaced[BATCH], n = 0, i;

	for (i = 0; i < nr; i++)
		if (pages[which[i]].state == GNTREV_STATE_ram ||
		    pages[which[i]].state == GNTREV_STATE_mmio)
			replaced[n++] = which[i];
	if (!n)
		return;
	op_okay(c->ops, replaced, n, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
	for (i = 0; i < n; i++)
		memcpy(pages[replaced[i]].kept, pages[replaced[i]].other, RV_PAGE);
}

static void give_back(struct cycler *c, const unsigned int *which, unsigned int nr)
{
	unsigned int i, k;

	fetch_others(c, which, nr);
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
			take_away(c, which, nr);
		event_wait(random_next(&c->seed) % 20);
		serve(c, faults);
		nr = pick(c, which, max, false);
		if (nr > max / 2 || (nr && c->kind != OTHER_NONE)) {
			nr = pick(c, which, 1 + random_next(&c->seed) % max, false);
			give_back(c, which, nr);
		}
	}
	while ((nr = pick(c, which, max, false)) > 0)
		give_back(c, which, nr);
	return NULL;
}

static void cyclers_start(struct cycler *c, unsigned int threads, uint64_t limit,
			  uint64_t seconds, uint64_t seed, enum other kind)
{
	unsigned int t;

	for (t = 0; t < threads; t++) {
		c[t].first = nr_pages * t / threads;
		c[t].nr = nr_pages * (t + 1) / threads - c[t].first;
		c[t].seed = seed + t + 1;
		c[t].limit = limit;
		c[t].kind = kind;
		c[t].end_ns = now_ns() + seconds * 1000000000ULL;
		if (pthread_create(&c[t].thread, NULL, cycle, &c[t]))
			die("no thread");
	}
}

void cycle_threads(unsigned int threads, uint64_t limit, uint64_t seconds, uint64_t seed,
		   enum other kind)
{
	struct cycler *c = calloc(threads, sizeof(*c));
	uint64_t revocations = 0, replaced = 0;
	unsigned int t;

	if (!c)
		die("no memory");
	printf("seed %llu\n", (unsigned long long)seed);
	cyclers_start(c, threads, limit, seconds, seed, kind);
	for (t = 0; t < threads; t++) {
		pthread_join(c[t].thread, NULL);
		revocations += c[t].revocations;
		replaced += c[t].replaced;
	}
	printf("backend: revocations %llu, replaced %llu, wants %llu (foreign %llu)\n",
	       (unsigned long long)revocations, (unsigned long long)replaced,
	       (unsigned long long)wants_all, (unsigned long long)wants_foreign);
	free(c);
	if (revocations < (limit == ~0ULL ? 1 : limit))
		die("only %llu revocations", (unsigned long long)revocations);
	if (!wants_all)
		die("the guest never wanted a page");
	if (kind != OTHER_NONE && !replaced)
		die("no page was replaced");
}
