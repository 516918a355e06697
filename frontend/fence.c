// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * fence.c: jobs (EXEC and VM_BIND), their order and their fences.
 *
 * A job waits in its queue until its in-fences have signalled, is sent, and
 * signals its own fence after all jobs before it, whatever order the backend
 * answers in. Jobs of one queue are sent in the order of the calls. Nothing
 * here allocates after a fence was armed, or waits for who does: other drivers
 * may wait for a fence while they reclaim memory. Everything from there to the
 * signal is marked, so that lockdep proves it. Locking: xu_queue.lock; callbacks
 * of other people's fences only queue the work item.
 */
#include <linux/module.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>

#include <drm/drm_print.h>

#include "trace.h"
#include "xen_userptr.h"

static unsigned int max_binds = 4096;
module_param(max_binds, uint, 0644);
MODULE_PARM_DESC(max_binds,
		 "VM_BINDs of one address space on their way before EBUSY (default 4096)");

static const char *job_driver_name(struct dma_fence *fence)
{
	return "xen_userptr";
}

static const char *job_timeline_name(struct dma_fence *fence)
{
	return "gpu";
}

static void job_deps_free(struct xu_job *job)
{
	u32 i;

	for (i = 0; i < job->nr_deps; i++)
		dma_fence_put(job->deps[i]);
	kvfree(job->deps);
	job->deps = NULL;
	job->nr_deps = 0;
}

