// SPDX-License-Identifier: MIT
/*
 * Adapter for softgpu, the part that moves memory: stop, VRAM, copy. Walk B's
 * hands at the GPU.
 */
#include "softgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

/* Where an address space for copies has its commands, sources and targets. */
#define COPY_BASE	(UINT64_C(1) << 30)
#define PLACE_START	(UINT64_C(1) << 31)
#define PLACE_END	(UINT64_C(1) << 47)

static int vm_control(struct gpu_vm *vm, uint32_t op, uint32_t out_sync)
{
	struct drm_softgpu_vm_control control = {
		.vm_id = vm->vm_id,
		.op = op,
		.out_sync = out_sync,
	};

	return softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_VM_CONTROL, &control);
}

int softgpu_kill(struct gpu_vm *vm)
{
	return vm_control(vm, DRM_SOFTGPU_VM_KILL, 0);
}

static int softgpu_resume(struct gpu_vm *vm)
{
	return vm_control(vm, DRM_SOFTGPU_VM_RESUME, 0);
}

/* A syncobj of its own: another thread may be submitting a job. */
static int stop_begin(struct gpu_vm *vm, int *fence)
{
	uint32_t syncobj;
	int ret;

	if (drmSyncobjCreate(vm->node, 0, &syncobj))
		return -errno;
	ret = vm_control(vm, DRM_SOFTGPU_VM_STOP, syncobj);
	if (!ret && drmSyncobjExportSyncFile(vm->node, syncobj, fence))
		ret = -errno;
	drmSyncobjDestroy(vm->node, syncobj);
	return ret;
}

/* It stops as soon as it is asked: with nothing to wait for it goes on. */
static int softgpu_stop(struct gpu_vm *vm, int *fence)
{
	int ret = stop_begin(vm, fence);

	if (ret)
		(void)softgpu_resume(vm);
	return ret;
}

static uint32_t softgpu_id(const struct gpu_vm *vm)
{
	return vm->vm_id;
}

static int softgpu_stop_left(int node, uint32_t id, int *fence)
{
	struct gpu_vm left = { .node = node, .vm_id = id };

	return stop_begin(&left, fence);
}

static int gem_create(struct gpu_vm *vm, uint64_t size, uint32_t placement,
		      uint32_t *handle)
{
	struct drm_softgpu_gem_create create = {
		.size = size,
		.placement = placement,
	};
	int ret;

	ret = softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_GEM_CREATE, &create);
	if (!ret)
		*handle = create.handle;
	return ret;
}

static int gem_close(struct gpu_vm *vm, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return softgpu_ioctl(vm->node, DRM_IOCTL_GEM_CLOSE, &args);
}

static int softgpu_alloc(struct gpu_vm *vm, uint64_t size, uint32_t *handle)
{
	return gem_create(vm, size, DRM_SOFTGPU_PLACE_VRAM |
			  DRM_SOFTGPU_PLACE_PINNED, handle);
}

static int softgpu_kill_left(int node, uint32_t id)
{
	struct gpu_vm left = { .node = node, .vm_id = id };

	return softgpu_kill(&left);
}

static int softgpu_export(struct gpu_vm *vm, uint32_t handle, int *dmabuf)
{
	if (drmPrimeHandleToFD(vm->node, handle, DRM_CLOEXEC | DRM_RDWR,
			       dmabuf))
		return -errno;
	return 0;
}

static int softgpu_share(struct gpu_vm *from, uint32_t handle,
			 struct gpu_vm *to, uint32_t *to_handle)
{
	int fd, ret;

	ret = softgpu_export(from, handle, &fd);
	if (ret)
		return ret;
	ret = drmPrimeFDToHandle(to->node, fd, to_handle) == 0 ? 0 : -errno;
	close(fd);
	return ret;
}

