// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * xenbus.c: the xenstore handshake: connect, disconnect, reconnect, removal.
 *
 * xenwatch serves all devices of the guest, so it only notes the backend's
 * state; every transition is made by one work item per device. Locking:
 * state_mutex between that work item, the start of a connection and removal.
 *
 * Only the toolstack writes Initialising. Kernels since 7.0 take it for a new
 * instance of the device when they read it from the store and know another
 * state, and remove the device. So we never write it, and leave it while
 * xenwatch, which does that comparison, waits for us.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <xen/platform_pci.h>

#include <drm/drm_print.h>

#include "trace.h"
#include "xen_userptr.h"
#include "xenbus.h"

static unsigned int ring_page_order = 2;
module_param(ring_page_order, uint, 0644);
MODULE_PARM_DESC(ring_page_order,
		 "Largest order of the request ring (default 2, at most 4)");

/* With the pages of so many old connections mapped the backend gets no new one. */
#define OLD_CONNS_MAX	8

struct xu_conn *xu_xenbus_get_conn(struct xu_device *xd)
{
	struct xu_conn *conn;

	spin_lock(&xd->conn_lock);
	conn = xd->conn;
	if (conn)
		kref_get(&conn->ref);
	spin_unlock(&xd->conn_lock);
	return conn;
}

void xu_xenbus_pages_begun(struct xu_device *xd)
{
	drm_dev_get(&xd->drm);
	atomic_inc(&xd->nr_mapped);
}

/* The offer of another one may wait for that. */
void xu_xenbus_pages_ended(struct xu_device *xd)
{
	atomic_dec(&xd->nr_mapped);
	/* device_may_offer() has the other one: it sees the count, or we that it waits. */
	smp_mb__after_atomic();
	if (READ_ONCE(xd->offer_waits))
		queue_work(xu_release_wq, &xd->state_work);
	drm_dev_put(&xd->drm);
}

void xu_xenbus_disconnect(struct xu_device *xd)
{
	struct xu_conn *conn = xu_xenbus_get_conn(xd);

	if (!conn)
		return;
	xu_conn_break(conn, -ENODEV);
	flush_work(&conn->connect_work);
	xu_conn_wait_closed(conn);
	xu_conn_put(conn);
}

void xu_xenbus_conn_closed(struct xu_conn *conn)
{
	struct xu_device *xd = conn->xd;
	bool mine;

	spin_lock(&xd->conn_lock);
	mine = xd->conn == conn;
	if (mine)
		xd->conn = NULL;
	spin_unlock(&xd->conn_lock);
	if (!mine)
		return;
	queue_work(xu_release_wq, &xd->state_work);
	xu_conn_put(conn);
}

void xu_xenbus_conn_start(struct xu_conn *conn)
{
	struct xu_device *xd = conn->xd;
	int err;

	/* Started twice, by a backend that says Connected twice: programs use the limits. */
	if (READ_ONCE(conn->ready))
		return;
	err = xu_conn_query(conn);
	mutex_lock(&xd->state_mutex);
	if (!err && !xd->removed && !READ_ONCE(conn->broken)) {
		if (!xd->registered)
			err = drm_dev_register(&xd->drm, 0);
		xd->registered |= !err;
		spin_lock(&xd->conn_lock);
		WRITE_ONCE(conn->ready, !err);
		spin_unlock(&xd->conn_lock);
		if (!err)
			xenbus_switch_state(xd->xdev, XenbusStateConnected);
	}
	mutex_unlock(&xd->state_mutex);
	/* It may have ended meanwhile, before we said Connected: then say that too. */
	if (!err && READ_ONCE(conn->broken))
		queue_work(xu_release_wq, &xd->state_work);
	if (err) {
		drm_err(&xd->drm, "cannot start: %d\n", err);
		xu_conn_break(conn, -ENODEV);
		return;
	}
	drm_info(&xd->drm, "connected: %s\n", conn->name);
}

/* "versions" lists decimals with "," between. */
static bool backend_speaks(struct xenbus_device *xdev, unsigned int version)
{
	char *versions, *rest, *token;
	unsigned int number;
	bool found = false;

	versions = xenbus_read(XBT_NIL, xdev->otherend,
			       XENUSERPTR_FIELD_BE_VERSIONS, NULL);
	if (IS_ERR(versions))
		return false;
	rest = versions;
	while ((token = strsep(&rest, ",")))
		found |= !kstrtouint(token, 10, &number) && number == version;
	kfree(versions);
	return found;
}

