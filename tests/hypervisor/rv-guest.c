// SPDX-License-Identifier: MIT
/*
 * The guest's side of the tests of revocable grants: grants pages, opts them
 * in, and works on them with two threads, checking that nothing it wrote is
 * ever missing.
 *
 * rv-guest DOMID PAGES SECONDS SEED [FLAGS [emulate | data]]
 *
 * Prints "grefs: R..." when the pages are ready, and at the end one line of
 * counts. Exits with 1 if memory did not hold what was written. FLAGS is the
 * opt-in (GNTREV_ALLOW_*), 0 for none; default: all access, and replacement. With
 * "emulate" Xen's emulator makes some of the accesses (its option hvm_fep). With
 * "data" no code is run from the pages: it may be gone before it is called, where
 * contents are given up. Ends early on SIGTERM.
 */
#include "rv-grant.h"

#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include "../../protocol/xen_revocable.h"

#define THREADS 2
#define MAX_PAGES 4096

static struct rv_page *page_at[MAX_PAGES];
static uint32_t gref_of[MAX_PAGES];
static unsigned int nr_pages;
static uint64_t end_ns;
static bool emulate, only_data;
static atomic_bool stop;
static atomic_ulong mismatches;

struct worker {
	pthread_t thread;
	unsigned int id;
	uint64_t seed;
	uint64_t rounds;
	uint64_t slowest_ns;
	uint64_t added[MAX_PAGES];	/* to shared */
	uint64_t plain[MAX_PAGES];
	uint64_t emulated[MAX_PAGES];
};
static struct worker workers[THREADS];

static void mismatch(const char *what, unsigned int page)
{
	if (atomic_fetch_add(&mismatches, 1) < 5) {
		printf("mismatch: %s of page %u (gref %u)\n", what, page, gref_of[page]);
		fflush(stdout);
	}
}

static void touch_counters(struct worker *w, unsigned int n)
{
	volatile struct rv_page *p = page_at[n];
	unsigned int k;

	if (p->plain[w->id] != w->plain[n])
		mismatch("counter", n);
	for (k = 0; k < 4; k++)
		__asm__ volatile("lock; incq %0" : "+m"(p->shared));
	w->added[n] += 4;
	p->plain[w->id]++;
	__asm__ volatile("incq %0" : "+m"(p->plain[w->id]));
	w->plain[n] += 2;
}

static void touch_vector(struct worker *w, unsigned int n)
{
	uint8_t *area = page_at[n]->vector[w->id];
	__m128i value = _mm_set1_epi8((char)random_next(&w->seed)), got;
	unsigned int k;

	for (k = 0; k < 64; k += 16)
		_mm_storeu_si128((__m128i *)(area + k), value);
	__asm__ volatile("" ::: "memory");
	for (k = 0; k < 64; k += 16) {
		got = _mm_loadu_si128((__m128i *)(area + k));
		if (_mm_movemask_epi8(_mm_cmpeq_epi8(got, value)) != 0xffff)
			mismatch("vector", n);
	}
}

