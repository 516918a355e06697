/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * xen_userptr.h: what the files of the guest driver share.
 *
 * Objects and their lifetimes:
 *
 *   xu_device   one xenbus device and its render node
 *   xu_conn     one connection with a backend; a reconnect makes a new one
 *   xu_object   registered memory (a GEM object); outlives its handle until
 *               the grants of its pages have ended
 *   xu_vm       a GPU address space with its job queues
 *   xu_job      one EXEC or VM_BIND on its way; it is its own dma_fence
 *
 * Lock order, outer to inner. Nothing that may wait for the other VM is ever
 * called with one of them held. Fences are signalled where vm.lock and
 * timeline_lock are taken, which other drivers may wait for while they reclaim
 * memory: nothing is allocated with these held, and no lock is taken inside them
 * under which something is.
 *
 *   xu_device.state_mutex    connect, disconnect, registration of the node
 *   xu_grants.lock           (mutex) which page has which gref; allocates
 *   xu_vm.lock               (mutex) creation and end of queues
 *   xu_conn.timeline_lock    (mutex) fence page, event page, timelines
 *   xu_vm.state_lock         (spin) state of a VM
 *   xu_queue.lock            (spin) lists of jobs
 *   xu_object.lock           (spin) state of an object
 *   xu_conn.lock             (spin) the request ring
 *   xu_job.fence_lock        (spin, irq) leaf; of one dma_fence
 *   xu_device.check_lock     (spin) leaf; the only lock of the MMU notifier
 *   xu_file.event_lock       (spin) leaf but for DRM's event lock
 */
#ifndef XEN_USERPTR_H
#define XEN_USERPTR_H

#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>

#include <xen/grant_table.h>
#include <xen/interface/io/ring.h>
#include <xen/xenbus.h>

#include "../protocol/userptrif.h"
#include "../protocol/xen_userptr_drm.h"
#include "fault.h"
#include "grant.h"
#include "range.h"
#include "ring.h"

/* Limits of one call. */
#define XU_MAX_RANGES		65536U
#define XU_MAX_SYNCS		1024U
#define XU_MAX_ENGINES		64U
#define XU_MAX_RING_PAGES	(1U << XENUSERPTR_MAX_RING_ORDER)

#define XU_NO_INDEX		(~0U)	/* of error_range and error_op */

struct xu_conn;
struct xu_device;
struct xu_queue;
struct xu_syncs;
struct xu_vm;

extern struct workqueue_struct *xu_release_wq;
extern struct workqueue_struct *xu_object_wq;
extern struct workqueue_struct *xu_job_wq;

/* -------------------------------------------------------------- conn.c */

struct xu_timeline {
	struct xu_queue *queue;		/* timeline_lock */
	u64 sent;			/* last seqno sent; queue's lock */
	u64 seen;			/* last value acted on; timeline_lock */
	u64 read;			/* last value read; timeline_lock */
};

struct xu_conn {
	struct kref ref;
	struct xu_device *xd;
	domid_t domid;

	spinlock_t lock;		/* the ring, slots, backlog, broken */
	struct xen_userptrif_front_ring ring;
	struct xu_req *slot[512];	/* by request id */
	DECLARE_BITMAP(slot_used, 512);
	u32 nr_slots;
	struct list_head backlog;	/* requests that wait for a slot */
	int broken;			/* 0, or why it cannot be used */

	bool can_trim, can_discard;	/* the backend takes OBJ_TRIM, with DISCARD */
	bool can_stay;			/* and EXEC with STAY */
	bool stays;			/* lock: the guest is being suspended */
	u32 nr_gpus;			/* of the backend, at least 1 */
	u32 nr_ring_pages;
	struct xu_kpages *shared;	/* ring, event page, fence page; until it closes */
	grant_ref_t shared_gref[XU_MAX_RING_PAGES + 2];	/* of these; stay */
	void *ring_pages;		/* all of them, mapped; NULL: none */
	struct xen_userptrif_evt_page *evt_page;
	struct xen_userptrif_fence_page *fence_page;
	evtchn_port_t evtchn;
	int irq;			/* 0: none */

	struct mutex timeline_lock;
	DECLARE_BITMAP(timeline_used, XENUSERPTR_MAX_TIMELINES);
	struct xu_timeline timeline[XENUSERPTR_MAX_TIMELINES];
	u32 evt_cons;			/* timeline_lock */
	bool closed;			/* timeline_lock: pages are gone */

	struct xarray objs;		/* obj_id -> xu_object */
	struct xarray vms;		/* vm_id -> xu_vm */
	u32 next_obj_id, next_vm_id;	/* xa_lock: ids do not come back soon */

