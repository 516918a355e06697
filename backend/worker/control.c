// SPDX-License-Identifier: MIT
/* Answers the broker's requests about moving memory; walk B by hand. */
#include "control.h"

#include <errno.h>
#include <string.h>

static int control_answer(struct ipc_report *report, uint32_t tag, int error)
{
	report->type = IPC_REPORT_ANSWER;
	report->error = error;
	report->tag = tag;
	return ipc_send(IPC_FD_CONTROL, report, sizeof(*report), NULL, 0);
}

static int control_refuse(const struct ipc_control *request, int error)
{
	struct ipc_report report = { 0 };

	return control_answer(&report, request->tag, error);
}

/* The runs of pages from @page on, until they end or there is no room. */
static uint32_t control_runs(const struct control *control, uint32_t obj,
			     uint32_t page, uint32_t end,
			     struct ipc_report *report)
{
	struct mig_chunk_info chunk;
	struct ipc_entry *last;

	while (page < end && !mig_chunk_get(control->migrator->engine, obj,
					    page, &chunk)) {
		last = report->nr ? &report->entry[report->nr - 1] : NULL;
		if (last && last->state == chunk.state &&
		    last->why == chunk.why) {
			last->nr += chunk.nr;
		} else if (report->nr < IPC_MAX_ENTRIES) {
			report->entry[report->nr++] = (struct ipc_entry){
				.first = chunk.first,
				.nr = chunk.nr,
				.state = chunk.state,
				.why = chunk.why,
			};
		} else {
			return page;
		}
		page = chunk.first + chunk.nr;
	}
	return 0;
}

/* The range of a request; -ENOENT, -ERANGE. */
static int control_span(const struct control *control,
			const struct ipc_control *request,
			struct core_span *span)
{
	uint32_t id, nr_pages;

	span->obj = core_object_slot(control->core, request->obj_id);
	if (span->obj == UINT32_MAX ||
	    !core_object_at(control->core, span->obj, &id, &nr_pages))
		return -ENOENT;
	if (request->first >= nr_pages ||
	    request->nr > nr_pages - request->first)
		return -ERANGE;
	span->first = request->first;
	span->nr = request->nr ? request->nr : nr_pages - request->first;
	return 0;
}

static bool control_rests(const struct control *control)
{
	const struct core_span *wish = &control->wish;
	uint32_t page = wish->first, end = wish->first + wish->nr;
	struct mig_chunk_info chunk;

	while (page < end && !mig_chunk_get(control->migrator->engine,
					    wish->obj, page, &chunk)) {
		if (chunk.wished || !mig_state_rests(chunk.state))
			return false;
		page = chunk.first + chunk.nr;
	}
	return true;
}

int control_poll(struct control *control)
{
	struct ipc_report report = { 0 };

	if (!control->is_moving || !control_rests(control))
		return 0;
	control->is_moving = false;
	report.next = control_runs(control, control->wish.obj,
				   control->wish.first,
				   control->wish.first + control->wish.nr,
				   &report);
	return control_answer(&report, control->tag, 0);
}

/* The broker asks again only if nobody waits for the answer to the last one. */
static int control_move(struct control *control,
			const struct ipc_control *request)
{
	struct core_span span;
	int ret;

	control->is_moving = false;
	ret = control_span(control, request, &span);
	if (!ret)
		ret = migrator_move(control->migrator, span.obj, span.first,
				    span.nr, request->place);
	if (ret == -ENOMEM)
		return ret;
	if (ret)
		return control_refuse(request, ret);
	control->wish = span;
	control->tag = request->tag;
	control->is_moving = true;
	return control_poll(control);
}

static int control_policy(struct control *control,
			  const struct ipc_control *request)
{
	struct mig_settings settings = control->migrator->settings;

	settings.policy = request->policy;
	return control_refuse(request, migrator_set(control->migrator, &settings));
}

static int control_objects(const struct control *control,
			   const struct ipc_control *request)
{
	struct ipc_report report = { 0 };
	uint32_t slot = request->first;
	struct mig_pages pages;
	struct ipc_entry *entry;

	for (; slot < control->max_objects && !report.next; slot++) {
		entry = &report.entry[report.nr];
		if (report.nr == IPC_MAX_ENTRIES)
			report.next = slot;
		else if (core_object_at(control->core, slot, &entry->id,
					&entry->nr)) {
			mig_pages(control->migrator->engine, slot, &pages);
			entry->state = pages.vram;
			entry->why = pages.lost;
			entry->moved_out = pages.moved_out;
			entry->moved_home = pages.moved_home;
			report.nr++;
		}
	}
	return control_answer(&report, request->tag, 0);
}

static int control_chunks(const struct control *control,
			  const struct ipc_control *request)
{
	struct ipc_report report = { 0 };
	struct core_span span;
	int ret = control_span(control, request, &span);

	if (!ret)
		report.next = control_runs(control, span.obj, span.first,
					   span.first + span.nr, &report);
	return control_answer(&report, request->tag, ret);
}

int control_take(struct control *control, const struct ipc_control *request)
{
	if (!control->migrator)
		return control_refuse(request, -EOPNOTSUPP);
	switch (request->type) {
	case IPC_CONTROL_MOVE:
		return control_move(control, request);
	case IPC_CONTROL_POLICY:
		return control_policy(control, request);
	case IPC_CONTROL_OBJECTS:
		return control_objects(control, request);
	case IPC_CONTROL_CHUNKS:
		return control_chunks(control, request);
	default: /* a number of the broker */
		return control_refuse(request, -EINVAL);
	}
}
