// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The engines: one thread each, which runs the jobs of all VMs in turns.
 *
 * A job is taken off the engine between two pieces of work when its VM is
 * stopped, when it faulted in a VM that stalls on faults, or when its time
 * slice is over and another job could run; it stays on the list with all its
 * progress. With preemption switched off a job runs to its end once it began.
 *
 * The thread allocates nothing and takes no lock that is held over an
 * allocation: the fences it signals may be what memory reclaim waits for.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "softgpu.h"

#define PARKED_CHECK_JIFFIES	(HZ / 10)

static bool can_preempt(struct sg_engine *engine)
{
	return !sg_switched(engine->sdev, DRM_SOFTGPU_SWITCH_NO_PREEMPT);
}

static void engine_kick(struct sg_engine *engine)
{
	set_bit(0, &engine->kicked);
	wake_up(&engine->wq);
}

void sg_engines_kick(struct sg_device *sdev)
{
	unsigned int i;

	for (i = 0; i < SG_ENGINES; i++)
		engine_kick(&sdev->engine[i]);
}

/* state_lock held. Must the job end before its next step? 0: no. */
static int job_abort_reason(struct sg_exec_job *ejob, bool started)
{
	struct sg_vm *vm = ejob->job.vm;
	struct sg_device *sdev = vm->sdev;
	bool killed = vm->dead || ejob->id <= vm->kill_seq;

	if (READ_ONCE(sdev->gone))
		return -ENODEV;
	if (ejob->ran_ns > (s64)sg_job_timeout_ms * NSEC_PER_MSEC)
		return -ETIME;
	if (killed && !(started &&
			sg_switched(sdev, DRM_SOFTGPU_SWITCH_IGNORE_KILL)))
		return -ECANCELED;
	return 0;
}

static bool idle_too_long(const struct sg_exec_job *ejob)
{
	return sg_stop_timeout_ms &&
	       ktime_ms_delta(ktime_get(), ejob->idle_since) >
	       sg_stop_timeout_ms;
}

/* Ends the job; it is on no list any more. */
static void job_end(struct sg_exec_job *ejob, int error)
{
	struct sg_vm *vm = ejob->job.vm;

	spin_lock(&vm->state_lock);
	vm->jobs--;
	spin_unlock(&vm->state_lock);
	if (error)
		sg_count(vm->sdev, jobs_failed, 1);
	else
		sg_count(vm->sdev, jobs_done, 1);
	sg_fence_done(ejob->job.fence, error);
}

void sg_engine_submit(struct sg_exec_job *ejob)
{
	struct sg_engine *engine = ejob->engine;
	bool dead;

	ejob->idle_since = ktime_get();
	spin_lock(&engine->lock);
	dead = engine->dead;
	if (!dead)
		list_add_tail(&ejob->node, &engine->jobs);
	spin_unlock(&engine->lock);
	if (dead)
		job_end(ejob, -ENODEV);
	else
		engine_kick(engine);
}

/*
 * engine->lock held. May the job run now? On true its VM counts it as running,
 * or *error says how it ends.
 */
static bool job_try_start(struct sg_exec_job *ejob, int *error)
{
	struct sg_vm *vm = ejob->job.vm;
	bool start = false;

	spin_lock(&vm->state_lock);
	*error = job_abort_reason(ejob, false);
	if (*error) {
		start = true;
	} else if (!vm->stop && !(ejob->stalled && ejob->stall_gen ==
				  atomic64_read(&vm->map_gen))) {
		start = true;
	} else if (idle_too_long(ejob)) {
		*error = -ETIME;
		start = true;
	}
	if (start) {
		vm->running += !*error;
		vm->stalled -= ejob->stalled;
		ejob->stalled = false;
	}
	spin_unlock(&vm->state_lock);
	return start;
}

static struct sg_exec_job *engine_pick(struct sg_engine *engine, int *error)
{
	struct sg_exec_job *ejob, *found = NULL;

	spin_lock(&engine->lock);
	list_for_each_entry(ejob, &engine->jobs, node) {
		if (job_try_start(ejob, error)) {
			found = ejob;
			list_del(&ejob->node);
			break;
		}
	}
	spin_unlock(&engine->lock);
	return found;
}