	bool ready;			/* xd->conn_lock: INFO is known */
	struct xen_userptrif_rsp_device device;
	struct xen_userptrif_rsp_limits limits;
	char name[XENUSERPTR_NAME_LEN];
	atomic_t nr_jobs;		/* EXECs from the call to the fence */

	struct work_struct connect_work;
	struct work_struct close_work;
	struct completion closing;	/* close_work has begun: nobody breaks it any more */
};

/* The usable connection of a device with a reference, or NULL. */
struct xu_conn *xu_conn_get_ready(struct xu_device *xd);
static inline struct xu_conn *xu_conn_get(struct xu_conn *conn)
{
	kref_get(&conn->ref);
	return conn;
}
void xu_conn_put(struct xu_conn *conn);

/* Make the shared pages and the event channel. Process context. */
struct xu_conn *xu_conn_create(struct xu_device *xd, u32 ring_order);

/*
 * Fail all that waits with @err and let everything of the connection go.
 * Returns at once; the shared pages are ended by close_work. Idempotent.
 */
void xu_conn_break(struct xu_conn *conn, int err);
/* Wait until a connection that is broken, by whomever, has let go of all. Process context. */
void xu_conn_wait_closed(struct xu_conn *conn);
/* The backend broke the protocol: say so and break the connection. */
__printf(2, 3)
void xu_conn_violation(struct xu_conn *conn, const char *format, ...);
/*
 * Ask the backend what it is; fills device, limits and name. May wait. An answer that makes
 * no sense breaks the connection: -EPROTO.
 */
int xu_conn_query(struct xu_conn *conn);
/* Ask it for one thing, XENUSERPTR_QUERY_*. May wait, killable. */
int xu_conn_query_one(struct xu_conn *conn, u32 what, struct xen_userptrif_rsp *rsp);

/* ------------------------------------------------------- object.c, pin.c */

enum xu_object_state {
	XU_OBJECT_NEW,		/* not known to the backend */
	XU_OBJECT_CREATING,	/* OBJ_CREATE is not answered */
	XU_OBJECT_LIVE,
	XU_OBJECT_DESTROYING,	/* OBJ_DESTROY is not answered */
	XU_OBJECT_ENDING,	/* grants are being ended */
	XU_OBJECT_GONE,		/* no page is left */
};

struct xu_user;

struct xu_object {
	struct drm_gem_object gem;
	struct kref ref;		/* GEM, the registration, requests */
	struct xu_device *xd;
	struct xu_conn *conn;
	u32 id;				/* on the wire; 0: none */
	bool readonly;

	spinlock_t lock;		/* state, released, create_err */
	enum xu_object_state state;
	bool released;			/* let go as soon as possible */
	bool id_stuck;			/* the backend may still know the id */
	int create_err;			/* lock */
	struct completion created;
	struct xu_req req;		/* OBJ_CREATE, then OBJ_DESTROY */
	struct xu_req trim_req;		/* OBJ_TRIM */
	bool trimming;			/* lock: OBJ_TRIM is not finished */
	bool trim_answered;		/* lock: ... but for trim_finish */
	int trim_err;			/* lock */
	bool no_trim;			/* release_work: it keeps what it has */
	bool trim_idle;			/* release_work: no job was there */
	u32 trim_gap;			/* release_work: jobs between tries */
	u64 trim_after;			/* check_lock, on trim_list: when */
	bool conn_lost;			/* lock: ... while trimming */
	bool forgotten;			/* lock: nobody will read it; set once */
	bool leaving;			/* lock: counted in nr_releasing before */

	struct mm_struct *mm;
	struct page **pages;
	u32 nr_pages;			/* of the buffer */
	/*
	 * pages[0..nr_pinned) are pinned, and the first nr_granted granted. What
	 * was collected (trim.c) leaves NULLs, until ENDING closes the gaps.
	 */
	u32 nr_pinned;
	u32 nr_granted;
	u32 nr_collected;
	bool charged;			/* in mm->pinned_vm, else in user */
	struct xu_kpages *dir;

	struct xu_range *ranges;
	u32 nr_ranges;
	/* Under xd->check_lock: */
	bool check;			/* memory may have been replaced */
	bool stale;			/* memory was replaced; set once */
	bool unmapped;			/* all of it was unmapped; set once */
	bool partly_gone;		/* some of it was; set once */
	unsigned long *gone;		/* bitmap of pages that were unmapped */
	struct list_head check_link;	/* xd->check_list: check or stale */
	struct list_head trim_link;	/* xd->trim_list: was BUSY */
	u32 lost_pages;			/* xa_lock of conn->objs */
	unsigned long *lost;		/* ... bitmap of them; bits only come */
	struct xu_file *tell;		/* asked to be told; or NULL */
	u32 tell_handle;		/* in that file; 0: not yet known */

