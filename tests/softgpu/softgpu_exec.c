// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * EXEC: checks the arguments, makes every object of the VM resident again that
 * was evicted, adds the job's fence to all of them and queues the job.
 *
 * The job's fence in each object's reservation is what keeps eviction,
 * exporters and MMU notifiers away while the job may run.
 */
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_exec.h>

#include "softgpu.h"

static struct sg_exec_job *to_exec_job(struct sg_job *job)
{
	return container_of(job, struct sg_exec_job, job);
}

static void exec_run(struct sg_job *job)
{
	sg_engine_submit(to_exec_job(job));
}

static void exec_free(struct sg_job *job)
{
	kfree(to_exec_job(job));
}

static int exec_check(const struct drm_softgpu_exec *args)
{
	u64 end;

	if (args->flags || args->pad || args->engine >= SG_ENGINES ||
	    args->va % 8 || args->length % 4 ||
	    args->length > SG_MAX_EXEC_LENGTH ||
	    args->num_syncs > SG_MAX_SYNCS)
		return -EINVAL;
	if (check_add_overflow(args->va, (u64)args->length, &end) ||
	    end > SG_VA_END)
		return -EINVAL;
	return 0;
}

/*
 * Validation writes page table entries as the tree says. Binds that are still
 * queued have not changed the tables yet: let them go first.
 */
static int exec_wait_binds(struct sg_vm *vm)
{
	struct dma_fence *last = vm->queue[SG_QUEUE_BIND].last;
	long ret = 0;

	if (last && (!list_empty(&vm->base.evict.list) ||
		     atomic_read(&vm->userptrs_stale)))
		ret = dma_fence_wait(last, true);
	return ret < 0 ? ret : 0;
}

static void exec_submit(struct sg_exec_job *ejob, struct sg_syncs *syncs)
{
	struct sg_vm *vm = ejob->job.vm;

	spin_lock(&vm->state_lock);
	ejob->id = ++vm->job_seq;
	vm->jobs++;
	spin_unlock(&vm->state_lock);
	sg_count(vm->sdev, jobs_submitted, 1);
	sg_syncs_signal(syncs, ejob->job.fence);
	sg_job_push(&ejob->job);
}

/*
 * Objects locked. -EAGAIN: a userptr became stale. Else the job is published
 * and queued; a notifier that comes later finds its fence.
 */
static int exec_publish(struct sg_exec_job *ejob, struct sg_syncs *syncs,
			struct drm_gpuvm_exec *vm_exec)
{
	struct sg_vm *vm = ejob->job.vm;
	int err = 0;

	spin_lock(&vm->sdev->notifier_lock);
	if (atomic_read(&vm->userptrs_stale))
		err = -EAGAIN;
	else
		drm_gpuvm_exec_resv_add_fence(vm_exec, ejob->job.fence,
					      DMA_RESV_USAGE_BOOKKEEP,
					      DMA_RESV_USAGE_BOOKKEEP);
	spin_unlock(&vm->sdev->notifier_lock);
	if (!err)
		exec_submit(ejob, syncs);
	return err;
}

/* vm->lock held. */
static int exec_lock_and_submit(struct sg_exec_job *ejob,
				struct sg_syncs *syncs)
{
	struct sg_vm *vm = ejob->job.vm;
	struct drm_gpuvm_exec vm_exec = {
		.vm = &vm->base,
		.flags = DRM_EXEC_INTERRUPTIBLE_WAIT |
			 DRM_EXEC_IGNORE_DUPLICATES,
		.num_fences = 1,
	};
	int err;

	do {
		err = exec_wait_binds(vm);
		if (!err)
			err = sg_vm_repin(vm);
		if (!err)
			err = drm_gpuvm_exec_lock(&vm_exec);
		if (err)
			return err;
		err = drm_gpuvm_exec_validate(&vm_exec);
		if (!err)
			err = exec_publish(ejob, syncs, &vm_exec);
		drm_gpuvm_exec_unlock(&vm_exec);
	} while (err == -EAGAIN && !signal_pending(current));
	return err == -EAGAIN ? -EINTR : err;
}

static int exec_in_vm(struct sg_vm *vm, struct drm_softgpu_exec *args,
		      struct drm_file *file)
{
	struct sg_syncs syncs = {};
	struct sg_exec_job *ejob;
	int err;

	ejob = kzalloc(sizeof(*ejob), GFP_KERNEL);
	if (!ejob)
		return -ENOMEM;
	ejob->engine = &vm->sdev->engine[args->engine];
	ejob->cmd.va = args->va;
	ejob->cmd.length = args->length;
	ejob->job.run = exec_run;
	ejob->job.free = exec_free;

	err = mutex_lock_interruptible(&vm->lock);
	if (err)
		goto free_job;
	err = sg_job_init(&ejob->job, vm, &vm->queue[args->engine], file);
	if (err)
		goto unlock;
	err = sg_syncs_get(&syncs, &ejob->job, file, args->syncs,
			   args->num_syncs);
	if (err)
		goto cancel_job;
	err = exec_lock_and_submit(ejob, &syncs);
	if (err)
		goto put_syncs;
	args->job_id = vm->job_seq;
	sg_syncs_put(&syncs);
	mutex_unlock(&vm->lock);
	return 0;

put_syncs:
	sg_syncs_put(&syncs);
cancel_job:
	sg_job_cancel(&ejob->job);
unlock:
	mutex_unlock(&vm->lock);
free_job:
	kfree(ejob);
	return err;
}

int sg_ioctl_exec(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_softgpu_exec *args = data;
	struct sg_vm *vm;
	int err, idx;

	err = exec_check(args);
	if (err)
		return err;
	vm = sg_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;
	if (drm_dev_enter(drm, &idx)) {
		err = exec_in_vm(vm, args, file);
		drm_dev_exit(idx);
	} else {
		err = -ENODEV;
	}
	sg_vm_put(vm);
	return err;
}
