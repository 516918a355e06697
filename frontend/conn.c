// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * conn.c: one connection with a backend: shared pages, event channel, its
 * start and its end.
 *
 * A connection breaks once, for whatever reason and from any context that is
 * not atomic: what waits is failed at once, the shared pages are given up by
 * a work item, because the reason may have been found in the interrupt
 * thread. A reconnect makes a new xu_conn. Locking: xu_conn.lock for the
 * ring, xu_conn.timeline_lock for the other two pages.
 */
#include <linux/ctype.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <xen/events.h>
#include <xen/page.h>

#include <drm/drm_print.h>

#include "trace.h"
#include "xen_userptr.h"
#include "xenbus.h"

struct xu_conn *xu_conn_get_ready(struct xu_device *xd)
{
	struct xu_conn *conn;

	spin_lock(&xd->conn_lock);
	conn = xd->conn;
	/*
	 * Without an other end the guest was restored and its device was not there: nobody
	 * told us, and who has the number of the backend of before is a stranger. A device
	 * that goes has broken its connection, and waits for this lock before xdev goes.
	 */
	if (conn && conn->ready && !READ_ONCE(conn->broken) &&
	    READ_ONCE(xd->xdev->otherend))
		kref_get(&conn->ref);
	else
		conn = NULL;
	spin_unlock(&xd->conn_lock);
	return conn;
}

static void conn_free(struct kref *ref)
{
	struct xu_conn *conn = container_of(ref, struct xu_conn, ref);

	xa_destroy(&conn->objs);
	xa_destroy(&conn->vms);
	mutex_destroy(&conn->timeline_lock);
	drm_dev_put(&conn->xd->drm);
	kvfree(conn);
}

void xu_conn_put(struct xu_conn *conn)
{
	kref_put(&conn->ref, conn_free);
}

/*
 * The fence page first and the ring last: when an answer to VM_DESTROY is
 * seen, what its jobs did was seen before or is seen by the poll that follows
 * the answer.
 */
