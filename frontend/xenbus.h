/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a connection tells its device, and what xenbus.c and suspend.c share. */
#ifndef XEN_USERPTR_XENBUS_H
#define XEN_USERPTR_XENBUS_H

#include <linux/pm.h>
#include <xen/xenbus.h>

struct xu_conn;
struct xu_device;

/* ---- xenbus.c ---- */

/* A connection has closed: it is the device's no more. */
void xu_xenbus_conn_closed(struct xu_conn *conn);
/* A connection has pages, until they are free again. Any process context. */
void xu_xenbus_pages_begun(struct xu_device *xd);
void xu_xenbus_pages_ended(struct xu_device *xd);
/* The backend is Connected: ask what it is and show the render node. */
void xu_xenbus_conn_start(struct xu_conn *conn);

/* The connection whatever its state, with a reference, or NULL. */
struct xu_conn *xu_xenbus_get_conn(struct xu_device *xd);
/* Break a connection, if there is one; takes the reference. Waits for nobody. */
void xu_xenbus_break(struct xu_conn *conn);
/* Break the connection and wait until this guest has let go of it. */
void xu_xenbus_disconnect(struct xu_device *xd);
/* Does a backend in this state serve no connection of before? */
bool xu_xenbus_is_away(enum xenbus_state backend);

/* ---- suspend.c ---- */

int xu_suspend(struct xenbus_device *xdev);
int xu_resume(struct xenbus_device *xdev);
extern const struct dev_pm_ops xu_pm_ops;

#endif /* XEN_USERPTR_XENBUS_H */
