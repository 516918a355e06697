// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * VMs: names within a file, life, and stop / resume / kill of their jobs.
 *
 * A VM has two lives. Its name goes with VM_DESTROY or the file; from then on
 * its jobs are being killed. The VM itself goes when the last job has been
 * freed: sg_vm_put() can be called from anywhere and leaves the work, which
 * sleeps, to sg_free_wq.
 */
#include <linux/slab.h>

#include <drm/drm_drv.h>

#include "softgpu.h"

#define CREATE_TRACE_POINTS
#include "softgpu_trace.h"

atomic_t sg_live_vms = ATOMIC_INIT(0);
DECLARE_WAIT_QUEUE_HEAD(sg_live_wq);

static const char * const queue_names[SG_QUEUES] = {
	[SG_QUEUE_COMPUTE] = "softgpu-compute",
	[SG_QUEUE_COPY] = "softgpu-copy",
	[SG_QUEUE_BIND] = "softgpu-bind",
};

static void vm_destroy_work(struct work_struct *work)
{
	struct sg_vm *vm = container_of(work, struct sg_vm, destroy_work);
	unsigned int i;

	for (i = 0; i < SG_QUEUES; i++)
		sg_queue_fini(&vm->queue[i]);
	sg_vm_unmap_all(vm);
	sg_count(vm->sdev, vms, -1);
	drm_gpuvm_put(&vm->base);
}

static void vm_release(struct kref *ref)
{
	struct sg_vm *vm = container_of(ref, struct sg_vm, ref);

	INIT_WORK(&vm->destroy_work, vm_destroy_work);
	queue_work(sg_free_wq, &vm->destroy_work);
}

void sg_vm_put(struct sg_vm *vm)
{
	kref_put(&vm->ref, vm_release);
}

struct sg_vm *sg_vm_lookup(struct drm_file *file, u32 vm_id)
{
	struct sg_file *sfile = file->driver_priv;
	struct sg_vm *vm;

	xa_lock(&sfile->vms);
	vm = xa_load(&sfile->vms, vm_id);
	if (vm)
		kref_get(&vm->ref);
	xa_unlock(&sfile->vms);
	return vm;
}

static int vm_init_queues(struct sg_vm *vm)
{
	unsigned int i;
	int err;

	for (i = 0; i < SG_QUEUES; i++) {
		err = sg_queue_init(vm, &vm->queue[i], queue_names[i]);
		if (err)
			goto fini_queues;
	}
	return 0;

fini_queues:
	while (i--)
		sg_queue_fini(&vm->queue[i]);
	return err;
}

/* state_lock held. */
static bool vm_stop_is_done(const struct sg_vm *vm)
{
	return !vm->running && !vm->slow;
}

static void vm_slow_work(struct work_struct *work)
{
	struct sg_vm *vm = container_of(to_delayed_work(work), struct sg_vm,
					slow_work);

	spin_lock(&vm->state_lock);
	vm->slow = false;
	spin_unlock(&vm->state_lock);
	sg_vm_stop_changed(vm);
	sg_vm_put(vm);
}

static void vm_slow_start(struct sg_vm *vm)
{
	unsigned int ms = READ_ONCE(sg_slow_stop_ms);

	if (!ms)
		return;
	kref_get(&vm->ref);
	if (mod_delayed_work(sg_free_wq, &vm->slow_work, msecs_to_jiffies(ms)))
		sg_vm_put(vm);
}

/* Nothing waits for it any more. The caller holds a reference of its own. */
static void vm_slow_end(struct sg_vm *vm)
{
	if (cancel_delayed_work(&vm->slow_work))
		sg_vm_put(vm);
}

static void vm_init_fields(struct sg_vm *vm, struct sg_device *sdev)
{
	vm->sdev = sdev;
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	rwlock_init(&vm->pt_lock);
	spin_lock_init(&vm->state_lock);
	init_waitqueue_head(&vm->stopped_wq);
	INIT_DELAYED_WORK(&vm->slow_work, vm_slow_work);
	vm->stop_context = dma_fence_context_alloc(1);
	sg_tlb_reset(vm);
}

static struct sg_vm *vm_create(struct sg_device *sdev, bool fault_mode)
{
	struct drm_gem_object *resv_obj;
	struct sg_vm *vm;
	int err;

	vm = kvzalloc(sizeof(*vm), GFP_KERNEL);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm_init_fields(vm, sdev);
	vm->fault_mode = fault_mode;
	err = vm_init_queues(vm);
	if (err)
		goto free_vm;
	resv_obj = drm_gpuvm_resv_object_alloc(&sdev->drm);
	if (!resv_obj) {
		err = -ENOMEM;
		goto fini_queues;
	}
	drm_gpuvm_init(&vm->base, "softgpu", 0, &sdev->drm, resv_obj, 0,
		       SG_VA_END, 0, SG_VA_START, &sg_gpuvm_ops);
	drm_gem_object_put(resv_obj);
	atomic_inc(&sg_live_vms);
	sg_count(sdev, vms, 1);
	return vm;

fini_queues:
	for (unsigned int i = 0; i < SG_QUEUES; i++)
		sg_queue_fini(&vm->queue[i]);
free_vm:
	kvfree(vm);
	return ERR_PTR(err);
}

