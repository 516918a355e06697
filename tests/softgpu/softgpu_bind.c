// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * VM_BIND: changes the tree of mappings (softgpu_tree.c) in the ioctl and the
 * page tables by a job, when the in-fences have signalled.
 *
 * All or nothing: arguments are checked, objects looked up and made resident,
 * tables and tree nodes allocated before the first change of the tree; then
 * nothing can fail.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_exec.h>

#include "softgpu.h"

struct bind_op {
	struct drm_softgpu_bind_op arg;
	struct sg_bo *bo;		/* MAP, with a reference */
	struct drm_gpuvm_bo *vm_bo;	/* MAP, with a reference */
	bool tables;			/* holds tables for its range */
};

struct bind_job {
	struct sg_job job;
	struct work_struct work;
	u32 num_ops;
	struct bind_op *ops;
	struct sg_change change;
};

static struct bind_job *to_bind_job(struct sg_job *job)
{
	return container_of(job, struct bind_job, job);
}

static bool op_maps(const struct drm_softgpu_bind_op *op)
{
	return op->op != DRM_SOFTGPU_BIND_UNMAP;
}

static enum drm_gpuva_flags va_flags(const struct bind_op *op)
{
	enum drm_gpuva_flags flags = op->bo ? 0 : DRM_GPUVA_SPARSE;

	if (op->arg.flags & DRM_SOFTGPU_BIND_READONLY)
		flags |= SG_VA_READONLY;
	return flags;
}

/* ---- the job ---- */

static void bind_apply(struct sg_vm *vm, const struct bind_op *op)
{
	u64 flags = op->arg.flags & DRM_SOFTGPU_BIND_READONLY ? 0 :
							SG_PTE_WRITE;

	if (op_maps(&op->arg))
		sg_pt_map(vm, op->arg.va, op->arg.length, op->bo,
			  op->arg.offset, flags);
	else
		sg_pt_clear(vm, op->arg.va, op->arg.length);
}

static void bind_work(struct work_struct *work)
{
	struct bind_job *bjob = container_of(work, struct bind_job, work);
	struct sg_vm *vm = bjob->job.vm;
	struct sg_device *sdev = vm->sdev;
	u32 i;

	for (i = 0; i < bjob->num_ops; i++)
		bind_apply(vm, &bjob->ops[i]);
	sg_engines_kick(sdev);
	sg_fence_done(bjob->job.fence, 0);
}

static void bind_run(struct sg_job *job)
{
	struct bind_job *bjob = to_bind_job(job);

	INIT_WORK(&bjob->work, bind_work);
	queue_work(sg_bind_wq, &bjob->work);
}

static void ops_free(struct bind_job *bjob)
{
	u32 i;

	for (i = 0; i < bjob->num_ops; i++)
		if (bjob->ops[i].bo)
			drm_gem_object_put(&bjob->ops[i].bo->base);
	kvfree(bjob->ops);
}

static void bind_free(struct sg_job *job)
{
	struct bind_job *bjob = to_bind_job(job);

	sg_change_release(&bjob->change);
	ops_free(bjob);
	kfree(bjob);
}

/* ---- the ioctl ---- */

static int op_check_object(const struct drm_softgpu_bind_op *op,
			   const struct sg_bo *bo)
{
	u64 end;

	if (op->offset % PAGE_SIZE ||
	    check_add_overflow(op->offset, op->length, &end) ||
	    end > bo->base.size)
		return -EINVAL;
	if (bo->readonly && !(op->flags & DRM_SOFTGPU_BIND_READONLY))
		return -EACCES;
	return 0;
}

static int op_check(struct bind_op *op, struct drm_file *file)
{
	const struct drm_softgpu_bind_op *arg = &op->arg;
	struct drm_gem_object *obj;
	u64 end;

	if (arg->op > DRM_SOFTGPU_BIND_MAP_NULL || arg->pad ||
	    (arg->flags & ~DRM_SOFTGPU_BIND_READONLY) ||
	    arg->va % PAGE_SIZE || arg->length % PAGE_SIZE || !arg->length ||
	    arg->va < SG_VA_START ||
	    check_add_overflow(arg->va, arg->length, &end) || end > SG_VA_END)
		return -EINVAL;
	if (arg->op != DRM_SOFTGPU_BIND_MAP)
		return arg->flags || arg->handle || arg->offset ? -EINVAL : 0;
	obj = drm_gem_object_lookup(file, arg->handle);
	if (!obj)
		return -ENOENT;
	op->bo = to_sg_bo(obj);
	return op_check_object(arg, op->bo);
}

