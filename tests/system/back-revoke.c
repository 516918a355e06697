// SPDX-License-Identifier: MIT
/*
 * Cases of back-test for revocable grants: OPS and the records that come with
 * it. The guest's side is rv-guest, which works on the pages all the time and
 * finds out if anything that it wrote is ever missing.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xen/grant_table.h>

#include "back-lib.h"
#include "xen_revocable.h"

#define EXIT_SKIP 77
#define BATCH 600

static int ops_call(int fd, struct xen_userptr_back_op *ops, uint32_t nr)
{
	struct xen_userptr_back_ops arg = { .ops = (uintptr_t)ops, .nr = nr };
	int ret = ioctl(fd, XEN_USERPTR_BACK_OPS, &arg);

	CHECK(ret || arg.done == nr);
	return ret;
}

static struct xen_userptr_back_op op_one(int fd, uint8_t cmd, uint8_t flags,
					 uint32_t gref)
{
	struct xen_userptr_back_op op = { .gref = gref, .cmd = cmd, .flags = flags };

	CHECK(ops_call(fd, &op, 1) == 0);
	return op;
}

static void op_okay(int fd, uint8_t cmd, uint8_t flags, uint32_t gref,
		    uint8_t state)
{
	struct xen_userptr_back_op op = op_one(fd, cmd, flags, gref);

	if (op.status != GNTST_okay || op.state != state)
		fprintf(stderr, "op %u on gref %u: status %d, state %u\n", cmd,
			gref, op.status, op.state);
	CHECK(op.status == GNTST_okay && op.state == state);
}

static int bound_revocable(void)
{
	struct xen_userptr_back_bind arg = { .domid = domid, .max_pages = MAX_GREFS };
	int fd = back_open();

	CHECK(ioctl(fd, XEN_USERPTR_BACK_BIND, &arg) == 0);
	if (!(arg.features & XEN_USERPTR_BACK_FEATURE_REVOCABLE)) {
		fprintf(stderr, "no revocable grants in this hypervisor\n");
		exit(EXIT_SKIP);
	}
	return fd;
}

static void all_op(int fd, uint8_t cmd, uint8_t flags, uint8_t state)
{
	struct xen_userptr_back_op ops[BATCH] = { 0 };
	uint32_t n = ngrefs < BATCH ? ngrefs : BATCH;

	for (uint32_t i = 0; i < n; i++)
		ops[i] = (struct xen_userptr_back_op){ .gref = grefs[i], .cmd = cmd,
						       .flags = flags };
	CHECK(ops_call(fd, ops, n) == 0);
	for (uint32_t i = 0; i < n; i++)
		CHECK(ops[i].status == GNTST_okay && ops[i].state == state);
}

/* Bound, mapped with XEN_USERPTR_BACK_MAP_*, and armed; *dmabuf holds the mapping. */
static int armed_flags(int *dmabuf, uint32_t flags)
{
	int fd = bound_revocable();

	*dmabuf = map_flags(fd, 0, ngrefs, 1, flags);
	CHECK(*dmabuf >= 0);
	all_op(fd, XEN_USERPTR_BACK_ARM, 0, GNTREV_STATE_home);
	CHECK(stats(fd).armed == ngrefs);
	return fd;
}

static int armed(int *dmabuf)
{
	return armed_flags(dmabuf, 0);
}

static void let_go(int fd, int dmabuf)
{
	struct xen_userptr_back_record r;

	all_op(fd, XEN_USERPTR_BACK_DISARM, 0, GNTREV_STATE_none);
	CHECK(stats(fd).armed == 0);
	close(dmabuf);
	do
		r = record_next(fd);
	while (r.type != XEN_USERPTR_BACK_UNMAPPED);
	close(fd);
}

/* Skips wants of other grefs and stale ones. */
static struct xen_userptr_back_record want_of(int fd, uint32_t gref)
{
	struct xen_userptr_back_record r;

