// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * lost.c: tells programs that contents of their memory are gone.
 *
 * Behind timeline.c in the walk "move memory": the backend's LOST event marks
 * pages, which the LOST ioctl finds, and a file that asked for it when it
 * created the object gets a DRM event to read, and by that whatever poll(2)
 * and O_ASYNC give. An event that finds no room is not queued, but the file
 * is still signalled, and the next event says so. Locking: xu_file.event_lock
 * (spin) around the pointer to the DRM file; xa_lock of conn->objs around
 * writing to the bitmap, whose bits are never cleared, so readers take none.
 */
#include <linux/fs.h>
#include <linux/slab.h>

#include <drm/drm_file.h>

#include "trace.h"
#include "xen_userptr.h"

struct xu_lost_event {
	struct drm_pending_event pending;	/* first: freed by DRM */
	struct drm_xen_userptr_event_lost event;
};

/* Lock held. False: no memory, or the program has not read enough of them. */
static bool event_queue(struct xu_object *obj,
			const struct drm_xen_userptr_event_lost *event)
{
	struct drm_device *drm = &obj->xd->drm;
	struct xu_lost_event *e = kzalloc(sizeof(*e), GFP_ATOMIC);

	if (!e)
		return false;
	e->event = *event;
	if (drm_event_reserve_init(drm, obj->tell->file, &e->pending,
				   &e->event.base)) {
		kfree(e);
		return false;
	}
	drm_send_event(drm, &e->pending);
	return true;
}

static void object_tell(struct xu_object *obj, u32 flags, u32 first, u32 nr)
{
	struct drm_xen_userptr_event_lost event = {
		.base.type = DRM_XEN_USERPTR_EVENT_LOST,
		.base.length = sizeof(event),
		.handle = READ_ONCE(obj->tell_handle),
		.flags = flags,
		.offset = (u64)first << PAGE_SHIFT,
		.length = (u64)nr << PAGE_SHIFT,
	};
	struct xu_file *xf = obj->tell;

	if (!xf)
		return;
	spin_lock(&xf->event_lock);
	if (xf->file) {
		if (xf->events_missed)
			event.flags |= DRM_XEN_USERPTR_LOST_MISSED;
		xf->events_missed = !event_queue(obj, &event);
	}
	spin_unlock(&xf->event_lock);
	kill_fasync(&xf->fasync, SIGIO, POLL_IN);
}

void xu_lost_pages(struct xu_object *obj, u32 first, u32 nr)
{
	trace_xen_userptr_lost(obj, first, nr);
	object_tell(obj, 0, first, nr);
}

void xu_lost_conn(struct xu_object *obj)
{
	object_tell(obj, DRM_XEN_USERPTR_LOST_CONNECTION, 0, obj->nr_pages);
}

/* The file closes: nobody can read any more. */
void xu_lost_close(struct drm_file *file)
{
	struct xu_file *xf = file->driver_priv;

	spin_lock(&xf->event_lock);
	xf->file = NULL;
	spin_unlock(&xf->event_lock);
}

int xu_lost_fasync(int fd, struct file *filp, int on)
{
	struct drm_file *file = filp->private_data;
	struct xu_file *xf = file->driver_priv;

	return fasync_helper(fd, filp, on, &xf->fasync);
}

static int lost_next(struct xu_object *obj, struct drm_xen_userptr_lost *args)
{
	unsigned long first, end;

	if (args->pad || !PAGE_ALIGNED(args->offset) ||
	    args->offset > obj->gem.size)
		return -EINVAL;
	/* What was in VRAM went with the connection, and nobody can say what. */
	if (READ_ONCE(obj->conn->broken))
		return -ENODEV;
	first = find_next_bit(obj->lost, obj->nr_pages,
			      args->offset >> PAGE_SHIFT);
	end = find_next_zero_bit(obj->lost, obj->nr_pages, first);
	args->offset = (u64)first << PAGE_SHIFT;
	args->length = (u64)(end - first) << PAGE_SHIFT;
	return 0;
}

int xu_lost_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_xen_userptr_lost *args = data;
	struct drm_gem_object *gem = drm_gem_object_lookup(file, args->handle);
	int err;

	if (!gem)
		return -ENOENT;
	err = lost_next(to_xu_object(gem), args);
	drm_gem_object_put(gem);
	return err;
}
