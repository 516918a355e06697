/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Shared by the files of xen_userptr_back.
 *
 * Who holds what:
 *   open file -> binding (one reference)
 *   object    -> binding (one reference), module (one reference)
 *   dma-buf   -> object, until its release(); from then on the object belongs
 *                to its retire work, and at last to the record queue of the
 *                binding, where it is the UNMAPPED record.
 *
 * Locks, outermost first: binding->bind_lock, binding->ops_lock,
 * back_bindings_lock, binding->record_lock (a spinlock). None is held over a
 * copy from or to user space, which may wait for storage of the same guest.
 */
#ifndef XEN_USERPTR_BACK_KMOD_H
#define XEN_USERPTR_BACK_KMOD_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "xen_revocable.h"
#include "xen_userptr_back.h"

/* Grants per hypercall: bounds the time that one hypercall may take. */
#define BACK_BATCH		512
/* Faults fetched by one hypercall. */
#define BACK_FAULTS		32
/* Objects of one binding, those with an unread record included. */
#define BACK_MAX_OBJECTS	65536

/* A record that waits to be read; lives inside what it tells about. */
struct back_record {
	struct list_head link;		/* empty: not queued */
	struct xen_userptr_back_record data;
	/*
	 * Called without locks when a reader got it, or nobody ever will.
	 * Without it the record may be queued again, and may be freed as soon
	 * as it is off the queue.
	 */
	void (*done)(struct back_record *record);
};

/* The event channel of revocable grants of one domain. */
struct back_channel {
	bool open;			/* under ops_lock */
	bool claimed;			/* under back_bindings_lock */
	bool closing;
	bool eoi_due;			/* the interrupt waits for its end */
	int irq;
	struct work_struct fault_work;
	struct delayed_work deadline_work;
	struct gnttab_revocable_fault faults[BACK_FAULTS];
};

struct back_binding {
	struct kref ref;
	struct list_head link;		/* back_bindings */
	u32 round;			/* of the last check */
	struct work_struct free_work;

	struct mutex bind_lock;		/* one BIND at a time */
	bool bound;			/* store-release once, by BIND */
	bool watching;
	domid_t domid;
	u64 max_pages;
	struct xenbus_watch watch;
	char *identity;			/* what xenstore calls this domain */

	struct mutex ops_lock;		/* hypercalls and the table of wants */
	struct back_channel channel;
	struct xarray wants;		/* gref -> back_want, of armed grefs */
	struct list_head pending;	/* wants by deadline; record_lock */
	unsigned int calls;		/* of OPS: somebody is alive */

	bool gone;			/* the domain died; never cleared */
	struct back_record gone_record;

	atomic64_t mapped;		/* pages charged */
	atomic64_t objects;
	atomic64_t records_unread;	/* objects that became records */
	atomic64_t hypercalls;
	atomic64_t bytes;
	atomic64_t armed;
	atomic64_t slots;		/* pages of objects, trimmed ones too */
	atomic64_t wants_seen;
	atomic64_t lost;

	spinlock_t record_lock;		/* records, closed */
	struct list_head records;
	bool closed;			/* no reader any more */
	wait_queue_head_t readable;
};

struct back_object {
	struct back_binding *binding;
	struct dma_resv resv;		/* of the dma-buf; outlives it */
	u32 nr;
	u32 slots;			/* charged to the binding */
	bool readonly;
	bool silent;			/* nobody waits for an UNMAPPED record */

	/* Under the lock of resv, once exported: */
	u32 nr_maps;			/* mappings of importers */
	u32 nr_trimmed;			/* pages that are blank now */
	struct page *blank;		/* in place of what was trimmed */

	struct page **pages;
	grant_handle_t *handles;
	u32 *grefs;
	union {				/* scratch of min(nr, BACK_BATCH) */
		struct gnttab_map_grant_ref *map_ops;
		struct gnttab_unmap_grant_ref *unmap_ops;
		void *ops;
	};
	size_t bytes;

