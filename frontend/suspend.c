// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * suspend.c: what a save, a migration or a checkpoint of the guest means to a device.
 *
 * All of it runs in xenwatch, after the programs were frozen, which is why they wait
 * freezable for the other VM. States of backends are not heard meanwhile, but read.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/pm.h>

#include "xen_userptr.h"
#include "xenbus.h"

static unsigned int quiesce_timeout = 20;
module_param(quiesce_timeout, uint, 0644);
MODULE_PARM_DESC(quiesce_timeout,
		 "Seconds that a suspend waits until the backends have brought all data home (default 20)");

/* Of the suspend that is going on, for all devices together. Only xenwatch. */
static bool suspending;
static unsigned long suspend_end;

/* The first device of a suspend begins it. */
static void suspend_begin(void)
{
	if (!suspending)
		suspend_end = jiffies +
			      min(READ_ONCE(quiesce_timeout), 3600U) * HZ;
	suspending = true;
}

/* A backend that answers is not to suffer from one before it that does not. */
static unsigned long suspend_left(void)
{
	return max_t(long, suspend_end - jiffies, HZ);
}

/* Not xenbus_read_driver_state(), which takes other arguments since 7.0. */
static enum xenbus_state suspend_read_state(struct xenbus_device *xdev)
{
	return xenbus_read_unsigned(xdev->otherend, "state",
				    XenbusStateUnknown);
}

/*
 * Of a connection that is ready. Any other state is that of a backend which went, or of the
 * next one, which does not know of it.
 */
static void suspend_check(struct xu_conn *conn)
{
	if (suspend_read_state(conn->xd->xdev) != XenbusStateConnected)
		xu_conn_break(conn, -ENODEV);
}

static void suspend_quiesce(struct xu_conn *conn)
{
	struct xen_userptrif_req pkt = {
		.operation = XENUSERPTR_OP_QUIESCE,
	};
	int err;

	/* A call needs memory, and who has some to give may wait for this connection. */
	suspend_check(conn);
	xu_ring_stay(conn, true);
	err = xu_ring_call(conn, &pkt, NULL, suspend_left(), suspend_check);
	if (err)
		dev_warn(&conn->xd->xdev->dev,
			 "data may be lost by the suspend: %d\n", err);
	if (READ_ONCE(conn->broken))
		xu_conn_wait_closed(conn);
}

/*
 * All old pages end with a restore, and an offer in the midst of that would go to the
 * backend of before, whose path xenbus frees then. So what has begun ends now. The
 * next state of a backend brings another, and the end of a suspend.
 */
static void suspend_offers(struct xu_device *xd)
{
	flush_work(&xd->state_work);
	WRITE_ONCE(xd->offer_waits, false);
	flush_work(&xd->state_work);
}

/*
 * A connection that is not ready, with nobody who uses it, would become so in the midst of
 * a suspend. One that broke, or whose backend goes, is said to be Closed.
 */
static bool suspend_keeps_conn(struct xu_device *xd)
{
	struct xu_conn *conn = xu_conn_get_ready(xd);

	if (!conn)
		return false;
	xu_conn_put(conn);
	return !xu_xenbus_is_away(suspend_read_state(xd->xdev));
}

/*
 * Of a connection that broke the backend brings the data home, as soon as it has heard of
 * it, and says Closing until then.
 */
static bool suspend_is_rescued(struct xenbus_device *xdev, bool has_conn)
{
	enum xenbus_state state = suspend_read_state(xdev);

	return state == XenbusStateClosing ||
	       (state == XenbusStateConnected && !has_conn);
}

/*
 * Before the guest is saved or migrated the host brings all data home. The
 * connection stays: if the guest goes on, so do the programs; if it is
 * restored elsewhere, resume drops what is left. A backend that does not
 * answer cannot stop the guest.
 */
int xu_suspend(struct xenbus_device *xdev)
{
	struct xu_device *xd = dev_get_drvdata(&xdev->dev);
	struct xu_conn *conn = xu_conn_get_ready(xd);
	bool keep;

	suspend_begin();
	if (conn) {
		suspend_quiesce(conn);
		xu_conn_put(conn);
	}
	suspend_offers(xd);
	keep = suspend_keeps_conn(xd);
	if (!keep) {
		xu_xenbus_disconnect(xd);
		flush_work(&xd->state_work);
	}
	while (suspend_is_rescued(xdev, keep) &&
	       time_before(jiffies, suspend_end))
		msleep(100);
	return 0;
}

/*
 * After a restore nothing of the old connection is left on the other side, which may
 * be another domain. Who has the old one's number must not be granted anything, so
 * that is first. The watch of the other end, which comes next, tells its state.
 */
int xu_resume(struct xenbus_device *xdev)
{
	struct xu_device *xd = dev_get_drvdata(&xdev->dev);

	xu_grants_restored(&xd->grants, xdev->otherend_id);
	cancel_work_sync(&xd->state_work);
	WRITE_ONCE(xd->backend_state, XenbusStateUnknown);
	xd->handled_state = XenbusStateUnknown;
	xu_xenbus_disconnect(xd);
	return 0;
}

/*
 * After all of that, also if the guest only goes on: an offer that waited is made again. A
 * device that was missing at a restore was not even resumed; what is left of it ends here.
 */
static void suspend_complete(struct device *dev)
{
	struct xenbus_device *xdev = to_xenbus_device(dev);
	struct xu_device *xd = dev_get_drvdata(dev);
	struct xu_conn *conn = xu_xenbus_get_conn(xd);

	suspending = false;
	if (!xdev->otherend) {
		xu_xenbus_break(conn);
		return;
	}
	if (conn) {
		xu_ring_stay(conn, false);
		xu_conn_put(conn);
	}
	WRITE_ONCE(xd->state_heard, true);
	queue_work(xu_release_wq, &xd->state_work);
}

const struct dev_pm_ops xu_pm_ops = {
	.complete = suspend_complete,
};
