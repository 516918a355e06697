// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * trim.c: collects the pages that a program unmapped, while the rest of the
 * object stays in use.
 *
 *   notifier.c: pages are gone -> work -> OBJ_TRIM, one run of pages at a time
 *   -> answer -> work -> grants ended, pages unpinned -> the next run
 *
 * The answer only says when to try; the hypervisor's word ends a pin, as
 * everywhere. After BUSY the same is tried again when a job has ended; what the backend
 * will not give back otherwise stays until the object ends.
 * While a run is on its way the object stays LIVE: a release or a lost
 * connection waits for its end (object.c). Both steps run in the object's release
 * work, so never at once. Locking: xu_object.lock.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>

#include "trace.h"
#include "xen_userptr.h"

/* Pages of one OBJ_TRIM: bounds the time that the work below takes. */
#define TRIM_MAX	65536UL
/* Jobs between two tries, at most. */
#define TRIM_GAP_MAX	1024U

/* The first run of pages that are gone and still ours; 0: there is none. */
static u32 trim_find(const struct xu_object *obj, u32 *first)
{
	unsigned long from = 0, to, end;

	for_each_set_bit_from(from, obj->gone, obj->nr_pages)
		if (obj->pages[from])
			break;
	if (from >= obj->nr_pages)
		return 0;
	end = min(from + TRIM_MAX, (unsigned long)obj->nr_pages);
	end = find_next_zero_bit(obj->gone, end, from);
	for (to = from; to < end && obj->pages[to]; to++)
		;
	*first = from;
	return to - from;
}

/* The program's charge goes with the pages. */
static void trim_account(struct xu_object *obj, u32 ended)
{
	spin_lock(&obj->lock);
	if (obj->charged)
		atomic64_sub(ended, &obj->mm->pinned_vm);
	atomic_long_sub(ended, &obj->xd->nr_pages);
	obj->nr_collected += ended;
	obj->nr_granted -= ended;
	spin_unlock(&obj->lock);
}

static void trim_collect(struct xu_object *obj)
{
	const struct xen_userptrif_obj_trim *trim = &obj->trim_req.pkt.op.obj_trim;
	u32 i, left, end = trim->first_page + trim->nr_pages;

	left = xu_grants_put(&obj->xd->grants, obj->pages + trim->first_page,
			     trim->nr_pages, obj->readonly);
	for (i = trim->first_page + left; i < end; i++)
		WRITE_ONCE(obj->pages[i], NULL);
	trim_account(obj, trim->nr_pages - left);
	obj->no_trim = left;
	obj->trim_gap = 0;
	trace_xen_userptr_trim(obj, 0);
}

static void trim_done(struct xu_req *req, int err,
		      const struct xen_userptrif_rsp *rsp)
{
	struct xu_object *obj = container_of(req, struct xu_object, trim_req);

	spin_lock(&obj->lock);
	obj->trim_answered = true;
	obj->trim_err = err;
	spin_unlock(&obj->lock);
	xu_object_collect(obj);
	xu_object_put(obj);
}

/*
 * Lock held. Every try makes the guest's other requests wait a little, so it becomes
 * rarer; and one is made when nothing runs any more.
 */
static bool trim_is_due(const struct xu_object *obj)
{
	return obj->xd->nr_ended >= obj->trim_after ||
	       !atomic_read(&obj->conn->nr_jobs);
}

static void trim_wait_for_job(struct xu_object *obj)
{
	struct xu_device *xd = obj->xd;

	if (obj->trim_idle) {
		obj->no_trim = true; /* what is it waiting for? */
		return;
	}
	spin_lock(&xd->check_lock);
	if (!trim_is_due(obj))
		list_add_tail(&obj->trim_link, &xd->trim_list);
	spin_unlock(&xd->check_lock);
}

void xu_trims_retry(struct xu_device *xd)
{
	struct xu_object *obj, *next;

	spin_lock(&xd->check_lock);
	xd->nr_ended++;
	list_for_each_entry_safe(obj, next, &xd->trim_list, trim_link) {
		if (!trim_is_due(obj))
			continue;
		list_del_init(&obj->trim_link);
		xu_object_collect(obj);
	}
	spin_unlock(&xd->check_lock);
}

void xu_object_trim_finish(struct xu_object *obj)
{
	bool answered;

	spin_lock(&obj->lock);
	answered = obj->trim_answered;
	obj->trim_answered = false;
	spin_unlock(&obj->lock);
	if (!answered)
		return;
	if (obj->trim_err == -EBUSY)
		trim_wait_for_job(obj);
	else if (obj->trim_err)
		obj->no_trim = true;
	else
		trim_collect(obj);
	xu_object_trimmed(obj);
}

/* Nobody looks at these before the answer. */
static void trim_note_jobs(struct xu_object *obj)
{
	obj->trim_idle = !atomic_read(&obj->conn->nr_jobs);
	obj->trim_gap = clamp(2 * obj->trim_gap, 1U, TRIM_GAP_MAX);
	obj->trim_after = READ_ONCE(obj->xd->nr_ended) + obj->trim_gap;
}

/* Lock held. */
static bool trim_may_begin(struct xu_object *obj)
{
	return obj->state == XU_OBJECT_LIVE && !obj->trimming &&
	       !obj->no_trim && !obj->released && !obj->conn_lost &&
	       obj->conn->can_trim && list_empty_careful(&obj->trim_link);
}

static void trim_send(struct xu_object *obj, u32 first, u32 nr, u32 flags)
{
	struct xen_userptrif_req *pkt = &obj->trim_req.pkt;

	spin_lock(&obj->lock);
	if (!trim_may_begin(obj))
		goto unlock;
	memset(pkt, 0, sizeof(*pkt));
	pkt->operation = XENUSERPTR_OP_OBJ_TRIM;
	pkt->op.obj_trim.obj_id = obj->id;
	pkt->op.obj_trim.flags = flags;
	pkt->op.obj_trim.first_page = first;
	pkt->op.obj_trim.nr_pages = nr;
	obj->trim_req.done = trim_done;
	obj->trimming = true;
	trim_note_jobs(obj);
	xu_object_get(obj);
	if (xu_ring_submit(obj->conn, &obj->trim_req)) {
		obj->trimming = false;
		obj->no_trim = true;
		xu_object_put(obj); /* the work holds another one */
	}
unlock:
	spin_unlock(&obj->lock);
}

/* Only this work takes pages out, so what it found stays there. */
void xu_object_trim(struct xu_object *obj)
{
	u32 first, nr = 0, flags = 0;

	spin_lock(&obj->lock);
	if (trim_may_begin(obj))
		nr = trim_find(obj, &first);
	spin_unlock(&obj->lock);
	if (!nr)
		return;
	if (obj->conn->can_discard && xu_object_forgotten(obj, first, nr))
		flags = XENUSERPTR_TRIM_DISCARD;
	trim_send(obj, first, nr, flags);
}

void xu_object_compact(struct xu_object *obj)
{
	u32 i, nr = 0;

	if (!obj->nr_collected)
		return;
	for (i = 0; i < obj->nr_pages; i++)
		if (obj->pages[i])
			obj->pages[nr++] = obj->pages[i];
	obj->nr_granted = nr;
	obj->nr_pinned = nr;
}
