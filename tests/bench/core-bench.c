// SPDX-License-Identifier: MIT
/*
 * Speed of the core, natively on one core:
 *   requests   whole requests per second through core_step(): validated, with
 *              all their ops answered at once
 *   vatree     map+unmap pairs per second at random free places, with 1,000 and
 *              with 1,000,000 mappings live; and the ratio of the two
 *   jobs       jobs per second that begin and end in the engine of migration under
 *              pressure, with 64 and with 65,536 chunks; and the ratio
 * Time is that of the CPU, so other work on the machine counts less.
 * Each figure is the median of several runs, taken in turn, with the spread.
 * Prints one table; never fails because something is slow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core.h"
#include "migrate.h"
#include "vatree.h"

#define RUNS 7
#define PAGE UINT64_C(4096)
#define HUGE_PAGE ((size_t)2 << 20)

static uint64_t rng_state;

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

/* Seconds of CPU time. */
static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Large tables in large pages, as the worker has them (worker/setup.c). */
static void *zeroed(size_t size)
{
	size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 64;
	void *mem;

	size = (size + align - 1) & ~(align - 1);
	mem = aligned_alloc(align, size);
	if (!mem) {
		fprintf(stderr, "core-bench: error: out of memory\n");
		exit(2);
	}
	if (align == HUGE_PAGE && madvise(mem, size, MADV_HUGEPAGE))
		fprintf(stderr, "core-bench: this kernel has no large pages\n");
	memset(mem, 0, size);
	return mem;
}

/* A tree with one mapping of a page in each second page of the GPU's range. */
struct tree {
	struct va_pool pool;
	struct va_space space;
	uint32_t live;
};

static void tree_map(struct tree *t, uint64_t page)
{
	struct va_range r = {
		.start = page * PAGE,
		.end = (page + 1) * PAGE,
		.owner = VA_NO_OWNER,
	};

	if (va_map(&t->pool, &t->space, &r)) {
		fprintf(stderr, "core-bench: error: va_map failed\n");
		exit(2);
	}
	va_commit(&t->pool, &t->space);
}

static void tree_init(struct tree *t, uint32_t live)
{
	uint32_t max = live + 16, i, j;
	uint32_t records = (uint32_t)va_records_need(max);
	uint32_t nodes = (uint32_t)va_nodes_need(max, 1);
	uint32_t *order = zeroed(live * sizeof(*order));

	memset(t, 0, sizeof(*t));
	t->live = live;
	t->pool.va = zeroed(records * sizeof(*t->pool.va));
	pool_init(&t->pool.free, zeroed(records * sizeof(uint32_t)), records);
	va_nodes_init(&t->pool.nodes, zeroed(nodes * sizeof(struct va_node)),
		      zeroed(nodes * sizeof(uint32_t)), nodes);
	t->pool.max = max;
	va_space_init(&t->space);
	for (i = 0; i < live; i++) {
		j = (uint32_t)(rng() % (i + 1));
		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; i < live; i++)
		tree_map(t, 2 * (uint64_t)order[i]);
	free(order);
}

static double tree_pairs(struct tree *t)
{
	uint32_t i, nr = 1000000;
	double start = now();

	for (i = 0; i < nr; i++) {
		uint64_t page = 2 * (rng() % t->live) + 1;

		tree_map(t, page);
		va_unmap(&t->pool, &t->space, page * PAGE, (page + 1) * PAGE);
		va_commit(&t->pool, &t->space);
	}
	return nr / (now() - start);
}

/* A core and its adapters in one: every op is answered OK at once. */
struct rig {
	struct core *core;
	uint64_t seqno;
};

static void rig_step(struct rig *rig, const struct core_event *ev)
{
	struct core_op ops[8];
	unsigned int nr, i;
	int more = core_step(rig->core, ev, ops, 8, &nr);

	if (more < 0) {
		fprintf(stderr, "core-bench: error: core_step: %d\n", more);
		exit(2);
	}
	for (i = 0; i < nr; i++) {
		struct core_event done = {
			.type = CORE_EV_DONE,
			.op_id = ops[i].id,
		};

		if (ops[i].type >= CORE_OP_RESPOND)
			continue;
		rig_step(rig, &done);
		if (ops[i].type == CORE_OP_EXEC || ops[i].type == CORE_OP_UNMAP) {
			done.type = ops[i].type == CORE_OP_EXEC ?
				    CORE_EV_JOB : CORE_EV_UNMAPPED;
			done.job = ops[i].job;
			done.obj = ops[i].obj;
			rig_step(rig, &done);
		}
	}
	if (more)
		rig_step(rig, NULL);
}