/* The event page and the fence page stand behind the pages of the ring. */
static int publish_keys(struct xenbus_device *xdev, struct xenbus_transaction t,
			const struct xu_conn *conn)
{
	char key[sizeof(XENUSERPTR_FIELD_RING_REF) + 4];
	int err;
	u32 i;

	err = xenbus_printf(t, xdev->nodename, XENUSERPTR_FIELD_FE_VERSION,
			    "%u", XENUSERPTR_PROTOCOL_VERSION);
	if (!err)
		err = xenbus_printf(t, xdev->nodename,
				    XENUSERPTR_FIELD_RING_ORDER, "%u",
				    ilog2(conn->nr_ring_pages));
	for (i = 0; i < conn->nr_ring_pages && !err; i++) {
		snprintf(key, sizeof(key), XENUSERPTR_FIELD_RING_REF "%u", i);
		err = xenbus_printf(t, xdev->nodename, key, "%u",
				    conn->shared_gref[i]);
	}
	if (!err)
		err = xenbus_printf(t, xdev->nodename,
				    XENUSERPTR_FIELD_EVENT_CHANNEL, "%u",
				    conn->evtchn);
	if (!err)
		err = xenbus_printf(t, xdev->nodename,
				    XENUSERPTR_FIELD_EVT_RING_REF, "%u",
				    conn->shared_gref[i]);
	if (!err)
		err = xenbus_printf(t, xdev->nodename,
				    XENUSERPTR_FIELD_FENCE_REF, "%u",
				    conn->shared_gref[i + 1]);
	return err;
}

static int publish(struct xenbus_device *xdev, const struct xu_conn *conn)
{
	struct xenbus_transaction t;
	int err;

	do {
		err = xenbus_transaction_start(&t);
		if (err)
			return err;
		err = publish_keys(xdev, t, conn);
		if (err) {
			xenbus_transaction_end(t, 1);
			return err;
		}
		err = xenbus_transaction_end(t, 0);
	} while (err == -EAGAIN);
	return err;
}

/*
 * From now on xenwatch may break it, and before that the backend, if it guessed the event
 * channel: so it may close at any time, and what is published then is of no use to anybody.
 */
static int conn_show(struct xu_device *xd, struct xu_conn *conn)
{
	struct xu_conn *old;
	bool closed;
	int err;

	xu_conn_get(conn);
	spin_lock(&xd->conn_lock);
	old = xd->conn; /* one that breaks by itself may not be closed yet */
	xd->conn = conn;
	spin_unlock(&xd->conn_lock);
	if (old)
		xu_conn_put(old);
	err = publish(xd->xdev, conn);
	if (err)
		xu_conn_break(conn, -ENODEV);
	mutex_lock(&conn->timeline_lock);
	closed = conn->closed;
	mutex_unlock(&conn->timeline_lock);
	if (closed)
		xu_xenbus_conn_closed(conn);
	if (!err && READ_ONCE(conn->broken))
		err = -ESHUTDOWN;
	xu_conn_put(conn);
	return err;
}

static int conn_offer(struct xu_device *xd)
{
	struct xenbus_device *xdev = xd->xdev;
	struct xu_conn *conn;
	u32 order;

	xu_revocable_set(&xd->grants,
			 xenbus_read_unsigned(xdev->otherend,
					      XENUSERPTR_FIELD_REVOCABLE, 0));
	order = xenbus_read_unsigned(xdev->otherend,
				     XENUSERPTR_FIELD_MAX_RING_ORDER, 0);
	order = min3(order, READ_ONCE(ring_page_order),
		     XENUSERPTR_MAX_RING_ORDER);
	conn = xu_conn_create(xd, order);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	conn->can_trim = xenbus_read_unsigned(xdev->otherend,
					      XENUSERPTR_FIELD_TRIM, 0);
	conn->can_discard = xenbus_read_unsigned(xdev->otherend,
						 XENUSERPTR_FIELD_DISCARD, 0);
	conn->can_stay = xenbus_read_unsigned(xdev->otherend,
					      XENUSERPTR_FIELD_STAY, 0);
	conn->nr_gpus = clamp(xenbus_read_unsigned(xdev->otherend,
						   XENUSERPTR_FIELD_GPUS, 1),
			      1U, XENUSERPTR_MAX_GPUS);
	return conn_show(xd, conn);
}