/* Takes a running job off the engine, with its progress. */
static void job_park(struct sg_exec_job *ejob)
{
	struct sg_engine *engine = ejob->engine;
	struct sg_vm *vm = ejob->job.vm;

	ejob->idle_since = ktime_get();
	sg_count(engine->sdev, preemptions, 1);
	spin_lock(&vm->state_lock);
	vm->running--;
	vm->stalled += ejob->stalled;
	spin_unlock(&vm->state_lock);

	spin_lock(&engine->lock);
	list_add_tail(&ejob->node, &engine->jobs);
	spin_unlock(&engine->lock);
	sg_vm_stop_changed(vm);
}

static void job_finish(struct sg_exec_job *ejob, int error)
{
	struct sg_vm *vm = ejob->job.vm;

	/* The job holds its VM only until its fence has signalled. */
	kref_get(&vm->ref);
	spin_lock(&vm->state_lock);
	vm->running--;
	spin_unlock(&vm->state_lock);
	job_end(ejob, error);
	sg_vm_stop_changed(vm);
	sg_vm_put(vm);
}

/* A fault: true if the job shall wait for its end. */
static bool job_fault(struct sg_exec_job *ejob, struct sg_fault *fault,
		      u64 gen)
{
	struct sg_vm *vm = ejob->job.vm;
	struct sg_device *sdev = vm->sdev;

	fault->job = ejob->id;
	fault->engine = ejob->engine->index;
	sg_count(sdev, faults, 1);
	spin_lock(&vm->state_lock);
	vm->faults++;
	vm->fault = *fault;
	spin_unlock(&vm->state_lock);
	if (!vm->fault_mode || (fault->flags & DRM_SOFTGPU_FAULT_READONLY) ||
	    sg_switched(sdev, DRM_SOFTGPU_SWITCH_NO_FAULT_MODE))
		return false;
	ejob->stalled = true;
	ejob->stall_gen = gen;
	return true;
}

static void engine_wait(struct sg_engine *engine, u64 wait_ns)
{
	unsigned long us = max_t(unsigned long, 1, wait_ns / NSEC_PER_USEC);

	usleep_range(us, us + us / 4 + 1);
}

/*
 * Adds the time since *before. Where a hypervisor emulates the TSC, reading a clock
 * takes longer than the work on a page, so between pieces the tick must do.
 */
static s64 job_account(struct sg_exec_job *ejob, ktime_t *before)
{
	ktime_t now = ktime_get();
	s64 ns = ktime_to_ns(ktime_sub(now, *before));

	*before = now;
	ejob->ran_ns += ns;
	atomic64_add(ns, &ejob->job.vm->engine_ns[ejob->engine->index]);
	return ns;
}

/* Between two pieces: 0 go on, 1 park, or an error that ends the job. */
static int job_look_up(struct sg_exec_job *ejob, unsigned long slice_end)
{
	struct sg_engine *engine = ejob->engine;
	struct sg_vm *vm = ejob->job.vm;
	bool stop;
	int error;

	spin_lock(&vm->state_lock);
	error = job_abort_reason(ejob, true);
	stop = vm->stop;
	spin_unlock(&vm->state_lock);
	if (error)
		return error;
	if (!can_preempt(engine))
		return 0;
	if (stop)
		return 1;
	return time_after_eq(jiffies, slice_end) && !list_empty(&engine->jobs);
}

/* A piece of work, if the engine is not one that is to misbehave. */
static int engine_step(struct sg_engine *engine, struct sg_exec_job *ejob,
		       struct sg_fault *fault, u64 *wait_ns)
{
	if (engine->index == DRM_SOFTGPU_ENGINE_COPY) {
		if (sg_switched(engine->sdev, DRM_SOFTGPU_SWITCH_FAIL_COPY))
			return -EIO;
		if (sg_switched(engine->sdev, DRM_SOFTGPU_SWITCH_HANG_COPY)) {
			*wait_ns = NSEC_PER_MSEC;
			return SG_CMD_WAIT;
		}
	}
	return sg_cmd_step(ejob, fault, wait_ns);
}

