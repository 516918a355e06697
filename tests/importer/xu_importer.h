/* SPDX-License-Identifier: MIT */
/*
 * uAPI of xu_importer, a test module that imports one dma-buf per open file
 * and does to it what a driver may do, one step at a time. Test use only: it
 * gives its user raw access to whatever the dma-buf holds.
 */
#ifndef XU_IMPORTER_H
#define XU_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XU_IMPORT_DYNAMIC	(1U << 0)	/* else a static attachment */
#define XU_IMPORT_FROM_DEVICE	(1U << 1)	/* else bidirectional */

struct xu_import {
	__s32 fd;
	__u32 flags;
	__u32 segments;		/* (out) entries of the scatter list */
	__u32 writable;		/* (out) the dma-buf's file is open for writing */
};

/* One 64-bit word by CPU, page by page, faults caught (-EFAULT). */
struct xu_access {
	__u64 offset;		/* multiple of 8 */
	__u64 value;		/* in or out */
	__u32 write;
	__u32 pad;
};

#define XU_IMPORT	_IOWR('x', 0x70, struct xu_import)
#define XU_ACCESS	_IOWR('x', 0x71, struct xu_access)
/* Takes a reference on the page at this index; a second call puts it. */
#define XU_HOLD_PAGE	_IOW('x', 0x72, __u64)
/* Adds a fence to the reservation object (1) or signals it (0). */
#define XU_FENCE	_IOW('x', 0x73, __u32)
/* Unmaps, detaches, puts the dma-buf; keeps page and fence. */
#define XU_DETACH	_IO('x', 0x74)

#endif