	do
		r = record_next(fd);
	while (r.type != XEN_USERPTR_BACK_WANT || r.gref != gref);
	return r;
}

/* ---- cases ---- */

/* On a hypervisor without the series. */
static void test_not_revocable(void)
{
	struct xen_userptr_back_op op = { .gref = grefs[0] };
	struct xen_userptr_back_bind arg = { .domid = domid, .max_pages = 8 };
	int fd = back_open();

	CHECK(ioctl(fd, XEN_USERPTR_BACK_BIND, &arg) == 0);
	if (arg.features & XEN_USERPTR_BACK_FEATURE_REVOCABLE)
		exit(EXIT_SKIP);
	CHECK_ERRNO(EOPNOTSUPP, ops_call(fd, &op, 1));
}

static void test_ops_arguments(void)
{
	struct xen_userptr_back_op op = { .gref = grefs[0] }, ops[2] = { 0 };
	struct xen_userptr_back_ops arg = { .ops = (uintptr_t)&op };
	int dmabuf, fd = armed(&dmabuf), other = bound_revocable();

	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_OPS, &arg));
	arg.nr = XEN_USERPTR_BACK_OPS_MAX + 1;
	CHECK_ERRNO(EINVAL, ioctl(fd, XEN_USERPTR_BACK_OPS, &arg));
	arg = (struct xen_userptr_back_ops){ .ops = 16, .nr = 1 };
	CHECK_ERRNO(EFAULT, ioctl(fd, XEN_USERPTR_BACK_OPS, &arg));
	op.cmd = 4;		/* REPLACE_RAM is not for this interface */
	CHECK_ERRNO(EINVAL, ops_call(fd, &op, 1));
	op.cmd = XEN_USERPTR_BACK_REVOKE, op.flags = XEN_USERPTR_BACK_OP_LOST;
	CHECK_ERRNO(EINVAL, ops_call(fd, &op, 1));
	op.cmd = XEN_USERPTR_BACK_RESTORE, op.flags = XEN_USERPTR_BACK_OP_WRITES;
	CHECK_ERRNO(EINVAL, ops_call(fd, &op, 1));
	/* One bad operation keeps all of its slice from running. */
	ops[0].gref = grefs[0], ops[0].cmd = XEN_USERPTR_BACK_REVOKE;
	ops[1].gref = grefs[1], ops[1].cmd = 99;
	CHECK_ERRNO(EINVAL, ops_call(fd, ops, 2));
	op_okay(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0], GNTREV_STATE_home);
	/* A refusal is the status of one operation. */
	op = op_one(fd, XEN_USERPTR_BACK_ARM, 0, 0xfffffff0);
	CHECK(op.status == GNTST_bad_gntref);
	CHECK(stats(fd).armed == ngrefs);
	/* The channel of a domain is one descriptor's. */
	op = (struct xen_userptr_back_op){ .cmd = XEN_USERPTR_BACK_QUERY };
	CHECK_ERRNO(EBUSY, ops_call(other, &op, 1));
	let_go(fd, dmabuf);
	/* And free again when that one is closed. */
	op.gref = grefs[0];
	CHECK(ops_call(other, &op, 1) == 0);
	close(other);
}

/* Revoke one page, wait for the guest to want it, copy, restore. */
static void revoke_cycle(int fd, int importer, uint32_t i, uint8_t flags)
{
	struct xen_userptr_back_record r;
	struct xen_userptr_back_op q;
	uint64_t before, after;

	op_okay(fd, XEN_USERPTR_BACK_REVOKE, flags, grefs[i],
		flags ? GNTREV_STATE_wrevoked : GNTREV_STATE_revoked);
	before = peek(importer, i, 0);
	r = want_of(fd, grefs[i]);
	CHECK(r.access && !(r.access & ~0xfU));
	CHECK(!flags || (r.access & GNTREV_ACCESS_write));
	after = peek(importer, i, 0);
	CHECK(before == after);		/* nobody could write it meanwhile */
	q = op_one(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[i]);
	/* A stale want, of an earlier cycle, has no waiters yet. */
	CHECK(q.status == GNTST_okay);
	op_okay(fd, XEN_USERPTR_BACK_RESTORE, 0, grefs[i], GNTREV_STATE_home);
}