/* Pieces of the job until it has to leave the engine: as job_look_up(), or done. */
static int engine_pieces(struct sg_engine *engine, struct sg_exec_job *ejob,
			 ktime_t *before)
{
	unsigned long tick = jiffies, end = tick + msecs_to_jiffies(sg_timeslice_ms);
	struct sg_fault fault = {};
	u64 wait_ns, gen;
	int ret;

	do {
		gen = atomic64_read(&ejob->job.vm->map_gen);
		ret = engine_step(engine, ejob, &fault, &wait_ns);
		if (ret == SG_CMD_WAIT) {
			job_account(ejob, before);
			engine_wait(engine, wait_ns);
			sg_cmd_waited(ejob, job_account(ejob, before));
		} else {
			cond_resched();
			if (time_after(jiffies, tick))
				job_account(ejob, before);
			tick = jiffies;
		}
		if (ret == -EFAULT && job_fault(ejob, &fault, gen))
			return 1;
		if (ret < 0 || ret == SG_CMD_DONE)
			return ret;
		ret = job_look_up(ejob, end);
	} while (!ret);
	return ret;
}

static void engine_run(struct sg_engine *engine, struct sg_exec_job *ejob)
{
	ktime_t before = ktime_get();
	int ret = engine_pieces(engine, ejob, &before);

	job_account(ejob, &before);
	if (ret == 1)
		job_park(ejob);
	else
		job_finish(ejob, ret < 0 ? ret : 0);
}

static void engine_idle(struct sg_engine *engine)
{
	long timeout = list_empty(&engine->jobs) ? MAX_SCHEDULE_TIMEOUT :
						   PARKED_CHECK_JIFFIES;

	wait_event_idle_timeout(engine->wq,
				test_and_clear_bit(0, &engine->kicked) ||
				kthread_should_stop(), timeout);
}

static int engine_thread(void *data)
{
	struct sg_engine *engine = data;
	struct sg_exec_job *ejob;
	int error;

	for (;;) {
		ejob = engine_pick(engine, &error);
		if (ejob && error)
			job_end(ejob, error);
		else if (ejob)
			engine_run(engine, ejob);
		else if (kthread_should_stop())
			return 0;
		else
			engine_idle(engine);
	}
}

static int engine_start(struct sg_device *sdev, unsigned int index)
{
	struct sg_engine *engine = &sdev->engine[index];
	struct task_struct *thread;

	engine->sdev = sdev;
	engine->index = index;
	spin_lock_init(&engine->lock);
	INIT_LIST_HEAD(&engine->jobs);
	init_waitqueue_head(&engine->wq);
	engine->sink = (void *)get_zeroed_page(GFP_KERNEL);
	if (!engine->sink)
		return -ENOMEM;
	thread = kthread_run(engine_thread, engine, "softgpu%u-%u",
			     sdev->instance, index);
	if (IS_ERR(thread)) {
		free_page((unsigned long)engine->sink);
		return PTR_ERR(thread);
	}
	engine->thread = thread;
	return 0;
}

int sg_engines_start(struct sg_device *sdev)
{
	unsigned int i;
	int err;

	for (i = 0; i < SG_ENGINES; i++) {
		err = engine_start(sdev, i);
		if (err) {
			sg_engines_stop(sdev);
			return err;
		}
	}
	return 0;
}

/*
 * Ends all jobs with -ENODEV. From "dead" on nothing is added to the list, and
 * the thread leaves only when it is empty, since "gone" makes every job end.
 */
void sg_engines_stop(struct sg_device *sdev)
{
	unsigned int i;

	WRITE_ONCE(sdev->gone, true);
	for (i = 0; i < SG_ENGINES; i++) {
		struct sg_engine *engine = &sdev->engine[i];

		if (!engine->thread)
			continue;
		spin_lock(&engine->lock);
		engine->dead = true;
		spin_unlock(&engine->lock);
		kthread_stop(engine->thread);
		engine->thread = NULL;
		free_page((unsigned long)engine->sink);
	}
}
