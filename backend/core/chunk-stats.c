// SPDX-License-Identifier: MIT
/*
 * How long things take, and how much moves: counts for people, by which nothing
 * is decided. Called where a chunk changes its state. Single-threaded.
 */
#include "chunk.h"

static void time_add(struct mig *mig, enum mig_time_id id, uint64_t start)
{
	struct mig_time *time = &mig->stats.time[id];
	uint64_t us = mig->us > start ? mig->us - start : 0;
	unsigned int i = 0;

	if (!start)
		return;
	while (i < MIG_BUCKETS - 1 && us >> i)
		i++;
	time->bucket[i]++;
	time->count++;
	time->sum_us += us;
	if (us > time->max_us)
		time->max_us = us;
	mig->stats.timed++;
}

/* What the time in a state says, if it ended well. */
static enum mig_time_id state_time(uint32_t state, uint32_t next)
{
	switch (state) {
	case CHUNK_REVOKING:
		return MIG_TIME_REVOKE;
	case CHUNK_STOPPING:
		return next == CHUNK_UNBINDING ? MIG_TIME_STOP : MIG_NR_TIMES;
	case CHUNK_STOPPING_HOME:
		return next == CHUNK_UNBINDING_HOME ? MIG_TIME_STOP :
						      MIG_NR_TIMES;
	case CHUNK_COPYING_OUT:
		return MIG_TIME_COPY_OUT;
	case CHUNK_COPYING_HOME:
	case CHUNK_COPYING_CPU:
		return MIG_TIME_COPY_HOME;
	}
	return MIG_NR_TIMES;
}

static void stats_end(struct mig *mig, struct chunk *chunk, uint32_t next)
{
	if (next == CHUNK_HOME && chunk->marks.rolled)
		time_add(mig, MIG_TIME_ROLLBACK, chunk->marks.walk);
	chunk->marks.want = 0;
	chunk->marks.rolled = false;
}

void chunk_stats_leave(struct mig *mig, struct chunk *chunk,
		       enum chunk_state next)
{
	enum mig_time_id id = state_time(chunk->state, next);

	if (id != MIG_NR_TIMES)
		time_add(mig, id, chunk->marks.state);
	if (chunk->state == CHUNK_STOPPING_HOME && chunk->killed)
		time_add(mig, MIG_TIME_KILL, chunk->marks.kill);
	if (chunk->state == CHUNK_RESTORING && next == CHUNK_BINDING_HOME)
		time_add(mig, MIG_TIME_WANT, chunk->marks.want);
	if (chunk_at_rest(chunk))
		chunk->marks.walk = mig->us;
	chunk->marks.state = mig->us;
	if (next < CHUNK_NR_REST)
		stats_end(mig, chunk, next);
}

void chunk_stats_kill(const struct mig *mig, struct chunk *chunk)
{
	chunk->marks.kill = mig->us;
}

void chunk_stats_rollback(struct mig *mig, struct chunk *chunk)
{
	mig->stats.rollbacks++;
	chunk->marks.rolled = true;
}

void chunk_stats_out(struct mig *mig, const struct chunk *chunk)
{
	mig->stats.pages_out += chunk->nr;
	mig->obj[chunk->obj].moved_out += chunk->nr;
	time_add(mig, MIG_TIME_OUT, chunk->marks.walk);
}

void chunk_stats_home(struct mig *mig, const struct chunk *chunk)
{
	mig->stats.pages_home += chunk->nr;
	mig->obj[chunk->obj].moved_home += chunk->nr;
}