static void test_cycles(void)
{
	unsigned int seed = argument ? (unsigned int)atoi(argument) : 1;
	int dmabuf, fd = armed(&dmabuf);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);

	printf("seed %u\n", seed);
	for (int n = 0; n < 300; n++)
		revoke_cycle(fd, importer, (uint32_t)rand_r(&seed) % ngrefs,
			     rand_r(&seed) % 3 ? 0 : XEN_USERPTR_BACK_OP_WRITES);
	printf("wants %llu, lost %llu\n", (unsigned long long)stats(fd).wants,
	       (unsigned long long)stats(fd).lost);
	CHECK(stats(fd).wants > 0 && stats(fd).lost == 0);
	close(importer);
	let_go(fd, dmabuf);
}

/* All pages at once, again and again; restored before anybody's time is up. */
static void test_batches(void)
{
	int dmabuf, fd = armed(&dmabuf);

	for (int n = 0; n < 30; n++) {
		all_op(fd, XEN_USERPTR_BACK_REVOKE, 0, GNTREV_STATE_revoked);
		CHECK(readable(fd, EVENT_MS));
		if (n & 1) {
			all_op(fd, XEN_USERPTR_BACK_RESTORE, 0, GNTREV_STATE_home);
			continue;
		}
		all_op(fd, XEN_USERPTR_BACK_RESTORE, XEN_USERPTR_BACK_OP_DISARM,
		       GNTREV_STATE_none);
		CHECK(stats(fd).armed == 0);
		all_op(fd, XEN_USERPTR_BACK_ARM, 0, GNTREV_STATE_home);
	}
	CHECK(stats(fd).lost == 0);
	let_go(fd, dmabuf);
}

/* Unmapped while armed and at home: the module forgets, the guest goes on. */
static void test_unmap_while_armed(void)
{
	int dmabuf, fd = armed(&dmabuf);

	close(dmabuf);
	expect_unmapped(fd, 1);
	CHECK(stats(fd).armed == 0);
	dmabuf = map(fd, 0, ngrefs, 2);
	CHECK(dmabuf >= 0);
	close(dmabuf);
	expect_unmapped(fd, 2);
	close(fd);
}

/* The script made the time limit short. Of a page that stayed readable nothing
 * is lost; and nobody has to ask for it to come back. */
static void write_want_unserved(int fd, int dmabuf)
{
	struct xen_userptr_back_op q;

	op_okay(fd, XEN_USERPTR_BACK_REVOKE, XEN_USERPTR_BACK_OP_WRITES, grefs[0],
		GNTREV_STATE_wrevoked);
	want_of(fd, grefs[0]);
	do {
		usleep(100000);
		q = op_one(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0]);
	} while (q.state == GNTREV_STATE_wrevoked);
	CHECK(q.state == GNTREV_STATE_home && stats(fd).lost == 0);
	let_go(fd, dmabuf);
}

static void test_unserved_write_want(void)
{
	int dmabuf, fd = armed(&dmabuf);

	write_want_unserved(fd, dmabuf);
}

