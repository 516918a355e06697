// SPDX-License-Identifier: MIT
/*
 * Is a worker's answer one that an honest worker gives? It may be in the hands
 * of its guest, and root's tools go by its numbers: each answer of several gets
 * them further by as much as a message holds, to an end that is known.
 */
#include "ask.h"

#include "config.h"
#include "userptrif.h"

static bool answer_has_objects(const struct ipc_control *asked,
			       const struct ipc_report *report)
{
	uint32_t i;

	for (i = 0; i < report->nr; i++)
		if (!report->entry[i].nr ||
		    report->entry[i].nr > XENUSERPTR_MAX_OBJ_PAGES)
			return false;
	/* Each entry stands in a slot of its own. */
	return !report->next ||
	       (report->next > asked->first &&
		report->next - asked->first >= IPC_MAX_ENTRIES &&
		report->next <= config_quotas[QUOTA_OBJECTS].max);
}

/* A chunk that the first page asked for is in may begin before that. */
static bool answer_has_runs(const struct ipc_control *asked,
			    const struct ipc_report *report)
{
	const struct ipc_entry *run = report->entry;
	uint32_t i, end = run->first;

	if (!report->nr)
		return !report->next;
	for (i = 0; i < report->nr; i++, run++) {
		if (run->first != end || !run->nr ||
		    run->first > XENUSERPTR_MAX_OBJ_PAGES ||
		    run->nr > XENUSERPTR_MAX_OBJ_PAGES - run->first)
			return false;
		end = run->first + run->nr;
	}
	run = report->entry;
	if (asked->first < run->first || asked->first - run->first >= run->nr)
		return false;
	return !report->next || report->next == end;
}

bool answer_fits(const struct ipc_control *asked,
		 const struct ipc_report *report)
{
	if (report->nr > IPC_MAX_ENTRIES ||
	    (report->next && report->nr < IPC_MAX_ENTRIES))
		return false;
	switch (asked->type) {
	case IPC_CONTROL_OBJECTS:
		return answer_has_objects(asked, report);
	case IPC_CONTROL_CHUNKS:
	case IPC_CONTROL_MOVE:
		return answer_has_runs(asked, report);
	default:
		return !report->nr && !report->next;
	}
}