/*
 * A backend could take all memory and grants by connection after connection. The end
 * of the pages of an old one runs the work again.
 */
static bool device_may_offer(struct xu_device *xd)
{
	WRITE_ONCE(xd->offer_waits, true);
	/* xu_xenbus_pages_ended() has the other one. */
	smp_mb();
	if (atomic_read(&xd->nr_mapped) < OLD_CONNS_MAX) {
		WRITE_ONCE(xd->offer_waits, false);
		return true;
	}
	xu_quarantine_kick();
	pr_warn_ratelimited("xen_userptr: no new connection: domain %u still has the pages of %d old ones mapped\n",
			    xd->grants.domid, OLD_CONNS_MAX);
	return false;
}

/* The backend waits for an offer. An old connection is dropped first. */
static void device_offer(struct xu_device *xd)
{
	struct xenbus_device *xdev = xd->xdev;
	int err;

	xu_xenbus_disconnect(xd);
	if (xdev->state != XenbusStateInitialising)
		xenbus_switch_state(xdev, XenbusStateClosed);
	if (!device_may_offer(xd))
		return;
	if (!backend_speaks(xdev, XENUSERPTR_PROTOCOL_VERSION)) {
		xenbus_dev_fatal(xdev, -EPROTO,
				 "the backend does not speak version %u",
				 XENUSERPTR_PROTOCOL_VERSION);
		return;
	}
	err = conn_offer(xd);
	if (err == -ESHUTDOWN) /* by the backend, whose next state brings us here again */
		return;
	if (err)
		xenbus_dev_fatal(xdev, err, "offering a connection");
	else
		xenbus_switch_state(xdev, XenbusStateInitialised);
}

static void device_close(struct xu_device *xd)
{
	xu_xenbus_disconnect(xd);
	if (xd->xdev->state != XenbusStateClosed)
		xenbus_frontend_closed(xd->xdev);
}

static void device_start(struct xu_device *xd)
{
	struct xu_conn *conn = xu_xenbus_get_conn(xd);

	/* Resumed in place, with another end that goes on: it is to begin again too. */
	if (!conn && xd->xdev->state == XenbusStateInitialising)
		device_close(xd);
	if (!conn)
		return;
	if (xd->xdev->state != XenbusStateInitialised ||
	    !queue_work(xu_release_wq, &conn->connect_work))
		xu_conn_put(conn);
}

static void device_follow(struct xu_device *xd, enum xenbus_state backend)
{
	switch (backend) {
	case XenbusStateInitWait:
		device_offer(xd);
		break;
	case XenbusStateConnected:
		device_start(xd);
		break;
	case XenbusStateUnknown:
	case XenbusStateClosing:
	case XenbusStateClosed:
		device_close(xd);
		break;
	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;
	}
}

/* We say that there is a connection, and it has ended by itself. */
static bool device_has_lost_conn(struct xu_device *xd)
{
	return !READ_ONCE(xd->conn) &&
	       (xd->xdev->state == XenbusStateInitialised ||
		xd->xdev->state == XenbusStateConnected);
}

static bool device_has_whole_conn(struct xu_device *xd)
{
	struct xu_conn *conn = xu_xenbus_get_conn(xd);
	bool whole = conn && !READ_ONCE(conn->broken);

	if (conn)
		xu_conn_put(conn);
	return whole;
}

/*
 * Heard again, InitWait may be another one: the backend was away, which has broken the
 * connection, and the work was late; or the toolstack made the device anew, and xenwatch
 * saw no state between. Linux since 7.0 often tells the latter. Initialising is left by
 * who offers, so nothing is taken for new twice.
 */
static bool device_must_offer(struct xu_device *xd, enum xenbus_state backend)
{
	return backend == XenbusStateInitWait &&
	       (!device_has_whole_conn(xd) ||
		xenbus_read_unsigned(xd->xdev->nodename, "state",
				     XenbusStateUnknown) ==
		XenbusStateInitialising);
}