/* Operations of one call that share an entry for wants: it is there at the end. */
static void test_armed_again_in_one_call(void)
{
	struct xen_userptr_back_op ops[] = {
		{ .gref = grefs[0], .cmd = XEN_USERPTR_BACK_QUERY },
		{ .gref = grefs[0], .cmd = XEN_USERPTR_BACK_DISARM },
		{ .gref = grefs[0], .cmd = XEN_USERPTR_BACK_ARM },
		{ .gref = grefs[0], .cmd = XEN_USERPTR_BACK_DISARM },
		{ .gref = grefs[0], .cmd = XEN_USERPTR_BACK_ARM },
	};
	int dmabuf, fd = armed(&dmabuf);

	CHECK(ops_call(fd, ops, 5) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(ops[i].status == GNTST_okay);
	CHECK(stats(fd).armed == ngrefs);
	write_want_unserved(fd, dmabuf);
}

/* Returns how many of the pages were refused for want of memory. */
static uint32_t arm_refused(int fd)
{
	struct xen_userptr_back_op ops[BATCH] = { 0 };
	uint32_t i, refused = 0;

	for (i = 0; i < ngrefs; i++)
		ops[i] = (struct xen_userptr_back_op){ .gref = grefs[i],
						       .cmd = XEN_USERPTR_BACK_ARM };
	CHECK(ops_call(fd, ops, ngrefs) == 0);
	for (i = 0; i < ngrefs; i++) {
		CHECK(ops[i].status == GNTST_okay || ops[i].status == GNTST_no_space);
		refused += ops[i].status != GNTST_okay;
	}
	return refused;
}

/* A page that has no entry is not armed, the others are; then it is as if never asked. */
static void test_arm_fails(void)
{
	int fd = bound_revocable(), dmabuf = map_flags(fd, 0, ngrefs, 1, 0), left = 0;
	uint32_t n, refused;

	for (n = 1; !left; n++) {
		CHECK(n < 3 * ngrefs);
		number_write(FAIL_NTH, (int)n);
		refused = arm_refused(fd);
		left = number_read(FAIL_NTH);
		number_write(FAIL_NTH, 0);
		CHECK(refused == !left);
		CHECK(stats(fd).armed == ngrefs - refused);
		CHECK(!arm_refused(fd));
		all_op(fd, XEN_USERPTR_BACK_DISARM, 0, GNTREV_STATE_none);
		CHECK(stats(fd).armed == 0);
	}
	CHECK(n - 2 >= ngrefs);
	CHECK(!arm_refused(fd));
	let_go(fd, dmabuf);
}

/*
 * Each operation finds its own entry for wants, in whatever order the grefs stand in a call,
 * with some among them that have none.
 */
static void test_any_order(void)
{
	struct xen_userptr_back_op ops[2 * 16 + 3] = {
		{ .gref = 0, .cmd = XEN_USERPTR_BACK_QUERY },
		{ .gref = 1, .cmd = XEN_USERPTR_BACK_QUERY },
		{ .gref = UINT32_MAX, .cmd = XEN_USERPTR_BACK_QUERY },
	};
	int dmabuf, fd = armed(&dmabuf);
	uint32_t i, half = ngrefs / 2, nr = 3;

	CHECK(ngrefs == 16);
	for (i = 0; i < half; i++)
		ops[nr++] = (struct xen_userptr_back_op){ .gref = grefs[i], .cmd = XEN_USERPTR_BACK_DISARM };
	for (i = ngrefs; i-- > half;)
		ops[nr++] = (struct xen_userptr_back_op){ .gref = grefs[i], .cmd = XEN_USERPTR_BACK_DISARM };
	CHECK(ops_call(fd, ops, nr) == 0);
	for (i = 3; i < nr; i++)
		CHECK(ops[i].status == GNTST_okay && ops[i].state == GNTREV_STATE_none);
	CHECK(stats(fd).armed == 0);
	for (nr = 3, i = 0; i < ngrefs; i++) {
		ops[nr++] = (struct xen_userptr_back_op){ .gref = grefs[i], .cmd = XEN_USERPTR_BACK_ARM };
		ops[nr++] = (struct xen_userptr_back_op){ .gref = grefs[ngrefs - 1 - i], .cmd = XEN_USERPTR_BACK_QUERY };
	}
	CHECK(ops_call(fd, ops, nr) == 0);
	CHECK(stats(fd).armed == ngrefs);
	let_go(fd, dmabuf);
}

/*
 * One that calls is slow, not dead: the script set the limits to 1 s without a
 * call and 8 s in all. The page comes back with its contents after the first, and
 * as lost after the second.
 */
static void test_slow_worker_is_not_dead(void)
{
	int dmabuf, fd = armed(&dmabuf);
	struct xen_userptr_back_op q;
	int n;

	op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0], GNTREV_STATE_revoked);
	want_of(fd, grefs[0]);
	for (n = 0; n < 30; n++) {
		usleep(100000);
		q = op_one(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0]);
		CHECK(q.state == GNTREV_STATE_revoked && q.waiters);
	}
	op_okay(fd, XEN_USERPTR_BACK_RESTORE, 0, grefs[0], GNTREV_STATE_home);
	CHECK(stats(fd).lost == 0);
	op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0], GNTREV_STATE_revoked);
	do {
		usleep(100000);
		q = op_one(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0]);
	} while (q.state == GNTREV_STATE_revoked);
	CHECK(q.state == GNTREV_STATE_home && stats(fd).lost == 1);
	let_go(fd, dmabuf);
}

