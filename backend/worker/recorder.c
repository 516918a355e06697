// SPDX-License-Identifier: MIT
/*
 * The recorder of the engine's events. The head is written after each, so that the
 * file can be read at any time; what no longer fits is counted.
 */
#include "recorder.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Before the events. */
#define RECORDER_HEAD	2U

static bool recorder_full(const struct recorder *recorder)
{
	return recorder->head.events == recorder->max || recorder->head.dropped;
}

static void head_write(struct recorder *recorder)
{
	mig_trace_head_encode(&recorder->head, recorder->record[0]);
}

int recorder_init(struct recorder *recorder, int fd,
		  const struct mig_limits *limits,
		  const struct mig_settings *settings)
{
	const struct mig_event first = {
		.type = MIG_EV_SETTINGS,
		.settings = settings,
	};
	struct stat stat;
	void *mem;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_size < (off_t)(RECORDER_HEAD + 1) * MIG_TRACE)
		return -EINVAL;
	mem = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	recorder->record = mem;
	recorder->max = (uint64_t)stat.st_size / MIG_TRACE - RECORDER_HEAD;
	recorder->head = (struct mig_trace_head){
		.limits = *limits,
		.hash = MIG_TRACE_HASH,
	};
	mig_trace_encode(&first, recorder->record[1]);
	head_write(recorder);
	return 0;
}

void recorder_event(struct recorder *recorder, const struct mig_event *ev)
{
	struct mig_trace_head *head = &recorder->head;

	if (!recorder->record || !ev)
		return;
	if (recorder_full(recorder)) {
		head->dropped++;
	} else {
		mig_trace_encode(ev, recorder->record[RECORDER_HEAD +
						      head->events]);
		head->events++;
	}
	head_write(recorder);
}

void recorder_ops(struct recorder *recorder, const struct mig_op *ops,
		  unsigned int nr)
{
	unsigned int i;

	if (!recorder->record || recorder->head.dropped)
		return;
	for (i = 0; i < nr; i++)
		mig_trace_op(&recorder->head, &ops[i]);
	head_write(recorder);
}