/* The last reference, in any context. A fence keeps the code loaded. */
static void job_fence_release(struct dma_fence *fence)
{
	kfree_rcu(container_of(fence, struct xu_job, fence), fence.rcu);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops job_fence_ops = {
	.get_driver_name = job_driver_name,
	.get_timeline_name = job_timeline_name,
	.release = job_fence_release,
};

struct xu_job *xu_job_alloc(void)
{
	struct xu_job *job = xu_fault() ? NULL :
		kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	spin_lock_init(&job->fence_lock);
	INIT_LIST_HEAD(&job->link);
	init_completion(&job->signaled);
	job->error_index = XU_NO_INDEX;
	return job;
}

void xu_job_free_unarmed(struct xu_job *job)
{
	job_deps_free(job);
	kfree(job);
}

static void job_dep_signaled(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct xu_job *job = container_of(cb, struct xu_job, dep_cb);
	struct xu_queue *queue = job->queue;

	/* Pairs with job_deps_signaled(). */
	smp_store_release(&job->dep_fired, true);
	xu_queue_kick(queue);
}

/* Lock held. True: nothing to wait for; else the callback will come. */
static bool job_deps_signaled(struct xu_job *job)
{
	while (job->next_dep < job->nr_deps) {
		/* Pairs with job_dep_signaled(). */
		if (job->dep_armed && !smp_load_acquire(&job->dep_fired))
			return false;
		if (job->dep_armed) {
			/*
			 * Takes the lock that callbacks run under: ours has
			 * returned and the job may go on, and away.
			 */
			dma_fence_remove_callback(job->deps[job->next_dep],
						  &job->dep_cb);
		} else {
			job->dep_fired = false;
			if (!dma_fence_add_callback(job->deps[job->next_dep],
						    &job->dep_cb,
						    job_dep_signaled)) {
				job->dep_armed = true;
				return false;
			}
		}
		job->dep_armed = false;
		job->next_dep++;
	}
	return true;
}

/* Lock held. The job will not be sent. */
static void job_cancel(struct xu_job *job, int err)
{
	if (job->dep_armed)
		dma_fence_remove_callback(job->deps[job->next_dep],
					  &job->dep_cb);
	job->dep_armed = false;
	job->error = err;
	job->ended = true;
	list_move_tail(&job->link, &job->queue->running);
}

static void job_account(struct xu_queue *queue, struct xu_job *job)
{
	u64 now = local_clock();
	u64 since = max(job->start_ns, queue->last_end_ns);

	if (job->start_ns && now > since && !queue->is_bind)
		atomic64_add(now - since, &queue->vm->xf->busy_ns[queue->engine]);
	queue->last_end_ns = now;
}

/* Lock held. Signal in order what has ended; the jobs go to @done. */
static void queue_signal(struct xu_queue *queue, struct list_head *done)
{
	struct xu_job *job;

	while (!list_empty(&queue->running)) {
		job = list_first_entry(&queue->running, struct xu_job, link);
		if (!job->ended &&
		    (queue->is_bind || job->seqno > queue->completed))
			return;
		job->ended = true;
		job_account(queue, job);
		list_move_tail(&job->link, done);
		trace_xen_userptr_job_end(job);
		if (job->error)
			dma_fence_set_error(&job->fence, job->error);
		dma_fence_signal(&job->fence);
		complete_all(&job->signaled);
	}
}

static void queue_uncount(struct xu_queue *queue)
{
	atomic_dec(queue->is_bind ? &queue->nr_binds :
				    &queue->vm->conn->nr_jobs);
}

/* What was signalled is let go without the lock. */
static void queue_put_done(struct xu_queue *queue, struct list_head *done)
{
	struct xu_vm *vm = queue->vm;
	struct xu_job *job, *next;

	list_for_each_entry_safe(job, next, done, link) {
		list_del_init(&job->link);
		xu_count(vm->xd, XU_STAT_JOBS);
		if (job->error)
			xu_count(vm->xd, XU_STAT_JOB_ERRORS);
		queue_uncount(queue);
		if (!queue->is_bind)
			xu_trims_retry(vm->xd);
		job_deps_free(job);
		if (!job->sent)
			xu_bind_free(job->bind);
		xu_job_put(job);
		xu_vm_put(vm);
	}
}

static void job_done(struct xu_req *req, int err,
		     const struct xen_userptrif_rsp *rsp)
{
	struct xu_job *job = container_of(req, struct xu_job, req);
	struct xu_queue *queue = job->queue;
	struct xu_vm *vm = queue->vm;
	LIST_HEAD(done);

	if (err == -EDQUOT && !queue->is_bind)
		err = -EBUSY;
	spin_lock(&queue->lock);
	if (!job->ended && (err || queue->is_bind)) {
		job->ended = true;
		job->error = err;
		if (err && rsp)
			job->error_index = rsp->u.error_index;
	}
	queue_signal(queue, &done);
	spin_unlock(&queue->lock);
	queue_put_done(queue, &done);
	xu_bind_free(job->bind);
	xu_job_put(job);
	xu_vm_put(vm);
}

/* Lock held; all deps of the job have signalled. */
static void job_send(struct xu_queue *queue, struct xu_job *job)
{
	struct xu_conn *conn = queue->vm->conn;
	int err;

	job->start_ns = local_clock();
	if (!queue->is_bind) {
		struct xu_timeline *timeline = &conn->timeline[queue->timeline];

		job->seqno = timeline->sent + 1;
		job->req.pkt.op.exec.seqno = job->seqno;
		WRITE_ONCE(timeline->sent, job->seqno);
	}
	job->sent = true;
	job->req.done = job_done;
	list_move_tail(&job->link, &queue->running);
	xu_job_get(job);
	xu_vm_get(queue->vm);
	trace_xen_userptr_job_send(job);
	err = xu_ring_submit(conn, &job->req);
	if (!err)
		return;
	/* Not the last references: the list has its own. */
	xu_job_put(job);
	xu_vm_put(queue->vm);
	job->sent = false;
	job->error = err;
	job->ended = true;
}

/* Send what can be sent. */
static void queue_run(struct xu_queue *queue)
{
	struct xu_job *job;
	LIST_HEAD(done);

	spin_lock(&queue->lock);
	while (!list_empty(&queue->pending)) {
		job = list_first_entry(&queue->pending, struct xu_job, link);
		if (!job_deps_signaled(job))
			break;
		job_send(queue, job);
	}
	queue_signal(queue, &done);
	spin_unlock(&queue->lock);
	queue_put_done(queue, &done);
}

static void queue_work_fn(struct work_struct *work)
{
	struct xu_queue *queue = container_of(work, struct xu_queue, work);
	bool cookie = dma_fence_begin_signalling();

	queue_run(queue);
	dma_fence_end_signalling(cookie);
	xu_vm_put(queue->vm);
}

/*
 * EXECs count against the backend's limit from the call to the fence, so the
 * backend never has to refuse one for that. Lock held.
 */
static int queue_count(struct xu_queue *queue)
{
	struct xu_conn *conn = queue->vm->conn;
	atomic_t *count = queue->is_bind ? &queue->nr_binds : &conn->nr_jobs;
	u32 limit = queue->is_bind ? READ_ONCE(max_binds) :
				     conn->limits.max_jobs;

	return atomic_add_unless(count, 1, min_t(u32, limit, INT_MAX)) ?
	       0 : -EBUSY;
}

/* Arm the fence and queue the job. On failure it is still unarmed. */
static int queue_push(struct xu_queue *queue, struct xu_job *job)
{
	int err;

	spin_lock(&queue->lock);
	err = queue->dead;
	if (!err)
		err = queue_count(queue);
	if (err)
		goto unlock;
	__module_get(THIS_MODULE);
	job->queue = queue;
	dma_fence_init(&job->fence, &job_fence_ops, &job->fence_lock,
		       queue->context, ++queue->fence_seqno);
	xu_job_get(job);
	xu_vm_get(queue->vm);
	list_add_tail(&job->link, &queue->pending);
unlock:
	spin_unlock(&queue->lock);
	return err;
}

int xu_queue_submit(struct xu_queue *queue, struct xu_job *job,
		    struct xu_syncs *syncs)
{
	bool cookie = dma_fence_begin_signalling();
	int err = queue_push(queue, job);

	if (!err) {
		xu_syncs_signal(syncs, &job->fence);
		queue_run(queue);
	}
	dma_fence_end_signalling(cookie);
	return err;
}

static void queue_end(struct xu_queue *queue, int err, bool running)
{
	struct xu_job *job, *next;
	LIST_HEAD(done);

	spin_lock(&queue->lock);
	if (!queue->dead)
		queue->dead = err;
	list_for_each_entry(job, &queue->running, link) {
		if (!running || job->ended)
			continue;
		job->ended = true;
		job->error = err;
	}
	list_for_each_entry_safe(job, next, &queue->pending, link)
		job_cancel(job, err);
	queue_signal(queue, &done);
	spin_unlock(&queue->lock);
	queue_put_done(queue, &done);
}

void xu_queue_fail(struct xu_queue *queue, int err)
{
	queue_end(queue, err, true);
}

void xu_queue_cancel_pending(struct xu_queue *queue, int err)
{
	queue_end(queue, err, false);
}

void xu_queue_completed(struct xu_queue *queue, u64 seqno)
{
	LIST_HEAD(done);

	spin_lock(&queue->lock);
	queue->completed = seqno;
	queue_signal(queue, &done);
	spin_unlock(&queue->lock);
	queue_put_done(queue, &done);
}

bool xu_queue_job_error(struct xu_queue *queue, u64 seqno, int err,
			u64 fault_va, bool *news)
{
	struct xu_job *job;
	bool found = false;

	spin_lock(&queue->lock);
	list_for_each_entry(job, &queue->running, link) {
		if (job->seqno != seqno || !job->sent)
			continue;
		found = true;
		if (!job->ended) {
			*news |= !job->error;
			job->error = err;
		}
		break;
	}
	spin_unlock(&queue->lock);
	if (found && err == -EFAULT)
		drm_dbg_driver(&queue->vm->xd->drm,
			       "vm %u engine %u: GPU fault at %#llx\n",
			       queue->vm->id, queue->engine, fault_va);
	return found;
}

void xu_queue_kick(struct xu_queue *queue)
{
	xu_vm_get(queue->vm);
	if (!queue_work(xu_job_wq, &queue->work))
		xu_vm_put(queue->vm);
}

struct xu_queue *xu_queue_create(struct xu_vm *vm, u32 slot)
{
	struct xu_queue *queue = xu_fault() ? NULL :
		kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	queue->vm = vm;
	queue->is_bind = slot == XU_BIND_QUEUE;
	queue->engine = queue->is_bind ? 0 : slot;
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->pending);
	INIT_LIST_HEAD(&queue->running);
	INIT_WORK(&queue->work, queue_work_fn);
	queue->context = dma_fence_context_alloc(1);
	return queue;
}

void xu_queue_destroy(struct xu_queue *queue)
{
	WARN_ON(!list_empty(&queue->pending) || !list_empty(&queue->running));
	kfree(queue);
}