static void test_unserved_want_is_lost(void)
{
	int dmabuf, fd = armed(&dmabuf);
	int importer = imported(dmabuf, XU_IMPORT_DYNAMIC);
	struct xen_userptr_back_record r;

	CHECK(peek(importer, 0, 0) != 0);
	op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0], GNTREV_STATE_revoked);
	want_of(fd, grefs[0]);
	/* The other processor may want it for something else. */
	do
		r = record_next(fd);
	while (r.type == XEN_USERPTR_BACK_WANT && r.gref == grefs[0]);
	CHECK(r.type == XEN_USERPTR_BACK_LOST && r.gref == grefs[0]);
	CHECK(stats(fd).lost == 1);
	op_okay(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0], GNTREV_STATE_home);
	close(importer);
	let_go(fd, dmabuf);
}

/* What nobody here could write cannot be lost, and comes back all the same. */
static void test_unserved_want_readonly(void)
{
	int dmabuf, fd = armed_flags(&dmabuf, XEN_USERPTR_BACK_MAP_READONLY);
	struct xen_userptr_back_op q;
	int n;

	op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0], GNTREV_STATE_revoked);
	want_of(fd, grefs[0]);
	usleep(1500000);
	for (n = 0; n < 10; n++) {
		q = op_one(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0]);
		if (q.state == GNTREV_STATE_home)
			break;
		usleep(2000000);
	}
	CHECK(q.state == GNTREV_STATE_home && stats(fd).lost == 0);
	let_go(fd, dmabuf);
}

/* That it was lost is told, though it is wanted again before anybody reads that. */
static void test_lost_and_wanted_again(void)
{
	int dmabuf, fd = armed(&dmabuf);
	struct xen_userptr_back_record r;
	uint64_t wants;

	op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0], GNTREV_STATE_revoked);
	while (!stats(fd).lost)
		usleep(100000);
	wants = stats(fd).wants;
	op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0], GNTREV_STATE_revoked);
	while (stats(fd).wants == wants)
		usleep(10000);
	r = record_next(fd);
	CHECK(r.type == XEN_USERPTR_BACK_LOST && r.gref == grefs[0]);
	CHECK(!r.access && !r.waiters);
	r = record_next(fd);
	CHECK(r.type == XEN_USERPTR_BACK_WANT && r.gref == grefs[0] && r.access);
	op_okay(fd, XEN_USERPTR_BACK_RESTORE, 0, grefs[0], GNTREV_STATE_home);
	let_go(fd, dmabuf);
}

/* A want that a killed worker left is there for the next: QUERY says so. */
static void test_worker_killed_with_want(void)
{
	int dmabuf, fd = armed(&dmabuf), ready[2];
	struct xen_userptr_back_op q;
	pid_t child;
	char c;

	CHECK(pipe(ready) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		op_okay(fd, XEN_USERPTR_BACK_REVOKE, 0, grefs[0],
			GNTREV_STATE_revoked);
		want_of(fd, grefs[0]);
		CHECK(write(ready[1], "x", 1) == 1);
		pause();
	}
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK(kill(child, SIGKILL) == 0);
	CHECK(waitpid(child, NULL, 0) == child);
	q = op_one(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0]);
	CHECK(q.state == GNTREV_STATE_revoked && q.waiters > 0);
	op_okay(fd, XEN_USERPTR_BACK_RESTORE, 0, grefs[0], GNTREV_STATE_home);
	let_go(fd, dmabuf);
}