/* Takes the name's reference. */
void sg_vm_close(struct sg_vm *vm)
{
	spin_lock(&vm->state_lock);
	vm->dead = true;
	vm->stop = false;
	spin_unlock(&vm->state_lock);
	vm_slow_end(vm);
	sg_vm_stop_changed(vm);
	sg_engines_kick(vm->sdev);
	sg_vm_put(vm);
}

int sg_ioctl_vm_create(struct drm_device *drm, void *data,
		       struct drm_file *file)
{
	struct sg_device *sdev = to_sg_device(drm);
	struct drm_softgpu_vm_create *args = data;
	struct sg_file *sfile = file->driver_priv;
	bool fault_mode = args->flags & DRM_SOFTGPU_VM_CREATE_FAULT_MODE;
	struct sg_vm *vm;
	int err;

	if ((args->flags & ~DRM_SOFTGPU_VM_CREATE_FAULT_MODE) || args->vm_id)
		return -EINVAL;
	if (fault_mode &&
	    sg_switched(sdev, DRM_SOFTGPU_SWITCH_NO_FAULT_MODE))
		return -EOPNOTSUPP;
	if (!atomic_add_unless(&sfile->num_vms, 1, SG_MAX_VMS))
		return -ENOSPC;
	vm = vm_create(sdev, fault_mode);
	if (IS_ERR(vm)) {
		err = PTR_ERR(vm);
		goto uncount;
	}
	err = xa_alloc(&sfile->vms, &args->vm_id, vm, xa_limit_31b,
		       GFP_KERNEL);
	if (err)
		goto close_vm;
	return 0;

close_vm:
	sg_vm_close(vm);
uncount:
	atomic_dec(&sfile->num_vms);
	return err;
}

int sg_ioctl_vm_destroy(struct drm_device *drm, void *data,
			struct drm_file *file)
{
	struct drm_softgpu_vm_destroy *args = data;
	struct sg_file *sfile = file->driver_priv;
	struct sg_vm *vm;
	unsigned int i;

	if (args->pad)
		return -EINVAL;
	vm = xa_erase(&sfile->vms, args->vm_id);
	if (!vm)
		return -ENOENT;
	atomic_dec(&sfile->num_vms);
	for (i = 0; i < SG_ENGINES; i++)
		atomic64_add(atomic64_read(&vm->engine_ns[i]),
			     &sfile->engine_ns[i]);
	sg_vm_close(vm);
	return 0;
}

/* state_lock held. */
static u32 vm_state(const struct sg_vm *vm)
{
	u32 state = 0;

	if (vm->stop)
		state |= DRM_SOFTGPU_VM_STOP_REQUESTED;
	if (vm->stop && vm_stop_is_done(vm))
		state |= DRM_SOFTGPU_VM_STOPPED;
	if (vm->stalled)
		state |= DRM_SOFTGPU_VM_STALLED;
	return state;
}

int sg_ioctl_vm_query(struct drm_device *drm, void *data,
		      struct drm_file *file)
{
	struct drm_softgpu_vm_query *args = data;
	struct sg_vm *vm;
	u32 vm_id = args->vm_id;

	if (args->pad)
		return -EINVAL;
	vm = sg_vm_lookup(file, vm_id);
	if (!vm)
		return -ENOENT;
	memset(args, 0, sizeof(*args));
	args->vm_id = vm_id;
	spin_lock(&vm->state_lock);
	args->state = vm_state(vm);
	args->running = vm->running;
	args->jobs = vm->jobs;
	args->faults = vm->faults;
	args->fault_va = vm->fault.va;
	args->fault_job = vm->fault.job;
	args->fault_flags = vm->fault.flags;
	args->fault_engine = vm->fault.engine;
	spin_unlock(&vm->state_lock);
	args->mappings = atomic64_read(&vm->mappings);
	sg_vm_put(vm);
	return 0;
}

void sg_vm_stop_changed(struct sg_vm *vm)
{
	struct dma_fence *fence = NULL;

	spin_lock(&vm->state_lock);
	if (!vm->stop || vm_stop_is_done(vm)) {
		fence = vm->stop_fence;
		vm->stop_fence = NULL;
	}
	spin_unlock(&vm->state_lock);
	wake_up_all(&vm->stopped_wq);
	if (fence) {
		trace_softgpu_stopped(vm);
		sg_fence_done(fence, 0);
		dma_fence_put(fence);
	}
}

