// SPDX-License-Identifier: MIT
/*
 * A trace that a worker recorded on real Xen, with a real guest and softgpu,
 * replays: every event fits, the invariants hold after each, and the engine
 * gives the very ops that it gave then. An engine that decides otherwise needs a new
 * one: `make record-trace`. Run from the top of the tree.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "chunk.h"

#define TRACE	"tests/unit/data/migrate.trace"
#define OPS	16U

struct trace {
	uint8_t (*record)[MIG_TRACE];
	size_t nr;
	struct mig_trace_head head;
};

static void trace_load(struct trace *trace)
{
	FILE *in = fopen(TRACE, "rb");
	long size;

	assert_non_null(in);
	assert_int_equal(fseek(in, 0, SEEK_END), 0);
	size = ftell(in);
	assert_true(size > 2 * (long)MIG_TRACE);
	rewind(in);
	trace->nr = (size_t)size / MIG_TRACE;
	trace->record = malloc((size_t)size);
	assert_non_null(trace->record);
	assert_int_equal(fread(trace->record, MIG_TRACE, trace->nr, in),
			 trace->nr);
	fclose(in);
	assert_int_equal(mig_trace_head_decode(trace->record[0], &trace->head),
			 0);
	assert_int_equal(trace->head.dropped, 0);
	assert_true(trace->nr >= 2 + trace->head.events);
}

static struct mig *engine_make(const struct trace *trace)
{
	struct mig_limits limits = trace->head.limits;
	struct mig_settings settings;
	struct mig_event ev;
	struct mig *mig;
	size_t size;
	void *mem;

	assert_int_equal(mig_trace_decode(trace->record[1], &ev, &settings), 0);
	assert_int_equal(ev.type, MIG_EV_SETTINGS);
	limits.hash_seed = 0x5eed;
	size = mig_size(&limits);
	mem = aligned_alloc(64, (size + 63) / 64 * 64);
	assert_non_null(mem);
	memset(mem, 0, size);
	mig = mig_init(mem, &limits, &settings);
	assert_non_null(mig);
	return mig;
}

/* How often each kind of event, and of op, came along. */
struct seen {
	unsigned int events[MIG_NR_EVENTS];
	unsigned int ops[MIG_NR_OPS];
};

static void event_replay(struct mig *mig, const uint8_t *record,
			 struct mig_trace_head *head, struct seen *seen)
{
	struct mig_settings settings;
	struct mig_op ops[OPS];
	struct mig_event ev;
	const struct mig_event *next = &ev;
	unsigned int nr, i;
	int ret;

	assert_int_equal(mig_trace_decode(record, &ev, &settings), 0);
	seen->events[ev.type]++;
	do {
		ret = mig_step(mig, next, ops, OPS, &nr);
		assert_true(ret >= 0 || ret == -EOPNOTSUPP);
		assert_int_equal(mig_check(mig), 0);
		for (i = 0; i < nr; i++) {
			mig_trace_op(head, &ops[i]);
			seen->ops[ops[i].type]++;
		}
		next = NULL;
	} while (ret == 1);
}

static void replays(void **state)
{
	struct mig_trace_head head = { .hash = MIG_TRACE_HASH };
	struct seen seen = { 0 };
	struct trace trace;
	struct mig *mig;
	uint64_t i;

	(void)state;
	trace_load(&trace);
	mig = engine_make(&trace);
	for (i = 0; i < trace.head.events; i++)
		event_replay(mig, trace.record[2 + i], &head, &seen);
	/* It is worth something: both ways were walked, and a guest wanted. */
	assert_true(seen.events[MIG_EV_WANT] > 0);
	assert_true(seen.events[MIG_EV_STOPPED] > 0);
	assert_true(seen.ops[MIG_OP_REVOKE] > 1);
	assert_true(seen.ops[MIG_OP_COPY] > 1);
	assert_true(seen.ops[MIG_OP_RESTORE] > 1);
	assert_int_equal(head.ops, trace.head.ops);
	assert_true(head.hash == trace.head.hash);
	assert_int_equal(mig_vram_used(mig), 0);
	assert_true(mig_stats(mig)->time[MIG_TIME_WANT].count > 0);
	free(mig);
	free(trace.record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replays),
	};

	return cmocka_run_group_tests_name("chunk-trace", tests, NULL, NULL);
}
