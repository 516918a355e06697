// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * debugfs.c: what exists now, for people: "objects" and "vms" of the connection
 * in the directory of the render node. Nothing here is an interface. Takes the
 * locks of the connection's tables; values may be a moment apart.
 */
#include <linux/seq_file.h>

#include <drm/drm_debugfs.h>

#include "xen_userptr.h"

static const char * const object_states[] = {
	[XU_OBJECT_NEW] = "new",
	[XU_OBJECT_CREATING] = "creating",
	[XU_OBJECT_LIVE] = "live",
	[XU_OBJECT_DESTROYING] = "destroying",
	[XU_OBJECT_ENDING] = "ending",
	[XU_OBJECT_GONE] = "gone",
};

static const char * const vm_states[] = {
	[XU_VM_CREATING] = "creating",
	[XU_VM_LIVE] = "live",
	[XU_VM_DESTROYING] = "destroying",
	[XU_VM_GONE] = "gone",
};

static struct xu_conn *seq_conn(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return xu_conn_get_ready(to_xu_device(entry->dev));
}

static int objects_show(struct seq_file *m, void *unused)
{
	struct xu_conn *conn = seq_conn(m);
	struct xu_object *obj;
	unsigned long id;

	if (!conn)
		return 0;
	seq_puts(m, "id state pages granted collected ranges readonly stale\n");
	xa_lock(&conn->objs);
	xa_for_each(&conn->objs, id, obj)
		seq_printf(m, "%lu %s %u %u %u %u %d %d\n", id,
			   object_states[READ_ONCE(obj->state)], obj->nr_pages,
			   obj->nr_granted, obj->nr_collected, obj->nr_ranges,
			   obj->readonly, obj->stale);
	xa_unlock(&conn->objs);
	xu_conn_put(conn);
	return 0;
}

static int vms_show(struct seq_file *m, void *unused)
{
	struct xu_conn *conn = seq_conn(m);
	unsigned long id;
	struct xu_vm *vm;

	if (!conn)
		return 0;
	seq_puts(m, "id state\n");
	xa_lock(&conn->vms);
	xa_for_each(&conn->vms, id, vm)
		seq_printf(m, "%lu %s\n", id, vm_states[READ_ONCE(vm->state)]);
	xa_unlock(&conn->vms);
	xu_conn_put(conn);
	return 0;
}

void xu_debugfs_init(struct xu_device *xd)
{
	drm_debugfs_add_file(&xd->drm, "objects", objects_show, NULL);
	drm_debugfs_add_file(&xd->drm, "vms", vms_show, NULL);
}
