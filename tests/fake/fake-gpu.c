// SPDX-License-Identifier: MIT
/* The GPU of the unit tests: every call may fail, all leaks are counted. */
#include "fake-gpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake-fail.h"

#define FAKE_GPU_HANDLES	64

struct gpu_vm {
	int node;
	uint32_t next;		/* handle */
	uint32_t open;		/* imports not closed */
	uint64_t jobs;
};

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

static int fake_import(struct gpu_vm *vm, int dmabuf, uint32_t *handle)
{
	(void)dmabuf;
	if (fake_fail())
		return -ENOMEM;
	*handle = ++vm->next;
	vm->open++;
	fake_gpu.imports++;
	return 0;
}

static int fake_close(struct gpu_vm *vm, uint32_t handle)
{
	if (!handle || handle > vm->next)
		return -ENOENT;
	vm->open--;
	fake_gpu.imports--;
	return 0;
}

static int fake_bind(struct gpu_vm *vm, const struct gpu_bind *binds,
		     uint32_t nr, uint32_t *failed)
{
	(void)vm;
	*failed = UINT32_MAX;
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

const struct gpu_ops fake_gpu_ops = {
	.driver = "fake",
	.info = fake_info,
	.vm_open = fake_vm_open,
	.vm_close = fake_vm_close,
	.import = fake_import,
	.close = fake_close,
	.bind = fake_bind,
	.exec = fake_exec,
	.fault_va = fake_fault_va,
};
