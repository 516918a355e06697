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
		 "Seconds that a suspend waits until the backend has brought all data home (default 20)");

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

static void suspend_quiesce(struct xu_conn *conn, unsigned long timeout)
{
	struct xen_userptrif_req pkt = {
		.operation = XENUSERPTR_OP_QUIESCE,
	};
	int err;

	/* A call needs memory, and who has some to give may wait for this connection. */
	suspend_check(conn);
	err = xu_ring_call(conn, &pkt, NULL, timeout, suspend_check);
	if (err)
		dev_warn(&conn->xd->xdev->dev,
			 "data may be lost by the suspend: %d\n", err);
	if (READ_ONCE(conn->broken))
		flush_work(&conn->close_work);
}

/*
 * Of a worker that died the backend brings the data home, and says Closing until then. One
 * that is only told to go waits for us, who say Closed when there is no connection.
 */
static void suspend_wait_closing(struct xenbus_device *xdev, unsigned long end)
{
	struct xu_device *xd = dev_get_drvdata(&xdev->dev);

	if (xu_xenbus_is_away(suspend_read_state(xdev))) {
		xu_xenbus_disconnect(xd);
		flush_work(&xd->state_work);
	}
	while (suspend_read_state(xdev) == XenbusStateClosing &&
	       time_before(jiffies, end))
		msleep(100);
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
 * Before the guest is saved or migrated the host brings all data home. The
 * connection stays: if the guest goes on, so do the programs; if it is
 * restored elsewhere, resume drops what is left. A backend that does not
 * answer cannot stop the guest.
 */
int xu_suspend(struct xenbus_device *xdev)
{
	struct xu_device *xd = dev_get_drvdata(&xdev->dev);
	unsigned long timeout = min(READ_ONCE(quiesce_timeout), 3600U) * HZ;
	unsigned long end = jiffies + timeout;
	struct xu_conn *conn = xu_conn_get_ready(xd);

	if (conn) {
		suspend_quiesce(conn, timeout);
		xu_conn_put(conn);
	}
	suspend_wait_closing(xdev, end);
	suspend_offers(xd);
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

	if (!xdev->otherend) {
		xu_xenbus_break(xu_xenbus_get_conn(xd));
		return;
	}
	WRITE_ONCE(xd->state_heard, true);
	queue_work(xu_release_wq, &xd->state_work);
}

const struct dev_pm_ops xu_pm_ops = {
	.complete = suspend_complete,
};
