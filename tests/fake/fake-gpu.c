// SPDX-License-Identifier: MIT
/* The GPU of the unit tests: every call may fail, all leaks are counted. */
#include "fake-gpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"

#define FAKE_GPU_HANDLES	4096

struct gpu_vm {
	int node;
	uint32_t id;
	uint32_t open;		/* imports not closed */
	uint64_t jobs;
};

/* Numbers hold for all address spaces, as on one open file of a GPU. */
static uint32_t next_handle, next_vm;
static bool is_vram[FAKE_GPU_HANDLES];	/* by handle, modulo */

struct fake_gpu fake_gpu;

static int fake_info(int node, struct core_gpu *gpu, struct gpu_caps *caps)
{
	(void)node;
	memset(gpu, 0, sizeof(*gpu));
	strcpy(gpu->name, "fake");
	gpu->va_start = 0x1000;
	gpu->va_end = 1ULL << 40;
	gpu->page_sizes = 1U << 12;
	gpu->nr_engines = 2;
	gpu->va_bits = 40;
	gpu->features = XENUSERPTR_FEATURE_READONLY |
			XENUSERPTR_FEATURE_SPARSE;
	caps->max_bind_ops = 1024;
	return 0;
}

static int fake_vm_open(int node, struct gpu_vm **vm)
{
	if (fake_fail())
		return -EIO;
	*vm = calloc(1, sizeof(**vm));
	if (!*vm)
		return -ENOMEM;
	(*vm)->node = node;
	(*vm)->id = ++next_vm;
	fake_gpu.vms++;
	return 0;
}

static void fake_vm_close(struct gpu_vm *vm)
{
	fake_gpu.vms--;
	fake_gpu.imports -= vm->open;
	close(vm->node);
	free(vm);
}

static int handle_make(struct gpu_vm *vm, uint32_t *handle)
{
	if (fake_fail())
		return -ENOMEM;
	*handle = ++next_handle;
	vm->open++;
	fake_gpu.imports++;
	return 0;
}

static int fake_import(struct gpu_vm *vm, int dmabuf, uint32_t *handle)
{
	return dmabuf < 0 ? -EBADF : handle_make(vm, handle);
}

static int fake_close(struct gpu_vm *vm, uint32_t handle)
{
	if (!handle || handle > next_handle)
		return -ENOENT;
	vm->open--;
	fake_gpu.imports--;
	fake_gpu.vram -= is_vram[handle % FAKE_GPU_HANDLES];
	is_vram[handle % FAKE_GPU_HANDLES] = false;
	return 0;
}

static int fake_bind(struct gpu_vm *vm, const struct gpu_bind *binds,
		     uint32_t nr, uint32_t *failed)
{
	(void)vm;
	*failed = UINT32_MAX;
	if (fake_gpu.on_bind)
		fake_gpu.on_bind();
	if (fake_fail()) {
		*failed = nr - 1;
		return -EINVAL;
	}
	fake_gpu.binds++;
	fake_gpu.last_bind = binds[nr - 1];
	return 0;
}

static int fake_exec(struct gpu_vm *vm, const struct gpu_job *job, int *fence,
		     uint64_t *cookie)
{
	if (fake_fail())
		return -ENOMEM;
	*fence = eventfd(0, EFD_CLOEXEC);
	if (*fence < 0)
		return -errno;
	*cookie = ++vm->jobs;
	fake_gpu.jobs++;
	fake_gpu.last_job = *job;
	return 0;
}

static uint64_t fake_fault_va(struct gpu_vm *vm, uint64_t cookie)
{
	return cookie == vm->jobs ? 0xfa017000 : 0;
}

static int fake_prepare(struct gpu_vm *vm)
{
	(void)vm;
	return fake_fail() ? -ENOMEM : 0;
}

/* A fence that has signalled, as far as a test looks at it. */
static int fake_fence(int *fence)
{
	*fence = eventfd(1, EFD_CLOEXEC);
	return *fence < 0 ? -errno : 0;
}

static int fake_stop(struct gpu_vm *vm, int *fence)
{
	(void)vm;
	if (fake_fail())
		return -EMFILE;
	fake_gpu.stopped++;
	return fake_fence(fence);
}

static int fake_resume(struct gpu_vm *vm)
{
	(void)vm;
	fake_gpu.stopped--;
	return 0;
}

static int fake_kill(struct gpu_vm *vm)
{
	(void)vm;
	return fake_fail() ? -EIO : 0;
}