/* Nobody is left who could restore: the pages come back with the last close. */
static void test_close_gives_back(void)
{
	int dmabuf, fd = armed(&dmabuf);

	all_op(fd, XEN_USERPTR_BACK_REVOKE, 0, GNTREV_STATE_revoked);
	CHECK(readable(fd, EVENT_MS));
	close(fd);
	/* Still mapped, but nothing is armed: another descriptor may begin. */
	fd = bound_revocable();
	op_okay(fd, XEN_USERPTR_BACK_QUERY, 0, grefs[0], GNTREV_STATE_none);
	close(dmabuf);
	close(fd);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/*
 * Not a test: batches of all pages, which nobody touches; of each the shortest time. Those
 * without a name only prepare.
 */
static void test_bench(void)
{
	static const struct {
		const char *name;
		uint8_t cmd, flags, state;
	} steps[] = {
		{ "arm", XEN_USERPTR_BACK_ARM, 0, GNTREV_STATE_home },
		{ "query", XEN_USERPTR_BACK_QUERY, 0, GNTREV_STATE_home },
		{ "revoke", XEN_USERPTR_BACK_REVOKE, 0, GNTREV_STATE_revoked },
		{ "restore", XEN_USERPTR_BACK_RESTORE, 0, GNTREV_STATE_home },
		{ "disarm", XEN_USERPTR_BACK_DISARM, 0, GNTREV_STATE_none },
		{ NULL, XEN_USERPTR_BACK_ARM, 0, GNTREV_STATE_home },
		{ NULL, XEN_USERPTR_BACK_REVOKE, 0, GNTREV_STATE_revoked },
		{ "restore_disarm", XEN_USERPTR_BACK_RESTORE,
		  XEN_USERPTR_BACK_OP_DISARM, GNTREV_STATE_none },
	};
	uint64_t start, took, best[sizeof(steps) / sizeof(steps[0])];
	int fd, dmabuf, rounds = argument ? atoi(argument) : 8;

	fd = armed(&dmabuf);
	all_op(fd, XEN_USERPTR_BACK_DISARM, 0, GNTREV_STATE_none);
	memset(best, 0xff, sizeof(best));
	for (int n = 0; n < rounds; n++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			start = now_ns();
			all_op(fd, steps[k].cmd, steps[k].flags, steps[k].state);
			took = now_ns() - start;
			if (took < best[k])
				best[k] = took;
		}
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++)
		if (steps[k].name)
			printf("module_%s_page %llu ns\n", steps[k].name,
			       (unsigned long long)best[k] / ngrefs);
	close(dmabuf);
	expect_unmapped(fd, 1);
	close(fd);
}

const struct back_case revoke_cases[] = {
	{ "not_revocable", test_not_revocable },
	{ "ops_arguments", test_ops_arguments },
	{ "cycles", test_cycles },
	{ "batches", test_batches },
	{ "unmap_while_armed", test_unmap_while_armed },
	{ "unserved_write_want", test_unserved_write_want },
	{ "armed_again_in_one_call", test_armed_again_in_one_call },
	{ "any_order", test_any_order },
	{ "arm_fails", test_arm_fails },
	{ "unserved_want_is_lost", test_unserved_want_is_lost },
	{ "unserved_want_readonly", test_unserved_want_readonly },
	{ "lost_and_wanted_again", test_lost_and_wanted_again },
	{ "slow_worker_is_not_dead", test_slow_worker_is_not_dead },
	{ "worker_killed_with_want", test_worker_killed_with_want },
	{ "close_gives_back", test_close_gives_back },
	{ "bench", test_bench },
	{ NULL, NULL },
};