/* Puts the fence of this stop into the syncobj. fence: unused one or NULL. */
static void vm_set_stop(struct sg_vm *vm, struct dma_fence *fence,
			struct drm_syncobj *syncobj)
{
	struct dma_fence *out = NULL;
	bool slow;

	trace_softgpu_stop(vm);
	spin_lock(&vm->state_lock);
	if (!vm->stop)
		sg_count(vm->sdev, stops, 1);
	slow = !vm->stop && sg_switched(vm->sdev, DRM_SOFTGPU_SWITCH_SLOW_STOP);
	vm->slow |= slow;
	vm->stop = true;
	if (fence && !vm->stop_fence)
		vm->stop_fence = dma_fence_get(fence);
	if (fence)
		out = dma_fence_get(vm->stop_fence);
	spin_unlock(&vm->state_lock);
	if (out) {
		drm_syncobj_replace_fence(syncobj, out);
		dma_fence_put(out);
	}
	if (slow)
		vm_slow_start(vm);
	sg_vm_stop_changed(vm);
}

static int vm_stop(struct sg_vm *vm, struct drm_file *file, u32 out_sync)
{
	struct drm_syncobj *syncobj;
	struct dma_fence *fence;
	u64 seqno;

	if (!out_sync) {
		vm_set_stop(vm, NULL, NULL);
		return 0;
	}
	syncobj = drm_syncobj_find(file, out_sync);
	if (!syncobj)
		return -ENOENT;
	spin_lock(&vm->state_lock);
	seqno = ++vm->stop_seqno;
	spin_unlock(&vm->state_lock);
	fence = sg_fence_create(vm->stop_context, seqno);
	if (!fence) {
		drm_syncobj_put(syncobj);
		return -ENOMEM;
	}
	vm_set_stop(vm, fence, syncobj);
	/* Unused if another stop's fence is pending: nobody else has it. */
	if (kref_read(&fence->refcount) == 1)
		sg_fence_done(fence, 0);
	dma_fence_put(fence);
	drm_syncobj_put(syncobj);
	return 0;
}

static bool vm_stopped(struct sg_vm *vm)
{
	bool stopped;

	spin_lock(&vm->state_lock);
	stopped = !vm->stop || vm_stop_is_done(vm);
	spin_unlock(&vm->state_lock);
	return stopped;
}

static int vm_wait_stopped(struct sg_vm *vm, u64 timeout_ns)
{
	long left;

	if (!READ_ONCE(vm->stop))
		return -EINVAL;
	left = nsecs_to_jiffies(min_t(u64, timeout_ns, 3600 * NSEC_PER_SEC));
	if (timeout_ns && !left)
		left = 1;
	left = wait_event_interruptible_timeout(vm->stopped_wq,
						vm_stopped(vm), left);
	if (left < 0)
		return -EINTR;
	return left ? 0 : -ETIME;
}

static int vm_resume(struct sg_vm *vm)
{
	spin_lock(&vm->state_lock);
	vm->stop = false;
	vm->slow = false;
	spin_unlock(&vm->state_lock);
	vm_slow_end(vm);
	sg_vm_stop_changed(vm);
	sg_engines_kick(vm->sdev);
	return 0;
}

static int vm_kill(struct sg_vm *vm)
{
	spin_lock(&vm->state_lock);
	vm->kill_seq = vm->job_seq;
	if (!sg_switched(vm->sdev, DRM_SOFTGPU_SWITCH_IGNORE_KILL))
		vm->slow = false;
	spin_unlock(&vm->state_lock);
	sg_vm_stop_changed(vm);
	sg_engines_kick(vm->sdev);
	return 0;
}

static int vm_control(struct sg_vm *vm, struct drm_file *file,
		      const struct drm_softgpu_vm_control *args)
{
	switch (args->op) {
	case DRM_SOFTGPU_VM_STOP:
		return vm_stop(vm, file, args->out_sync);
	case DRM_SOFTGPU_VM_WAIT_STOPPED:
		return vm_wait_stopped(vm, args->timeout_ns);
	case DRM_SOFTGPU_VM_RESUME:
		return vm_resume(vm);
	case DRM_SOFTGPU_VM_KILL:
		return vm_kill(vm);
	default:
		return -EINVAL;
	}
}

int sg_ioctl_vm_control(struct drm_device *drm, void *data,
			struct drm_file *file)
{
	struct drm_softgpu_vm_control *args = data;
	struct sg_vm *vm;
	int err;

	if (args->pad ||
	    (args->timeout_ns && args->op != DRM_SOFTGPU_VM_WAIT_STOPPED) ||
	    (args->out_sync && args->op != DRM_SOFTGPU_VM_STOP))
		return -EINVAL;
	vm = sg_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;
	err = vm_control(vm, file, args);
	sg_vm_put(vm);
	return err;
}