static int fake_alloc_vram(struct gpu_vm *vm, uint64_t size, uint32_t *handle)
{
	(void)size;
	if (fake_fail())
		return -ENOSPC;
	*handle = ++next_handle;
	vm->open++;
	fake_gpu.imports++;
	fake_gpu.vram++;
	is_vram[*handle % FAKE_GPU_HANDLES] = true;
	return 0;
}

static int fake_share(struct gpu_vm *from, uint32_t handle, struct gpu_vm *to,
		      uint32_t *to_handle)
{
	(void)from;
	(void)handle;
	return handle_make(to, to_handle);
}

static int fake_place(struct gpu_vm *vm, const struct gpu_place *places,
		      uint32_t nr)
{
	(void)vm;
	(void)places;
	if (fake_fail())
		return -ENOMEM;
	fake_gpu.place_calls++;
	fake_gpu.places += nr;
	return 0;
}

static int fake_displace(struct gpu_vm *vm, const struct gpu_place *places,
			 uint32_t nr)
{
	(void)vm;
	(void)places;
	if (fake_fail() || fake_gpu.keeps_places)
		return -EIO;
	fake_gpu.place_calls++;
	fake_gpu.places -= nr;
	return 0;
}

static int fake_copy(struct gpu_vm *vm, uint32_t slot,
		     const struct gpu_copy *copies, uint32_t nr, int *fence)
{
	(void)vm;
	if (fake_fail() || slot + nr > GPU_COPIES || nr > GPU_COPIES_MAX)
		return -EIO;
	fake_gpu.copy_calls++;
	fake_gpu.copies += nr;
	fake_gpu.last_copy = copies[nr - 1];
	if (!fake_gpu.hangs)
		return fake_fence(fence);
	*fence = eventfd(0, EFD_CLOEXEC);
	fake_gpu.copy_fence = *fence;
	return *fence < 0 ? -errno : 0;
}

static int fake_map(struct gpu_vm *vm, uint32_t handle, uint64_t size,
		    void **address)
{
	static uint8_t bar[GPU_COPY_MAX];

	(void)vm;
	if (fake_fail() || !is_vram[handle % FAKE_GPU_HANDLES] ||
	    size > sizeof(bar))
		return -ENOMEM;
	fake_gpu.maps++;
	*address = bar;
	return 0;
}

static int fake_unmap(struct gpu_vm *vm, uint32_t handle, void *address,
		      uint64_t size)
{
	(void)vm;
	(void)handle;
	(void)address;
	(void)size;
	fake_gpu.maps--;
	return fake_fail() || fake_gpu.is_gone ? -ENODEV : 0;
}

static int fake_export(struct gpu_vm *vm, uint32_t handle, int *dmabuf)
{
	(void)vm;
	if (fake_fail() || !handle)
		return -EMFILE;
	*dmabuf = eventfd(0, EFD_CLOEXEC);
	return *dmabuf < 0 ? -errno : 0;
}

static uint32_t fake_id(const struct gpu_vm *vm)
{
	return vm->id;
}

static int left_fence;	/* of the last stop: the caller's */

/* One whose jobs do not stop gives a fence that does not signal. */
static int fake_stop_left(int node, uint32_t id, int *fence)
{
	(void)node;
	if (!id || id > next_vm)
		return -ENOENT;
	if (fake_fail())
		return -EMFILE;
	if (!fake_gpu.left_runs)
		return fake_fence(fence);
	left_fence = *fence = eventfd(0, EFD_CLOEXEC);
	return *fence < 0 ? -errno : 0;
}

static int fake_kill_left(int node, uint32_t id)
{
	(void)node;
	(void)id;
	if (fake_gpu.left_is_deaf)
		return 0;
	fake_gpu.left_runs = false;
	return eventfd_write(left_fence, 1) ? -errno : 0;
}

static const struct gpu_move_ops fake_move_ops = {
	.prepare = fake_prepare,
	.stop = fake_stop,
	.resume = fake_resume,
	.kill = fake_kill,
	.alloc = fake_alloc_vram,
	.share = fake_share,
	.place_start = FAKE_PLACE_START,
	.place_end = UINT64_C(1) << 40,
	.place = fake_place,
	.displace = fake_displace,
	.copy = fake_copy,
	.map = fake_map,
	.unmap = fake_unmap,
	.export = fake_export,
	.id = fake_id,
	.stop_left = fake_stop_left,
	.kill_left = fake_kill_left,
};

const struct gpu_ops fake_gpu_ops = {
	.driver = "fake",
	.move = &fake_move_ops,
	.info = fake_info,
	.vm_open = fake_vm_open,
	.vm_close = fake_vm_close,
	.import = fake_import,
	.close = fake_close,
	.bind = fake_bind,
	.exec = fake_exec,
	.fault_va = fake_fault_va,
};
