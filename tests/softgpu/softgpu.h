/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * softgpu, internal interfaces.
 *
 * Locks, outermost first:
 *   sg_vm.lock       mutex: the tree of mappings, the order of submissions
 *   dma_resv         of the VM and of objects, by drm_exec or alone: where an
 *                    object is, its list of mappings
 *   sg_vram.lock     mutex: the VRAM allocator and its LRU
 *   sg_engine.lock   spinlock: the list of jobs on an engine
 *   sg_vm.state_lock spinlock: stop, kill, run counts, latest fault
 *   sg_device.notifier_lock  spinlock: which userptr objects are valid; never
 *                    held over anything that waits or allocates
 *   sg_vm.pt_lock    rwlock: page tables and TLBs; an engine holds it for
 *                    reading during each access, so who holds it for writing
 *                    knows that no access of this VM is under way
 * Spinlocks are taken in process context only.
 *
 * Fences: a job's fence is signalled by an engine thread or a bind worker. On
 * the way there only the spinlocks above are taken and nothing is allocated.
 * What needs more (dropping objects, the last reference of a VM) happens
 * afterwards on sg_free_wq.
 */
#ifndef SOFTGPU_H
#define SOFTGPU_H

#include <linux/dma-fence.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_mm.h>
#include <drm/drm_syncobj.h>

#include "compat.h"
#include "softgpu_drm.h"

struct pci_dev;
struct sg_vm;

#define SG_VA_BITS		48
#define SG_VA_START		(64ULL << 10)
#define SG_VA_END		(1ULL << SG_VA_BITS)
#define SG_ENGINES		2
#define SG_MAX_BIND_OPS		8192
#define SG_MAX_SYNCS		256
#define SG_MAX_EXEC_LENGTH	(1U << 20)
#define SG_MAX_VMS		64
#define SG_MAX_OBJECT_SIZE	(1ULL << 40)

extern struct workqueue_struct *sg_sched_wq;
extern struct workqueue_struct *sg_bind_wq;
extern struct workqueue_struct *sg_free_wq;
extern unsigned int sg_job_timeout_ms;
extern unsigned int sg_stop_timeout_ms;
extern unsigned int sg_timeslice_ms;

/* ---- device ---- */

struct sg_vram {
	struct mutex lock;		/* mm, lru, used */
	struct drm_mm mm;		/* in bytes */
	struct list_head lru;		/* sg_bo.lru: evictable, coldest first */
	void *base;			/* the BAR, mapped write-combined */
	resource_size_t start;		/* its bus address */
	u64 size;
	u64 used;
};

struct sg_engine {
	struct sg_device *sdev;
	unsigned int index;
	struct task_struct *thread;
	spinlock_t lock;		/* jobs, dead */
	struct list_head jobs;		/* sg_exec_job.node, in order of turns */
	bool dead;			/* no thread any more: end jobs at once */
	wait_queue_head_t wq;
	unsigned long kicked;		/* bit 0: look at the list again */
	void *sink;			/* a page that takes writes to null pages */
};

#define SG_NUM_COUNTERS \
	(sizeof(struct drm_softgpu_counters) / sizeof(__u64))
#define SG_COUNTER(field) \
	(offsetof(struct drm_softgpu_counters, field) / sizeof(__u64))

struct sg_device {
	struct drm_device drm;
	struct pci_dev *pdev;
	unsigned int instance;
	struct sg_vram vram;
	struct sg_engine engine[SG_ENGINES];
	atomic64_t counters[SG_NUM_COUNTERS];
	atomic_t switches;		/* DRM_SOFTGPU_SWITCH_* */
	spinlock_t notifier_lock;	/* see softgpu_userptr.c */
	atomic64_t last_object_id;
	bool gone;			/* unplugged: engines end all jobs */
};

#define to_sg_device(d)	container_of(d, struct sg_device, drm)

#define sg_count(sdev, field, n) \
	atomic64_add((n), &(sdev)->counters[SG_COUNTER(field)])

static inline bool sg_switched(struct sg_device *sdev, int bit)
{
	return atomic_read(&sdev->switches) & bit;
}

struct sg_file {
	struct xarray vms;		/* vm_id -> sg_vm, one reference each */
	atomic_t num_vms;
	atomic64_t engine_ns[SG_ENGINES];	/* of VMs without a name */
};

/* ---- objects ---- */

enum sg_bo_kind { SG_BO_NATIVE, SG_BO_IMPORT, SG_BO_USERPTR };

/*
 * An object is resident if it has VRAM or pages, never both; else its mappings
 * have no page table entries and the object is on the evicted list of each VM.
 * Fields without a note are constant.
 */
