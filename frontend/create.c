// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * create.c: the CREATE ioctl.
 *
 * Step A1 of the walk "register and use": create.c -> pin.c -> grant.c ->
 * object.c -> ring.c. Everything that can be wrong with the call is found
 * before the first page is granted. Process context, no lock held.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include <drm/drm_gem.h>

#include "trace.h"
#include "xen_userptr.h"

/* How long CREATE waits for memory that is on its way out, before it fails. */
#define CREATE_RELEASE_WAIT	(5 * HZ)
#define CREATE_RETRIES		16
#define CREATE_FLAGS		(DRM_XEN_USERPTR_CREATE_READONLY | \
				 DRM_XEN_USERPTR_CREATE_TELL_LOST)

static int range_check(const struct drm_xen_userptr_range *range, u64 *total)
{
	u64 end;

	if (!range->length || !PAGE_ALIGNED(range->addr | range->length))
		return -EINVAL;
	if (check_add_overflow(range->addr, range->length, &end))
		return -EINVAL;
	if (end > TASK_SIZE)
		return -EFAULT;
	if (check_add_overflow(*total, range->length, total))
		return -EINVAL;
	if (*total >> PAGE_SHIFT > XENUSERPTR_MAX_OBJ_PAGES)
		return -E2BIG;
	return 0;
}

static struct drm_xen_userptr_range *
ranges_copy(struct drm_xen_userptr_create *args, u64 *total)
{
	struct drm_xen_userptr_range *ranges;
	int err;
	u32 i;

	if (!args->nr_ranges || args->flags & ~CREATE_FLAGS)
		return ERR_PTR(-EINVAL);
	if (args->nr_ranges > XU_MAX_RANGES)
		return ERR_PTR(-E2BIG);
	ranges = xu_fault() ? ERR_PTR(-ENOMEM) :
		vmemdup_array_user(u64_to_user_ptr(args->ranges),
				   args->nr_ranges, sizeof(*ranges));
	if (IS_ERR(ranges))
		return ranges;
	for (i = 0, *total = 0; i < args->nr_ranges; i++) {
		err = range_check(&ranges[i], total);
		if (!err)
			continue;
		args->error_range = i;
		kvfree(ranges);
		return ERR_PTR(err);
	}
	return ranges;
}

static void object_set_ranges(struct xu_object *obj,
			      const struct drm_xen_userptr_range *ranges)
{
	u32 i, first = 0;

	for (i = 0; i < obj->nr_ranges; i++) {
		obj->ranges[i].obj = obj;
		obj->ranges[i].addr = ranges[i].addr;
		obj->ranges[i].nr_pages = ranges[i].length >> PAGE_SHIFT;
		obj->ranges[i].first_page = first;
		first += obj->ranges[i].nr_pages;
	}
}

/* Directory page by directory page, so no list of grefs is ever kept. */
static int object_grant(struct xu_object *obj)
{
	u32 i, count, done;
	int err = 0;

	obj->dir = xu_dir_create(obj->conn->domid, obj->nr_pages);
	if (IS_ERR(obj->dir)) {
		err = PTR_ERR(obj->dir);
		obj->dir = NULL;
		return err;
	}
	for (i = 0; i < obj->dir->nr && !err; i++) {
		count = min(obj->nr_pages - obj->nr_granted,
			    XENUSERPTR_DIR_ENTRIES);
		err = xu_grants_get(&obj->xd->grants,
				    obj->pages + obj->nr_granted, count,
				    obj->readonly, xu_dir_grefs(obj->dir, i),
				    &done);
		obj->nr_granted += done;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	trace_xen_userptr_grant(obj, err);
	return err;
}

static int object_create(struct xu_object *obj, u32 *error_range)
{
	int err;

	err = xu_object_charge(obj);
	if (err)
		return err;
	err = xu_object_watch(obj);
	if (err)
		return err;
	err = xu_object_pin(obj, error_range);
	if (err)
		return err;
	/*
	 * Who waits for room may be frozen, and the guest be restored meanwhile: the backend's
	 * number is a stranger's then.
	 */
	if (READ_ONCE(obj->conn->broken))
		return -ENODEV;
	err = object_grant(obj);
	if (err)
		return err;
	return xu_object_register(obj);
}

/*
 * On failure the object is let go; what the backend never saw is back when
 * this returns, unless too many ends of this user's objects wait for its memory.
 */
static int create_once(struct xu_conn *conn, struct drm_file *file,
		       struct drm_xen_userptr_create *args,
		       const struct drm_xen_userptr_range *ranges, u64 size)
{
	struct xu_object *obj;
	int err;

	obj = xu_object_alloc(conn, size, args->nr_ranges,
			      args->flags & DRM_XEN_USERPTR_CREATE_READONLY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	xu_object_get(obj);
	object_set_ranges(obj, ranges);
	if (args->flags & DRM_XEN_USERPTR_CREATE_TELL_LOST)
		obj->tell = xu_file_get(file->driver_priv);
	err = xu_user_check_cap(obj->user);
	if (!err)
		err = object_create(obj, &args->error_range);
	if (!err)
		err = xu_fault() ? -ENOMEM :
			drm_gem_handle_create(file, &obj->gem, &args->handle);
	if (!err)
		WRITE_ONCE(obj->tell_handle, args->handle);
	drm_gem_object_put(&obj->gem);
	if (err && err != -EINTR)
		flush_work(&obj->end_work);
	xu_object_put(obj);
	return err;
}

/*
 * Closing a handle does not wait for the other VM, so a program that
 * registers again at once may find its own old pages in the way: then wait
 * for those. @releasing: on their way out before the try, which some of them may have
 * left since the other VM said no.
 */
static bool create_may_retry(struct xu_device *xd, int err, int releasing)
{
	long left;

	if (err != -EDQUOT && err != -ENOBUFS && err != -ENOSPC)
		return false;
	releasing = max(releasing, atomic_read(&xd->nr_releasing));
	if (!releasing)
		return false;
	left = xu_wait_event_timeout(xd->release_wait,
				     atomic_read(&xd->nr_releasing) < releasing,
				     CREATE_RELEASE_WAIT);
	return left > 0;
}

int xu_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_xen_userptr_create *args = data;
	struct xu_device *xd = to_xu_device(drm);
	struct drm_xen_userptr_range *ranges;
	struct xu_conn *conn;
	int tries = 0, releasing;
	u64 size;
	int err;

	args->error_range = XU_NO_INDEX;
	ranges = ranges_copy(args, &size);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	conn = xu_conn_get_ready(xd);
	err = conn ? 0 : -ENODEV;
	if (conn) {
		do {
			releasing = atomic_read(&xd->nr_releasing);
			err = create_once(conn, file, args, ranges, size);
		} while (err && tries++ < CREATE_RETRIES &&
			 create_may_retry(xd, err, releasing));
		xu_conn_put(conn);
	}
	kvfree(ranges);
	if (!err)
		args->size = size;
	return err;
}
