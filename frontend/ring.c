// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * ring.c: requests to the backend and its responses.
 *
 * Steps A4 and A12 of the walk "register and use". Every request is built in
 * private, zeroed memory and copied to the ring; every response is copied
 * once and checked before anything believes it. A response that no honest
 * backend can send breaks the connection. Locking: xu_conn.lock; the done
 * callbacks run without it.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <xen/events.h>

#include "trace.h"
#include "xen_userptr.h"

static const int status_errno[] = {
	[XENUSERPTR_STATUS_OK]		= 0,
	[XENUSERPTR_STATUS_INVALID]	= -EINVAL,
	[XENUSERPTR_STATUS_NO_ENTRY]	= -ENOENT,
	[XENUSERPTR_STATUS_EXISTS]	= -EIO,
	[XENUSERPTR_STATUS_NO_MEMORY]	= -ENOMEM,
	[XENUSERPTR_STATUS_QUOTA]	= -EDQUOT,
	[XENUSERPTR_STATUS_BUDGET]	= -ENOBUFS,
	[XENUSERPTR_STATUS_BAD_GREF]	= -EIO,
	[XENUSERPTR_STATUS_RANGE]	= -ERANGE,
	[XENUSERPTR_STATUS_ACCESS]	= -EACCES,
	[XENUSERPTR_STATUS_UNSUPPORTED]	= -EOPNOTSUPP,
	[XENUSERPTR_STATUS_GPU_FAULT]	= -EFAULT,
	[XENUSERPTR_STATUS_GPU_HANG]	= -ETIME,
	[XENUSERPTR_STATUS_CANCELED]	= -ECANCELED,
	[XENUSERPTR_STATUS_LOST]	= -ENODATA,
	[XENUSERPTR_STATUS_IO]		= -EIO,
	[XENUSERPTR_STATUS_BUSY]	= -EBUSY,
};

int xu_status_to_errno(u32 status)
{
	return status < ARRAY_SIZE(status_errno) ? status_errno[status] : -EIO;
}

/* Lock held, a slot is free. True: the backend wants to be notified. */
static bool ring_put(struct xu_conn *conn, struct xu_req *req)
{
	u32 id = find_first_zero_bit(conn->slot_used, conn->nr_slots);
	int notify;

	__set_bit(id, conn->slot_used);
	conn->slot[id] = req;
	req->pkt.id = id;
	*RING_GET_REQUEST(&conn->ring, conn->ring.req_prod_pvt) = req->pkt;
	conn->ring.req_prod_pvt++;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&conn->ring, notify);
	xu_count(conn->xd, XU_STAT_REQUESTS);
	trace_xen_userptr_request(conn->domid, &req->pkt);
	return notify;
}

static void ring_notify(struct xu_conn *conn, bool notify)
{
	if (!notify)
		return;
	notify_remote_via_irq(conn->irq);
	xu_count(conn->xd, XU_STAT_NOTIFICATIONS);
}

static bool ring_full(const struct xu_conn *conn)
{
	return bitmap_full(conn->slot_used, conn->nr_slots);
}

void xu_ring_stay(struct xu_conn *conn, bool stay)
{
	spin_lock(&conn->lock);
	conn->stays = stay && conn->can_stay;
	spin_unlock(&conn->lock);
}

int xu_ring_submit(struct xu_conn *conn, struct xu_req *req)
{
	int err;

	spin_lock(&conn->lock);
	err = conn->broken;
	if (err)
		goto unlock;
	/* Jobs that wait for others are sent late. What stands before QUIESCE needs no mark. */
	if (conn->stays && req->pkt.operation == XENUSERPTR_OP_EXEC)
		req->pkt.op.exec.flags |= XENUSERPTR_EXEC_STAY;
	if (ring_full(conn) || !list_empty(&conn->backlog))
		list_add_tail(&req->link, &conn->backlog);
	else
		ring_notify(conn, ring_put(conn, req));
unlock:
	spin_unlock(&conn->lock);
	return err;
}

/* Lock held. */
static void ring_put_backlog(struct xu_conn *conn)
{
	struct xu_req *req;
	bool notify = false;

	while (!list_empty(&conn->backlog) && !ring_full(conn)) {
		req = list_first_entry(&conn->backlog, struct xu_req, link);
		list_del_init(&req->link);
		notify |= ring_put(conn, req);
	}
	ring_notify(conn, notify);
}

/* Lock held. The request that @rsp answers, or NULL for nonsense. */
static struct xu_req *ring_match(struct xu_conn *conn,
				 const struct xen_userptrif_rsp *untrusted_rsp)
{
	struct xu_req *req;
	u16 id = untrusted_rsp->id;

	if (id >= conn->nr_slots || !test_bit(id, conn->slot_used))
		return NULL;
	req = conn->slot[id];
	if (untrusted_rsp->operation != req->pkt.operation ||
	    untrusted_rsp->reserved)
		return NULL;
	__clear_bit(id, conn->slot_used);
	conn->slot[id] = NULL;
	return req;
}

