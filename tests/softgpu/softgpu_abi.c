// SPDX-License-Identifier: MIT
/*
 * Checks when compiled that the structures of softgpu_drm.h have the sizes that
 * they must have on every machine, as the kernel and the programs are built
 * apart. Compiled as C11 and as C++ by `make check`; never linked.
 */
#include <stddef.h>

#include "softgpu_drm.h"

#ifdef __cplusplus
#define CHECK(cond) static_assert(cond, #cond)
#else
#define CHECK(cond) _Static_assert(cond, #cond)
#endif

#define CHECK_SIZE(name, size) CHECK(sizeof(struct drm_softgpu_##name) == (size))

CHECK_SIZE(info, 160);
CHECK_SIZE(counters, 256);
CHECK_SIZE(switch, 8);
CHECK_SIZE(vm_create, 8);
CHECK_SIZE(vm_destroy, 8);
CHECK_SIZE(vm_query, 96);
CHECK_SIZE(vm_control, 24);
CHECK_SIZE(lookup, 48);
CHECK_SIZE(vm_lookup, 16);
CHECK_SIZE(sync, 16);
CHECK_SIZE(bind_op, 40);
CHECK_SIZE(vm_bind, 40);
CHECK_SIZE(exec, 48);
CHECK_SIZE(gem_create, 16);
CHECK_SIZE(gem_userptr, 24);
CHECK_SIZE(gem_mmap_offset, 16);
CHECK_SIZE(gem_info, 32);

CHECK(offsetof(struct drm_softgpu_info, vram_total) == 80);
CHECK(offsetof(struct drm_softgpu_vm_bind, failed_op) == 32);
CHECK(offsetof(struct drm_softgpu_exec, job_id) == 40);
