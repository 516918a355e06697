/* SPDX-License-Identifier: MIT */
/*
 * The descriptor of /dev/xen/userptr-back (protocol/xen_userptr_back.h): maps
 * grants, gives dma-bufs, tells when grants have ended.
 */
#ifndef XU_MODULE_H
#define XU_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "xen_userptr_back.h"

/**
 * module_open() - open the device and bind it to a domain
 *
 * Needs CAP_SYS_ADMIN: the broker calls it. Returns a non-blocking,
 * close-on-exec descriptor, or -errno (-ENOENT: no module or no such domain).
 */
int module_open(uint16_t domid, uint64_t max_pages);

/** module_is_revocable() - does the hypervisor have revocable grants? */
bool module_is_revocable(void);

/**
 * module_map() - map grants, all or nothing
 * @error_index: (out) on -EIO: the first grant that failed
 *
 * Returns a dma-buf descriptor or -errno as XEN_USERPTR_BACK_MAP. May sleep.
 */
int module_map(int module, const uint32_t *grefs, uint32_t nr, uint32_t flags,
	       uint64_t cookie, uint32_t *error_index);

/**
 * module_trim() - give pages of the object behind @dmabuf back
 *
 * Returns 0 or -errno as XEN_USERPTR_BACK_TRIM. May sleep, for 3 s at most.
 */
int module_trim(int module, int dmabuf, uint32_t first, uint32_t nr);

/**
 * module_copy() - copy @nr pages that the domain granted to @pages
 * @nr: at most XEN_USERPTR_BACK_READ_MAX
 *
 * Returns 0 or -errno as XEN_USERPTR_BACK_READ.
 */
int module_copy(int module, const uint32_t *grefs, uint32_t nr, void *pages);

/**
 * module_write() - the CPU puts contents into pages of the object behind @dmabuf
 * @nr: at most XEN_USERPTR_BACK_WRITE_MAX
 *
 * Returns 0 or -errno as XEN_USERPTR_BACK_WRITE.
 */
int module_write(int module, int dmabuf, uint32_t first, uint32_t nr,
		 const void *from);

/**
 * module_ops() - operations on single grants, each with its own status
 * @ops: at most XEN_USERPTR_BACK_OPS_MAX
 *
 * Returns 0 when all were run, or -errno as XEN_USERPTR_BACK_OPS.
 */
int module_ops(int module, struct xen_userptr_back_op *ops, uint32_t nr);

/**
 * module_read() - the next record
 *
 * Returns 1, 0 (none there now), or -errno.
 */
int module_read(int module, struct xen_userptr_back_record *record);

#endif /* XU_MODULE_H */
