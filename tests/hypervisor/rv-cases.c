// SPDX-License-Identifier: MIT
/* Tests that need more than steps in a row: tables, batches and times. */
#include "rv-back.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t no = 0xff;

/* The state after each command; it is the table of the design, spelled out once more. */
static void test_states(int argc, char **argv)
{
	static const struct { uint8_t cmd, flags; } cmds[] = {
		{ GNTREV_CMD_disarm, 0 }, { GNTREV_CMD_revoke, 0 },
		{ GNTREV_CMD_revoke, GNTREV_OP_writes }, { GNTREV_CMD_restore, 0 },
		{ GNTREV_CMD_query, 0 }, { GNTREV_CMD_restore, GNTREV_OP_disarm },
	};
	static const uint8_t next[][6] = {
		[GNTREV_STATE_home] = { 0, 3, 2, 1, 1, 0 },
		[GNTREV_STATE_wrevoked] = { no, 3, 2, 1, 2, 0 },
		[GNTREV_STATE_revoked] = { no, 3, 2, 1, 3, 0 },
	};
	struct gnttab_revocable_op *ops = hypercall_alloc(sizeof(*ops));
	unsigned int zero = 0, state, k;

	(void)argc;
	(void)argv;
	for (state = GNTREV_STATE_home; state <= GNTREV_STATE_revoked; state++)
		for (k = 0; k < 6; k++) {
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

static void test_refuse(int argc, char **argv)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(sizeof(*ops));
	int status = argc > 1 ? atoi(argv[1]) : 0;
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

/* The steps of a page's life: each is a batch of all pages. Those without a name only prepare. */
static const struct bench_step {
	const char *name;
	uint8_t cmd, flags, state;
} bench_steps[] = {
	{ "arm", GNTREV_CMD_arm, 0, GNTREV_STATE_home },
	{ "query", GNTREV_CMD_query, 0, GNTREV_STATE_home },
	{ "revoke", GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked },
	{ "restore", GNTREV_CMD_restore, 0, GNTREV_STATE_home },
	{ "disarm", GNTREV_CMD_disarm, 0, GNTREV_STATE_none },
	{ NULL, GNTREV_CMD_arm, 0, GNTREV_STATE_home },
	{ NULL, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked },
	{ "restore_disarm", GNTREV_CMD_restore, GNTREV_OP_disarm, GNTREV_STATE_none },
};

#define BENCH_STEPS (sizeof(bench_steps) / sizeof(bench_steps[0]))

/* As many as a batch has; returns how many those are. */
static unsigned int all_pages(unsigned int which[BATCH])
{
	unsigned int i, nr = nr_pages < BATCH ? nr_pages : BATCH;

	for (i = 0; i < nr; i++)
		which[i] = i;
	return nr;
}

/*
 * Batches of all pages that the guest is not working on: the shortest time of each, as
 * whatever else the machine does can only make them longer.
 */
static void test_bench(int argc, char **argv)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int which[BATCH], i, k, nr = all_pages(which);
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 20;
	uint64_t start, took, best[BENCH_STEPS];

	memset(best, 0xff, sizeof(best));
	op_okay(ops, which, nr, GNTREV_CMD_disarm, 0, GNTREV_STATE_none);
	for (i = 0; i < rounds; i++)
		for (k = 0; k < BENCH_STEPS; k++) {
			start = now_ns();
			op_okay(ops, which, nr, bench_steps[k].cmd, bench_steps[k].flags,
				bench_steps[k].state);
			took = now_ns() - start;
			if (took < best[k])
				best[k] = took;
		}
	for (k = 0; k < BENCH_STEPS; k++)
		if (bench_steps[k].name)
			printf("revocable_%s_page %llu ns\n", bench_steps[k].name,
			       (unsigned long long)best[k] / nr);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How long REVOKE of all pages takes, N times, whatever the guest does with them. */
static void test_percentiles(int argc, char **argv)
{
	struct gnttab_revocable_op *ops = hypercall_alloc(BATCH * sizeof(*ops));
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 10000, i;
	unsigned int which[BATCH], nr = all_pages(which);
	uint64_t *took = calloc(rounds, sizeof(*took)), start;

	if (!took || !rounds)
		die("no rounds");
	for (i = 0; i < rounds; i++) {
		start = now_ns();
		op_okay(ops, which, nr, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
		took[i] = now_ns() - start;
		op_okay(ops, which, nr, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
	}
	qsort(took, rounds, sizeof(*took), by_size);
	printf("revoke_p50 %llu ns\n", (unsigned long long)took[rounds / 2]);
	printf("revoke_p99 %llu ns\n", (unsigned long long)took[rounds - 1 - rounds / 100]);
	free(took);
}

/* From the want's event to the end of the page's restoring: N wants of page 0. */
static void test_latency(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 20, i;
	uint64_t start, sum = 0;

	for (i = 0; i < rounds; i++) {
		one_okay(0, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
		start = now_ns();
		if (!want_seen(0, 0, 10000))
			die("the guest does not want the page");
		one_okay(0, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
		sum += now_ns() - start;
	}
	printf("revocable_want_restore %llu ns\n", (unsigned long long)sum / rounds);
}

/* What bench-revoke.scn measures in the guest: N wants of page 0, each answered at once. */
static void test_answer(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 20, i;
	volatile uint64_t *mail = (uint64_t *)pages[1].home;

	mail[1] = 0;
	for (i = 1; i <= rounds; i++) {
		one_okay(0, GNTREV_CMD_revoke, 0, GNTREV_STATE_revoked);
		mail[0] = i;
		if (!want_seen(0, 0, 20000))
			die("the guest does not want the page");
		one_okay(0, GNTREV_CMD_restore, 0, GNTREV_STATE_home);
		while (mail[1] != i)
			event_wait(1);
	}
}

static const struct {
	const char *name;
	void (*run)(int, char **);
	bool armed;	/* with an open channel and all pages armed, if it maps them */
} cases[] = {
	{ "refuse", test_refuse, false },
	{ "states", test_states, true },
	{ "bench", test_bench, true },
	{ "latency", test_latency, true },
	{ "percentiles", test_percentiles, true },
	{ "answer", test_answer, true },
};

bool case_run(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[0], cases[i].name)) {
			if (cases[i].armed && pages[0].home) {
				channel_open();
				arm_all();
			}
			cases[i].run(argc, argv);
			return true;
		}
	return false;
}
