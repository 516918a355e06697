// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * sync.c: the syncobjs of one EXEC or VM_BIND.
 *
 * All is looked up and allocated before the job is armed; signalling then
 * cannot fail. In-fences that have signalled already are dropped at once.
 * Process context, no lock held.
 */
#include <linux/dma-fence-chain.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_syncobj.h>

#include "xen_userptr.h"

#define SYNC_FLAGS (DRM_XEN_USERPTR_SYNC_SIGNAL | DRM_XEN_USERPTR_SYNC_TIMELINE)

static int sync_check(const struct drm_xen_userptr_sync *sync)
{
	bool timeline = sync->flags & DRM_XEN_USERPTR_SYNC_TIMELINE;

	if (sync->flags & ~SYNC_FLAGS || timeline != !!sync->point)
		return -EINVAL;
	return 0;
}

static int sync_add_in(struct drm_file *file,
		       const struct drm_xen_userptr_sync *sync,
		       struct xu_syncs *syncs)
{
	struct dma_fence *fence;
	int err;

	err = drm_syncobj_find_fence(file, sync->handle, sync->point, 0,
				     &fence);
	if (err)
		return err;
	if (dma_fence_is_signaled(fence))
		dma_fence_put(fence);
	else
		syncs->in[syncs->nr_in++] = fence;
	return 0;
}

static int sync_add_out(struct drm_file *file,
			const struct drm_xen_userptr_sync *sync,
			struct xu_syncs *syncs)
{
	struct xu_sync_out *out = &syncs->out[syncs->nr_out];

	out->syncobj = drm_syncobj_find(file, sync->handle);
	if (!out->syncobj)
		return -ENOENT;
	syncs->nr_out++;
	out->point = sync->point;
	if (!sync->point)
		return 0;
	out->chain = xu_fault() ? NULL : dma_fence_chain_alloc();
	return out->chain ? 0 : -ENOMEM;
}

static int syncs_add(struct drm_file *file,
		     const struct drm_xen_userptr_sync *sync, u32 nr_syncs,
		     struct xu_syncs *syncs)
{
	int err = 0;
	u32 i;

	for (i = 0; i < nr_syncs && !err; i++) {
		err = sync_check(&sync[i]);
		if (err)
			break;
		if (sync[i].flags & DRM_XEN_USERPTR_SYNC_SIGNAL)
			err = sync_add_out(file, &sync[i], syncs);
		else
			err = sync_add_in(file, &sync[i], syncs);
	}
	return err;
}

static void *syncs_array(u32 nr, size_t size)
{
	return xu_fault() ? NULL : kvcalloc(nr, size, GFP_KERNEL_ACCOUNT);
}

int xu_syncs_parse(struct drm_file *file, u64 user_syncs, u32 nr_syncs,
		   struct xu_syncs *syncs)
{
	struct drm_xen_userptr_sync *copy;
	int err = -ENOMEM;

	memset(syncs, 0, sizeof(*syncs));
	if (!nr_syncs)
		return 0;
	if (nr_syncs > XU_MAX_SYNCS)
		return -E2BIG;
	copy = xu_fault() ? ERR_PTR(-ENOMEM) :
		vmemdup_array_user(u64_to_user_ptr(user_syncs), nr_syncs,
				   sizeof(*copy));
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	syncs->in = syncs_array(nr_syncs, sizeof(*syncs->in));
	syncs->out = syncs_array(nr_syncs, sizeof(*syncs->out));
	if (syncs->in && syncs->out)
		err = syncs_add(file, copy, nr_syncs, syncs);
	kvfree(copy);
	if (err)
		xu_syncs_fini(syncs);
	return err;
}

void xu_syncs_move_in(struct xu_syncs *syncs, struct xu_job *job)
{
	job->deps = syncs->in;
	job->nr_deps = syncs->nr_in;
	syncs->in = NULL;
	syncs->nr_in = 0;
}

void xu_syncs_signal(struct xu_syncs *syncs, struct dma_fence *fence)
{
	u32 i;

	for (i = 0; i < syncs->nr_out; i++) {
		struct xu_sync_out *out = &syncs->out[i];

		if (!out->chain) {
			drm_syncobj_replace_fence(out->syncobj, fence);
			continue;
		}
		drm_syncobj_add_point(out->syncobj, out->chain, fence,
				      out->point);
		out->chain = NULL; /* the syncobj has it */
	}
}

void xu_syncs_fini(struct xu_syncs *syncs)
{
	u32 i;

	for (i = 0; i < syncs->nr_in; i++)
		dma_fence_put(syncs->in[i]);
	for (i = 0; i < syncs->nr_out; i++) {
		dma_fence_chain_free(syncs->out[i].chain);
		drm_syncobj_put(syncs->out[i].syncobj);
	}
	kvfree(syncs->in);
	kvfree(syncs->out);
	memset(syncs, 0, sizeof(*syncs));
}
