// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * bind.c: the VM_BIND ioctl.
 *
 * What the program got wrong is found here, before anything changes. One
 * operation travels inside the request, more in granted pages. The binds of
 * a VM are jobs of a queue of their own (fence.c); a bind without syncs
 * waits for its job, killable. Process context, no lock held.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "trace.h"
#include "xen_userptr.h"

/* What a bind needs until it was answered. */
struct xu_bind {
	struct xu_kpages *dir;
	struct xu_kpages *ops;
	u32 nr_objs;
	struct drm_gem_object *obj[];	/* of its maps */
};

void xu_bind_free(struct xu_bind *bind)
{
	u32 i;

	if (!bind)
		return;
	for (i = 0; i < bind->nr_objs; i++)
		drm_gem_object_put(bind->obj[i]);
	xu_kpages_free(bind->dir);
	xu_kpages_free(bind->ops);
	kvfree(bind);
}

static int bind_check_va(const struct drm_xen_userptr_bind_op *op,
			 const struct xen_userptrif_rsp_device *device)
{
	u64 end;

	if (!op->length ||
	    !PAGE_ALIGNED(op->gpu_va | op->length | op->offset))
		return -EINVAL;
	if (check_add_overflow(op->gpu_va, op->length, &end))
		return -EINVAL;
	if (op->gpu_va < device->va_start || end > device->va_end)
		return -ERANGE;
	return 0;
}

static int bind_check_flags(const struct drm_xen_userptr_bind_op *op,
			    const struct xen_userptrif_rsp_device *device)
{
	bool map = op->op == DRM_XEN_USERPTR_BIND_MAP;

	if (op->pad || op->flags & ~(map ? DRM_XEN_USERPTR_BIND_READONLY : 0))
		return -EINVAL;
	if (!map && (op->handle || op->offset))
		return -EINVAL;
	switch (op->op) {
	case DRM_XEN_USERPTR_BIND_MAP:
	case DRM_XEN_USERPTR_BIND_UNMAP:
		return 0;
	case DRM_XEN_USERPTR_BIND_MAP_NULL:
		return device->features & XENUSERPTR_FEATURE_SPARSE ?
		       0 : -EOPNOTSUPP;
	}
	return -EINVAL;
}

static int bind_check_object(const struct drm_xen_userptr_bind_op *op,
			     struct xu_object *obj, struct xu_vm *vm)
{
	u64 end;

	if (check_add_overflow(op->offset, op->length, &end) ||
	    end > obj->gem.size)
		return -EINVAL;
	if (obj->readonly && !(op->flags & DRM_XEN_USERPTR_BIND_READONLY))
		return -EACCES;
	if (xu_object_part_gone(obj, op->offset >> PAGE_SHIFT,
				op->length >> PAGE_SHIFT))
		return -ESTALE;
	return xu_object_usable(obj, vm->conn);
}

/* A map: find the object, keep it, and note that this VM may use it. */
static int bind_take_object(struct drm_file *file, struct xu_vm *vm,
			    const struct drm_xen_userptr_bind_op *op,
			    struct xu_bind *bind, u32 *obj_id)
{
	struct drm_gem_object *gem = drm_gem_object_lookup(file, op->handle);
	struct xu_object *obj;
	int err;

	if (!gem)
		return -ENOENT;
	bind->obj[bind->nr_objs++] = gem;
	obj = to_xu_object(gem);
	err = bind_check_object(op, obj, vm);
	if (err)
		return err;
	*obj_id = obj->id;
	return xu_fault() ? -ENOMEM :
		xa_err(xa_store(&vm->objs, obj->id, xa_mk_value(1),
				GFP_KERNEL_ACCOUNT));
}

static int bind_fill_op(struct drm_file *file, struct xu_vm *vm,
			const struct drm_xen_userptr_bind_op *op,
			struct xu_bind *bind,
			struct xen_userptrif_bind_op *wire)
{
	u32 obj_id = 0;
	int err;

	err = bind_check_flags(op, &vm->conn->device);
	if (!err)
		err = bind_check_va(op, &vm->conn->device);
	if (!err && op->op == DRM_XEN_USERPTR_BIND_MAP)
		err = bind_take_object(file, vm, op, bind, &obj_id);
	if (err)
		return err;
	BUILD_BUG_ON(DRM_XEN_USERPTR_BIND_MAP != XENUSERPTR_BIND_MAP);
	BUILD_BUG_ON(DRM_XEN_USERPTR_BIND_UNMAP != XENUSERPTR_BIND_UNMAP);
	BUILD_BUG_ON(DRM_XEN_USERPTR_BIND_MAP_NULL != XENUSERPTR_BIND_MAP_NULL);
	BUILD_BUG_ON(DRM_XEN_USERPTR_BIND_READONLY != XENUSERPTR_BIND_READONLY);
	wire->op = op->op;
	wire->flags = op->flags;
	wire->obj_id = obj_id;
	wire->offset = op->offset;
	wire->length = op->length;
	wire->gpu_va = op->gpu_va;
	return 0;
}

/* Where operation @i of an array goes. */
static struct xen_userptrif_bind_op *bind_slot(struct xu_bind *bind, u32 i)
{
	struct xen_userptrif_bind_op *ops =
		page_address(bind->ops->entry[i /
			     XENUSERPTR_BIND_OPS_PER_PAGE].page);

	return &ops[i % XENUSERPTR_BIND_OPS_PER_PAGE];
}

