// SPDX-License-Identifier: MIT
/*
 * replay: a recorded trace of migration through the engine of this program: which
 * events there were, what the engine wanted done, and whether these are the ops
 * that it gave when the trace was recorded. Touches nothing but the file.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "migrate.h"
#include "times.h"

#define REPLAY_OPS	16U
#define REPLAY_HEAD	2U	/* records before the events */
#define REPLAY_MAX	1000000U

struct replay {
	uint8_t (*record)[MIG_TRACE];
	uint64_t nr;			/* records */
	struct mig_trace_head was;	/* when it was recorded */
	struct mig_trace_head is;
	struct mig *engine;
	void *mem;
	uint64_t start_us;
};

static const char *const replay_events[MIG_NR_EVENTS] = {
	[MIG_EV_TIME] = "TIME", [MIG_EV_OBJ_ADD] = "OBJ_ADD",
	[MIG_EV_OBJ_DEL] = "OBJ_DEL", [MIG_EV_VM_ADD] = "VM_ADD",
	[MIG_EV_VM_DEL] = "VM_DEL", [MIG_EV_USES] = "USES",
	[MIG_EV_JOB_END] = "JOB_END", [MIG_EV_MOVE] = "MOVE",
	[MIG_EV_ADVISE] = "ADVISE", [MIG_EV_ALIAS] = "ALIAS",
	[MIG_EV_WANT] = "WANT", [MIG_EV_GONE] = "GONE",
	[MIG_EV_GPU_GONE] = "GPU_GONE", [MIG_EV_DONE] = "DONE",
	[MIG_EV_STOPPED] = "STOPPED", [MIG_EV_ASK] = "ASK",
	[MIG_EV_LET_GO] = "LET_GO", [MIG_EV_SETTINGS] = "SETTINGS",
	[MIG_EV_DISCARD] = "DISCARD",
};

static const char *const replay_ops[MIG_NR_OPS] = {
	[MIG_OP_ALLOC] = "ALLOC", [MIG_OP_FREE] = "FREE",
	[MIG_OP_ARM] = "ARM", [MIG_OP_REVOKE] = "REVOKE",
	[MIG_OP_QUERY] = "QUERY", [MIG_OP_RESTORE] = "RESTORE",
	[MIG_OP_UNBIND] = "UNBIND", [MIG_OP_BIND] = "BIND",
	[MIG_OP_COPY] = "COPY", [MIG_OP_STOP] = "STOP",
	[MIG_OP_KILL] = "KILL", [MIG_OP_RESUME] = "RESUME",
	[MIG_OP_CLOSE] = "CLOSE", [MIG_OP_TELL] = "TELL",
	[MIG_OP_READY] = "READY", [MIG_OP_KILL_COPIES] = "KILL_COPIES",
};

static int replay_bad(const char *path)
{
	return ctl_error(CTL_FAILED, "%s is no trace", path);
}

static int replay_read(struct replay *replay, const char *path)
{
	FILE *in = fopen(path, "rb");
	struct stat stat;
	int ret = CTL_OK;

	if (!in)
		return ctl_error(CTL_FAILED, "%s: %s", path, strerror(errno));
	if (fstat(fileno(in), &stat) || stat.st_size < 0 ||
	    stat.st_size > (off_t)(REPLAY_MAX + REPLAY_HEAD) * MIG_TRACE) {
		ret = replay_bad(path);
		goto out;
	}
	replay->nr = (uint64_t)stat.st_size / MIG_TRACE;
	replay->record = calloc(replay->nr + 1, MIG_TRACE);
	if (!replay->record)
		ret = ctl_error(CTL_FAILED, "no memory");
	else if (fread(replay->record, MIG_TRACE, replay->nr, in) != replay->nr)
		ret = replay_bad(path);
	else if (replay->nr < REPLAY_HEAD ||
		 mig_trace_head_decode(replay->record[0], &replay->was) ||
		 replay->was.events > replay->nr - REPLAY_HEAD)
		ret = replay_bad(path);
out:
	fclose(in);
	return ret;
}

static int replay_begin(struct replay *replay, const char *path)
{
	struct mig_settings settings;
	struct mig_event ev;
	size_t size = mig_size(&replay->was.limits);

	replay->is.hash = MIG_TRACE_HASH;
	if (!size || mig_trace_decode(replay->record[1], &ev, &settings) ||
	    !ev.settings)
		return replay_bad(path);
	replay->mem = aligned_alloc(64, (size + 63) / 64 * 64);
	if (!replay->mem)
		return ctl_error(CTL_FAILED, "no memory");
	memset(replay->mem, 0, size);
	replay->engine = mig_init(replay->mem, &replay->was.limits, &settings);
	return replay->engine ? CTL_OK : replay_bad(path);
}