static struct drm_softgpu_bind_op bind_map(uint32_t handle, uint64_t offset,
					   uint64_t va, uint64_t length,
					   uint32_t flags)
{
	return (struct drm_softgpu_bind_op){
		.op = DRM_SOFTGPU_BIND_MAP,
		.flags = flags,
		.handle = handle,
		.offset = offset,
		.va = va,
		.length = length,
	};
}

static int bind_run(struct gpu_vm *vm, struct drm_softgpu_bind_op *ops,
		    uint32_t nr)
{
	struct drm_softgpu_vm_bind args = {
		.vm_id = vm->vm_id,
		.num_ops = nr,
		.ops = (uint64_t)(uintptr_t)ops,
	};

	return softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_VM_BIND, &args);
}

static int gem_map(struct gpu_vm *vm, uint32_t handle, uint64_t size, int access,
		   void **address)
{
	struct drm_softgpu_gem_mmap_offset offset = { .handle = handle };
	int ret;

	ret = softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_GEM_MMAP_OFFSET,
			    &offset);
	if (ret)
		return ret;
	*address = mmap(NULL, size, access, MAP_SHARED, vm->node,
			(off_t)offset.offset);
	return *address == MAP_FAILED ? -errno : 0;
}

static int softgpu_map(struct gpu_vm *vm, uint32_t handle, uint64_t size,
		       void **address)
{
	return gem_map(vm, handle, size, PROT_READ, address);
}

/* DRM refuses every ioctl on the file of a device that is gone. */
static int softgpu_unmap(struct gpu_vm *vm, uint32_t handle, void *address,
			 uint64_t size)
{
	struct drm_softgpu_gem_mmap_offset offset = { .handle = handle };

	munmap(address, size);
	return softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_GEM_MMAP_OFFSET,
			     &offset);
}

static int commands_map(struct gpu_vm *vm)
{
	void *commands;
	int ret;

	ret = gem_map(vm, vm->command_handle, DRM_SOFTGPU_PAGE_SIZE,
		      PROT_READ | PROT_WRITE, &commands);
	if (!ret)
		vm->commands = commands;
	return ret;
}

/* A page of commands, a packet per slot. */
static int softgpu_prepare(struct gpu_vm *vm)
{
	struct drm_softgpu_bind_op op;
	int ret;

	ret = gem_create(vm, DRM_SOFTGPU_PAGE_SIZE, DRM_SOFTGPU_PLACE_SYSTEM,
			 &vm->command_handle);
	if (ret)
		return ret;
	ret = commands_map(vm);
	if (ret)
		goto err_close;
	op = bind_map(vm->command_handle, 0, COPY_BASE, DRM_SOFTGPU_PAGE_SIZE,
		      DRM_SOFTGPU_BIND_READONLY);
	ret = bind_run(vm, &op, 1);
	if (ret)
		goto err_unmap;
	vm->copy_va = COPY_BASE;
	return 0;

err_unmap:
	munmap(vm->commands, DRM_SOFTGPU_PAGE_SIZE);
err_close:
	gem_close(vm, vm->command_handle);
	return ret;
}

void softgpu_copy_fini(struct gpu_vm *vm)
{
	if (vm->copy_va)
		munmap(vm->commands, DRM_SOFTGPU_PAGE_SIZE);
}

/* Longer than a GPU takes that can be killed. */
#define COPY_END_S	1

#define COPY_OCTETS	(SOFTGPU_CMD_COPY_DWORDS * sizeof(uint32_t))

static void copy_command(struct gpu_vm *vm, uint32_t slot,
			 const struct gpu_copy *copy)
{
	uint32_t *packet = vm->commands + slot * SOFTGPU_CMD_COPY_DWORDS;

	packet[0] = SOFTGPU_CMD_HDR(SOFTGPU_CMD_COPY, SOFTGPU_CMD_COPY_DWORDS);
	packet[1] = 0;
	memcpy(&packet[2], &copy->dst, sizeof(copy->dst));
	memcpy(&packet[4], &copy->src, sizeof(copy->src));
	memcpy(&packet[6], &copy->length, sizeof(copy->length));
}