static int bind_alloc_pages(struct xu_bind *bind, domid_t domid, u32 nr_ops)
{
	u32 i, nr = DIV_ROUND_UP(nr_ops, XENUSERPTR_BIND_OPS_PER_PAGE);

	BUILD_BUG_ON(DIV_ROUND_UP(XENUSERPTR_MAX_BIND_OPS,
				  XENUSERPTR_BIND_OPS_PER_PAGE) >
		     XENUSERPTR_DIR_ENTRIES);
	bind->ops = xu_kpages_create(domid, nr, true);
	if (IS_ERR(bind->ops))
		return PTR_ERR(no_free_ptr(bind->ops));
	bind->dir = xu_dir_create(domid, nr);
	if (IS_ERR(bind->dir))
		return PTR_ERR(no_free_ptr(bind->dir));
	for (i = 0; i < nr; i++)
		xu_dir_grefs(bind->dir, 0)[i] = bind->ops->entry[i].gref;
	return 0;
}

static int bind_fill(struct drm_file *file, struct xu_vm *vm,
		     struct drm_xen_userptr_vm_bind *args,
		     const struct drm_xen_userptr_bind_op *ops,
		     struct xu_job *job)
{
	struct xen_userptrif_vm_bind *wire = &job->req.pkt.op.vm_bind;
	struct xu_bind *bind = job->bind;
	u32 i, nr = args->nr_ops;
	int err = 0;

	job->req.pkt.operation = XENUSERPTR_OP_VM_BIND;
	wire->vm_id = vm->id;
	wire->nr_ops = nr;
	if (nr > 1) {
		err = bind_alloc_pages(bind, vm->conn->domid, nr);
		if (err)
			return err;
		wire->flags = XENUSERPTR_VM_BIND_INDIRECT;
		wire->gref_directory = xu_dir_gref(bind->dir);
	}
	for (i = 0; i < nr; i++) {
		err = bind_fill_op(file, vm, &ops[i], bind,
				   nr > 1 ? bind_slot(bind, i) : &wire->op);
		if (err) {
			args->error_op = i;
			return err;
		}
		cond_resched();
	}
	return 0;
}

/* Without syncs the program wants to know how it went. */
static int bind_wait(struct xu_job *job, struct drm_xen_userptr_vm_bind *args)
{
	if (xu_wait(&job->signaled))
		return -EINTR;
	if (job->error && job->error_index < args->nr_ops)
		args->error_op = job->error_index;
	return job->error;
}

static int bind_push(struct drm_file *file, struct xu_vm *vm,
		     struct drm_xen_userptr_vm_bind *args, struct xu_job *job)
{
	struct xu_queue *queue = xu_vm_queue(vm, XU_BIND_QUEUE);
	struct xu_syncs syncs;
	int err;

	if (IS_ERR(queue))
		return PTR_ERR(queue);
	err = xu_syncs_parse(file, args->syncs, args->nr_syncs, &syncs);
	if (err)
		return err;
	xu_syncs_move_in(&syncs, job);
	err = xu_queue_submit(queue, job, &syncs);
	xu_syncs_fini(&syncs);
	return err;
}

static int bind_run(struct drm_file *file, struct xu_vm *vm,
		    struct drm_xen_userptr_vm_bind *args,
		    const struct drm_xen_userptr_bind_op *ops)
{
	struct xu_job *job = xu_job_alloc();
	int err = -ENOMEM;

	if (!job)
		return -ENOMEM;
	job->bind = xu_fault() ? NULL :
		kvzalloc(struct_size(job->bind, obj, args->nr_ops),
			 GFP_KERNEL_ACCOUNT);
	if (!job->bind)
		goto err_job;
	err = bind_fill(file, vm, args, ops, job);
	if (!err)
		err = bind_push(file, vm, args, job);
	if (err)
		goto err_job;
	if (!args->nr_syncs)
		err = bind_wait(job, args);
	xu_job_put(job);
	return err;
err_job:
	xu_bind_free(job->bind);
	xu_job_free_unarmed(job);
	return err;
}

static int bind_check(const struct drm_xen_userptr_vm_bind *args,
		      const struct xu_conn *conn)
{
	if (args->flags || args->pad || !args->nr_ops)
		return -EINVAL;
	if (args->nr_ops > XENUSERPTR_MAX_BIND_OPS ||
	    args->nr_ops > max(conn->limits.max_bind_ops, 1U))
		return -E2BIG;
	return READ_ONCE(conn->broken) ? -ENODEV : 0;
}

int xu_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_xen_userptr_vm_bind *args = data;
	struct drm_xen_userptr_bind_op *ops;
	struct xu_vm *vm;
	int err;

	args->error_op = XU_NO_INDEX;
	vm = xu_vm_lookup(file, args->vm_id);
	if (!vm)
		return -ENOENT;
	err = bind_check(args, vm->conn);
	if (err)
		goto put_vm;
	ops = xu_fault() ? ERR_PTR(-ENOMEM) :
		vmemdup_array_user(u64_to_user_ptr(args->ops), args->nr_ops,
				   sizeof(*ops));
	err = PTR_ERR_OR_ZERO(ops);
	if (err)
		goto put_vm;
	err = bind_run(file, vm, args, ops);
	kvfree(ops);
put_vm:
	trace_xen_userptr_bind(vm, args->nr_ops, err);
	xu_vm_put(vm);
	return err;
}