	struct xu_user *user;
	bool quarantined;		/* was given to quarantine.c */
	u32 nr_quarantined;		/* counted in user */
	struct list_head retry_link;	/* parked, or in the retry list: quarantine.c */
	struct work_struct end_work;
	struct work_struct release_work;
};

#define to_xu_object(gem_obj) container_of(gem_obj, struct xu_object, gem)

struct xu_object *xu_object_alloc(struct xu_conn *conn, u64 size,
				  u32 nr_ranges, bool readonly);
static inline struct xu_object *xu_object_get(struct xu_object *obj)
{
	kref_get(&obj->ref);
	return obj;
}
void xu_object_put(struct xu_object *obj);
/* Tell the backend; waits for the answer, killable. */
int xu_object_register(struct xu_object *obj);
/* Start to let the object go. Never sleeps, any number of times. */
void xu_object_release(struct xu_object *obj);
/* Let go of what is gone, in a work item. For who has a reference, or its notifier. */
void xu_object_collect(struct xu_object *obj);
/* An OBJ_TRIM is over: do what had to wait for it. */
void xu_object_trimmed(struct xu_object *obj);
/* Its connection broke. */
void xu_object_conn_lost(struct xu_object *obj);
/*
 * One attempt to end what is left of the grants. True: nothing was left and
 * the caller must not touch the object any more. One caller at a time.
 */
bool xu_object_try_end(struct xu_object *obj);
void xu_object_released(struct xu_object *obj);
/* -ENODEV, -ESTALE, or 0 when a VM of @conn may use it. */
int xu_object_usable(struct xu_object *obj, struct xu_conn *conn);

/* trim.c: give back what the program unmapped, when something else is left */
void xu_object_trim(struct xu_object *obj);
/* A job ended: try again what was BUSY, if it is time. Process context. */
void xu_trims_retry(struct xu_device *xd);
/* End what was answered, if anything was. */
void xu_object_trim_finish(struct xu_object *obj);
/* Take the NULLs out of the pages. Nobody else uses the object any more. */
void xu_object_compact(struct xu_object *obj);

/* discard.c: nobody will read these pages again, for certain. May sleep. */
bool xu_object_forgotten(struct xu_object *obj, u32 first, u32 nr);

/* create.c */
int xu_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* pin.c: charge, check and pin the ranges; *error_range on their errors. */
int xu_object_pin(struct xu_object *obj, u32 *error_range);
int xu_object_charge(struct xu_object *obj);
void xu_object_uncharge(struct xu_object *obj);

/* lost.c */
/* Contents are gone: tell the file that asked. Never sleeps. */
void xu_lost_pages(struct xu_object *obj, u32 first, u32 nr);
/* The connection ended: what was in VRAM is gone. */
void xu_lost_conn(struct xu_object *obj);
void xu_lost_close(struct drm_file *file);
int xu_lost_fasync(int fd, struct file *filp, int on);
int xu_lost_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* -------------------------------------------------------- quarantine.c */

void xu_quarantine_fini(void);
struct xu_user *xu_user_get(kuid_t uid);
void xu_user_put(struct xu_user *user);
/* May one more work wait for something that the user's program can put off? */
bool xu_user_wait_begin(struct xu_user *user);
/* The same for end_work of an object, which is queued again later if it may not. */
bool xu_user_wait_or_park(struct xu_object *obj);
void xu_user_wait_end(struct xu_user *user);
/* -EBUSY when this user has too many pages that do not end. Killable. */
int xu_user_check_cap(struct xu_user *user);
void xu_user_releasing(struct xu_user *user, long pages);
/* Give an object or kernel pages whose grants would not end to the timer. */
void xu_quarantine_object(struct xu_object *obj);
void xu_quarantine_kpages(struct xu_kpages *kpages);
/* Something happened that may let grants end: try now. */
void xu_quarantine_kick(void);
long xu_quarantine_pages(void);
long xu_releasing_pages(void);

/* ---------------------------------------------------- fence.c (queues) */

struct xu_job {
	struct dma_fence fence;		/* first: freed by RCU */
	spinlock_t fence_lock;
	struct list_head link;		/* queue lists; queue's lock */
	struct xu_queue *queue;		/* valid until signalled */
	struct completion signaled;
	u64 seqno;			/* on the wire, EXEC only */
	int error;			/* queue's lock */
	bool sent;			/* queue's lock: was put on the ring */
	bool ended;			/* queue's lock */
	u32 error_index;		/* of the answer */
	u64 start_ns;

