// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * object.c: the life of registered memory.
 *
 *	NEW --> CREATING --> LIVE --> DESTROYING --> ENDING --> GONE
 *	  \         \           \                     ^
 *	   \         \           `- connection lost --|
 *	    \         `-- refused, connection lost ---|
 *	     `------------ creation failed -----------'
 *
 * The handle, the mapping in the program and the connection may each go at
 * any time; the object then walks to the right by itself, driven by answers
 * and work items, and nobody waits for it. Pages leave only in ENDING, after
 * the hypervisor accepted the end of their grants. Locking: xu_object.lock
 * for the state.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "trace.h"
#include "xen_userptr.h"

static void object_free(struct kref *ref)
{
	struct xu_object *obj = container_of(ref, struct xu_object, ref);
	struct xu_device *xd = obj->xd;

	xu_user_put(obj->user);
	xu_conn_put(obj->conn);
	mmdrop(obj->mm);
	if (obj->tell)
		xu_file_put(obj->tell);
	kvfree(obj->lost);
	kvfree(obj->gone);
	kvfree(obj->ranges);
	kvfree(obj->pages);
	kfree(obj);
	drm_dev_put(&xd->drm);
	module_put(THIS_MODULE);
}

void xu_object_put(struct xu_object *obj)
{
	kref_put(&obj->ref, object_free);
}

/* Lock held. The pages are not the program's any more, but still pinned. */
static void object_leave(struct xu_object *obj, enum xu_object_state state)
{
	struct xu_device *xd = obj->xd;

	if (obj->state < XU_OBJECT_DESTROYING) {
		xu_object_uncharge(obj);
		xu_user_releasing(obj->user, obj->nr_granted);
		if (!obj->leaving)
			atomic_inc(&xd->nr_releasing);
		if (obj->state > XU_OBJECT_NEW) {
			atomic_long_sub(obj->nr_pages - obj->nr_collected,
					&xd->nr_pages);
			atomic_dec(&xd->nr_objects);
		}
	}
	obj->state = state;
	trace_xen_userptr_object(obj, 0);
}

/* Lock held. */
static void object_start_end(struct xu_object *obj)
{
	object_leave(obj, XU_OBJECT_ENDING);
	queue_work(xu_object_wq, &obj->end_work);
}

static void object_destroy_done(struct xu_req *req, int err,
				const struct xen_userptrif_rsp *rsp)
{
	struct xu_object *obj = container_of(req, struct xu_object, req);

	spin_lock(&obj->lock);
	obj->id_stuck = rsp && err && err != -ENOENT;
	object_start_end(obj);
	spin_unlock(&obj->lock);
	xu_quarantine_kick();
	xu_object_put(obj);
}

/* Lock held. */
static void object_send_destroy(struct xu_object *obj)
{
	memset(&obj->req.pkt, 0, sizeof(obj->req.pkt));
	obj->req.pkt.operation = XENUSERPTR_OP_OBJ_DESTROY;
	obj->req.pkt.op.obj_destroy.obj_id = obj->id;
	if (obj->forgotten)
		obj->req.pkt.op.obj_destroy.flags = XENUSERPTR_DESTROY_DISCARD;
	obj->req.done = object_destroy_done;
	object_leave(obj, XU_OBJECT_DESTROYING);
	xu_object_get(obj);
	if (xu_ring_submit(obj->conn, &obj->req)) {
		object_start_end(obj);
		xu_object_put(obj); /* the registration holds another one */
	}
}

static void object_create_done(struct xu_req *req, int err,
			       const struct xen_userptrif_rsp *rsp)
{
	struct xu_object *obj = container_of(req, struct xu_object, req);
	struct xu_kpages *dir = obj->dir;

	spin_lock(&obj->lock);
	obj->dir = NULL;
	/* The connection may have broken since the answer came. */
	obj->create_err = err || !obj->conn_lost ? err : -ENODEV;
	if (err) {
		object_start_end(obj);
	} else {
		obj->state = XU_OBJECT_LIVE;
		trace_xen_userptr_object(obj, 0);
		if (obj->conn_lost)
			object_start_end(obj);
		else if (obj->released)
			object_send_destroy(obj);
		else if (READ_ONCE(obj->partly_gone))
			xu_object_collect(obj);
	}
	spin_unlock(&obj->lock);
	xu_kpages_free(dir); /* the backend has copied it */
	complete_all(&obj->created);
	xu_object_put(obj);
}

static void object_fill_create(struct xu_object *obj)
{
	struct xen_userptrif_req *pkt = &obj->req.pkt;

	memset(pkt, 0, sizeof(*pkt));
	pkt->operation = XENUSERPTR_OP_OBJ_CREATE;
	pkt->op.obj_create.obj_id = obj->id;
	pkt->op.obj_create.flags = obj->readonly ? XENUSERPTR_OBJ_READONLY : 0;
	pkt->op.obj_create.nr_pages = obj->nr_pages;
	pkt->op.obj_create.gref_directory = xu_dir_gref(obj->dir);
}

static int object_send_create(struct xu_object *obj)
{
	int err;

	object_fill_create(obj);
	obj->req.done = object_create_done;
	spin_lock(&obj->lock);
	xu_object_get(obj);
	err = xu_ring_submit(obj->conn, &obj->req);
	if (err) {
		xu_object_put(obj); /* the caller holds another one */
	} else {
		obj->state = XU_OBJECT_CREATING;
		atomic_long_add(obj->nr_pages, &obj->xd->nr_pages);
		atomic_inc(&obj->xd->nr_objects);
		trace_xen_userptr_object(obj, 0);
	}
	spin_unlock(&obj->lock);
	return err;
}

int xu_object_register(struct xu_object *obj)
{
	int err;

	err = xu_fault() ? -ENOMEM :
		xa_alloc_cyclic(&obj->conn->objs, &obj->id, obj, xa_limit_32b,
				&obj->conn->next_obj_id, GFP_KERNEL);
	if (err < 0)
		return err;
	err = object_send_create(obj);
	if (err)
		return err;
	if (xu_wait(&obj->created))
		return -EINTR;
	return obj->create_err;
}

void xu_object_release(struct xu_object *obj)
{
	spin_lock(&obj->lock);
	obj->released = true;
	switch (obj->state) {
	case XU_OBJECT_LIVE:
		if (!obj->trimming)	/* else its end looks */
			object_send_destroy(obj);
		break;
	case XU_OBJECT_NEW:		/* its creator looks */
	case XU_OBJECT_CREATING:	/* the answer looks */
	case XU_OBJECT_DESTROYING:
	case XU_OBJECT_ENDING:
	case XU_OBJECT_GONE:
		break;
	}
	spin_unlock(&obj->lock);
}

void xu_object_trimmed(struct xu_object *obj)
{
	spin_lock(&obj->lock);
	obj->trimming = false;
	if (obj->conn_lost)
		object_start_end(obj);
	else if (obj->released)
		object_send_destroy(obj);
	spin_unlock(&obj->lock);
}

void xu_object_conn_lost(struct xu_object *obj)
{
	bool was_live;

	spin_lock(&obj->lock);
	obj->conn_lost = true;
	was_live = obj->state == XU_OBJECT_LIVE;
	if (was_live && !obj->trimming)
		object_start_end(obj);
	spin_unlock(&obj->lock);
	if (was_live)
		xu_lost_conn(obj);
}

int xu_object_usable(struct xu_object *obj, struct xu_conn *conn)
{
	enum xu_object_state state;

	spin_lock(&obj->lock);
	state = obj->state;
	spin_unlock(&obj->lock);
	if (obj->conn != conn || READ_ONCE(conn->broken))
		return -ENODEV;
	return state == XU_OBJECT_LIVE ? 0 : -ESTALE;
}

/* It is not on its way out any more: gone, or in quarantine. */
void xu_object_released(struct xu_object *obj)
{
	atomic_dec(&obj->xd->nr_releasing);
	wake_up_all(&obj->xd->release_wait);
}

/* Ids are not used again for long: VMs that live long must not keep those of old objects. */
static void object_forget_binds(struct xu_object *obj)
{
	struct xu_vm *vm;
	unsigned long id;

	if (!obj->id)
		return;
	xa_lock(&obj->conn->vms);
	xa_for_each(&obj->conn->vms, id, vm)
		xa_erase(&vm->objs, obj->id);
	xa_unlock(&obj->conn->vms);
}

static void object_gone(struct xu_object *obj)
{
	spin_lock(&obj->lock);
	obj->state = XU_OBJECT_GONE;
	trace_xen_userptr_object(obj, 0);
	spin_unlock(&obj->lock);
	xu_object_uncheck(obj);
	object_forget_binds(obj);
	/* Storing nothing keeps the id in use, and needs no memory. */
	if (obj->id && obj->id_stuck)
		xa_store(&obj->conn->objs, obj->id, NULL, 0);
	else if (obj->id)
		xa_erase(&obj->conn->objs, obj->id);
	if (!obj->quarantined)
		xu_object_released(obj);
	xu_object_put(obj);
}

bool xu_object_try_end(struct xu_object *obj)
{
	u32 left;

	left = xu_grants_put(&obj->xd->grants, obj->pages, obj->nr_granted,
			     obj->readonly);
	xu_user_releasing(obj->user, -(long)(obj->nr_granted - left));
	obj->nr_granted = left;
	obj->nr_pinned = left;
	trace_xen_userptr_end(obj, 0);
	if (left)
		return false;
	object_gone(obj);
	return true;
}

/*
 * Pages that were never granted go first; then the directory, then grants. An object
 * that has no turn to wait for its program's memory comes back here when it has one.
 */
static void object_end_work(struct work_struct *work)
{
	struct xu_object *obj = container_of(work, struct xu_object, end_work);

	if (!xu_user_wait_or_park(obj))
		return;
	xu_object_unwatch(obj);
	xu_user_wait_end(obj->user);
	xu_object_compact(obj);
	if (obj->nr_pinned > obj->nr_granted)
		unpin_user_pages(obj->pages + obj->nr_granted,
				 obj->nr_pinned - obj->nr_granted);
	obj->nr_pinned = obj->nr_granted;
	xu_kpages_free(obj->dir);
	obj->dir = NULL;
	if (!xu_object_try_end(obj))
		xu_quarantine_object(obj);
}

void xu_object_collect(struct xu_object *obj)
{
	xu_object_get(obj);
	if (!queue_work(xu_object_wq, &obj->release_work))
		xu_object_put(obj);
}

/* One that is released meanwhile has no use for the answer. */
static void object_note_forgotten(struct xu_object *obj)
{
	bool is_live, forgotten;

	spin_lock(&obj->lock);
	is_live = obj->state == XU_OBJECT_LIVE && !obj->conn_lost;
	spin_unlock(&obj->lock);
	forgotten = is_live && xu_object_forgotten(obj, 0, obj->nr_pages);
	spin_lock(&obj->lock);
	obj->forgotten |= forgotten;
	spin_unlock(&obj->lock);
}

static void object_release_work(struct work_struct *work)
{
	struct xu_object *obj = container_of(work, struct xu_object,
					     release_work);

	xu_object_trim_finish(obj);
	if (xu_object_all_gone(obj)) {
		object_note_forgotten(obj);
		xu_object_release(obj);
	} else {
		xu_object_trim(obj);
	}
	xu_object_put(obj);
}

/*
 * Lock held. The work finds out whether anybody will miss the contents. This may be
 * the interrupt thread, which waits for nobody.
 */
static bool object_leave_by_work(struct xu_object *obj)
{
	if (obj->state != XU_OBJECT_LIVE || !xu_object_all_gone(obj))
		return false;
	if (!obj->leaving)
		atomic_inc(&obj->xd->nr_releasing);
	obj->leaving = true;
	return true;
}

static void object_gem_free(struct drm_gem_object *gem)
{
	struct xu_object *obj = to_xu_object(gem);
	bool by_work;

	drm_gem_object_release(gem);
	spin_lock(&obj->lock);
	if (obj->state == XU_OBJECT_NEW)
		object_start_end(obj);
	by_work = object_leave_by_work(obj);
	spin_unlock(&obj->lock);
	if (by_work)
		xu_object_collect(obj);
	else
		xu_object_release(obj);
	xu_object_put(obj);
}

static enum drm_gem_object_status object_gem_status(struct drm_gem_object *gem)
{
	struct xu_object *obj = to_xu_object(gem);

	return READ_ONCE(obj->state) == XU_OBJECT_LIVE ?
	       DRM_GEM_OBJECT_RESIDENT : 0;
}

/*
 * The memory is mapped already, by its owner. Without this the DRM core calls
 * the node's mmap, which does not exist, for an exported dma-buf.
 */
static int object_gem_mmap(struct drm_gem_object *gem,
			   struct vm_area_struct *vma)
{
	return -EOPNOTSUPP;
}

static const struct drm_gem_object_funcs object_gem_funcs = {
	.free = object_gem_free,
	.mmap = object_gem_mmap,
	.status = object_gem_status,
};

static void object_init(struct xu_object *obj, struct xu_conn *conn, u64 size)
{
	kref_init(&obj->ref);
	kref_get(&obj->ref); /* one for GEM, one until GONE */
	spin_lock_init(&obj->lock);
	init_completion(&obj->created);
	INIT_LIST_HEAD(&obj->check_link);
	INIT_LIST_HEAD(&obj->trim_link);
	INIT_LIST_HEAD(&obj->retry_link);
	INIT_WORK(&obj->end_work, object_end_work);
	INIT_WORK(&obj->release_work, object_release_work);
	obj->xd = conn->xd;
	obj->conn = xu_conn_get(conn);
	obj->mm = current->mm;
	mmgrab(obj->mm);
	drm_dev_get(&obj->xd->drm);
	obj->gem.funcs = &object_gem_funcs;
	drm_gem_private_object_init(&obj->xd->drm, &obj->gem, size);
}

static void *object_array(size_t nr, size_t size)
{
	return xu_fault() ? NULL : kvcalloc(nr, size, GFP_KERNEL_ACCOUNT);
}

struct xu_object *xu_object_alloc(struct xu_conn *conn, u64 size,
				  u32 nr_ranges, bool readonly)
{
	struct xu_object *obj = xu_fault() ? NULL :
		kzalloc(sizeof(*obj), GFP_KERNEL_ACCOUNT);
	struct xu_user *user = xu_user_get(current_uid());

	if (!obj || !user)
		goto err_free;
	obj->nr_pages = size >> PAGE_SHIFT;
	obj->nr_ranges = nr_ranges;
	obj->readonly = readonly;
	obj->user = user;
	obj->pages = object_array(obj->nr_pages, sizeof(*obj->pages));
	obj->ranges = object_array(nr_ranges, sizeof(*obj->ranges));
	obj->gone = object_array(BITS_TO_LONGS(obj->nr_pages),
				 sizeof(*obj->gone));
	obj->lost = object_array(BITS_TO_LONGS(obj->nr_pages),
				 sizeof(*obj->lost));
	if (!obj->pages || !obj->ranges || !obj->gone || !obj->lost)
		goto err_arrays;
	__module_get(THIS_MODULE);
	object_init(obj, conn, size);
	return obj;
err_arrays:
	kvfree(obj->lost);
	kvfree(obj->gone);
	kvfree(obj->ranges);
	kvfree(obj->pages);
err_free:
	xu_user_put(user);
	kfree(obj);
	return ERR_PTR(-ENOMEM);
}
