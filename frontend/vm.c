// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * vm.c: GPU address spaces and their queues.
 *
 * A VM belongs to an open file. It ends by the ioctl, by the last close or
 * with its connection: jobs that were not sent are cancelled, VM_DESTROY
 * follows the others on the ring, and its answer ends what is left. Only the
 * ioctl waits for that. Locking: xu_vm.lock for the queues, state_lock for
 * the state. Fences are signalled with xu_vm.lock held, so nothing is allocated
 * under it.
 */
#include <linux/slab.h>

#include "trace.h"
#include "xen_userptr.h"

static void vm_free(struct kref *ref)
{
	struct xu_vm *vm = container_of(ref, struct xu_vm, ref);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vm->queue); i++)
		if (vm->queue[i])
			xu_queue_destroy(vm->queue[i]);
	xa_destroy(&vm->objs);
	mutex_destroy(&vm->lock);
	xu_conn_put(vm->conn);
	xu_file_put(vm->xf);
	kfree(vm);
}

void xu_vm_put(struct xu_vm *vm)
{
	kref_put(&vm->ref, vm_free);
}

static void vm_end_queues(struct xu_vm *vm, int err, bool running)
{
	void (*end)(struct xu_queue *queue, int err) =
		running ? xu_queue_fail : xu_queue_cancel_pending;
	u32 i;

	mutex_lock(&vm->lock);
	vm->released = true;
	for (i = 0; i < ARRAY_SIZE(vm->queue); i++)
		if (vm->queue[i])
			end(vm->queue[i], err);
	mutex_unlock(&vm->lock);
}

/*
 * After the answer, or without a connection. What the backend wrote before
 * its answer counts, so the fence page is read once more.
 */
static void vm_end_work(struct work_struct *work)
{
	struct xu_vm *vm = container_of(work, struct xu_vm, end_work);
	struct xu_conn *conn = vm->conn;
	const char *reason = NULL;
	bool cookie;
	int ret;

	cookie = dma_fence_begin_signalling();
	mutex_lock(&conn->timeline_lock);
	ret = xu_timeline_poll(conn, &reason);
	mutex_unlock(&conn->timeline_lock);
	if (ret < 0)
		xu_conn_violation(conn, "%s", reason);
	vm_end_queues(vm, -ECANCELED, true);
	mutex_lock(&conn->timeline_lock);
	xu_timelines_free(conn, vm);
	mutex_unlock(&conn->timeline_lock);
	dma_fence_end_signalling(cookie);
	/* Storing nothing keeps the id in use, and needs no memory. */
	if (vm->id_stuck)
		xa_store(&conn->vms, vm->id, NULL, 0);
	else
		xa_erase(&conn->vms, vm->id);
	complete_all(&vm->gone);
	xu_vm_put(vm);
}

/* state_lock held. */
static void vm_start_end(struct xu_vm *vm)
{
	vm->state = XU_VM_GONE;
	queue_work(xu_job_wq, &vm->end_work);
}

static void vm_destroy_done(struct xu_req *req, int err,
			    const struct xen_userptrif_rsp *rsp)
{
	struct xu_vm *vm = container_of(req, struct xu_vm, req);

	spin_lock(&vm->state_lock);
	vm->id_stuck = rsp && err && err != -ENOENT;
	vm_start_end(vm);
	spin_unlock(&vm->state_lock);
	xu_vm_put(vm);
}

/* state_lock held. */
static void vm_send_destroy(struct xu_vm *vm)
{
	memset(&vm->req.pkt, 0, sizeof(vm->req.pkt));
	vm->req.pkt.operation = XENUSERPTR_OP_VM_DESTROY;
	vm->req.pkt.op.vm_destroy.vm_id = vm->id;
	vm->req.done = vm_destroy_done;
	vm->state = XU_VM_DESTROYING;
	xu_vm_get(vm);
	if (xu_ring_submit(vm->conn, &vm->req)) {
		vm_start_end(vm);
		xu_vm_put(vm); /* end_work holds another one */
	}
}

void xu_vm_release(struct xu_vm *vm)
{
	vm_end_queues(vm, -ECANCELED, false);
	spin_lock(&vm->state_lock);
	switch (vm->state) {
	case XU_VM_LIVE:
		vm_send_destroy(vm);
		break;
	case XU_VM_CREATING:	/* the answer looks */
	case XU_VM_DESTROYING:
	case XU_VM_GONE:
		break;
	}
	spin_unlock(&vm->state_lock);
}

void xu_vm_conn_lost(struct xu_vm *vm, int err)
{
	vm_end_queues(vm, err, true);
	spin_lock(&vm->state_lock);
	if (vm->state == XU_VM_LIVE)
		vm_start_end(vm);
	spin_unlock(&vm->state_lock);
}

static void vm_create_done(struct xu_req *req, int err,
			   const struct xen_userptrif_rsp *rsp)
{
	struct xu_vm *vm = container_of(req, struct xu_vm, req);

	spin_lock(&vm->state_lock);
	vm->create_err = err;
	if (err)
		vm_start_end(vm);
	else if (READ_ONCE(vm->released))
		vm_send_destroy(vm);
	else
		vm->state = XU_VM_LIVE;
	spin_unlock(&vm->state_lock);
	complete_all(&vm->created);
	xu_vm_put(vm);
}

