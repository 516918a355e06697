// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * timeline.c: the fence page and the event page.
 *
 * The order of reading is what makes errors safe: first the numbers of all
 * timelines, then the events, then signal up to the numbers that were read.
 * The backend writes them the other way round, so no job signals without
 * the error that belongs to it. A backend may send any number of events; those
 * that change nothing are not called news, so that conn.c has them slowed down.
 * Locking: xu_conn.timeline_lock.
 */
#include <xen/events.h>

#include "trace.h"
#include "xen_userptr.h"

int xu_timeline_alloc(struct xu_conn *conn, struct xu_queue *queue)
{
	struct xu_timeline *timeline;
	int err = 0;
	u32 idx;

	mutex_lock(&conn->timeline_lock);
	if (conn->closed) {
		err = -ENODEV;
		goto unlock;
	}
	idx = find_first_zero_bit(conn->timeline_used,
				  XENUSERPTR_MAX_TIMELINES);
	if (idx == XENUSERPTR_MAX_TIMELINES) {
		err = -EBUSY;
		goto unlock;
	}
	__set_bit(idx, conn->timeline_used);
	timeline = &conn->timeline[idx];
	timeline->queue = queue;
	queue->timeline = idx;
	queue->completed = timeline->seen;
unlock:
	mutex_unlock(&conn->timeline_lock);
	return err;
}

void xu_timelines_free(struct xu_conn *conn, struct xu_vm *vm)
{
	u32 idx;

	lockdep_assert_held(&conn->timeline_lock);
	for_each_set_bit(idx, conn->timeline_used, XENUSERPTR_MAX_TIMELINES) {
		if (conn->timeline[idx].queue->vm != vm)
			continue;
		conn->timeline[idx].queue = NULL;
		__clear_bit(idx, conn->timeline_used);
	}
}

static const char *event_fence(struct xu_conn *conn,
			       const struct xen_userptrif_evt_fence *untrusted,
			       bool *news)
{
	u32 idx = untrusted->timeline;
	int err;

	if (idx >= XENUSERPTR_MAX_TIMELINES ||
	    !test_bit(idx, conn->timeline_used))
		return "an event for a timeline that is not in use";
	if (untrusted->status == XENUSERPTR_STATUS_OK)
		return "an error event without an error";
	err = xu_status_to_errno(untrusted->status);
	if (!xu_queue_job_error(conn->timeline[idx].queue, untrusted->seqno,
				err, untrusted->fault_va, news))
		return "an event for a job that does not run";
	return NULL;
}

static const char *event_lost(struct xu_conn *conn,
			      const struct xen_userptrif_evt_lost *untrusted,
			      bool *news)
{
	u64 untrusted_first = untrusted->first_page;
	u32 untrusted_nr = untrusted->nr_pages, first, nr;
	struct xu_object *obj;

	xa_lock(&conn->objs);
	obj = xa_load(&conn->objs, untrusted->obj_id);
	if (!obj) {
		xa_unlock(&conn->objs);
		return NULL; /* its destruction was answered meanwhile */
	}
	if (untrusted_first >= obj->nr_pages ||
	    untrusted_nr > obj->nr_pages - untrusted_first) {
		xa_unlock(&conn->objs);
		return "a lost event outside of the object";
	}
	first = untrusted_first;
	nr = untrusted_nr;
	*news |= find_next_zero_bit(obj->lost, first + nr, first) < first + nr;
	obj->lost_pages += nr;
	bitmap_set(obj->lost, first, nr);
	xu_object_get(obj);
	xa_unlock(&conn->objs);
	atomic64_add(nr, &conn->xd->stat[XU_STAT_LOST_PAGES]);
	xu_lost_pages(obj, first, nr);
	xu_object_put(obj);
	return NULL;
}

static const char *event_handle(struct xu_conn *conn,
				const struct xen_userptrif_evt *untrusted_evt,
				bool *news)
{
	trace_xen_userptr_event(conn->domid, untrusted_evt);
	switch (untrusted_evt->type) {
	case XENUSERPTR_EVT_FENCE:
		return event_fence(conn, &untrusted_evt->op.fence, news);
	case XENUSERPTR_EVT_LOST:
		return event_lost(conn, &untrusted_evt->op.lost, news);
	case XENUSERPTR_EVT_RESET:
		xu_count(conn->xd, XU_STAT_GPU_RESETS);
		return NULL;
	}
	return "an unknown event";
}

/* Returns whether any event was news, or -EPROTO. */
static int events_drain(struct xu_conn *conn, const char **reason)
{
	struct xen_userptrif_evt_page *page = conn->evt_page;
	u32 untrusted_prod = READ_ONCE(page->prod);
	u32 left = untrusted_prod - conn->evt_cons;
	struct xen_userptrif_evt evt;
	bool news = false;

	if (!left)
		return 0;
	if (left > XENUSERPTR_EVT_RING_LEN) {
		*reason = "an event index out of range";
		return -EPROTO;
	}
	virt_rmb(); /* the events were written before the index */
	for (; left; left--) {
		memcpy(&evt, &page->ring[conn->evt_cons %
					 XENUSERPTR_EVT_RING_LEN], sizeof(evt));
		barrier(); /* one copy, which is not read again */
		conn->evt_cons++;
		*reason = event_handle(conn, &evt, &news);
		if (*reason)
			return -EPROTO;
	}
	virt_mb(); /* copied before the slots are given back */
	WRITE_ONCE(page->cons, conn->evt_cons);
	notify_remote_via_irq(conn->irq);
	xu_count(conn->xd, XU_STAT_NOTIFICATIONS);
	return news;
}

static int timelines_read(struct xu_conn *conn, const char **reason)
{
	struct xu_timeline *timeline;
	u64 untrusted_seqno;
	u32 idx;

	for_each_set_bit(idx, conn->timeline_used, XENUSERPTR_MAX_TIMELINES) {
		timeline = &conn->timeline[idx];
		untrusted_seqno = READ_ONCE(conn->fence_page->seqno[idx]);
		if (untrusted_seqno < timeline->seen) {
			*reason = "a fence value that goes back";
			return -EPROTO;
		}
		virt_rmb(); /* a job is counted as sent before it is sent */
		if (untrusted_seqno > READ_ONCE(timeline->sent)) {
			*reason = "a fence value of a job that was not sent";
			return -EPROTO;
		}
		timeline->read = untrusted_seqno;
	}
	return 0;
}

int xu_timeline_poll(struct xu_conn *conn, const char **reason)
{
	struct xu_timeline *timeline;
	int ret, err;
	u32 idx;

	lockdep_assert_held(&conn->timeline_lock);
	if (conn->closed || READ_ONCE(conn->broken))
		return 0;
	err = timelines_read(conn, reason);
	if (err)
		return err;
	virt_rmb(); /* the events of these jobs are on the page by now */
	ret = events_drain(conn, reason);
	if (ret < 0)
		return ret;
	for_each_set_bit(idx, conn->timeline_used, XENUSERPTR_MAX_TIMELINES) {
		timeline = &conn->timeline[idx];
		if (timeline->read == timeline->seen)
			continue;
		timeline->seen = timeline->read;
		ret = 1;
		xu_queue_completed(timeline->queue, timeline->read);
	}
	return ret;
}