/*
 * What nobody will be told the end of must not write any more when somebody else
 * copies in its place.
 */
static void copies_end(struct gpu_vm *vm)
{
	struct timespec now;

	softgpu_kill(vm);
	clock_gettime(CLOCK_MONOTONIC, &now);
	drmSyncobjWait(vm->node, &vm->syncobj, 1,
		       (now.tv_sec + COPY_END_S) * INT64_C(1000000000) +
		       now.tv_nsec, 0, NULL);
}

/* The packets of slots one behind the other are one stream of commands. */
static int softgpu_copy(struct gpu_vm *vm, uint32_t slot,
			const struct gpu_copy *copies, uint32_t nr, int *fence)
{
	struct drm_softgpu_sync sync = {
		.handle = vm->syncobj,
		.kind = DRM_SOFTGPU_SYNC_SIGNAL,
	};
	struct drm_softgpu_exec exec = {
		.vm_id = vm->vm_id,
		.engine = DRM_SOFTGPU_ENGINE_COPY,
		.va = vm->copy_va + slot * COPY_OCTETS,
		.length = (uint32_t)(nr * COPY_OCTETS),
		.num_syncs = 1,
		.syncs = (uint64_t)(uintptr_t)&sync,
	};
	uint32_t i;
	int ret;

	if (nr > GPU_COPIES_MAX)
		return -E2BIG;
	for (i = 0; i < nr; i++)
		copy_command(vm, slot + i, &copies[i]);
	ret = softgpu_ioctl(vm->node, DRM_IOCTL_SOFTGPU_EXEC, &exec);
	if (ret)
		return ret;
	if (drmSyncobjExportSyncFile(vm->node, vm->syncobj, fence) == 0)
		return 0;
	ret = -errno;
	copies_end(vm);
	return ret;
}

static struct drm_softgpu_bind_op place_op(const struct gpu_place *place)
{
	return bind_map(place->handle, 0, place->va, place->length,
			place->is_readonly ? DRM_SOFTGPU_BIND_READONLY : 0);
}

static struct drm_softgpu_bind_op displace_op(const struct gpu_place *place)
{
	return (struct drm_softgpu_bind_op){
		.op = DRM_SOFTGPU_BIND_UNMAP,
		.va = place->va,
		.length = place->length,
	};
}

static int places_bind(struct gpu_vm *vm, const struct gpu_place *places,
		       uint32_t nr,
		       struct drm_softgpu_bind_op (*op)(const struct gpu_place *))
{
	struct drm_softgpu_bind_op ops[GPU_PLACES_MAX];
	uint32_t i;

	if (nr > GPU_PLACES_MAX)
		return -E2BIG;
	for (i = 0; i < nr; i++)
		ops[i] = op(&places[i]);
	return bind_run(vm, ops, nr);
}

static int softgpu_place(struct gpu_vm *vm, const struct gpu_place *places,
			 uint32_t nr)
{
	return places_bind(vm, places, nr, place_op);
}

static int softgpu_displace(struct gpu_vm *vm, const struct gpu_place *places,
			    uint32_t nr)
{
	return places_bind(vm, places, nr, displace_op);
}

const struct gpu_move_ops softgpu_move = {
	.prepare = softgpu_prepare,
	.stop = softgpu_stop,
	.resume = softgpu_resume,
	.kill = softgpu_kill,
	.alloc = softgpu_alloc,
	.share = softgpu_share,
	.place_start = PLACE_START,
	.place_end = PLACE_END,
	.place = softgpu_place,
	.displace = softgpu_displace,
	.copy = softgpu_copy,
	.map = softgpu_map,
	.unmap = softgpu_unmap,
	.export = softgpu_export,
	.id = softgpu_id,
	.stop_left = softgpu_stop_left,
	.kill_left = softgpu_kill_left,
};