static void copy_string(void *to, const void *from, size_t bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void touch_string(struct worker *w, unsigned int n)
{
	uint8_t *area = page_at[n]->string[w->id];
	uint8_t want[1024], got[1024];

	memset(want, (int)random_next(&w->seed), sizeof(want));
	copy_string(area, want, sizeof(want));
	copy_string(got, area, sizeof(got));
	if (memcmp(want, got, sizeof(want)))
		mismatch("string", n);
}

/* Write "return value" and call it. */
static void touch_code(struct worker *w, unsigned int n)
{
	uint8_t *code = page_at[n]->code[w->id];
	uint32_t value = random_next(&w->seed);
	uint32_t (*function)(void);

	memcpy(&function, &code, sizeof(function));
	code[0] = 0xb8;
	memcpy(code + 1, &value, sizeof(value));
	code[5] = 0xc3;
	__asm__ volatile("" ::: "memory");
	if (function() != value)
		mismatch("code", n);
}

/* Has Xen emulate the instruction that follows. */
#define EMULATED "ud2a; .ascii \"xen\"; "

static void touch_emulated(struct worker *w, unsigned int n)
{
	struct rv_page *p = page_at[n];
	uint64_t *own = &p->plain[THREADS + w->id], got;
	uint64_t from = random_next(&w->seed);
	void *to = p->string[w->id];
	const void *src = &from;
	size_t bytes = sizeof(from);

	__asm__ volatile(EMULATED "movq %1, %0" : "=r"(got) : "m"(*own));
	if (got != w->emulated[n])
		mismatch("emulated read", n);
	__asm__ volatile(EMULATED "lock incq %0" : "+m"(p->shared));
	w->added[n]++;
	__asm__ volatile(EMULATED "movq %1, %0" : "=m"(*own) : "r"(got + 1));
	w->emulated[n]++;
	__asm__ volatile(EMULATED "rep movsb" : "+D"(to), "+S"(src), "+c"(bytes) : : "memory");
	memcpy(&got, p->string[w->id], sizeof(got));
	if (got != from)
		mismatch("emulated string", n);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(w->id % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	while (!atomic_load(&stop) && now_ns() < end_ns) {
		unsigned int n = random_next(&w->seed) % nr_pages;
		uint64_t start = now_ns(), took;

		touch_counters(w, n);
		touch_vector(w, n);
		touch_string(w, n);
		if (!only_data)
			touch_code(w, n);
		if (emulate)
			touch_emulated(w, n);
		took = now_ns() - start;
		if (took > w->slowest_ns)
			w->slowest_ns = took;
		w->rounds++;
	}
	return NULL;
}

static void check_end(void)
{
	unsigned int i, t;

	for (i = 0; i < nr_pages; i++) {
		uint64_t sum = 0;

		for (t = 0; t < THREADS; t++) {
			sum += workers[t].added[i];
			if (page_at[i]->plain[t] != workers[t].plain[i])
				mismatch("counter at the end", i);
			if (page_at[i]->plain[THREADS + t] != workers[t].emulated[i])
				mismatch("emulated counter at the end", i);
		}
		if (page_at[i]->shared != sum)
			mismatch("shared counter at the end", i);
	}
}

static void on_term(int sig)
{
	(void)sig;
	atomic_store(&stop, true);
}

static void run(uint64_t seed)
{
	unsigned int t;

	for (t = 0; t < THREADS; t++) {
		workers[t].id = t;
		workers[t].seed = seed + t + 1;
		if (pthread_create(&workers[t].thread, NULL, work, &workers[t]))
			die("no thread");
	}
	for (t = 0; t < THREADS; t++)
		pthread_join(workers[t].thread, NULL);
}

int main(int argc, char **argv)
{
	unsigned int domid, flags, i;
	int fd;

	if (argc < 5)
		die("usage: rv-guest DOMID PAGES SECONDS SEED [FLAGS [emulate | data]]");
	domid = strtoul(argv[1], NULL, 0);
	nr_pages = strtoul(argv[2], NULL, 0);
	end_ns = now_ns() + strtoul(argv[3], NULL, 0) * 1000000000ULL;
	flags = argc > 5 ? strtoul(argv[5], NULL, 0) : GNTREV_ALLOW_all | GNTREV_ALLOW_replace;
	emulate = argc > 6 && !strcmp(argv[6], "emulate");
	only_data = argc > 6 && !strcmp(argv[6], "data");
	if (!nr_pages || nr_pages > MAX_PAGES)
		die("1 to %u pages", MAX_PAGES);

	signal(SIGTERM, on_term);
	fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/xen/gntalloc: %s", strerror(errno));
	for (i = 0; i < nr_pages; i++)
		page_at[i] = grant_page(fd, domid, &gref_of[i]);
	if (flags)
		opt_in(domid, flags, gref_of, (void **)page_at, nr_pages);
	printf("grefs:");
	for (i = 0; i < nr_pages; i++)
		printf(" %u", gref_of[i]);
	printf("\n");
	fflush(stdout);

	run(strtoull(argv[4], NULL, 0));
	check_end();
	printf("guest: rounds %llu %llu, slowest %llu us, mismatches %lu\n",
	       (unsigned long long)workers[0].rounds, (unsigned long long)workers[1].rounds,
	       (unsigned long long)(workers[0].slowest_ns > workers[1].slowest_ns ?
			workers[0].slowest_ns : workers[1].slowest_ns) / 1000,
	       atomic_load(&mismatches));
	return atomic_load(&mismatches) != 0;
}