static void rig_request(struct rig *rig, const struct xen_userptrif_req *req)
{
	struct core_event ev = {
		.type = CORE_EV_REQUEST,
		.untrusted_req = req,
	};

	rig_step(rig, &ev);
}

static struct xen_userptrif_req packet(uint8_t operation)
{
	struct xen_userptrif_req req;

	memset(&req, 0, sizeof(req));
	req.operation = operation;
	return req;
}

/* The default quotas of userptrif.md. */
static const struct core_limits limits = {
	.max_pages = 32768, .max_objects = 1024, .max_vms = 64,
	.max_mappings = 65536, .max_jobs = 256, .max_requests = 512,
	.max_bind_ops = 4096, .hash_seed = 1,
};

static void rig_init(struct rig *rig)
{
	static const struct core_gpu gpu = {
		.nr_gpus = 1,
		.va_end = UINT64_C(1) << 40, .page_sizes = PAGE,
		.nr_engines = 1, .va_bits = 40,
	};
	struct xen_userptrif_req req = packet(XENUSERPTR_OP_VM_CREATE);

	rig->core = core_init(zeroed(core_size(&limits)), &limits, &gpu);
	rig->seqno = 0;
	rig_request(rig, &req);
	req = packet(XENUSERPTR_OP_OBJ_CREATE);
	req.op.obj_create.nr_pages = 16384;
	req.op.obj_create.gref_directory = 1;
	rig_request(rig, &req);
}

/* A mix: map, EXEC, unmap, query. */
static double rig_requests(struct rig *rig)
{
	struct xen_userptrif_req map = packet(XENUSERPTR_OP_VM_BIND);
	struct xen_userptrif_req unmap = map;
	struct xen_userptrif_req exec = packet(XENUSERPTR_OP_EXEC);
	struct xen_userptrif_req query = packet(XENUSERPTR_OP_QUERY);
	uint32_t i, nr = 250000;
	double start = now();

	map.op.vm_bind.nr_ops = 1;
	map.op.vm_bind.op.op = XENUSERPTR_BIND_MAP;
	map.op.vm_bind.op.length = PAGE;
	unmap.op.vm_bind.nr_ops = 1;
	unmap.op.vm_bind.op.op = XENUSERPTR_BIND_UNMAP;
	unmap.op.vm_bind.op.length = PAGE;
	exec.op.exec.cmd_length = 64;
	query.op.query.what = XENUSERPTR_QUERY_LIMITS;
	for (i = 0; i < nr; i++) {
		map.op.vm_bind.op.gpu_va = rng() % 16384 * PAGE;
		unmap.op.vm_bind.op.gpu_va = map.op.vm_bind.op.gpu_va;
		exec.op.exec.seqno = ++rig->seqno;
		rig_request(rig, &map);
		rig_request(rig, &exec);
		rig_request(rig, &unmap);
		rig_request(rig, &query);
	}
	return 4 * nr / (now() - start);
}

/* ---- the engine of migration ---- */

#define CHUNK_PAGES	512U
#define MIG_OPS		16U

struct engine {
	struct mig *mig;
	uint64_t now;
	uint32_t token;
};

/* All ops but READY, which is counted on, are answered at once and well. */
static void engine_event(struct engine *engine, struct mig_event ev)
{
	const struct mig_event *next = &ev;
	struct mig_op ops[MIG_OPS];
	unsigned int nr;

	ev.now = engine->now;
	do {
		if (mig_step(engine->mig, next, ops, MIG_OPS, &nr) < 0) {
			fprintf(stderr, "core-bench: error: event %d refused\n",
				(int)ev.type);
			exit(2);
		}
		next = NULL;
	} while (nr == MIG_OPS);
}