struct sg_bo {
	struct drm_gem_object base;
	enum sg_bo_kind kind;
	u32 placement;			/* DRM_SOFTGPU_PLACE_*, native only */
	bool readonly;
	u64 id;
	atomic_t mappings;

	struct page **pages;		/* resv */
	struct drm_mm_node vram;	/* resv, and sg_vram.lock */
	struct list_head lru;		/* sg_vram.lock */
	unsigned int pins;		/* resv: must stay in system memory */

	struct sg_table *sgt;		/* resv; imports */
	struct sg_userptr *userptr;	/* userptr objects; pages is theirs */
};

#define to_sg_bo(o)	container_of(o, struct sg_bo, base)

static inline struct sg_device *sg_bo_device(const struct sg_bo *bo)
{
	return to_sg_device(bo->base.dev);
}

static inline bool sg_bo_resident(const struct sg_bo *bo)
{
	return bo->pages || drm_mm_node_allocated(&bo->vram);
}

/* softgpu_gem.c */
struct sg_bo *sg_bo_alloc(struct sg_device *sdev, enum sg_bo_kind kind);
int sg_bo_alloc_pages(struct sg_bo *bo);
void sg_bo_free_pages(struct sg_bo *bo);
/* Makes bo resident where it belongs; resv held. -ENOSPC, -ENOMEM, ... */
int sg_bo_validate(struct sg_bo *bo);
/* Takes all page table entries of bo away in all VMs; resv held. */
void sg_bo_zap(struct sg_bo *bo);
/* The page table entry for page index of bo, without write permission. */
u64 sg_bo_pte(const struct sg_bo *bo, u64 index);
int sg_ioctl_gem_create(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_gem_mmap_offset(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_gem_info(struct drm_device *, void *, struct drm_file *);

/* softgpu_prime.c */
extern const struct drm_gem_object_funcs sg_gem_funcs;
struct dma_buf *sg_gem_export(struct drm_gem_object *obj, int flags);
struct drm_gem_object *sg_gem_import(struct drm_device *drm,
				     struct dma_buf *buf);
int sg_import_map(struct sg_bo *bo);
void sg_import_release(struct sg_bo *bo);

/* softgpu_userptr.c */
struct sg_va;
bool sg_userptr_valid(const struct sg_bo *bo);
void sg_userptr_link(struct sg_va *va);
void sg_userptr_unlink(struct sg_va *va);
/* Faults the pages in; no reservation held. -EFAULT, -EBUSY, -EINTR. */
int sg_userptr_repin(struct sg_bo *bo);
int sg_vm_repin(struct sg_vm *vm);
void sg_userptr_release(struct sg_bo *bo);
int sg_ioctl_gem_userptr(struct drm_device *, void *, struct drm_file *);

/* softgpu_vram.c */
int sg_vram_init(struct sg_device *sdev);
void sg_vram_fini(struct sg_device *sdev);
/* Gives bo VRAM (contents unset), evicting others if may_evict; resv held. */
int sg_vram_alloc(struct sg_bo *bo, bool may_evict);
void sg_vram_free(struct sg_bo *bo);
void sg_vram_clear(struct sg_bo *bo);
void sg_vram_touch(struct sg_bo *bo);
/* Moves bo between VRAM and pages, contents and all; resv held, bo idle. */
int sg_vram_move_out(struct sg_bo *bo);
int sg_vram_move_in(struct sg_bo *bo, bool may_evict);
void *sg_vram_ptr(const struct sg_bo *bo);

/* ---- page tables (softgpu_pt.c) ---- */

#define SG_PTE_VALID		(1ULL << 0)
#define SG_PTE_WRITE		(1ULL << 1)
#define SG_PTE_VRAM		(1ULL << 2)	/* address is an offset in VRAM */
#define SG_PTE_NULL		(1ULL << 3)	/* no address */
#define SG_PTE_ADDR		(~0ULL << PAGE_SHIFT)

#define SG_TLB_BITS		7
#define SG_TLB_ENTRIES		(1u << SG_TLB_BITS)

struct sg_tlb {
	struct {
		u64 va;			/* page address; ~0: empty */
		u64 pte;
	} entry[SG_TLB_ENTRIES];
};

struct sg_pt;

/* Makes sure that tables exist for [va, va + length), until sg_pt_put(). */
int sg_pt_get(struct sg_vm *vm, u64 va, u64 length);
/* The same where another sg_pt_get() already holds them: cannot fail. */
void sg_pt_get_again(struct sg_vm *vm, u64 va, u64 length);
void sg_pt_put(struct sg_vm *vm, u64 va, u64 length);
/* Entries for pages from bo at offset (bo NULL: null pages); flags: WRITE. */
void sg_pt_map(struct sg_vm *vm, u64 va, u64 length, struct sg_bo *bo,
	       u64 offset, u64 flags);
void sg_pt_clear(struct sg_vm *vm, u64 va, u64 length);
/* The same without ever sleeping. */
void sg_pt_clear_atomic(struct sg_vm *vm, u64 va, u64 length);
u64 sg_pt_lookup(struct sg_vm *vm, u64 va);
void sg_tlb_reset(struct sg_vm *vm);

/*
 * The engine's side; vm->pt_lock held for reading until the access is over.
 * Returns a pointer to the byte at va, good until the end of its page, or NULL
 * with *fault_flags set (DRM_SOFTGPU_FAULT_*).
 */
void *sg_pt_access(struct sg_vm *vm, struct sg_engine *engine, u64 va,
		   bool write, u32 *fault_flags);

/* ---- VMs (softgpu_vm.c) ---- */

enum sg_queue_index { SG_QUEUE_COMPUTE, SG_QUEUE_COPY, SG_QUEUE_BIND,
		      SG_QUEUES };

struct sg_queue {
	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	u64 context;
	u64 seqno;			/* sg_vm.lock */
	struct dma_fence *last;		/* sg_vm.lock; latest job, may be NULL */
};

struct sg_fault {
	u64 va;
	u64 job;
	u32 flags;
	u32 engine;
};

struct sg_vm {
	struct drm_gpuvm base;
	struct sg_device *sdev;
	struct kref ref;		/* its file, its jobs */
	struct work_struct destroy_work;
	bool fault_mode;

	struct mutex lock;
	struct sg_queue queue[SG_QUEUES];
	atomic64_t mappings;
	atomic_t userptrs_stale;	/* set under notifier_lock */
	atomic64_t engine_ns[SG_ENGINES];

	rwlock_t pt_lock;
	struct sg_pt *root;
	struct sg_tlb tlb[SG_ENGINES];
	atomic64_t map_gen;		/* counts changes that may end a stall */

	spinlock_t state_lock;		/* all below */
	bool stop;
	bool slow;			/* a stop takes its time */
	bool dead;			/* no name any more: end all jobs */
	unsigned int running;
	unsigned int stalled;
	u64 job_seq;			/* latest job submitted */
	u64 kill_seq;			/* latest job killed */
	u64 jobs;			/* submitted, not ended */
	u64 faults;
	struct sg_fault fault;
	struct dma_fence *stop_fence;	/* signals when stopped */
	u64 stop_seqno;
	u64 stop_context;
	wait_queue_head_t stopped_wq;
	struct delayed_work slow_work;	/* holds a reference while it is queued */
};

#define to_sg_vm(g)	container_of(g, struct sg_vm, base)

struct sg_vm *sg_vm_lookup(struct drm_file *file, u32 vm_id);
void sg_vm_put(struct sg_vm *vm);
void sg_vm_close(struct sg_vm *vm);
/* Called without locks whenever vm->running dropped or vm->stop changed. */
void sg_vm_stop_changed(struct sg_vm *vm);
extern atomic_t sg_live_vms;
extern unsigned int sg_slow_stop_ms;
extern wait_queue_head_t sg_live_wq;
int sg_ioctl_vm_create(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_vm_destroy(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_vm_query(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_vm_control(struct drm_device *, void *, struct drm_file *);

/* softgpu_tree.c, softgpu_bind.c, softgpu_lookup.c */

struct sg_va {
	struct drm_gpuva base;
	struct list_head node;		/* spare, or gone and not yet unmapped */
	struct list_head userptr_node;	/* sg_userptr.vas; notifier_lock */
};

#define to_sg_va(v)	container_of(v, struct sg_va, base)
#define SG_VA_READONLY	DRM_GPUVA_USERBITS

extern const struct drm_gpuvm_ops sg_gpuvm_ops;

/* One set of changes of the tree. */
struct sg_change {
	struct sg_vm *vm;
	struct list_head gone;		/* sg_va.node: left the tree */
	struct list_head spare;		/* sg_va.node: for the tree to take */
	struct drm_gpuvm_bo *vm_bo;	/* of the mapping under way */
	enum drm_gpuva_flags flags;	/* ... and its flags */
};

void sg_change_init(struct sg_change *change, struct sg_vm *vm);
/* Before any map or unmap: 3 nodes for each. -ENOMEM. */
int sg_change_reserve(struct sg_change *change, u32 count);
/* vm_bo NULL: null pages. The range's tables are held by the new mapping. */
void sg_change_map(struct sg_change *change, u64 va, u64 length,
		   struct drm_gpuvm_bo *vm_bo, u64 offset,
		   enum drm_gpuva_flags flags);
void sg_change_unmap(struct sg_change *change, u64 va, u64 length);
/* Once the page tables agree, or if nothing was changed. May sleep. */
void sg_change_release(struct sg_change *change);
void sg_vm_unmap_all(struct sg_vm *vm);
int sg_ioctl_vm_bind(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_vm_lookup(struct drm_device *, void *, struct drm_file *);

/* ---- jobs (softgpu_sched.c) ---- */

/*
 * What drm_sched sees. A job holds a reference to its VM. Its fence is made
 * before the job is armed, so it can be published then; run() leads to
 * sg_fence_done() exactly once.
 */
struct sg_job {
	struct drm_sched_job base;
	struct sg_vm *vm;
	struct sg_queue *queue;
	struct dma_fence *fence;
	struct work_struct free_work;
	void (*run)(struct sg_job *job);
	void (*free)(struct sg_job *job);	/* may sleep; frees the memory */
};

#define to_sg_job(j)	container_of(j, struct sg_job, base)

/* The syncs of an ioctl, looked up. */
struct sg_sync {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
};

struct sg_syncs {
	unsigned int num_signal;
	struct sg_sync *signal;
};

struct dma_fence *sg_fence_create(u64 context, u64 seqno);
void sg_fence_done(struct dma_fence *fence, int error);

int sg_queue_init(struct sg_vm *vm, struct sg_queue *queue, const char *name);
void sg_queue_fini(struct sg_queue *queue);
int sg_job_init(struct sg_job *job, struct sg_vm *vm, struct sg_queue *queue,
		struct drm_file *file);
/* Undoes sg_job_init() for a job that was not pushed. */
void sg_job_cancel(struct sg_job *job);
/* Hands the job over; the queue's VM is locked. */
void sg_job_push(struct sg_job *job);
/* Adds the in-fences to the job and collects the out-fences. */
int sg_syncs_get(struct sg_syncs *syncs, struct sg_job *job,
		 struct drm_file *file, u64 user_ptr, u32 count);
void sg_syncs_signal(struct sg_syncs *syncs, struct dma_fence *fence);
void sg_syncs_put(struct sg_syncs *syncs);

/* ---- EXEC (softgpu_exec.c, softgpu_engine.c, softgpu_cmd.c) ---- */

/* Where a job is in its command stream, so that it can go on after a pause. */
struct sg_cmd {
	u64 va;				/* of the stream */
	u32 length;
	u32 pos;			/* of the packet, bytes from va */
	bool loaded;			/* packet[] is valid */
	u32 packet[SOFTGPU_CMD_MAX_OPERANDS];
	u64 done;			/* of the packet: bytes, elements, ns */
	u32 crc;
	u32 bins[256];
};

struct sg_exec_job {
	struct sg_job job;
	struct sg_engine *engine;
	u64 id;
	struct sg_cmd cmd;
	/* Below: sg_engine.lock; while it runs, the engine's thread. */
	struct list_head node;
	bool stalled;
	u64 stall_gen;			/* sg_vm.map_gen at the fault */
	ktime_t idle_since;
	s64 ran_ns;
};

int sg_engines_start(struct sg_device *sdev);
void sg_engines_stop(struct sg_device *sdev);
void sg_engine_submit(struct sg_exec_job *ejob);
void sg_engines_kick(struct sg_device *sdev);
int sg_ioctl_exec(struct drm_device *, void *, struct drm_file *);

enum { SG_CMD_DONE, SG_CMD_MORE, SG_CMD_WAIT };
/*
 * Runs one piece of the stream (softgpu_cmd.c says how much that is). SG_CMD_WAIT:
 * nothing to do yet, call again after at most *wait_ns. -EFAULT: *fault is set;
 * the call may be repeated when the address is mapped. Else -EINVAL.
 */
int sg_cmd_step(struct sg_exec_job *ejob, struct sg_fault *fault,
		u64 *wait_ns);
/* After SG_CMD_WAIT: the engine waited for so long, which may be longer. */
void sg_cmd_waited(struct sg_exec_job *ejob, u64 ns);

/* softgpu_fpu.c: y[i] = a * x[i] + y[i]; the caller owns the FPU. */
void sg_fpu_saxpy(void *y, const void *x, u32 a_bits, unsigned int count);
void sg_fpu_copy(void *dst, const void *src, unsigned int octets);
/* @dst is a multiple of 8. */
void sg_fpu_clear(void *dst, unsigned int octets);

/* softgpu_debugfs.c */
void sg_show_fdinfo(struct drm_printer *p, struct drm_file *file);
void sg_debugfs_init(struct sg_device *sdev);

/* softgpu_ioctl.c */
int sg_ioctl_info(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_counters(struct drm_device *, void *, struct drm_file *);
int sg_ioctl_switch(struct drm_device *, void *, struct drm_file *);

#endif /* SOFTGPU_H */
