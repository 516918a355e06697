/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Kernel interfaces that changed between the kernels softgpu builds for. Each
 * SG_HAVE_* comes from a look at the headers in Kbuild.
 */
#ifndef SOFTGPU_COMPAT_H
#define SOFTGPU_COMPAT_H

#include <linux/dma-buf.h>
#include <linux/module.h>
#include <drm/drm_gpuvm.h>
#include <drm/gpu_scheduler.h>

#ifdef SG_HAVE_IMPORT_NS_STRING
#define SG_IMPORT_NS_DMA_BUF	MODULE_IMPORT_NS("DMA_BUF")
#else
#define SG_IMPORT_NS_DMA_BUF	MODULE_IMPORT_NS(DMA_BUF)
#endif

#ifdef SG_HAVE_DRIVER_DATE
#define SG_DRIVER_DATE		.date = "0",
#else
#define SG_DRIVER_DATE
#endif

/* Later kernels track mappings of every GEM object. */
#ifdef SG_HAVE_FEATURE_GEM_GPUVA
#define SG_DRIVER_GEM_GPUVA	DRIVER_GEM_GPUVA
#else
#define SG_DRIVER_GEM_GPUVA	0
#endif

#ifdef SG_HAVE_DMABUF_INVALIDATE
#define sg_attach_moved		invalidate_mappings
#define sg_dma_buf_moved(buf)	dma_buf_invalidate_mappings(buf)
#else
#define sg_attach_moved		move_notify
#define sg_dma_buf_moved(buf)	dma_buf_move_notify(buf)
#endif

static inline int sg_compat_sched_init(struct drm_gpu_scheduler *sched,
				       const struct drm_sched_backend_ops *ops,
				       struct workqueue_struct *submit_wq,
				       const char *name, struct device *dev)
{
#ifdef SG_HAVE_SCHED_INIT_ARGS
	const struct drm_sched_init_args args = {
		.ops = ops,
		.submit_wq = submit_wq,
		.num_rqs = 1,
		.credit_limit = 1,
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = name,
		.dev = dev,
	};

	return drm_sched_init(sched, &args);
#else
	return drm_sched_init(sched, ops, submit_wq, 1, 1, 0,
			      MAX_SCHEDULE_TIMEOUT, NULL, NULL, name, dev);
#endif
}

static inline int sg_compat_sched_job_init(struct drm_sched_job *job,
					   struct drm_sched_entity *entity,
					   void *owner, u64 client_id)
{
#ifdef SG_HAVE_SCHED_CLIENT_ID
	return drm_sched_job_init(job, entity, 1, owner, client_id);
#else
	return drm_sched_job_init(job, entity, 1, owner);
#endif
}

static inline int sg_compat_sm_map(struct drm_gpuvm *gpuvm, void *priv,
				   u64 addr, u64 range,
				   struct drm_gem_object *obj, u64 offset)
{
#ifdef SG_HAVE_GPUVM_MAP_REQ
	const struct drm_gpuvm_map_req req = {
		.map.va.addr = addr,
		.map.va.range = range,
		.map.gem.obj = obj,
		.map.gem.offset = offset,
	};

	return drm_gpuvm_sm_map(gpuvm, priv, &req);
#else
	return drm_gpuvm_sm_map(gpuvm, priv, addr, range, obj, offset);
#endif
}

/* The object's dma_resv is held. */
static inline struct drm_gpuvm_bo *
sg_compat_vm_bo_obtain(struct drm_gpuvm *gpuvm, struct drm_gem_object *obj)
{
#ifdef SG_HAVE_GPUVM_OBTAIN_LOCKED
	return drm_gpuvm_bo_obtain_locked(gpuvm, obj);
#else
	return drm_gpuvm_bo_obtain(gpuvm, obj);
#endif
}

#endif /* SOFTGPU_COMPAT_H */