enum ring_next { RING_EMPTY, RING_GOT, RING_BAD };

/*
 * Copy one response out of the ring and find its request. The producer index
 * is read again for each, which is cheap and keeps the check in one place.
 */
static enum ring_next ring_take(struct xu_conn *conn,
				struct xen_userptrif_rsp *rsp,
				struct xu_req **req)
{
	RING_IDX untrusted_prod;
	int more;

	if (conn->broken)
		return RING_EMPTY;
	untrusted_prod = READ_ONCE(conn->ring.sring->rsp_prod);
	if (RING_RESPONSE_PROD_OVERFLOW(&conn->ring, untrusted_prod))
		return RING_BAD;
	if (untrusted_prod == conn->ring.rsp_cons) {
		RING_FINAL_CHECK_FOR_RESPONSES(&conn->ring, more);
		if (!more)
			return RING_EMPTY;
		untrusted_prod = READ_ONCE(conn->ring.sring->rsp_prod);
		if (RING_RESPONSE_PROD_OVERFLOW(&conn->ring, untrusted_prod))
			return RING_BAD;
	}
	virt_rmb(); /* the packet was written before the index */
	RING_COPY_RESPONSE(&conn->ring, conn->ring.rsp_cons, rsp);
	*req = ring_match(conn, rsp);
	if (!*req)
		return RING_BAD;
	conn->ring.rsp_cons++;
	return RING_GOT;
}

bool xu_ring_drain(struct xu_conn *conn)
{
	struct xen_userptrif_rsp rsp;
	enum ring_next next;
	struct xu_req *req;
	bool any = false;

	for (;;) {
		spin_lock(&conn->lock);
		next = ring_take(conn, &rsp, &req);
		if (next == RING_GOT)
			ring_put_backlog(conn);
		spin_unlock(&conn->lock);
		if (next != RING_GOT)
			break;
		any = true;
		trace_xen_userptr_response(conn->domid, &rsp);
		req->done(req, xu_status_to_errno(rsp.status), &rsp);
		cond_resched();
	}
	if (next == RING_BAD)
		xu_conn_violation(conn, "a response that answers nothing");
	return any;
}

/* A request that somebody may stop waiting for. */
struct ring_call {
	struct xu_req req;
	struct kref ref;
	struct completion answered;
	struct xen_userptrif_rsp rsp;
	int err;
};

static void ring_call_free(struct kref *ref)
{
	kfree(container_of(ref, struct ring_call, ref));
}

static void ring_call_done(struct xu_req *req, int err,
			   const struct xen_userptrif_rsp *rsp)
{
	struct ring_call *call = container_of(req, struct ring_call, req);

	if (rsp)
		call->rsp = *rsp;
	call->err = err;
	complete(&call->answered);
	kref_put(&call->ref, ring_call_free);
}

/* A suspend freezes programs before it asks anything of the backend. */
int xu_wait(struct completion *done)
{
	int err = wait_for_completion_state(done, TASK_KILLABLE | TASK_FREEZABLE);

	return err ? -EINTR : 0;
}

/* 0, or as wait_for_completion_killable_timeout(). */
static long ring_call_wait(struct xu_conn *conn, struct ring_call *call,
			   unsigned long timeout,
			   void (*check)(struct xu_conn *conn))
{
	unsigned long slice;
	long left;

	if (!check)
		return xu_wait(&call->answered) ? -EINTR : 1;
	for (;;) {
		slice = min_t(unsigned long, timeout, HZ);
		left = wait_for_completion_killable_timeout(&call->answered,
							    slice);
		timeout -= slice;
		if (left || !timeout)
			return left;
		check(conn);
	}
}

int xu_ring_call(struct xu_conn *conn, const struct xen_userptrif_req *pkt,
		 struct xen_userptrif_rsp *rsp, unsigned long timeout,
		 void (*check)(struct xu_conn *conn))
{
	struct ring_call *call = xu_fault() ? NULL :
		kzalloc(sizeof(*call), GFP_KERNEL);
	long left;
	int err;

	if (!call)
		return -ENOMEM;
	kref_init(&call->ref);
	init_completion(&call->answered);
	call->req.pkt = *pkt;
	call->req.done = ring_call_done;
	kref_get(&call->ref);
	err = xu_ring_submit(conn, &call->req);
	if (err) {
		kref_put(&call->ref, ring_call_free);
		goto put;
	}
	left = ring_call_wait(conn, call, timeout, check);
	if (left > 0)
		err = call->err;
	else
		err = left ? -EINTR : -ETIMEDOUT;
	if (!err && rsp)
		*rsp = call->rsp;
put:
	kref_put(&call->ref, ring_call_free);
	return err;
}
