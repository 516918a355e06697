/* SPDX-License-Identifier: MIT */
/*
 * uAPI of the xen_userptr_back module: /dev/xen/userptr-back.
 *
 * A descriptor is bound to one domain, once and for good. Holding it gives
 * power over the grants of that domain to this domain and over nothing else.
 * Padding and undefined flags must be zero; (out) fields are ignored on the
 * way in. Same layout for 32-bit and 64-bit programs.
 */
#ifndef XEN_USERPTR_BACK_H
#define XEN_USERPTR_BACK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define XEN_USERPTR_BACK_FEATURE_REVOCABLE	(1U << 0)

/**
 * struct xen_userptr_back_bind - bind the descriptor to a domain
 *
 * Needs CAP_SYS_ADMIN. Errors: -EBUSY (bound already), -ENOENT (no such
 * domain), -EINVAL, -EPERM.
 */
struct xen_userptr_back_bind {
	__u16 domid;
	__u16 pad;
	/** @flags: must be zero */
	__u32 flags;
	/** @max_pages: most pages that this descriptor may have mapped */
	__u64 max_pages;
	/** @features: (out) XEN_USERPTR_BACK_FEATURE_* */
	__u32 features;
	__u32 pad2;
};

#define XEN_USERPTR_BACK_MAP_READONLY	(1U << 0)
/* Most grants of one MAP. */
#define XEN_USERPTR_BACK_MAP_MAX	(1U << 22)

/**
 * struct xen_userptr_back_map - map grants and get one dma-buf
 *
 * All or nothing. The pages stay mapped until the dma-buf's last user is
 * gone: descriptors, attachments, and fences; then they are unmapped and one
 * XEN_USERPTR_BACK_UNMAPPED record with @cookie can be read. Only after that
 * record is the grant inactive in the hypervisor.
 * Errors: -EINVAL, -EDQUOT (this descriptor's budget), -ENOSPC (the host's
 * budget), -ENOMEM, -EIO (a grant could not be mapped: see @error_index and
 * @gnttab_status), -ENODEV (the domain is gone).
 */
struct xen_userptr_back_map {
	/** @grefs: pointer to an array of __u32 */
	__u64 grefs;
	__u32 nr;
	/** @flags: XEN_USERPTR_BACK_MAP_* */
	__u32 flags;
	/** @cookie: returned in the UNMAPPED record */
	__u64 cookie;
	/** @fd: (out) dma-buf descriptor, close-on-exec */
	__s32 fd;
	/** @error_index: (out) first grant that failed */
	__u32 error_index;
	/** @gnttab_status: (out) GNTST_* of that grant */
	__s32 gnttab_status;
	__u32 pad;
};

/** struct xen_userptr_back_stats - counters and budgets, in pages */
struct xen_userptr_back_stats {
	__u64 mapped;		/* by this descriptor */
	__u64 max_pages;	/* of this descriptor */
	__u64 host_mapped;	/* by all descriptors */
	__u64 host_budget;	/* for all descriptors */
	__u64 objects;		/* dma-bufs of this descriptor alive */
	__u64 hypercalls;	/* map and unmap hypercalls of this descriptor */
	__u64 bytes;		/* kernel memory for this descriptor's mappings */
};

#define XEN_USERPTR_BACK_UNMAPPED	1	/* cookie: of the MAP */
#define XEN_USERPTR_BACK_WANT		2	/* gref, access */
#define XEN_USERPTR_BACK_GONE		3	/* the domain is gone */

/**
 * struct xen_userptr_back_record - what read() returns, whole records only
 *
 * read() blocks unless O_NONBLOCK; poll() says POLLIN when there is one.
 * No record is ever dropped.
 */
struct xen_userptr_back_record {
	__u32 type;		/* XEN_USERPTR_BACK_* */
	__u32 gref;		/* WANT only, else zero */
	__u64 cookie;		/* UNMAPPED only, else zero */
	__u32 access;		/* WANT only: 1 read, 2 write, 4 execute, 8 another domain */
	__u32 waiters;		/* WANT only: vCPUs asleep */
	__u64 reserved;
};

#define XEN_USERPTR_BACK_BIND \
	_IOWR('X', 0x40, struct xen_userptr_back_bind)
#define XEN_USERPTR_BACK_MAP \
	_IOWR('X', 0x41, struct xen_userptr_back_map)
#define XEN_USERPTR_BACK_STATS \
	_IOR('X', 0x42, struct xen_userptr_back_stats)

#if defined(__cplusplus)
}
#endif

#endif /* XEN_USERPTR_BACK_H */