static void engine_job(struct engine *engine)
{
	engine_event(engine, (struct mig_event){
		.type = MIG_EV_ASK, .kind = MIG_ASK_EXEC,
		.token = ++engine->token });
	engine_event(engine, (struct mig_event){ .type = MIG_EV_JOB_END });
}

/* VRAM has no room, so the policy looks and never finds anything to do. */
static void engine_init(struct engine *engine, uint32_t chunks)
{
	struct mig_limits mig_limits = {
		.max_pages = (uint64_t)chunks * CHUNK_PAGES,
		.max_objects = 1, .max_asks = 4, .hash_seed = 1,
	};
	struct mig_settings settings = mig_settings_default;

	settings.policy = MIG_POLICY_PRESSURE;
	settings.vram_pages = 0;
	engine->mig = mig_init(zeroed(mig_size(&mig_limits)), &mig_limits,
			       &settings);
	if (!engine->mig) {
		fprintf(stderr, "core-bench: error: no engine\n");
		exit(2);
	}
	engine->now = 1;
	engine->token = 1;
	engine_event(engine, (struct mig_event){
		.type = MIG_EV_OBJ_ADD, .nr = chunks * CHUNK_PAGES });
	engine_event(engine, (struct mig_event){
		.type = MIG_EV_VM_ADD, .flags = MIG_VM_PREEMPT });
	engine_event(engine, (struct mig_event){
		.type = MIG_EV_ASK, .kind = MIG_ASK_HOME,
		.token = 1, .nr = chunks * CHUNK_PAGES });
	engine_event(engine, (struct mig_event){
		.type = MIG_EV_USES, .nr = chunks * CHUNK_PAGES,
		.access = MIG_ACCESS_WRITE });
	engine_event(engine, (struct mig_event){
		.type = MIG_EV_LET_GO, .token = 1 });
	engine_job(engine);
}

static double engine_jobs(struct engine *engine)
{
	const unsigned int nr = 2000;
	double start = now();
	unsigned int i;

	for (i = 0; i < nr; i++)
		engine_job(engine);
	return nr / (now() - start);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double report(const char *what, double *runs, const char *unit)
{
	qsort(runs, RUNS, sizeof(*runs), by_size);
	printf("%-34s %10.2f %s  (%.2f .. %.2f)\n", what, runs[RUNS / 2], unit,
	       runs[0], runs[RUNS - 1]);
	return runs[RUNS / 2];
}

int main(int argc, char **argv)
{
	double requests[RUNS], small[RUNS], large[RUNS], ratio[RUNS];
	double few[RUNS], many[RUNS], jobs_ratio[RUNS];
	struct engine e_few, e_many;
	struct tree t_small, t_large;
	struct rig rig;
	int i;

	rng_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	if (!rng_state)
		rng_state = 1;
	printf("core-bench: seed %llu; median of %d (lowest .. highest)\n",
	       (unsigned long long)rng_state, RUNS);
	tree_init(&t_small, 1000);
	tree_init(&t_large, 1000000);
	rig_init(&rig);
	engine_init(&e_few, 64);
	engine_init(&e_many, 65536);
	for (i = 0; i < RUNS; i++) {
		requests[i] = rig_requests(&rig) / 1e6;
		small[i] = tree_pairs(&t_small) / 1e6;
		large[i] = tree_pairs(&t_large) / 1e6;
		ratio[i] = small[i] / large[i];
		few[i] = engine_jobs(&e_few) / 1e6;
		many[i] = engine_jobs(&e_many) / 1e6;
		jobs_ratio[i] = few[i] / many[i];
	}
	report("requests", requests, "M/s    target 1");
	report("map+unmap pairs, 1,000 live", small, "M/s");
	report("map+unmap pairs, 1,000,000 live", large, "M/s    target 1");
	report("cost per pair, 1,000,000 : 1,000", ratio, "times  target <= 3");
	report("jobs that may move, 64 chunks", few, "M/s");
	report("jobs that may move, 65,536 chunks", many, "M/s");
	report("cost per job, 65,536 : 64", jobs_ratio, "times  target <= 3");
	printf("%-34s %10.2f MiB reserved, none of it per page\n",
	       "core with the default quotas",
	       (double)core_size(&limits) / (1 << 20));
	return 0;
}