static int ops_copy(struct bind_job *bjob,
		    const struct drm_softgpu_vm_bind *args)
{
	const void __user *from = u64_to_user_ptr(args->ops);
	u32 i;

	bjob->ops = kvcalloc(args->num_ops, sizeof(*bjob->ops),
			     GFP_KERNEL_ACCOUNT);
	if (!bjob->ops)
		return -ENOMEM;
	bjob->num_ops = args->num_ops;
	for (i = 0; i < args->num_ops; i++)
		if (copy_from_user(&bjob->ops[i].arg,
				   from + i * sizeof(bjob->ops[i].arg),
				   sizeof(bjob->ops[i].arg)))
			return -EFAULT;
	return 0;
}

static int bind_prepare(struct bind_job *bjob, struct drm_file *file,
			struct drm_softgpu_vm_bind *args)
{
	u32 i;
	int err;

	err = ops_copy(bjob, args);
	if (err)
		return err;
	for (i = 0; i < bjob->num_ops; i++) {
		err = op_check(&bjob->ops[i], file);
		if (err) {
			args->failed_op = i;
			return err;
		}
	}
	/* An op makes at most one mapping and splits at most one into two. */
	return sg_change_reserve(&bjob->change, 3 * bjob->num_ops);
}

/* No object locked: faulting pages in takes mmap_lock. */
static int userptrs_get(struct bind_job *bjob)
{
	u32 i;
	int err;

	for (i = 0; i < bjob->num_ops; i++) {
		struct sg_bo *bo = bjob->ops[i].bo;

		if (!bo || bo->kind != SG_BO_USERPTR)
			continue;
		err = sg_userptr_repin(bo);
		if (err)
			return err;
	}
	return 0;
}

static int tables_get(struct sg_vm *vm, struct bind_job *bjob)
{
	u32 i;
	int err;

	for (i = 0; i < bjob->num_ops; i++) {
		struct bind_op *op = &bjob->ops[i];

		if (!op_maps(&op->arg))
			continue;
		err = sg_pt_get(vm, op->arg.va, op->arg.length);
		if (err)
			return err;
		op->tables = true;
	}
	return 0;
}

static void tables_put(struct sg_vm *vm, struct bind_job *bjob)
{
	u32 i;

	for (i = 0; i < bjob->num_ops; i++)
		if (bjob->ops[i].tables)
			sg_pt_put(vm, bjob->ops[i].arg.va,
				  bjob->ops[i].arg.length);
}

/* Every object of the new mappings and of those that they replace. */
static int bind_lock(struct bind_job *bjob, struct drm_exec *exec)
{
	struct sg_vm *vm = bjob->job.vm;
	u32 i;
	int err = 0;

	drm_exec_until_all_locked(exec) {
		err = drm_gpuvm_prepare_vm(&vm->base, exec, SG_QUEUES);
		drm_exec_retry_on_contention(exec);
		for (i = 0; i < bjob->num_ops && !err; i++) {
			struct bind_op *op = &bjob->ops[i];

			err = drm_gpuvm_prepare_range(&vm->base, exec,
						      op->arg.va,
						      op->arg.length,
						      SG_QUEUES);
			drm_exec_retry_on_contention(exec);
			if (err || !op->bo)
				continue;
			err = drm_exec_prepare_obj(exec, &op->bo->base,
						   SG_QUEUES);
			drm_exec_retry_on_contention(exec);
		}
		if (err)
			break;
	}
	return err;
}

static void vm_bos_put(struct bind_job *bjob)
{
	u32 i;

	for (i = 0; i < bjob->num_ops; i++) {
		drm_gpuvm_bo_put(bjob->ops[i].vm_bo);
		bjob->ops[i].vm_bo = NULL;
	}
}

/* Objects locked. */
static int vm_bos_get(struct bind_job *bjob)
{
	struct drm_gpuvm *gpuvm = &bjob->job.vm->base;
	struct drm_gpuvm_bo *vm_bo;
	u32 i;
	int err;

	for (i = 0; i < bjob->num_ops; i++) {
		struct bind_op *op = &bjob->ops[i];

		if (!op->bo)
			continue;
		err = sg_bo_validate(op->bo);
		if (err)
			goto put_vm_bos;
		vm_bo = sg_compat_vm_bo_obtain(gpuvm, &op->bo->base);
		if (IS_ERR(vm_bo)) {
			err = PTR_ERR(vm_bo);
			goto put_vm_bos;
		}
		op->vm_bo = vm_bo;
		drm_gpuvm_bo_extobj_add(vm_bo);
	}
	return 0;

put_vm_bos:
	vm_bos_put(bjob);
	return err;
}

/*
 * Jobs that were submitted before may use the new mappings when they go on
 * after a stop: their fences protect the objects as those of later jobs do.
 */