static struct xu_vm *vm_alloc(struct xu_conn *conn, struct xu_file *xf)
{
	struct xu_vm *vm = xu_fault() ? NULL :
		kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	kref_init(&vm->ref);
	spin_lock_init(&vm->state_lock);
	mutex_init(&vm->lock);
	init_completion(&vm->created);
	init_completion(&vm->gone);
	INIT_WORK(&vm->end_work, vm_end_work);
	xa_init_flags(&vm->objs, XA_FLAGS_ACCOUNT);
	vm->xd = conn->xd;
	vm->conn = xu_conn_get(conn);
	kref_get(&xf->ref);
	vm->xf = xf;
	return vm;
}

/* Returns with a reference for the caller; another one lasts until GONE. */
static int vm_register(struct xu_vm *vm, u32 gpu)
{
	struct xu_conn *conn = vm->conn;
	int err;

	err = xu_fault() ? -ENOMEM :
		xa_alloc_cyclic(&conn->vms, &vm->id, vm, xa_limit_32b,
				&conn->next_vm_id, GFP_KERNEL);
	if (err < 0)
		return err;
	vm->req.pkt.operation = XENUSERPTR_OP_VM_CREATE;
	vm->req.pkt.op.vm_create.vm_id = vm->id;
	vm->req.pkt.op.vm_create.gpu = gpu;
	vm->req.done = vm_create_done;
	xu_vm_get(vm); /* until GONE */
	xu_vm_get(vm); /* until the answer */
	err = xu_ring_submit(conn, &vm->req);
	if (err) {
		xa_erase(&conn->vms, vm->id);
		xu_vm_put(vm);
		xu_vm_put(vm);
		return err;
	}
	if (xu_wait(&vm->created)) {
		xu_vm_release(vm);
		return -EINTR;
	}
	return vm->create_err;
}

int xu_vm_create_ioctl(struct drm_device *drm, void *data,
		       struct drm_file *file)
{
	struct drm_xen_userptr_vm_create *args = data;
	struct xu_file *xf = file->driver_priv;
	struct xu_conn *conn;
	struct xu_vm *vm;
	int err;

	if (args->flags || args->pad)
		return -EINVAL;
	conn = xu_conn_get_ready(to_xu_device(drm));
	if (!conn)
		return -ENODEV;
	if (args->gpu >= conn->nr_gpus) {
		xu_conn_put(conn);
		return -EINVAL;
	}
	vm = vm_alloc(conn, xf);
	err = vm ? vm_register(vm, args->gpu) : -ENOMEM;
	if (err)
		goto put;
	err = xu_fault() ? -ENOMEM :
		xa_alloc(&xf->vms, &args->vm_id, vm, xa_limit_31b, GFP_KERNEL);
	if (err)
		xu_vm_release(vm);
put:
	if (vm && err)
		xu_vm_put(vm);
	xu_conn_put(conn);
	return err;
}

int xu_vm_destroy_ioctl(struct drm_device *drm, void *data,
			struct drm_file *file)
{
	struct drm_xen_userptr_vm_destroy *args = data;
	struct xu_file *xf = file->driver_priv;
	struct xu_vm *vm;
	int err = 0;

	if (args->pad)
		return -EINVAL;
	vm = xa_erase(&xf->vms, args->vm_id);
	if (!vm)
		return -ENOENT;
	xu_vm_release(vm);
	if (xu_wait(&vm->gone))
		err = -EINTR;
	xu_vm_put(vm);
	return err;
}

/* At the last close; nothing is waited for. */
void xu_file_release_vms(struct drm_file *file)
{
	struct xu_file *xf = file->driver_priv;
	unsigned long handle;
	struct xu_vm *vm;

	xa_for_each(&xf->vms, handle, vm) {
		xa_erase(&xf->vms, handle);
		xu_vm_release(vm);
		xu_vm_put(vm);
	}
}

struct xu_vm *xu_vm_lookup(struct drm_file *file, u32 handle)
{
	struct xu_file *xf = file->driver_priv;
	struct xu_vm *vm;

	xa_lock(&xf->vms);
	vm = xa_load(&xf->vms, handle);
	if (vm)
		xu_vm_get(vm);
	xa_unlock(&xf->vms);
	return vm;
}

/* Lock held. NULL: there is none yet. */
static struct xu_queue *vm_queue_find(const struct xu_vm *vm, u32 slot)
{
	if (vm->released)
		return ERR_PTR(READ_ONCE(vm->conn->broken) ? -ENODEV :
							     -ENOENT);
	return vm->queue[slot];
}

/* Lock held. */
static struct xu_queue *vm_queue_add(struct xu_vm *vm, u32 slot,
				     struct xu_queue *made)
{
	int err = 0;

	if (!made->is_bind)
		err = xu_fault() ? -ENOSPC : xu_timeline_alloc(vm->conn, made);
	if (err)
		return ERR_PTR(err);
	vm->queue[slot] = made;
	return made;
}

static struct xu_queue *vm_queue_make(struct xu_vm *vm, u32 slot)
{
	struct xu_queue *made = xu_queue_create(vm, slot);
	struct xu_queue *queue;

	if (!made)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&vm->lock);
	queue = vm_queue_find(vm, slot);
	if (!queue)
		queue = vm_queue_add(vm, slot, made);
	mutex_unlock(&vm->lock);
	if (queue != made)
		xu_queue_destroy(made);
	return queue;
}

struct xu_queue *xu_vm_queue(struct xu_vm *vm, u32 slot)
{
	struct xu_queue *queue;

	mutex_lock(&vm->lock);
	queue = vm_queue_find(vm, slot);
	mutex_unlock(&vm->lock);
	return queue ?: vm_queue_make(vm, slot);
}
