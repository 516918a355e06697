// SPDX-License-Identifier: MIT
/*
 * The guest's side of the tests of revocable grants: grants pages, opts them
 * in, and works on them with two threads, checking that nothing it wrote is
 * ever missing.
 *
 * rv-guest DOMID PAGES SECONDS SEED [FLAGS]
 *
 * Prints "grefs: R..." when the pages are ready, and at the end one line of
 * counts. Exits with 1 if memory did not hold what was written. FLAGS is the
 * opt-in (GNTREV_ALLOW_*), 0 for none; default: all access, and replacement.
 * Ends early on SIGTERM.
 */
#include "rv.h"

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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include "../../protocol/xen_revocable.h"

#define THREADS 2
#define MAX_PAGES 4096

struct gntalloc_alloc {
	uint16_t domid;
	uint16_t flags;
	uint32_t count;
	uint64_t index;
	uint32_t gref[];
};
#define IOCTL_GNTALLOC_ALLOC _IOC(_IOC_NONE, 'G', 5, 24)

static struct rv_page *page_at[MAX_PAGES];
static uint32_t gref_of[MAX_PAGES];
static unsigned int nr_pages;
static uint64_t end_ns;
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
};
static struct worker workers[THREADS];

static void grant_page(int fd, unsigned int domid, unsigned int i)
{
	struct {
		struct gntalloc_alloc alloc;
		uint32_t gref;
	} a = { .alloc = { .domid = domid, .flags = 1, .count = 1 } };
	void *p;

	if (ioctl(fd, IOCTL_GNTALLOC_ALLOC, &a))
		die("gntalloc: %s", strerror(errno));
	p = mmap(NULL, RV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, a.alloc.index);
	if (p == MAP_FAILED)
		die("mmap of gntalloc: %s", strerror(errno));
	memset(p, 0, RV_PAGE);
	page_at[i] = p;
	gref_of[i] = a.alloc.gref[0];
}

static uint64_t gfn_of(int pagemap, const void *p)
{
	uint64_t entry;

	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)p / RV_PAGE * 8) != sizeof(entry))
		die("pagemap: %s", strerror(errno));
	return entry & ((1ULL << 55) - 1);
}

static void opt_in(int hyp, unsigned int domid, unsigned int flags)
{
	struct gnttab_revocable_allow *ops = hypercall_alloc(nr_pages * sizeof(*ops));
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned int i;
	int rc;

	for (i = 0; i < nr_pages; i++) {
		ops[i].gfn = gfn_of(pagemap, page_at[i]);
		ops[i].ref = gref_of[i];
		ops[i].dom = domid;
		ops[i].flags = flags;
		ops[i].status = 1;
	}
	rc = grant_table_op(hyp, GNTTABOP_revocable_allow, ops, nr_pages);
	if (rc)
		die("revocable_allow: %s", strerror(-rc));
	for (i = 0; i < nr_pages; i++)
		if (ops[i].status != GNTST_okay)
			die("revocable_allow of gref %u: status %d", gref_of[i], ops[i].status);
	close(pagemap);
}

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
		die("usage: rv-guest DOMID PAGES SECONDS SEED [FLAGS]");
	domid = strtoul(argv[1], NULL, 0);
	nr_pages = strtoul(argv[2], NULL, 0);
	end_ns = now_ns() + strtoul(argv[3], NULL, 0) * 1000000000ULL;
	flags = argc > 5 ? strtoul(argv[5], NULL, 0) : GNTREV_ALLOW_all | GNTREV_ALLOW_replace;
	if (!nr_pages || nr_pages > MAX_PAGES)
		die("1 to %u pages", MAX_PAGES);

	signal(SIGTERM, on_term);
	fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/xen/gntalloc: %s", strerror(errno));
	for (i = 0; i < nr_pages; i++)
		grant_page(fd, domid, i);
	if (flags)
		opt_in(hypercall_open(), domid, flags);
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
