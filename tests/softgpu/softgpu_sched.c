// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Queues, jobs, fences and syncobjs.
 *
 * Each VM has three queues: one per engine and one for binds. A queue is a
 * drm_sched of its own with one entity and one job at a time on the engine, as
 * GPUs with firmware scheduling have it: a job of one VM that waits or is
 * stopped never holds up another VM.
 *
 * Users get the job's own fence, made before the job is pushed, not drm_sched's
 * "finished" fence: that one refers to the scheduler, which goes with the VM,
 * while a user can keep a fence for ever. Each fence holds a reference to the
 * module, as its operations live here.
 */
#include <linux/dma-fence-chain.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "softgpu.h"

struct sg_fence {
	struct dma_fence base;
	spinlock_t lock;
};

static const char *fence_driver_name(struct dma_fence *fence)
{
	return "softgpu";
}

static const char *fence_timeline_name(struct dma_fence *fence)
{
	return "softgpu-queue";
}

static void fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_driver_name,
	.get_timeline_name = fence_timeline_name,
	.release = fence_release,
};

struct dma_fence *sg_fence_create(u64 context, u64 seqno)
{
	struct sg_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	BUILD_BUG_ON(offsetof(struct sg_fence, base) != 0);
	if (!fence)
		return NULL;
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &fence_ops, &fence->lock, context, seqno);
	return &fence->base;
}

void sg_fence_done(struct dma_fence *fence, int error)
{
	if (error)
		dma_fence_set_error(fence, error);
	dma_fence_signal(fence);
}

static struct dma_fence *sched_run_job(struct drm_sched_job *base)
{
	struct sg_job *job = to_sg_job(base);
	struct dma_fence *fence = dma_fence_get(job->fence);

	job->run(job);
	return fence;
}

static void job_free_work(struct work_struct *work)
{
	struct sg_job *job = container_of(work, struct sg_job, free_work);
	struct sg_vm *vm = job->vm;

	dma_fence_put(job->fence);
	job->free(job);
	sg_vm_put(vm);
}

static void sched_free_job(struct drm_sched_job *base)
{
	struct sg_job *job = to_sg_job(base);

	drm_sched_job_cleanup(base);
	INIT_WORK(&job->free_work, job_free_work);
	queue_work(sg_free_wq, &job->free_work);
}

static const struct drm_sched_backend_ops sched_ops = {
	.run_job = sched_run_job,
	.free_job = sched_free_job,
};

int sg_queue_init(struct sg_vm *vm, struct sg_queue *queue, const char *name)
{
	struct drm_gpu_scheduler *list[] = { &queue->sched };
	int err;

	err = sg_compat_sched_init(&queue->sched, &sched_ops, sg_sched_wq, name,
				   vm->sdev->drm.dev);
	if (err)
		return err;
	err = drm_sched_entity_init(&queue->entity, DRM_SCHED_PRIORITY_KERNEL,
				    list, 1, NULL);
	if (err)
		drm_sched_fini(&queue->sched);
	queue->context = dma_fence_context_alloc(1);
	return err;
}

void sg_queue_fini(struct sg_queue *queue)
{
	drm_sched_entity_destroy(&queue->entity);
	drm_sched_fini(&queue->sched);
	dma_fence_put(queue->last);
}

int sg_job_init(struct sg_job *job, struct sg_vm *vm, struct sg_queue *queue,
		struct drm_file *file)
{
	int err;

	job->queue = queue;
	job->fence = sg_fence_create(queue->context, ++queue->seqno);
	if (!job->fence)
		return -ENOMEM;
	err = sg_compat_sched_job_init(&job->base, &queue->entity, vm,
				       file->client_id);
	if (err) {
		sg_fence_done(job->fence, err);
		dma_fence_put(job->fence);
		return err;
	}
	kref_get(&vm->ref);
	job->vm = vm;
	return 0;
}

void sg_job_cancel(struct sg_job *job)
{
	drm_sched_job_cleanup(&job->base);
	sg_fence_done(job->fence, -ECANCELED);
	dma_fence_put(job->fence);
	sg_vm_put(job->vm);
}

void sg_job_push(struct sg_job *job)
{
	struct sg_queue *queue = job->queue;

	lockdep_assert_held(&job->vm->lock);
	dma_fence_put(queue->last);
	queue->last = dma_fence_get(job->fence);
	drm_sched_job_arm(&job->base);
	drm_sched_entity_push_job(&job->base);
}

static int sync_get_signal(struct sg_sync *sync, struct drm_file *file,
			   const struct drm_softgpu_sync *arg)
{
	sync->syncobj = drm_syncobj_find(file, arg->handle);
	if (!sync->syncobj)
		return -ENOENT;
	sync->point = arg->point;
	if (arg->point) {
		sync->chain = dma_fence_chain_alloc();
		if (!sync->chain)
			return -ENOMEM;
	}
	return 0;
}

static int sync_get(struct sg_syncs *syncs, struct sg_job *job,
		    struct drm_file *file, const struct drm_softgpu_sync *arg)
{
	switch (arg->kind) {
	case DRM_SOFTGPU_SYNC_WAIT:
		return drm_sched_job_add_syncobj_dependency(&job->base, file,
							    arg->handle,
							    arg->point);
	case DRM_SOFTGPU_SYNC_SIGNAL:
		return sync_get_signal(&syncs->signal[syncs->num_signal++],
				       file, arg);
	default:
		return -EINVAL;
	}
}

int sg_syncs_get(struct sg_syncs *syncs, struct sg_job *job,
		 struct drm_file *file, u64 user_ptr, u32 count)
{
	struct drm_softgpu_sync *args;
	u32 i;
	int err = 0;

	if (!count)
		return 0;
	args = memdup_array_user(u64_to_user_ptr(user_ptr), count,
				 sizeof(*args));
	if (IS_ERR(args))
		return PTR_ERR(args);
	syncs->signal = kcalloc(count, sizeof(*syncs->signal), GFP_KERNEL);
	if (!syncs->signal) {
		kfree(args);
		return -ENOMEM;
	}
	for (i = 0; i < count && !err; i++)
		err = sync_get(syncs, job, file, &args[i]);
	kfree(args);
	if (err)
		sg_syncs_put(syncs);
	return err;
}

void sg_syncs_signal(struct sg_syncs *syncs, struct dma_fence *fence)
{
	unsigned int i;

	for (i = 0; i < syncs->num_signal; i++) {
		struct sg_sync *sync = &syncs->signal[i];

		if (sync->chain)
			drm_syncobj_add_point(sync->syncobj, sync->chain, fence,
					      sync->point);
		else
			drm_syncobj_replace_fence(sync->syncobj, fence);
		sync->chain = NULL;
	}
}

void sg_syncs_put(struct sg_syncs *syncs)
{
	unsigned int i;

	for (i = 0; i < syncs->num_signal; i++) {
		struct sg_sync *sync = &syncs->signal[i];

		if (sync->chain)
			dma_fence_chain_free(sync->chain);
		if (sync->syncobj)
			drm_syncobj_put(sync->syncobj);
	}
	kfree(syncs->signal);
	syncs->signal = NULL;
	syncs->num_signal = 0;
}