	struct delayed_work retire;
	/* The fence whose signal queues that work; nobody else touches it. */
	struct dma_fence *fence;
	struct dma_fence_cb fence_cb;
	unsigned long retire_start;	/* jiffies */
	unsigned int retire_tries;
	bool retire_logged;
	struct back_record record;
};

/* An armed gref, and the want of its page while it has one. */
struct back_want {
	struct back_record record;	/* WANT or LOST; data.gref is the key */
	bool again;			/* wanted while LOST is queued */
	struct list_head pending;	/* empty: no unanswered want */
	unsigned long deadline;		/* jiffies: of the next look at it */
	unsigned int looks;		/* that found it unanswered */
	unsigned int idle_looks;	/* the last ones: without a call between */
	unsigned int calls;		/* of the binding, at the last look */
	u32 events;			/* tells an answered want from a new one */
};

/* Entries that a slice may still need. */
struct back_spares {
	u32 nr;
	void *wants[16];
};

extern struct workqueue_struct *back_wq;
/* For what a sleeping vCPU waits for. */
extern struct workqueue_struct *back_want_wq;

/* fault.c: true once, at the call that the parameter fail_nth names. */
#ifdef BACK_FAULT_INJECTION
bool back_fault(void);
#else
static inline bool back_fault(void) { return false; }
#endif

/* bind.c */
struct back_binding *back_binding_new(void);
void back_binding_put(struct back_binding *binding);
/* The last descriptor is gone: records have no reader any more. */
void back_binding_close(struct back_binding *binding);
/* 0, -ENOTCONN (not bound yet) or -ENODEV (the domain is gone). */
int back_binding_check(struct back_binding *binding);
/* The hypervisor said that the domain does not exist. */
void back_binding_set_gone(struct back_binding *binding);
int back_bind_ioctl(struct back_binding *binding, void __user *arg);
void back_bind_exit(void);
u64 back_bindings_count(void);
/* The channel of a domain is one binding's: 0 or -EBUSY. */
int back_channel_claim(struct back_binding *binding);
void back_channel_disclaim(struct back_binding *binding);

/* budget.c */
/* Numbers of STATS and of sysfs: of one binding and of all. */
void back_count_hypercall(struct back_binding *binding);
void back_count_bytes(struct back_binding *binding, s64 bytes);
/* 0, -EDQUOT (of the binding) or -ENOSPC (of the host). */
int back_budget_charge(struct back_binding *binding, u32 pages);
/*
 * The arrays of an object, which TRIM does not make smaller: of twice as many
 * pages as may be mapped. -EDQUOT.
 */
int back_slots_charge(struct back_object *object);
void back_slots_uncharge(struct back_object *object);
void back_budget_uncharge(struct back_binding *binding, u32 pages);
int back_stats_ioctl(struct back_binding *binding, void __user *arg);
extern const struct attribute_group *back_sysfs_groups[];
/* Host-wide gauges that sysfs shows beside the mapped pages. */
extern atomic64_t back_host_objects;
extern atomic64_t back_host_retiring;
extern atomic64_t back_host_unmap_failures;

/* map.c */
int back_map_ioctl(struct back_binding *binding, void __user *arg);
void back_object_arrays_free(struct back_object *object);
void back_object_free(struct back_object *object);
/* True if the domain @domid exists now. */
bool back_domain_exists(domid_t domid);

struct back_object *back_object_new(struct back_binding *binding, u32 nr);
/* One object more: -EDQUOT when there are too many. */
int back_object_count(struct back_binding *binding);

/* home.c */
/* Armed grefs of all bindings. */
extern atomic64_t back_host_armed;
/* Pages may have been given back. */
void back_home_wake(void);
/* Until when a MAP that begins now waits, in jiffies. */
unsigned long back_home_deadline(void);
/*
 * Calls @done, and again each time that pages were given back, until it says
 * yes, the time is over, nothing is armed or the caller is killed: at least once.
 * May sleep, as @done may.
 */
void back_home_wait(unsigned long until, bool (*done)(void *data), void *data);

