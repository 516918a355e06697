// SPDX-License-Identifier: MIT
/* libxenuserptr: address spaces, objects, mappings (walk A, step 0). */
#include <errno.h>
#include <stdlib.h>

#include "private.h"

int xuptr_vm_create(struct xuptr_device *device, uint32_t *vm)
{
	return xuptr_vm_create_on(device, 0, vm);
}

int xuptr_vm_create_on(struct xuptr_device *device, uint32_t gpu, uint32_t *vm)
{
	struct drm_xen_userptr_vm_create arg = { .gpu = gpu };
	int ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_VM_CREATE, &arg);

	if (!ret)
		*vm = arg.vm_id;
	return ret;
}

int xuptr_vm_destroy(struct xuptr_device *device, uint32_t vm)
{
	struct drm_xen_userptr_vm_destroy arg = { .vm_id = vm };

	return xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_VM_DESTROY, &arg);
}

static struct drm_xen_userptr_range *ranges_convert(const struct xuptr_range *ranges,
						    uint32_t nr)
{
	struct drm_xen_userptr_range *raw = calloc(nr, sizeof(*raw));
	uint32_t i;

	for (i = 0; raw && i < nr; i++) {
		raw[i].addr = (uintptr_t)ranges[i].addr;
		raw[i].length = ranges[i].length;
	}
	return raw;
}

int xuptr_register(struct xuptr_device *device, const struct xuptr_range *ranges,
		   uint32_t nr_ranges, uint32_t flags, uint32_t *object,
		   uint32_t *error_range)
{
	struct drm_xen_userptr_create arg = { .nr_ranges = nr_ranges, .flags = flags };
	struct drm_xen_userptr_range *raw;
	int ret;

	if (!nr_ranges)
		return -EINVAL;
	raw = ranges_convert(ranges, nr_ranges);
	if (!raw)
		return -ENOMEM;
	arg.ranges = (uintptr_t)raw;
	ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_CREATE, &arg);
	free(raw);
	if (!ret)
		*object = arg.handle;
	else if (error_range)
		*error_range = arg.error_range;
	return ret;
}

int xuptr_register_one(struct xuptr_device *device, void *addr, size_t length,
		       uint32_t flags, uint32_t *object)
{
	struct xuptr_range range = { .addr = addr, .length = length };

	return xuptr_register(device, &range, 1, flags, object, NULL);
}

int xuptr_unregister(struct xuptr_device *device, uint32_t object)
{
	struct drm_gem_close arg = { .handle = object };

	return xuptr_ioctl(device, DRM_IOCTL_GEM_CLOSE, &arg);
}

static struct drm_xen_userptr_bind_op *ops_convert(const struct xuptr_bind *ops,
						   uint32_t nr)
{
	struct drm_xen_userptr_bind_op *raw = calloc(nr, sizeof(*raw));
	uint32_t i;

	for (i = 0; raw && i < nr; i++) {
		raw[i].op = ops[i].op;
		raw[i].flags = ops[i].flags;
		raw[i].handle = ops[i].object;
		raw[i].offset = ops[i].offset;
		raw[i].length = ops[i].length;
		raw[i].gpu_va = ops[i].gpu_va;
	}
	return raw;
}

int xuptr_bind(struct xuptr_device *device, uint32_t vm,
	       const struct xuptr_bind *ops, uint32_t nr_ops,
	       const struct xuptr_sync *syncs, uint32_t nr_syncs,
	       uint32_t *error_op)
{
	struct drm_xen_userptr_vm_bind arg = {
		.vm_id = vm, .nr_ops = nr_ops, .nr_syncs = nr_syncs,
	};
	struct drm_xen_userptr_bind_op *raw;
	struct drm_xen_userptr_sync *raw_syncs;
	int ret = -ENOMEM;

	if (!nr_ops)
		return -EINVAL;
	raw = ops_convert(ops, nr_ops);
	raw_syncs = xuptr_syncs_convert(syncs, nr_syncs);
	if (raw && (raw_syncs || !nr_syncs)) {
		arg.ops = (uintptr_t)raw;
		arg.syncs = (uintptr_t)raw_syncs;
		ret = xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_VM_BIND, &arg);
		if (ret && error_op)
			*error_op = arg.error_op;
	}
	free(raw_syncs);
	free(raw);
	return ret;
}

int xuptr_map(struct xuptr_device *device, uint32_t vm, uint32_t object,
	      uint64_t offset, uint64_t length, uint64_t gpu_va, uint32_t flags)
{
	struct xuptr_bind op = {
		.op = XUPTR_OP_MAP, .flags = flags, .object = object,
		.offset = offset, .length = length, .gpu_va = gpu_va,
	};

	return xuptr_bind(device, vm, &op, 1, NULL, 0, NULL);
}

int xuptr_unmap(struct xuptr_device *device, uint32_t vm, uint64_t gpu_va,
		uint64_t length)
{
	struct xuptr_bind op = {
		.op = XUPTR_OP_UNMAP, .length = length, .gpu_va = gpu_va,
	};

	return xuptr_bind(device, vm, &op, 1, NULL, 0, NULL);
}

int xuptr_advise(struct xuptr_device *device, uint32_t object, uint32_t advice,
		 uint64_t offset, uint64_t length)
{
	struct drm_xen_userptr_advise arg = {
		.handle = object, .advice = advice, .offset = offset, .length = length,
	};

	return xuptr_ioctl(device, DRM_IOCTL_XEN_USERPTR_ADVISE, &arg);
}
