/* SPDX-License-Identifier: MIT */
/*
 * uAPI of the xen_userptr_back module: /dev/xen/userptr-back.
 *
 * A descriptor is bound to one domain, once and for good. Holding it gives
 * power over the grants of that domain to this domain and over nothing else.
 * Padding and undefined flags must be zero; (out) fields are ignored on the
 * way in. Same layout for 32-bit and 64-bit programs.
 *
 * All calls may sleep. Before BIND all others say -ENOTCONN. When the domain
 * is gone MAP and OPS say -ENODEV; what is mapped stays until it is let go.
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
 * Needs CAP_SYS_ADMIN; nothing else does, so the descriptor can be passed to
 * a process without it. Errors: -EBUSY (bound already), -ENOENT (no such
 * domain), -EINVAL, -EPERM.
 */
struct xen_userptr_back_bind {
	/** @domid: of the guest */
	__u16 domid;
	/** @pad: must be zero */
	__u16 pad;
	/** @flags: must be zero */
	__u32 flags;
	/** @max_pages: most pages that this descriptor may have mapped; not 0 */
	__u64 max_pages;
	/** @features: (out) XEN_USERPTR_BACK_FEATURE_* */
	__u32 features;
	/** @pad2: must be zero */
	__u32 pad2;
};

/*
 * The hypervisor maps the pages read-only, for CPUs and, where there is an
 * IOMMU, for devices. The dma-buf can be imported as any other; its file is
 * open for reading only, which is how importers can tell. A CPU that writes
 * faults (PV) or its write is dropped (PVH, HVM).
 */
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
 * A MAP that failed leaves no record. The dma-buf has no mmap() and no vmap().
 * Pages that another descriptor has revoked are wanted home by it, and MAP waits
 * for them, killable, for up to home_timeout_ms (a parameter of the module).
 * Errors: -EINVAL, -EFAULT, -EDQUOT (this descriptor's budget, or twice that
 * together with pages that were trimmed from objects which still live, or more than
 * 65536 objects and unread records), -ENOSPC (the host's budget, or the
 * hypervisor's table), -ENOMEM, -EMFILE, -EINTR (killed), -EIO (a grant could
 * not be mapped: see @error_index and @gnttab_status; GNTST_eagain may be
 * tried again), -ENODEV (the domain is gone).
 */
struct xen_userptr_back_map {
	/** @grefs: pointer to an array of __u32; read once */
	__u64 grefs;
	/** @nr: 1 to XEN_USERPTR_BACK_MAP_MAX */
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
	/** @pad: must be zero */
	__u32 pad;
};

/**
 * struct xen_userptr_back_trim - give some pages of an object back for good
 *
 * Importers are told to drop their mappings; those that make new ones see a
 * page of this domain, zero at first, in place of each page that was given
 * back. Waits for GPU work that began before, at most 2 s. When it returns 0
 * the grants of these pages are not active in the hypervisor.
 * Errors: -EINVAL (not a dma-buf of this descriptor, range, or a page in it
 * was given back before), -EBUSY (the GPU is busy with it, or an importer does
 * not drop its mapping; nothing changed), -EDQUOT, -ENOMEM, -EINTR (nothing
 * changed), -ETIME (the pages are given back as soon as the GPU is done, but
 * nothing will tell), -EFAULT.
 */
struct xen_userptr_back_trim {
	/** @fd: dma-buf descriptor of MAP */
	__s32 fd;
	/** @first: page of the object */
	__u32 first;
	/** @nr: pages, not 0 */
	__u32 nr;
	/** @pad: must be zero */
	__u32 pad;
};

/* Most pages of one WRITE. */
#define XEN_USERPTR_BACK_WRITE_MAX	512

/**
 * struct xen_userptr_back_write - put contents into pages of an object by CPU
 *
 * Whether the guest can reach them or not. After an error any of the pages may
 * have been written.
 * Errors: -EINVAL (not a dma-buf of this descriptor, range, or a page in it was
 * given back), -EACCES (the object is read-only), -EFAULT, -ENOMEM, -EINTR,
 * -ENODEV (the domain is gone).
 */
struct xen_userptr_back_write {
	/** @from: pointer to the contents; device memory will do */
	__u64 from;
	/** @fd: dma-buf descriptor of MAP */
	__s32 fd;
	/** @first: page of the object */
	__u32 first;
	/** @nr: 1 to XEN_USERPTR_BACK_WRITE_MAX */
	__u32 nr;
	/** @pad: must be zero */
	__u32 pad;
};

/* Most pages of one READ. */
#define XEN_USERPTR_BACK_READ_MAX	16

/**
 * struct xen_userptr_back_read - copy pages that the domain granted
 *
 * Once each, without mapping them. After an error any part of @to may have
 * been written.
 * Errors: -EINVAL, -EFAULT, -ENOMEM, -EIO (a page cannot be read: see
 * @error_index and @gnttab_status), -ENODEV (the domain is gone).
 */
struct xen_userptr_back_read {
	/** @grefs: pointer to an array of __u32 */
	__u64 grefs;
	/** @to: pointer to @nr times 4096 octets */
	__u64 to;
	/** @nr: 1 to XEN_USERPTR_BACK_READ_MAX */
	__u32 nr;
	/** @error_index: (out) page that failed */
	__u32 error_index;
	/** @gnttab_status: (out) GNTST_* of that page */
	__s32 gnttab_status;
	/** @pad: must be zero */
	__u32 pad;
};

