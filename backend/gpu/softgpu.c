// SPDX-License-Identifier: MIT
/*
 * Adapter for softgpu (tests/softgpu/softgpu_drm.h). The last steps of walk A:
 * import, bind, exec. One DRM file and one softgpu VM per gpu_vm.
 */
#include "softgpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

int softgpu_ioctl(int node, unsigned long request, void *arg)
{
	return drmIoctl(node, request, arg) == 0 ? 0 : -errno;
}

static int softgpu_info(int node, struct core_gpu *gpu, struct gpu_caps *caps)
{
	struct drm_softgpu_info info;
	int ret;

	memset(&info, 0, sizeof(info));
	ret = softgpu_ioctl(node, DRM_IOCTL_SOFTGPU_INFO, &info);
	if (ret)
		return ret;
	memset(gpu, 0, sizeof(*gpu));
	memcpy(gpu->name, info.name, sizeof(info.name) - 1);
	gpu->va_start = info.va_start;
	gpu->va_end = info.va_end;
	gpu->page_sizes = info.page_sizes;
	gpu->vram_total = info.vram_total;
	gpu->features = XENUSERPTR_FEATURE_READONLY |
			XENUSERPTR_FEATURE_SPARSE;
	gpu->nr_engines = info.engines;
	gpu->va_bits = info.va_bits;
	caps->max_bind_ops = info.max_bind_ops;
	caps->preempt = info.features & DRM_SOFTGPU_FEATURE_PREEMPT;
	caps->vram_page = (uint32_t)info.vram_page_size;
	caps->kill = info.features & DRM_SOFTGPU_FEATURE_KILL;
	return 0;
}

static int softgpu_vm_open(int node, struct gpu_vm **result)
{
	struct drm_softgpu_vm_create create = { 0 };
	struct gpu_vm *vm;
	int ret;

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->node = node;
	ret = softgpu_ioctl(node, DRM_IOCTL_SOFTGPU_VM_CREATE, &create);
	if (ret)
		goto err_free;
	vm->vm_id = create.vm_id;
	if (drmSyncobjCreate(node, 0, &vm->syncobj)) {
		ret = -errno;
		goto err_destroy;
	}
	*result = vm;
	return 0;

err_destroy:
	softgpu_ioctl(node, DRM_IOCTL_SOFTGPU_VM_DESTROY,
		      &(struct drm_softgpu_vm_destroy){ .vm_id = vm->vm_id });
err_free:
	free(vm);
	return ret;
}

static void softgpu_vm_close(struct gpu_vm *vm)
{
	struct drm_softgpu_vm_destroy destroy = { .vm_id = vm->vm_id };

	softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_VM_DESTROY, &destroy);
	drmSyncobjDestroy(vm->node, vm->syncobj);
	softgpu_copy_fini(vm);
	close(vm->node);
	free(vm);
}

static int softgpu_import(struct gpu_vm *vm, int dmabuf, uint32_t *handle)
{
	return drmPrimeFDToHandle(vm->node, dmabuf, handle) == 0 ? 0 : -errno;
}

static int softgpu_close(struct gpu_vm *vm, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return softgpu_ioctl(vm->node, DRM_IOCTL_GEM_CLOSE, &args);
}

static uint32_t softgpu_bind_op(uint32_t op)
{
	switch (op) {
	case XENUSERPTR_BIND_MAP:
		return DRM_SOFTGPU_BIND_MAP;
	case XENUSERPTR_BIND_MAP_NULL:
		return DRM_SOFTGPU_BIND_MAP_NULL;
	default:
		return DRM_SOFTGPU_BIND_UNMAP;
	}
}

static void softgpu_fill_ops(struct drm_softgpu_bind_op *ops,
			     const struct gpu_bind *binds, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		ops[i].op = softgpu_bind_op(binds[i].op);
		if (binds[i].flags & XENUSERPTR_BIND_READONLY)
			ops[i].flags = DRM_SOFTGPU_BIND_READONLY;
		ops[i].handle = binds[i].handle;
		ops[i].offset = binds[i].offset;
		ops[i].va = binds[i].gpu_va;
		ops[i].length = binds[i].length;
	}
}

/* Without an out-fence the call returns when the change is complete. */
static int softgpu_bind(struct gpu_vm *vm, const struct gpu_bind *binds,
			uint32_t nr, uint32_t *failed)
{
	struct drm_softgpu_vm_bind args = { .vm_id = vm->vm_id, .num_ops = nr };
	struct drm_softgpu_bind_op *ops;
	int ret;

	*failed = UINT32_MAX;
	ops = calloc(nr, sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	softgpu_fill_ops(ops, binds, nr);
	args.ops = (uint64_t)(uintptr_t)ops;
	ret = softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_VM_BIND, &args);
	if (ret)
		*failed = args.failed_op;
	free(ops);
	return ret;
}

/*
 * A job whose end nobody could see must not run on; that the kill takes the
 * other jobs of the VM along is the price of running out of descriptors.
 */
static int softgpu_exec(struct gpu_vm *vm, const struct gpu_job *job,
			int *fence, uint64_t *cookie)
{
	struct drm_softgpu_sync sync = {
		.handle = vm->syncobj,
		.kind = DRM_SOFTGPU_SYNC_SIGNAL,
	};
	struct drm_softgpu_exec args = {
		.vm_id = vm->vm_id,
		.engine = job->engine,
		.va = job->cmd_va,
		.length = job->cmd_length,
		.num_syncs = 1,
		.syncs = (uint64_t)(uintptr_t)&sync,
	};
	int ret;

	ret = softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_EXEC, &args);
	if (ret)
		return ret;
	*cookie = args.job_id;
	if (drmSyncobjExportSyncFile(vm->node, vm->syncobj, fence) == 0)
		return 0;
	ret = -errno;
	softgpu_kill(vm);
	return ret;
}

static uint64_t softgpu_fault_va(struct gpu_vm *vm, uint64_t cookie)
{
	struct drm_softgpu_vm_query query = { .vm_id = vm->vm_id };

	if (softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_VM_QUERY, &query))
		return 0;
	return query.faults && query.fault_job == cookie ? query.fault_va : 0;
}

const struct gpu_ops gpu_softgpu = {
	.driver = "softgpu",
	.move = &softgpu_move,
	.info = softgpu_info,
	.vm_open = softgpu_vm_open,
	.vm_close = softgpu_vm_close,
	.import = softgpu_import,
	.close = softgpu_close,
	.bind = softgpu_bind,
	.exec = softgpu_exec,
	.fault_va = softgpu_fault_va,
};
