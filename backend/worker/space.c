// SPDX-License-Identifier: MIT
/*
 * Next fit over a ring of ranges: a range is found where the last one was, or
 * in the first gap behind that is large enough.
 */
#include "space.h"

#include <stdlib.h>

void space_init(struct space *space, uint64_t start, uint64_t end,
		uint64_t unit)
{
	space->all = (struct space_range){ &space->all, &space->all, start, 0 };
	space->at = &space->all;
	space->end = end;
	space->unit = unit;
}

void space_fini(struct space *space)
{
	while (space->all.next && space->all.next != &space->all)
		space_put(space, space->all.next);
}

/* Octets that are free behind a range. */
static uint64_t gap_behind(const struct space *space,
			   const struct space_range *range)
{
	uint64_t end = range->next == &space->all ? space->end :
						    range->next->start;

	return end - (range->start + range->length);
}

struct space_range *space_get(struct space *space, uint64_t length)
{
	struct space_range *before = space->at, *range;
	uint64_t rest = length % space->unit;

	if (!length || length > space->end)
		return NULL;
	length += rest ? space->unit - rest : 0;
	while (gap_behind(space, before) < length) {
		before = before->next;
		if (before == space->at)
			return NULL;
	}
	range = malloc(sizeof(*range));
	if (!range)
		return NULL;
	range->start = before->start + before->length;
	range->length = length;
	range->prev = before;
	range->next = before->next;
	before->next->prev = range;
	before->next = range;
	space->at = range;
	return range;
}

void space_put(struct space *space, struct space_range *range)
{
	if (!range)
		return;
	if (space->at == range)
		space->at = range->prev;
	range->prev->next = range->next;
	range->next->prev = range->prev;
	free(range);
}