/** struct xen_userptr_back_stats - counters and budgets, in pages */
struct xen_userptr_back_stats {
	/** @mapped: by this descriptor */
	__u64 mapped;
	/** @max_pages: of this descriptor */
	__u64 max_pages;
	/** @host_mapped: by all descriptors */
	__u64 host_mapped;
	/** @host_budget: for all descriptors */
	__u64 host_budget;
	/** @objects: dma-bufs of this descriptor alive */
	__u64 objects;
	/** @hypercalls: map and unmap hypercalls of this descriptor */
	__u64 hypercalls;
	/** @bytes: kernel memory for this descriptor's mappings */
	__u64 bytes;
	/** @armed: grefs armed through this descriptor */
	__u64 armed;
	/** @wants: wants that the hypervisor reported */
	__u64 wants;
	/** @lost: pages that the module restored as lost */
	__u64 lost;
};

/*
 * Operations on single grefs, which must be mapped through some descriptor of
 * this domain. They are those of the hypervisor (xen_revocable.h), where each
 * is explained: GNTREV_CMD_*, GNTREV_STATE_*, GNTST_*.
 */
#define XEN_USERPTR_BACK_ARM		0
#define XEN_USERPTR_BACK_DISARM		1
#define XEN_USERPTR_BACK_REVOKE		2
#define XEN_USERPTR_BACK_RESTORE	3
#define XEN_USERPTR_BACK_QUERY		6

/* REVOKE: take away writing only. */
#define XEN_USERPTR_BACK_OP_WRITES	(1U << 0)
/* RESTORE: the contents are given up. */
#define XEN_USERPTR_BACK_OP_LOST	(1U << 1)
/* RESTORE: disarm the page as well. */
#define XEN_USERPTR_BACK_OP_DISARM	(1U << 2)

/* Most operations of one OPS. */
#define XEN_USERPTR_BACK_OPS_MAX	(1U << 16)

struct xen_userptr_back_op {
	__u32 gref;
	__u8 cmd;		/* XEN_USERPTR_BACK_ARM... */
	__u8 flags;		/* XEN_USERPTR_BACK_OP_* */
	__u8 state;		/* (out) GNTREV_STATE_* afterwards */
	__u8 waiters;		/* (out) unanswered wants; saturates */
	__s32 status;		/* (out) GNTST_* */
	__u32 extra_refs;	/* (out) references held by others */
	__u64 detail;		/* (out) by status: the gref that is armed
				 * instead, or GNTREV_WHY_* */
};

/**
 * struct xen_userptr_back_ops - run operations in order
 *
 * In slices of 512; an operation that the hypervisor refuses has its own
 * status and does not stop the others. 8 operations or fewer need no memory.
 * A want of an armed page that is not answered (by RESTORE or DISARM) is
 * answered by the module, RESTORE with OP_LOST and a LOST record: when there
 * was no OPS call for want_timeout_ms (module parameter, 5000), and after
 * want_limit_ms (60000) whatever was called. The last close of the descriptor gives all armed pages back; what was revoked
 * then is lost.
 * Errors: -EOPNOTSUPP (no XEN_USERPTR_BACK_FEATURE_REVOCABLE, or not for this
 * domain), -EACCES (the domain has not opted in any grant yet), -EBUSY
 * (another descriptor does this for the domain), -EINVAL (an unknown
 * operation; its slice of 512 was not begun), -EFAULT, -ENOMEM, -ENODEV.
 */
struct xen_userptr_back_ops {
	/** @ops: pointer to an array of struct xen_userptr_back_op */
	__u64 ops;
	/** @nr: 1 to XEN_USERPTR_BACK_OPS_MAX */
	__u32 nr;
	/** @done: (out) how many of them were run */
	__u32 done;
};

#define XEN_USERPTR_BACK_UNMAPPED	1	/* cookie: of the MAP */
#define XEN_USERPTR_BACK_WANT		2	/* gref, access, waiters */
#define XEN_USERPTR_BACK_GONE		3	/* the domain is gone */
#define XEN_USERPTR_BACK_LOST		4	/* gref: restored by the module */

/**
 * struct xen_userptr_back_record - what read() returns, whole records only
 *
 * read() blocks unless O_NONBLOCK; poll() says POLLIN when there is one.
 * No record is ever dropped, but for those of grefs that are armed no more.
 * Wants of one gref are merged while unread; a WANT may be stale: QUERY tells.
 */
struct xen_userptr_back_record {
	/** @type: XEN_USERPTR_BACK_* */
	__u32 type;
	/** @gref: WANT and LOST only, else zero */
	__u32 gref;
	/** @cookie: UNMAPPED only, else zero */
	__u64 cookie;
	/** @access: WANT only: 1 read, 2 write, 4 execute, 8 another domain */
	__u32 access;
	/** @waiters: WANT only: vCPUs asleep */
	__u32 waiters;
	/** @reserved: zero */
	__u64 reserved;
};

#define XEN_USERPTR_BACK_BIND \
	_IOWR('X', 0x40, struct xen_userptr_back_bind)
#define XEN_USERPTR_BACK_MAP \
	_IOWR('X', 0x41, struct xen_userptr_back_map)
#define XEN_USERPTR_BACK_STATS \
	_IOR('X', 0x42, struct xen_userptr_back_stats)
#define XEN_USERPTR_BACK_OPS \
	_IOWR('X', 0x43, struct xen_userptr_back_ops)
#define XEN_USERPTR_BACK_TRIM \
	_IOW('X', 0x44, struct xen_userptr_back_trim)
#define XEN_USERPTR_BACK_WRITE \
	_IOW('X', 0x45, struct xen_userptr_back_write)
#define XEN_USERPTR_BACK_READ \
	_IOWR('X', 0x46, struct xen_userptr_back_read)

#if defined(__cplusplus)
}
#endif

#endif /* XEN_USERPTR_BACK_H */
