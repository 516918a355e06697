/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Requests to the backend, and waiting for what it does. */
#ifndef XEN_USERPTR_RING_H
#define XEN_USERPTR_RING_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/wait.h>

#include "../protocol/userptrif.h"

struct xu_conn;

/*
 * A request on its way. The owner keeps it alive until @done was called.
 * @done runs in process context with no lock of the connection held; @rsp is
 * a private, checked copy, or NULL when the connection broke. @err is the
 * status as an errno.
 */
struct xu_req {
	struct list_head link;
	struct xen_userptrif_req pkt;
	void (*done)(struct xu_req *req, int err,
		     const struct xen_userptrif_rsp *rsp);
};

/*
 * Queue a request; order of calls is order on the ring. Never sleeps. When
 * it fails (-ENODEV, -EIO: the connection is broken) @done is not called.
 */
int xu_ring_submit(struct xu_conn *conn, struct xu_req *req);

/*
 * From now on EXECs say that nothing is to leave home because of them, or no longer; for
 * backends that understand it. Any context.
 */
void xu_ring_stay(struct xu_conn *conn, bool stay);

/* Wait as a program: killable, and it may be frozen meanwhile. No lock held. 0 or -EINTR. */
int xu_wait(struct completion *done);

/* The same for @condition, as wait_event_killable_timeout() says it. */
#define xu_wait_event_timeout(wq, condition, timeout)			\
({									\
	long __ret = (timeout);						\
									\
	might_sleep();							\
	if (!___wait_cond_timeout(condition))				\
		__ret = ___wait_event(wq, ___wait_cond_timeout(condition), \
				      (TASK_KILLABLE | TASK_FREEZABLE), 0, \
				      timeout,				\
				      __ret = schedule_timeout(__ret));	\
	__ret;								\
})

/*
 * Send @pkt and wait for the answer as xu_wait() does; or, with @check, which is called every
 * second and may break the connection, at most @timeout jiffies and not to be frozen. -EINTR: the
 * process is dying, -ETIMEDOUT; the answer will be dropped then. @rsp may be NULL.
 */
int xu_ring_call(struct xu_conn *conn, const struct xen_userptrif_req *pkt,
		 struct xen_userptrif_rsp *rsp, unsigned long timeout,
		 void (*check)(struct xu_conn *conn));

/* Take all responses. False: nothing was there. */
bool xu_ring_drain(struct xu_conn *conn);

int xu_status_to_errno(u32 status);

#endif /* XEN_USERPTR_RING_H */