/* trim.c */
int back_trim_ioctl(struct back_binding *binding, void __user *arg);

/* read.c */
int back_read_ioctl(struct back_binding *binding, void __user *arg);

/* write.c */
int back_write_ioctl(struct back_binding *binding, void __user *arg);

/* unmap.c */
/*
 * One attempt to unmap, when all fences have signalled: what has to happen first,
 * or NULL when all pages are unmapped; then back_object_end() is due.
 */
const char *back_retire_step(struct back_object *object);
void back_object_end(struct back_object *object);
void back_object_retire_init(struct back_object *object);
/* The dma-buf is gone. Takes over the object; does not sleep. */
void back_object_retire(struct back_object *object);
/* Nobody else has seen the object. Takes it over; no record. May sleep. */
void back_object_abort(struct back_object *object);

/* dmabuf.c */
/* Does not consume the object on failure. */
struct dma_buf *back_object_export(struct back_object *object);
/* The object behind a dma-buf, or NULL if it is not one of ours. */
struct back_object *back_object_of(const struct dma_buf *dmabuf);

/* revoke.c */
extern bool back_revocable;
void back_revoke_detect(void);
int back_ops_ioctl(struct back_binding *binding, void __user *arg);
/* One operation by the module itself; the hypervisor's status. */
s16 back_op_single(struct back_binding *binding, struct gnttab_revocable_op *op);

/* channel.c */
void back_channel_init(struct back_binding *binding);
/* Under ops_lock. */
int back_channel_open(struct back_binding *binding);
/* Gives every armed page back, as lost if it was revoked. */
void back_channel_close(struct back_binding *binding);

/* armed.c: all under ops_lock */
int back_armed_init(void);
void back_armed_exit(void);
/* The entry stays as long as ops_lock is held; NULL if there is none. */
struct back_want *back_want_find(struct back_binding *binding, u32 gref);
/* The same for many grefs in turn; in between only back_want_add() may change the table. */
struct back_want *back_want_find_near(struct back_binding *binding,
				      struct xa_state *at, u32 gref);
/*
 * The one that exists already, or a new one; NULL without memory. @nr: how many at most
 * are to come, this one included: so many are made together.
 */
struct back_want *back_want_add(struct back_binding *binding, struct xa_state *at,
				u32 gref, struct back_spares *spares, u32 nr);
void back_spares_free(struct back_spares *spares);
void back_want_drop(struct back_binding *binding, u32 gref);
void back_wants_clear(struct back_binding *binding);

/* want.c: all under ops_lock, but for the deadline work */
/* Drops it unless the hypervisor says that the page is armed; whether it did. */
bool back_want_forget(struct back_binding *binding, u32 gref);
/* The page is accessible: unless a want came after so many events, nobody waits. */
void back_want_answered(struct back_binding *binding, struct back_want *want,
			u32 events);
void back_want_deadline_work(struct work_struct *work);
/* The grefs of an object are unmapped: forget those that are armed no more. */
void back_wants_unmapped(struct back_binding *binding, const u32 *grefs, u32 nr);
/* From the channel's work, without ops_lock. */
void back_want_event(struct back_binding *binding,
		     const struct gnttab_revocable_fault *fault);
/* Under record_lock: a record is off the queue, with that content. */
void back_want_taken(struct back_binding *binding, struct back_record *record,
		     struct xen_userptr_back_record *data);
/* Under record_lock: a record that could not be delivered. */
void back_want_requeue(struct back_binding *binding,
		       const struct xen_userptr_back_record *data);

/* record.c */
void back_record_push(struct back_binding *binding, struct back_record *record);
/* Same, under record_lock. */
void back_record_push_locked(struct back_binding *binding,
			     struct back_record *record);
void back_records_drop(struct back_binding *binding);
ssize_t back_record_read(struct file *file, char __user *buffer, size_t size,
			 loff_t *offset);
__poll_t back_record_poll(struct file *file, poll_table *wait);

#endif
