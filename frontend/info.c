// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * info.c: the INFO and ADVISE ioctls, which only ask and tell.
 *
 * Process context, no lock held; both wait for an answer, killable.
 */
#include "xen_userptr.h"

static u64 info_features(u32 wire)
{
	BUILD_BUG_ON(DRM_XEN_USERPTR_FEATURE_READONLY !=
		     XENUSERPTR_FEATURE_READONLY);
	BUILD_BUG_ON(DRM_XEN_USERPTR_FEATURE_SPARSE !=
		     XENUSERPTR_FEATURE_SPARSE);
	BUILD_BUG_ON(DRM_XEN_USERPTR_FEATURE_REVOCABLE !=
		     XENUSERPTR_FEATURE_REVOCABLE);
	BUILD_BUG_ON(DRM_XEN_USERPTR_FEATURE_MIGRATION !=
		     XENUSERPTR_FEATURE_MIGRATION);
	if (!xu_revocable_available())
		wire &= ~(XENUSERPTR_FEATURE_REVOCABLE |
			  XENUSERPTR_FEATURE_MIGRATION);
	return wire & (XENUSERPTR_FEATURE_READONLY |
		       XENUSERPTR_FEATURE_SPARSE |
		       XENUSERPTR_FEATURE_REVOCABLE |
		       XENUSERPTR_FEATURE_MIGRATION);
}

static void info_fill_device(struct drm_xen_userptr_info *info,
			     const struct xu_conn *conn)
{
	BUILD_BUG_ON(sizeof(info->gpu_name) != sizeof(conn->name));
	memcpy(info->gpu_name, conn->name, sizeof(info->gpu_name));
	info->va_start = conn->device.va_start;
	info->va_end = conn->device.va_end;
	info->page_sizes = conn->device.page_sizes;
	info->features = info_features(conn->device.features);
	info->va_bits = conn->device.va_bits;
	info->nr_engines = conn->device.nr_engines;
	info->nr_gpus = conn->nr_gpus;
	info->max_ranges = XU_MAX_RANGES;
	info->quarantined_pages = xu_quarantine_pages();
}

static void info_fill_limits(struct drm_xen_userptr_info *info,
			     const struct xen_userptrif_rsp_limits *limits)
{
	info->max_pages = limits->max_pages;
	info->used_pages = limits->used_pages;
	info->max_objects = limits->max_objects;
	info->max_vms = limits->max_vms;
	info->max_mappings = limits->max_mappings;
	info->max_jobs = limits->max_jobs;
	info->max_bind_ops = min(limits->max_bind_ops,
				 XENUSERPTR_MAX_BIND_OPS);
}

int xu_info_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct xu_conn *conn = xu_conn_get_ready(to_xu_device(drm));
	struct drm_xen_userptr_info *info = data;
	struct xen_userptrif_rsp rsp;
	int err;

	if (!conn)
		return -ENODEV;
	memset(info, 0, sizeof(*info));
	info_fill_device(info, conn);
	err = xu_conn_query_one(conn, XENUSERPTR_QUERY_LIMITS, &rsp);
	if (err)
		goto put;
	info_fill_limits(info, &rsp.u.limits);
	err = xu_conn_query_one(conn, XENUSERPTR_QUERY_MEMORY, &rsp);
	if (err)
		goto put;
	info->vram_total = rsp.u.memory.vram_total;
	info->vram_used = rsp.u.memory.vram_used;
put:
	xu_conn_put(conn);
	return err;
}

static int advise_check(const struct drm_xen_userptr_advise *args,
			const struct xu_object *obj)
{
	u64 end;

	if (args->advice > DRM_XEN_USERPTR_ADVICE_NEVER_MOVE || !args->length)
		return -EINVAL;
	if (!PAGE_ALIGNED(args->offset | args->length))
		return -EINVAL;
	if (check_add_overflow(args->offset, args->length, &end) ||
	    end > obj->gem.size)
		return -EINVAL;
	return 0;
}

int xu_advise_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_xen_userptr_advise *args = data;
	struct xen_userptrif_req pkt = {
		.operation = XENUSERPTR_OP_ADVISE,
	};
	struct drm_gem_object *gem;
	struct xu_object *obj;
	int err;

	gem = drm_gem_object_lookup(file, args->handle);
	if (!gem)
		return -ENOENT;
	obj = to_xu_object(gem);
	err = advise_check(args, obj);
	if (!err)
		err = xu_object_usable(obj, obj->conn);
	if (err)
		goto put;
	BUILD_BUG_ON(DRM_XEN_USERPTR_ADVICE_NEVER_MOVE !=
		     XENUSERPTR_ADVICE_NEVER_MOVE);
	pkt.op.advise.obj_id = obj->id;
	pkt.op.advise.advice = args->advice;
	pkt.op.advise.offset = args->offset;
	pkt.op.advise.length = args->length;
	err = xu_ring_call(obj->conn, &pkt, NULL, MAX_SCHEDULE_TIMEOUT, NULL);
put:
	drm_gem_object_put(gem);
	return err;
}