static void bind_add_fences(struct bind_job *bjob, struct drm_exec *exec)
{
	struct sg_vm *vm = bjob->job.vm;
	struct drm_gem_object *obj;
	unsigned int q;

	drm_exec_for_each_locked_object(exec, obj) {
		dma_resv_add_fence(obj->resv, bjob->job.fence,
				   DMA_RESV_USAGE_BOOKKEEP);
		for (q = 0; q < SG_QUEUE_BIND; q++) {
			struct dma_fence *last = vm->queue[q].last;

			if (last && !dma_fence_is_signaled(last))
				dma_resv_add_fence(obj->resv, last,
						   DMA_RESV_USAGE_BOOKKEEP);
		}
	}
}

static void bind_change_tree(struct bind_job *bjob)
{
	u32 i;

	for (i = 0; i < bjob->num_ops; i++) {
		const struct bind_op *op = &bjob->ops[i];

		if (op_maps(&op->arg))
			sg_change_map(&bjob->change, op->arg.va,
				      op->arg.length, op->vm_bo,
				      op->arg.offset, va_flags(op));
		else
			sg_change_unmap(&bjob->change, op->arg.va,
					op->arg.length);
	}
}

/* vm->lock held; everything that needs no object lock is done. */
static int bind_commit(struct bind_job *bjob, struct sg_syncs *syncs)
{
	struct drm_exec exec;
	int err;

	drm_exec_init(&exec, DRM_EXEC_INTERRUPTIBLE_WAIT |
		      DRM_EXEC_IGNORE_DUPLICATES, 0);
	err = bind_lock(bjob, &exec);
	if (!err)
		err = vm_bos_get(bjob);
	if (!err) {
		bind_change_tree(bjob);
		bind_add_fences(bjob, &exec);
		vm_bos_put(bjob);
		sg_syncs_signal(syncs, bjob->job.fence);
		sg_job_push(&bjob->job);
	}
	drm_exec_fini(&exec);
	return err;
}

/* vm->lock held. *done: fence to wait for, if the caller shall wait. */
static int bind_submit(struct bind_job *bjob, struct sg_vm *vm,
		       const struct drm_softgpu_vm_bind *args,
		       struct drm_file *file, struct dma_fence **done)
{
	struct sg_syncs syncs = {};
	int err;

	err = sg_job_init(&bjob->job, vm, &vm->queue[SG_QUEUE_BIND], file);
	if (err)
		return err;
	err = sg_syncs_get(&syncs, &bjob->job, file, args->syncs,
			   args->num_syncs);
	if (err)
		goto cancel_job;
	err = userptrs_get(bjob);
	if (!err)
		err = tables_get(vm, bjob);
	if (err)
		goto put_tables;
	if (!syncs.num_signal)
		*done = dma_fence_get(bjob->job.fence);
	err = bind_commit(bjob, &syncs);
	if (err)
		goto put_done;
	sg_syncs_put(&syncs);
	return 0;

put_done:
	dma_fence_put(*done);
	*done = NULL;
put_tables:
	tables_put(vm, bjob);
	sg_syncs_put(&syncs);
cancel_job:
	sg_job_cancel(&bjob->job);
	return err;
}

static int bind_in_vm(struct sg_vm *vm, struct drm_softgpu_vm_bind *args,
		      struct drm_file *file)
{
	struct dma_fence *done = NULL;
	struct bind_job *bjob;
	long err;

	bjob = kzalloc(sizeof(*bjob), GFP_KERNEL);
	if (!bjob)
		return -ENOMEM;
	sg_change_init(&bjob->change, vm);
	bjob->job.run = bind_run;
	bjob->job.free = bind_free;
	err = bind_prepare(bjob, file, args);
	if (err)
		goto free_job;
	err = mutex_lock_interruptible(&vm->lock);
	if (err)
		goto free_job;
	err = bind_submit(bjob, vm, args, file, &done);
	mutex_unlock(&vm->lock);
	if (err)
		goto free_job;
	if (done) {
		dma_fence_wait(done, false);
		dma_fence_put(done);
	}
	return 0;

free_job:
	sg_change_release(&bjob->change);
	ops_free(bjob);
	kfree(bjob);
	return err;
}

int sg_ioctl_vm_bind(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_softgpu_vm_bind *args = data;
	struct sg_vm *vm;
	int err, idx;

	args->failed_op = ~0U;
	if (args->flags || args->pad || !args->num_ops ||
	    args->num_ops > SG_MAX_BIND_OPS || args->num_syncs > SG_MAX_SYNCS)
		return -EINVAL;
	vm = sg_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;
	if (drm_dev_enter(drm, &idx)) {
		err = bind_in_vm(vm, args, file);
		drm_dev_exit(idx);
	} else {
		err = -ENODEV;
	}
	sg_vm_put(vm);
	return err;
}