	struct dma_fence **deps;	/* wait for these first */
	u32 nr_deps;
	u32 next_dep;
	bool dep_armed;
	bool dep_fired;
	struct dma_fence_cb dep_cb;

	struct xu_req req;
	struct xu_bind *bind;		/* VM_BIND only */
};

/* Jobs of one VM and engine (or its binds), in order. */
struct xu_queue {
	struct xu_vm *vm;
	bool is_bind;
	u32 engine;
	u32 timeline;
	spinlock_t lock;
	struct list_head pending;	/* wait for fences; not sent */
	struct list_head running;	/* sent, or only waiting to signal */
	int dead;			/* errno for new jobs */
	atomic_t nr_binds;		/* bind queue: not signalled */
	u64 context;
	u64 fence_seqno;
	u64 completed;			/* value of the fence page */
	u64 last_end_ns;		/* lock */
	struct work_struct work;
};

/* For xu_vm.queue[@slot], and without a timeline yet. NULL: no memory. */
struct xu_queue *xu_queue_create(struct xu_vm *vm, u32 slot);
void xu_queue_destroy(struct xu_queue *queue);
struct xu_job *xu_job_alloc(void);
static inline void xu_job_get(struct xu_job *job)
{
	dma_fence_get(&job->fence);
}
static inline void xu_job_put(struct xu_job *job)
{
	dma_fence_put(&job->fence);
}
/* A job that was never pushed. */
void xu_job_free_unarmed(struct xu_job *job);
/*
 * Arm the job's fence, give it to the syncobjs, queue the job and send what can
 * be sent. The caller keeps its reference. On failure (-EBUSY, or why the queue
 * is dead) the job is still unarmed.
 */
int xu_queue_submit(struct xu_queue *queue, struct xu_job *job,
		    struct xu_syncs *syncs);
/* The same from any context, later. */
void xu_queue_kick(struct xu_queue *queue);
/* End every job with @err and refuse new ones. */
void xu_queue_fail(struct xu_queue *queue, int err);
/* End the jobs that were not sent with @err and refuse new ones. */
void xu_queue_cancel_pending(struct xu_queue *queue, int err);
/* The backend says that all up to @seqno ended. */
void xu_queue_completed(struct xu_queue *queue, u64 seqno);
/*
 * It says that a job will end with an error. Sets @news if it had none before.
 * False: there is no such job.
 */
bool xu_queue_job_error(struct xu_queue *queue, u64 seqno, int err,
			u64 fault_va, bool *news);

/* timeline.c */
int xu_timeline_alloc(struct xu_conn *conn, struct xu_queue *queue);
void xu_timelines_free(struct xu_conn *conn, struct xu_vm *vm);
/*
 * Read the fence page and the event page and signal. timeline_lock held.
 * 1: something new was there; 0: nothing, or what was known already;
 * -EPROTO: *@reason is what was wrong.
 */
int xu_timeline_poll(struct xu_conn *conn, const char **reason);

/* -------------------------------------------------------------- sync.c */

struct xu_sync_out {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;	/* timelines only */
	u64 point;
};

struct xu_syncs {
	struct dma_fence **in;
	u32 nr_in;
	struct xu_sync_out *out;
	u32 nr_out;
};

int xu_syncs_parse(struct drm_file *file, u64 user_syncs, u32 nr_syncs,
		   struct xu_syncs *syncs);
/* Give the in-fences to the job. */
void xu_syncs_move_in(struct xu_syncs *syncs, struct xu_job *job);
void xu_syncs_signal(struct xu_syncs *syncs, struct dma_fence *fence);
void xu_syncs_fini(struct xu_syncs *syncs);

/* ---------------------------------------------------------------- vm.c */

enum xu_vm_state {
	XU_VM_CREATING,		/* VM_CREATE is not answered */
	XU_VM_LIVE,
	XU_VM_DESTROYING,	/* VM_DESTROY is not answered */
	XU_VM_GONE,
};

struct xu_vm {
	struct kref ref;		/* file, jobs, requests */
	struct xu_device *xd;
	struct xu_conn *conn;
	u32 id;				/* on the wire */
	bool id_stuck;			/* the backend may still know the id */
	struct xu_file *xf;
	spinlock_t state_lock;		/* state, create_err */
	enum xu_vm_state state;
	int create_err;
	struct completion created;
	struct completion gone;
	struct xu_req req;		/* VM_CREATE, then VM_DESTROY */
	struct mutex lock;		/* queue, released */
	bool released;			/* no new queues, no new jobs */
	struct xu_queue *queue[XU_MAX_ENGINES + 1]; /* by engine, then of binds */
	struct xarray objs;		/* ids of objects that it may map */
	struct work_struct end_work;
};