static irqreturn_t conn_irq(int irq, void *data)
{
	struct xu_conn *conn = data;
	const char *reason = NULL;
	bool any, cookie;
	int ret;

	xu_count(conn->xd, XU_STAT_INTERRUPTS);
	cookie = dma_fence_begin_signalling();
	mutex_lock(&conn->timeline_lock);
	ret = xu_timeline_poll(conn, &reason);
	mutex_unlock(&conn->timeline_lock);
	if (ret < 0)
		xu_conn_violation(conn, "%s", reason);
	any = xu_ring_drain(conn) || ret > 0;
	dma_fence_end_signalling(cookie);
	if (!any)
		xu_count(conn->xd, XU_STAT_SPURIOUS);
	xen_irq_lateeoi(irq, any ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

static int conn_setup_irq(struct xu_conn *conn)
{
	struct xenbus_device *xdev = conn->xd->xdev;
	int err;

	err = xenbus_alloc_evtchn(xdev, &conn->evtchn);
	if (err)
		return err;
	err = bind_evtchn_to_irq_lateeoi(conn->evtchn);
	if (err < 0) {
		xenbus_free_evtchn(xdev, conn->evtchn);
		return err;
	}
	conn->irq = err;
	err = xu_fault() ? -ENOMEM :
		request_threaded_irq(conn->irq, NULL, conn_irq, IRQF_ONESHOT,
				     "xen_userptr", conn);
	if (err) {
		/* There is no handler, so unbind_from_irqhandler() would warn. */
		evtchn_put(conn->evtchn);
		conn->irq = 0;
	}
	return err;
}

/* What the backend still maps stays ours, and counted, until it does not. */
static void conn_teardown_pages(struct xu_conn *conn)
{
	vunmap(conn->ring_pages);
	conn->ring_pages = NULL;
	/* A device or module that goes has nothing left that would try again. */
	if (READ_ONCE(conn->xd->removed) || !try_module_get(THIS_MODULE)) {
		xu_kpages_leave(conn->shared);
	} else {
		xu_kpages_free(conn->shared);
		module_put(THIS_MODULE);
	}
	conn->shared = NULL;
}

static int conn_map_pages(struct xu_conn *conn)
{
	struct page *page[XU_MAX_RING_PAGES + 2];
	u32 i;

	for (i = 0; i < conn->shared->nr; i++)
		page[i] = conn->shared->entry[i].page;
	conn->ring_pages = xu_fault() ? NULL :
		vmap(page, conn->shared->nr, VM_MAP, PAGE_KERNEL);
	if (!conn->ring_pages)
		return -ENOMEM;
	conn->evt_page = conn->ring_pages + conn->nr_ring_pages * PAGE_SIZE;
	conn->fence_page = (void *)conn->evt_page + PAGE_SIZE;
	return 0;
}

static int conn_setup_pages(struct xu_conn *conn)
{
	struct xen_userptrif_sring *sring;
	struct xu_kpages *shared;
	int err;
	u32 i;

	shared = xu_kpages_create(conn->domid, conn->nr_ring_pages + 2, false);
	if (IS_ERR(shared))
		return PTR_ERR(shared);
	shared->conn_of = conn->xd;
	xu_xenbus_pages_begun(conn->xd);
	conn->shared = shared;
	for (i = 0; i < shared->nr; i++)
		conn->shared_gref[i] = shared->entry[i].gref;
	err = conn_map_pages(conn);
	if (err) {
		conn_teardown_pages(conn);
		return err;
	}
	sring = conn->ring_pages;
	SHARED_RING_INIT(sring);
	FRONT_RING_INIT(&conn->ring, sring, conn->nr_ring_pages * PAGE_SIZE);
	conn->nr_slots = min_t(u32, RING_SIZE(&conn->ring),
			       ARRAY_SIZE(conn->slot));
	return 0;
}

/*
 * Runs once after the break. Nothing touches the shared pages any more when
 * "closed" is set and the interrupt is gone.
 */
static void conn_close_work(struct work_struct *work)
{
	struct xu_conn *conn = container_of(work, struct xu_conn, close_work);

	complete_all(&conn->closing);
	/* Who polls from elsewhere notifies through the interrupt: that ends first. */
	mutex_lock(&conn->timeline_lock);
	conn->closed = true;
	mutex_unlock(&conn->timeline_lock);
	if (conn->irq)
		unbind_from_irqhandler(conn->irq, conn);
	conn->irq = 0;
	conn_teardown_pages(conn);
	xu_quarantine_kick();
	/* Not that it says Connected when another connection is offered. */
	flush_work(&conn->connect_work);
	xu_xenbus_conn_closed(conn);
	xu_conn_put(conn);
}

static void conn_connect_work(struct work_struct *work)
{
	struct xu_conn *conn = container_of(work, struct xu_conn, connect_work);

	xu_xenbus_conn_start(conn);
	xu_conn_put(conn);
}

struct xu_conn *xu_conn_create(struct xu_device *xd, u32 ring_order)
{
	struct xu_conn *conn = xu_fault() ? NULL :
		kvzalloc(sizeof(*conn), GFP_KERNEL);
	int err;

	BUILD_BUG_ON(sizeof(struct xen_userptrif_req) != 64);
	BUILD_BUG_ON(sizeof(struct xen_userptrif_rsp) != 64);
	if (!conn)
		return ERR_PTR(-ENOMEM);
	kref_init(&conn->ref);
	spin_lock_init(&conn->lock);
	mutex_init(&conn->timeline_lock);
	INIT_LIST_HEAD(&conn->backlog);
	init_completion(&conn->closing);
	INIT_WORK(&conn->close_work, conn_close_work);
	INIT_WORK(&conn->connect_work, conn_connect_work);
	xa_init_flags(&conn->objs, XA_FLAGS_ALLOC1);
	xa_init_flags(&conn->vms, XA_FLAGS_ALLOC1);
	conn->xd = xd;
	conn->domid = xd->grants.domid;
	conn->nr_ring_pages = 1U << ring_order;
	drm_dev_get(&xd->drm);
	err = conn_setup_pages(conn);
	if (err)
		goto err_put;
	err = conn_setup_irq(conn);
	if (err)
		goto err_teardown;
	return conn;
err_teardown:
	conn_teardown_pages(conn);
err_put:
	xu_conn_put(conn);
	return ERR_PTR(err);
}

/* Fail what was sent and what waited to be sent. */
static void conn_fail_requests(struct xu_conn *conn, int err)
{
	struct xu_req *req, *next;
	LIST_HEAD(failed);
	u32 id;

	spin_lock(&conn->lock);
	for_each_set_bit(id, conn->slot_used, conn->nr_slots) {
		list_add_tail(&conn->slot[id]->link, &failed);
		conn->slot[id] = NULL;
	}
	bitmap_zero(conn->slot_used, conn->nr_slots);
	list_splice_tail_init(&conn->backlog, &failed);
	spin_unlock(&conn->lock);
	list_for_each_entry_safe(req, next, &failed, link) {
		list_del_init(&req->link);
		req->done(req, err, NULL);
	}
}

static void conn_fail_objects(struct xu_conn *conn)
{
	struct xu_object *obj;
	unsigned long id = 0;

	for (;;) {
		xa_lock(&conn->objs);
		obj = xa_find(&conn->objs, &id, ULONG_MAX, XA_PRESENT);
		if (obj)
			xu_object_get(obj);
		xa_unlock(&conn->objs);
		if (!obj)
			return;
		xu_object_conn_lost(obj);
		xu_object_put(obj);
		id++;
	}
}

static void conn_fail_vms(struct xu_conn *conn, int err)
{
	struct xu_vm *vm;
	unsigned long id = 0;

	for (;;) {
		xa_lock(&conn->vms);
		vm = xa_find(&conn->vms, &id, ULONG_MAX, XA_PRESENT);
		if (vm)
			xu_vm_get(vm);
		xa_unlock(&conn->vms);
		if (!vm)
			return;
		xu_vm_conn_lost(vm, err);
		xu_vm_put(vm);
		id++;
	}
}

void xu_conn_break(struct xu_conn *conn, int err)
{
	bool first, cookie;

	spin_lock(&conn->lock);
	first = !conn->broken;
	if (first)
		WRITE_ONCE(conn->broken, err);
	spin_unlock(&conn->lock);
	if (!first)
		return;
	cookie = dma_fence_begin_signalling();
	conn_fail_vms(conn, err);
	conn_fail_requests(conn, err);
	conn_fail_objects(conn);
	dma_fence_end_signalling(cookie);
	xu_conn_get(conn);
	queue_work(xu_release_wq, &conn->close_work);
}

/*
 * Who breaks it may be another, and not have come to queue the work. Only the work ends
 * the thread of the interrupt, which runs our code.
 */
void xu_conn_wait_closed(struct xu_conn *conn)
{
	wait_for_completion(&conn->closing);
	flush_work(&conn->close_work);
}

void xu_conn_violation(struct xu_conn *conn, const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	drm_err(&conn->xd->drm, "backend broke the protocol: %pV\n", &vaf);
	va_end(args);
	xu_conn_break(conn, -EIO);
}

int xu_conn_query_one(struct xu_conn *conn, u32 what, struct xen_userptrif_rsp *rsp)
{
	struct xen_userptrif_req pkt = {
		.operation = XENUSERPTR_OP_QUERY,
		.op.query.what = what,
	};

	return xu_ring_call(conn, &pkt, rsp, MAX_SCHEDULE_TIMEOUT, NULL);
}

static int device_check(struct xu_conn *conn,
			const struct xen_userptrif_rsp_device *untrusted_dev)
{
	u64 start = untrusted_dev->va_start, end = untrusted_dev->va_end;
	u32 nr_engines = untrusted_dev->nr_engines;

	if (start >= end || !IS_ALIGNED(start | end, XENUSERPTR_PAGE_SIZE))
		xu_conn_violation(conn, "GPU addresses from 0x%llx to 0x%llx", start, end);
	else if (!nr_engines || nr_engines > XU_MAX_ENGINES)
		xu_conn_violation(conn, "a GPU with %u engines", nr_engines);
	else
		return 0;
	return -EPROTO;
}

static void name_clean(char *name, const char *untrusted_name)
{
	int i;

	for (i = 0; i < XENUSERPTR_NAME_LEN - 1 && untrusted_name[i]; i++)
		name[i] = isprint(untrusted_name[i]) ? untrusted_name[i] : '?';
	name[i] = 0;
}

int xu_conn_query(struct xu_conn *conn)
{
	struct xen_userptrif_rsp rsp;
	int err;

	err = xu_conn_query_one(conn, XENUSERPTR_QUERY_DEVICE, &rsp);
	if (!err)
		err = device_check(conn, &rsp.u.device);
	if (err)
		return err;
	conn->device = rsp.u.device;
	err = xu_conn_query_one(conn, XENUSERPTR_QUERY_NAME, &rsp);
	if (err)
		return err;
	name_clean(conn->name, rsp.u.name.name);
	err = xu_conn_query_one(conn, XENUSERPTR_QUERY_LIMITS, &rsp);
	if (err)
		return err;
	conn->limits = rsp.u.limits;
	conn->limits.max_jobs = max(conn->limits.max_jobs, 1U);
	return 0;
}