static void replay_print_event(struct replay *replay,
			       const struct mig_event *ev)
{
	if (!replay->start_us)
		replay->start_us = ev->us;
	printf("%10.3f ms  %-8s object %u pages %u+%u vm %u", (double)
	       (ev->us - replay->start_us) / 1e3, replay_events[ev->type],
	       ev->obj, ev->first, ev->nr, ev->vm);
	if (ev->type == MIG_EV_DONE)
		printf(" id %u status %u", ev->id, ev->status);
	if (ev->type == MIG_EV_ASK || ev->type == MIG_EV_LET_GO)
		printf(" token %u", ev->token);
	putchar('\n');
}

static void replay_print_op(const struct mig_op *op)
{
	printf("               -> %-8s id %u object %u pages %u+%u vm %u vms %#llx flags %#x\n",
	       replay_ops[op->type], op->id, op->obj, op->first, op->nr,
	       op->vm, (unsigned long long)op->vms, op->flags);
}

/* Refused then is refused now, and has given no op either time. */
static int replay_event(struct replay *replay, const struct mig_event *ev)
{
	const struct mig_event *next = ev;
	struct mig_op ops[REPLAY_OPS];
	unsigned int nr, i;
	int more, broken;

	replay_print_event(replay, ev);
	do {
		more = mig_step(replay->engine, next, ops, REPLAY_OPS, &nr);
		if (more < 0)
			printf("               refused: %s\n", strerror(-more));
		for (i = 0; i < nr; i++) {
			replay_print_op(&ops[i]);
			mig_trace_op(&replay->is, &ops[i]);
		}
		next = NULL;
	} while (more == 1);
	broken = mig_check(replay->engine);
	return broken ? ctl_error(CTL_FAILED, "invariant %d is broken", broken) :
			CTL_OK;
}

static void replay_times(const struct mig_stats *stats)
{
	static const char *const texts[MIG_NR_TIMES] = {
#define X(id, name, text) text,
		MIG_TIMES(X)
#undef X
	};
	char p50[16], p99[16], max[16];
	struct times_sum sum;
	uint32_t i;

	for (i = 0; i < MIG_NR_TIMES; i++) {
		const struct mig_time *time = &stats->time[i];

		times_sum(time->bucket, MIG_BUCKETS, time->max_us, &sum);
		times_text(sum.p50, p50);
		times_text(sum.p99, p99);
		times_text(sum.max, max);
		if (sum.count)
			printf("%12llu  %s: p50 %s, p99 %s, max %s\n",
			       (unsigned long long)sum.count, texts[i], p50,
			       p99, max);
	}
}

static int replay_end(const struct replay *replay)
{
	const struct mig_trace_head *was = &replay->was, *is = &replay->is;
	bool same = was->ops == is->ops && was->hash == is->hash;

	replay_times(mig_stats(replay->engine));
	printf("%llu events, %llu more were not recorded; %llu ops: %s\n",
	       (unsigned long long)was->events,
	       (unsigned long long)was->dropped, (unsigned long long)is->ops,
	       same ? "the same as when it was recorded" :
		      "others than when it was recorded");
	return same ? CTL_OK : CTL_FAILED;
}

static int replay_all(struct replay *replay, const char *path)
{
	struct mig_settings settings;
	struct mig_event ev;
	uint64_t i;
	int ret = replay_begin(replay, path);

	for (i = 0; ret == CTL_OK && i < replay->was.events; i++) {
		if (mig_trace_decode(replay->record[REPLAY_HEAD + i], &ev,
				     &settings))
			return replay_bad(path);
		ret = replay_event(replay, &ev);
	}
	return ret == CTL_OK ? replay_end(replay) : ret;
}

int ctl_replay(struct ctl *ctl)
{
	struct replay replay = { 0 };
	int ret;

	if (ctl->nr_args != 1)
		return ctl_error(CTL_USAGE, "replay FILE");
	ret = replay_read(&replay, ctl->args[0]);
	if (ret == CTL_OK)
		ret = replay_all(&replay, ctl->args[0]);
	free(replay.mem);
	free(replay.record);
	return ret;
}