struct xu_vm *xu_vm_lookup(struct drm_file *file, u32 handle);
static inline void xu_vm_get(struct xu_vm *vm)
{
	kref_get(&vm->ref);
}

void xu_vm_put(struct xu_vm *vm);
/* Start to destroy it. Never sleeps, any number of times. */
void xu_vm_release(struct xu_vm *vm);
void xu_vm_conn_lost(struct xu_vm *vm, int err);
#define XU_BIND_QUEUE	XU_MAX_ENGINES
/*
 * The queue of an engine, or that of the VM_BINDs (XU_BIND_QUEUE), made on first
 * use. ERR_PTR. May sleep.
 */
struct xu_queue *xu_vm_queue(struct xu_vm *vm, u32 slot);
void xu_file_release_vms(struct drm_file *file);

int xu_vm_create_ioctl(struct drm_device *drm, void *data,
		       struct drm_file *file);
int xu_vm_destroy_ioctl(struct drm_device *drm, void *data,
			struct drm_file *file);
int xu_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
void xu_bind_free(struct xu_bind *bind);
int xu_exec_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int xu_info_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int xu_advise_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* ------------------------------------------------------- drv.c, xenbus.c */

/* One open file; VMs hold a reference, for accounting, and objects, to tell of losses. */
struct xu_file {
	struct kref ref;
	spinlock_t event_lock;
	struct drm_file *file;		/* event_lock; NULL: closed */
	bool events_missed;		/* event_lock */
	struct fasync_struct *fasync;
	struct xarray vms;		/* handle -> xu_vm */
	atomic64_t busy_ns[XU_MAX_ENGINES];
};

struct xu_file *xu_file_create(struct drm_file *file);
static inline struct xu_file *xu_file_get(struct xu_file *xf)
{
	kref_get(&xf->ref);
	return xf;
}

void xu_file_put(struct xu_file *xf);

/* Counters of a device, for sysfs. */
enum xu_stat {
	XU_STAT_REQUESTS,
	XU_STAT_NOTIFICATIONS,
	XU_STAT_INTERRUPTS,
	XU_STAT_SPURIOUS,
	XU_STAT_JOBS,
	XU_STAT_JOB_ERRORS,
	XU_STAT_GPU_RESETS,
	XU_STAT_LOST_PAGES,
	XU_STAT_NOTIFIER_CALLS,
	XU_STAT_NOTIFIER_NS,
	XU_STAT_NR,
};

struct xu_device {
	struct drm_device drm;
	struct xenbus_device *xdev;	/* until remove */
	spinlock_t conn_lock;
	struct xu_conn *conn;		/* conn_lock; NULL: none */
	struct work_struct state_work;	/* all xenbus transitions */
	enum xenbus_state backend_state, handled_state; /* last seen; acted on by state_work */
	bool state_heard;		/* since state_work last looked; READ_ONCE */
	struct mutex state_mutex;
	bool offer_waits;		/* for nr_mapped to fall; READ_ONCE */
	atomic_t nr_mapped;		/* connections whose pages have not ended */
	bool registered;		/* state_mutex: the node is there */
	bool removed;			/* state_mutex; else READ_ONCE */
	struct xu_grants grants;
	atomic_t nr_releasing;		/* objects between release and GONE */
	wait_queue_head_t release_wait;
	spinlock_t check_lock;
	struct list_head check_list;	/* check_lock: objects to compare */
	struct list_head trim_list;	/* check_lock: wait for a job's end */
	u64 nr_ended;			/* check_lock: EXECs that ended */
	atomic_long_t nr_pages;		/* of objects that are not released */
	atomic_t nr_objects;
	atomic64_t stat[XU_STAT_NR];
};

#define to_xu_device(drm_dev) container_of(drm_dev, struct xu_device, drm)

static inline void xu_count(struct xu_device *xd, enum xu_stat stat)
{
	atomic64_inc(&xd->stat[stat]);
}

/* drv.c */
struct xu_device *xu_device_create(struct xenbus_device *xdev);

/* xenbus.c */
int xu_xenbus_register(void);
void xu_xenbus_unregister(void);

/* debugfs.c: before the node is registered */
void xu_debugfs_init(struct xu_device *xd);

extern const struct attribute_group *xu_sysfs_groups[];
#endif /* XEN_USERPTR_H */
