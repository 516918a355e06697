// SPDX-License-Identifier: MIT
/*
 * Deadlines of a chunk: which one runs in its state, and what it means when it
 * is over. The clock is the time of the last event. Single-threaded.
 */
#include "chunk.h"

/*
 * A GPU does its copies one after another, so time runs from the last one that
 * ended well; but no longer than all that may be ahead of this one.
 */
static uint64_t copy_time(const struct mig *mig, const struct chunk *chunk)
{
	const struct mig_settings *set = &mig->settings;
	uint64_t latest = chunk->since +
			  (uint64_t)set->copy_ms * (MIG_MAX_COPIES - 1);
	uint64_t from = mig->copied_at[chunk->gpu];

	if (chunk->copy_killed)
		return chunk->copy_killed + set->copy_ms;
	if (from < chunk->since)
		from = chunk->since;
	return (from < latest ? from : latest) + set->copy_ms;
}

uint64_t chunk_next_time(const struct mig *mig, const struct chunk *chunk)
{
	const struct mig_settings *set = &mig->settings;
	uint64_t poll = chunk->since + set->poll_ms;
	uint64_t drain = chunk->drained + set->drain_ms;

	if (chunk->state == CHUNK_DRAIN_WAIT)
		return poll < drain ? poll : drain;
	if (chunk->state == CHUNK_STOPPING)
		return chunk->since + set->stop_ms;
	/* It may be held behind others. */
	if (chunk_gpu_copies(chunk))
		return chunk->emitted ? copy_time(mig, chunk) : MIG_NEVER;
	if (chunk->state != CHUNK_STOPPING_HOME)
		return MIG_NEVER;
	if (!chunk->hurry)
		return chunk->since + set->stop_ms;
	return chunk->hurried + (chunk->killed ? set->lost_ms : set->kill_ms);
}

static enum chunk_event time_event(const struct mig *mig,
				   const struct chunk *chunk)
{
	if (chunk->state == CHUNK_DRAIN_WAIT)
		return mig->now >= chunk->drained + mig->settings.drain_ms ?
		       CHUNK_EV_TIME_DRAIN : CHUNK_EV_TIME_POLL;
	if (chunk->state == CHUNK_STOPPING)
		return CHUNK_EV_TIME_STOP;
	if (chunk_gpu_copies(chunk))
		return chunk->copy_killed ? CHUNK_EV_TIME_STUCK :
					    CHUNK_EV_TIME_COPY;
	if (chunk->hurry)
		return chunk->killed ? CHUNK_EV_TIME_LOST :
				       CHUNK_EV_TIME_KILL;
	return chunk->shared ? CHUNK_EV_TIME_STOP_SHARED : CHUNK_EV_TIME_STOP;
}

void chunk_hurry(struct mig *mig, struct chunk *chunk)
{
	if (chunk->hurry)
		return;
	chunk->hurry = true;
	chunk->hurried = mig->now;
	chunk->marks.want = mig->us;
}

/* The op in flight is given up: its DONE says nothing any more. */
static enum chunk_event copy_give_up(struct mig *mig, struct chunk *chunk)
{
	chunk->given_up++;
	mig->copies_stuck++;
	chunk_copies_fail(mig);
	chunk_copy_ended(mig, chunk);
	chunk->why = MIG_WHY_FAILED;
	return chunk->marked ? CHUNK_EV_DONE_GONE : CHUNK_EV_TIME_STUCK;
}

void chunk_time(struct mig *mig, uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	while (chunk_next_time(mig, chunk) <= mig->now) {
		enum chunk_event event = time_event(mig, chunk);

		if (event == CHUNK_EV_TIME_STUCK)
			event = copy_give_up(mig, chunk);
		chunk_event(mig, slot, event);
	}
}