/*
 * Runs after the backend changed its state and after a connection has
 * closed. A connection that closed by itself was broken by us: then tell the
 * backend and wait until it comes back.
 */
static void device_state_work(struct work_struct *work)
{
	struct xu_device *xd = container_of(work, struct xu_device,
					    state_work);
	bool heard = xchg(&xd->state_heard, false);
	enum xenbus_state state = READ_ONCE(xd->backend_state);

	if (state != xd->handled_state || (heard && device_must_offer(xd, state))) {
		xd->handled_state = state;
		WRITE_ONCE(xd->offer_waits, false);
		device_follow(xd, state);
	} else if (READ_ONCE(xd->offer_waits)) {
		device_offer(xd);
	}
	if (device_has_lost_conn(xd))
		device_close(xd);
}

bool xu_xenbus_is_away(enum xenbus_state backend)
{
	switch (backend) {
	case XenbusStateUnknown:
	case XenbusStateClosing:
	case XenbusStateClosed:
		return true;
	case XenbusStateInitialising:
	case XenbusStateInitWait:
	case XenbusStateInitialised:
	case XenbusStateConnected:
	case XenbusStateReconfiguring:
	case XenbusStateReconfigured:
		break;
	}
	return false;
}

/* Takes the reference of @conn, which may be NULL. */
void xu_xenbus_break(struct xu_conn *conn)
{
	if (!conn)
		return;
	xu_conn_break(conn, -ENODEV);
	xu_conn_put(conn);
}

static void xu_otherend_changed(struct xenbus_device *xdev,
				enum xenbus_state backend_state)
{
	struct xu_device *xd = dev_get_drvdata(&xdev->dev);

	trace_xen_userptr_backend_state(xdev->otherend_id, backend_state);
	WRITE_ONCE(xd->backend_state, backend_state);
	/*
	 * Who reclaims memory may wait for our fences, and the work for memory, if it needs
	 * a new thread. So the fences end in the thread that runs anyway, which allocates
	 * nothing for it. A connection that was Connected ends with InitWait too: that
	 * is the next backend, after one that said nothing any more.
	 */
	if (xu_xenbus_is_away(backend_state))
		xu_xenbus_break(xu_xenbus_get_conn(xd));
	else if (backend_state == XenbusStateInitWait)
		xu_xenbus_break(xu_conn_get_ready(xd));
	WRITE_ONCE(xd->state_heard, true);
	queue_work(xu_release_wq, &xd->state_work);
	/* There is no connection yet: this waits for nothing but xenstored. */
	if (xdev->state == XenbusStateInitialising)
		flush_work(&xd->state_work);
}

static int xu_probe(struct xenbus_device *xdev,
		    const struct xenbus_device_id *id)
{
	struct xu_device *xd = xu_device_create(xdev);

	if (IS_ERR(xd))
		return PTR_ERR(xd);
	INIT_WORK(&xd->state_work, device_state_work);
	dev_set_drvdata(&xdev->dev, xd);
	return 0;
}

static void xu_remove(struct xenbus_device *xdev)
{
	struct xu_device *xd = dev_get_drvdata(&xdev->dev);

	disable_work_sync(&xd->state_work);
	mutex_lock(&xd->state_mutex);
	WRITE_ONCE(xd->removed, true);
	mutex_unlock(&xd->state_mutex);
	xu_xenbus_disconnect(xd);
	if (xd->registered)
		drm_dev_unplug(&xd->drm);
}

static const struct xenbus_device_id xu_ids[] = {
	{ XENUSERPTR_DRIVER_NAME },
	{ "" }
};
MODULE_DEVICE_TABLE(xen, xu_ids);

static struct xenbus_driver xu_xenbus_driver = {
	.name = "xen_userptr",
	.ids = xu_ids,
	.probe = xu_probe,
	.remove = xu_remove,
	.driver.pm = &xu_pm_ops,
	.suspend = xu_suspend,
	.resume = xu_resume,
	.otherend_changed = xu_otherend_changed,
	.not_essential = true,
	.driver.dev_groups = xu_sysfs_groups,
};

int xu_xenbus_register(void)
{
	return xenbus_register_frontend(&xu_xenbus_driver);
}

void xu_xenbus_unregister(void)
{
	xenbus_unregister_driver(&xu_xenbus_driver);
}
