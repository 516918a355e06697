/* SPDX-License-Identifier: MIT */
/* Shared by the two files of softgpu's adapter. */
#ifndef XU_SOFTGPU_H
#define XU_SOFTGPU_H

#include "gpu.h"
#include "softgpu_drm.h"

struct gpu_vm {
	int node;
	uint32_t vm_id;
	uint32_t syncobj;	/* holds the fence of the latest job or stop */
	/* For copies. */
	uint64_t copy_va;	/* of the commands; 0: not prepared */
	uint32_t *commands;	/* one page, mapped */
	uint32_t command_handle;
};

extern const struct gpu_move_ops softgpu_move;

int softgpu_ioctl(int node, unsigned long request, void *arg);
int softgpu_kill(struct gpu_vm *vm);

/* Give back what copies needed. */
void softgpu_copy_fini(struct gpu_vm *vm);

#endif /* XU_SOFTGPU_H */
