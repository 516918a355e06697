/* SPDX-License-Identifier: MIT */
/*
 * userptrif.h: GPU userptr split driver interface, C reference.
 *
 * The normative text is userptrif.md; where the two differ, the text wins.
 * State: prototype, no ABI promise.
 *
 * Needs <stdint.h> types. Include Xen's ring.h first to get the ring types;
 * without it only the packets are declared. All fields are little-endian,
 * all reserved fields must be zero, and nothing here is a pointer, an enum
 * or a bit-field.
 */
#ifndef XEN_PUBLIC_IO_USERPTRIF_H
#define XEN_PUBLIC_IO_USERPTRIF_H

#ifndef __KERNEL__
#include <stdint.h>
#endif

#define XENUSERPTR_PROTOCOL_VERSION     1

/* Device class and xenstore keys (userptrif.md section 2). */
#define XENUSERPTR_DRIVER_NAME          "userptr"
#define XENUSERPTR_FIELD_BE_VERSIONS    "versions"
#define XENUSERPTR_FIELD_FE_VERSION     "version"
#define XENUSERPTR_FIELD_MAX_RING_ORDER "max-ring-page-order"
#define XENUSERPTR_FIELD_RING_ORDER     "ring-page-order"
#define XENUSERPTR_FIELD_RING_REF       "ring-ref" /* then a decimal index */
#define XENUSERPTR_FIELD_EVENT_CHANNEL  "event-channel"
#define XENUSERPTR_FIELD_EVT_RING_REF   "evt-ring-ref"
#define XENUSERPTR_FIELD_FENCE_REF      "fence-ref"
#define XENUSERPTR_FIELD_REVOCABLE      "feature-revocable"
#define XENUSERPTR_FIELD_TRIM           "feature-trim"
#define XENUSERPTR_FIELD_DISCARD        "feature-discard"
#define XENUSERPTR_FIELD_STAY           "feature-stay"
#define XENUSERPTR_FIELD_GPUS           "gpus"
#define XENUSERPTR_FIELD_MAX_PAGES      "max-pages"
#define XENUSERPTR_FIELD_MAX_OBJECTS    "max-objects"
#define XENUSERPTR_FIELD_MAX_VMS        "max-vms"
#define XENUSERPTR_FIELD_MAX_MAPPINGS   "max-mappings"
#define XENUSERPTR_FIELD_MAX_JOBS       "max-jobs"
#define XENUSERPTR_FIELD_MAX_VRAM       "max-vram"

/* Hard limits of the protocol; quotas are lower or equal. */
#define XENUSERPTR_PAGE_SIZE            4096U
#define XENUSERPTR_MAX_RING_ORDER       4U
#define XENUSERPTR_MAX_OBJ_PAGES        (1U << 22) /* 16 GiB */
#define XENUSERPTR_MAX_BIND_OPS         65536U
#define XENUSERPTR_MAX_TIMELINES        512U
#define XENUSERPTR_NAME_LEN             48U
#define XENUSERPTR_MAX_GPUS             4U

/* Operations. 0 is never valid. */
#define XENUSERPTR_OP_VM_CREATE         1
#define XENUSERPTR_OP_VM_DESTROY        2
#define XENUSERPTR_OP_OBJ_CREATE        3
#define XENUSERPTR_OP_OBJ_DESTROY       4
#define XENUSERPTR_OP_VM_BIND           5
#define XENUSERPTR_OP_EXEC              6
#define XENUSERPTR_OP_ADVISE            7
#define XENUSERPTR_OP_QUERY             8
#define XENUSERPTR_OP_QUIESCE           9
#define XENUSERPTR_OP_OBJ_TRIM         10

/* Status of a response or an event. Fixed numbers, never a host errno. */
#define XENUSERPTR_STATUS_OK            0
#define XENUSERPTR_STATUS_INVALID       1  /* a field has a forbidden value */
#define XENUSERPTR_STATUS_NO_ENTRY      2  /* no object, VM or mapping so named */
#define XENUSERPTR_STATUS_EXISTS        3  /* the id is in use */
#define XENUSERPTR_STATUS_NO_MEMORY     4  /* the backend ran out of memory */
#define XENUSERPTR_STATUS_QUOTA         5  /* a quota of this device */
#define XENUSERPTR_STATUS_BUDGET        6  /* the host's budget of mapped grants */
#define XENUSERPTR_STATUS_BAD_GREF      7  /* a grant could not be used */
#define XENUSERPTR_STATUS_RANGE         8  /* outside of the GPU's address range */
#define XENUSERPTR_STATUS_ACCESS        9  /* writable use of a read-only object */
#define XENUSERPTR_STATUS_UNSUPPORTED   10 /* not offered by this backend or GPU */
#define XENUSERPTR_STATUS_GPU_FAULT     11 /* the job touched an unmapped address */
#define XENUSERPTR_STATUS_GPU_HANG      12 /* the job was killed */
#define XENUSERPTR_STATUS_CANCELED      13 /* its VM or the device went away */
#define XENUSERPTR_STATUS_LOST          14 /* contents are gone */
#define XENUSERPTR_STATUS_IO            15 /* the host's GPU driver failed */
#define XENUSERPTR_STATUS_BUSY          16 /* not now: a job uses it */

/* VM_CREATE: a GPU address space. The frontend chooses vm_id. */
struct xen_userptrif_vm_create {
    uint32_t vm_id;
    uint32_t flags;             /* 0 */
    uint32_t gpu;               /* below XENUSERPTR_FIELD_GPUS */
};

/* VM_DESTROY: jobs are cancelled, mappings removed, then answered. */
struct xen_userptrif_vm_destroy {
    uint32_t vm_id;
    uint32_t flags;             /* 0 */
};

#define XENUSERPTR_OBJ_READONLY         (1U << 0)

/* OBJ_CREATE: the frontend chooses obj_id and has granted every page. */
struct xen_userptrif_obj_create {
    uint32_t obj_id;
    uint32_t flags;             /* XENUSERPTR_OBJ_* */
    uint32_t nr_pages;          /* 1..XENUSERPTR_MAX_OBJ_PAGES */
    uint32_t gref_directory;    /* first directory page */
};

#define XENUSERPTR_DESTROY_DISCARD      (1U << 0)

/* OBJ_DESTROY: its OK answer is the UNMAPPED answer. */
struct xen_userptrif_obj_destroy {
    uint32_t obj_id;
    uint32_t flags;             /* XENUSERPTR_DESTROY_* */
};

#define XENUSERPTR_TRIM_DISCARD         (1U << 0)

/* OBJ_TRIM: give pages back; its OK answer is the UNMAPPED answer for them. */
struct xen_userptrif_obj_trim {
    uint32_t obj_id;
    uint32_t flags;             /* XENUSERPTR_TRIM_* */
    uint32_t first_page;
    uint32_t nr_pages;          /* not 0 */
};

#define XENUSERPTR_BIND_MAP             1
#define XENUSERPTR_BIND_UNMAP           2
#define XENUSERPTR_BIND_MAP_NULL        3

#define XENUSERPTR_BIND_READONLY        (1U << 0)

/* One operation of VM_BIND; 102 of them fit in a page of an array. */
struct xen_userptrif_bind_op {
    uint32_t op;                /* XENUSERPTR_BIND_* */
    uint32_t flags;             /* XENUSERPTR_BIND_READONLY, MAP only */
    uint32_t obj_id;            /* MAP only, else 0 */
    uint32_t reserved;
    uint64_t offset;            /* octets into the object; MAP only, else 0 */
    uint64_t length;            /* octets, not 0 */
    uint64_t gpu_va;
};

#define XENUSERPTR_BIND_OPS_PER_PAGE    102U

#define XENUSERPTR_VM_BIND_INDIRECT     (1U << 0)

/* VM_BIND: one inline operation, or nr_ops of them in granted pages. */
struct xen_userptrif_vm_bind {
    uint32_t vm_id;
    uint32_t flags;             /* XENUSERPTR_VM_BIND_* */
    uint32_t nr_ops;            /* 1 unless indirect */
    uint32_t gref_directory;    /* indirect only, else 0 */
    struct xen_userptrif_bind_op op; /* not indirect only, else all zero */
};

#define XENUSERPTR_EXEC_STAY            (1U << 0)

/* EXEC: fence_page[timeline] becomes seqno when the job has ended. */
struct xen_userptrif_exec {
    uint32_t vm_id;
    uint32_t engine;
    uint64_t cmd_va;
    uint32_t cmd_length;        /* octets, not 0 */
    uint32_t timeline;          /* 0..XENUSERPTR_MAX_TIMELINES - 1 */
    uint64_t seqno;             /* greater than the last one of the timeline */
    uint32_t flags;             /* XENUSERPTR_EXEC_* */
    uint32_t reserved;
};

#define XENUSERPTR_ADVICE_NORMAL        0
#define XENUSERPTR_ADVICE_PREFER_VRAM   1
#define XENUSERPTR_ADVICE_PREFER_RAM    2
#define XENUSERPTR_ADVICE_READ_MOSTLY   3
#define XENUSERPTR_ADVICE_WILL_NEED     4
#define XENUSERPTR_ADVICE_NEVER_MOVE    5

/* ADVISE: a hint, except NEVER_MOVE. */
struct xen_userptrif_advise {
    uint32_t obj_id;
    uint32_t advice;            /* XENUSERPTR_ADVICE_* */
    uint64_t offset;            /* octets */
    uint64_t length;            /* octets, not 0 */
};

#define XENUSERPTR_QUERY_DEVICE         1
#define XENUSERPTR_QUERY_NAME           2
#define XENUSERPTR_QUERY_MEMORY         3
#define XENUSERPTR_QUERY_LIMITS         4
#define XENUSERPTR_QUERY_OBJECT         5

/* QUERY: what, and for QUERY_OBJECT which. */
struct xen_userptrif_query {
    uint32_t what;              /* XENUSERPTR_QUERY_* */
    uint32_t obj_id;            /* QUERY_OBJECT only, else 0 */
};

/* QUIESCE: every page of every object is brought home, then answered. */
struct xen_userptrif_quiesce {
    uint32_t flags;             /* 0 */
    uint32_t reserved;
};

struct xen_userptrif_req {
    uint16_t id;                /* echoed in the response */
    uint8_t  operation;         /* XENUSERPTR_OP_* */
    uint8_t  reserved[5];
    union {
        struct xen_userptrif_vm_create   vm_create;
        struct xen_userptrif_vm_destroy  vm_destroy;
        struct xen_userptrif_obj_create  obj_create;
        struct xen_userptrif_obj_destroy obj_destroy;
        struct xen_userptrif_vm_bind     vm_bind;
        struct xen_userptrif_exec        exec;
        struct xen_userptrif_advise      advise;
        struct xen_userptrif_query       query;
        struct xen_userptrif_quiesce     quiesce;
        struct xen_userptrif_obj_trim    obj_trim;
        uint8_t octets[56];
    } op;
};

#define XENUSERPTR_FEATURE_READONLY     (1U << 0)
#define XENUSERPTR_FEATURE_SPARSE       (1U << 1)
#define XENUSERPTR_FEATURE_REVOCABLE    (1U << 2)
#define XENUSERPTR_FEATURE_MIGRATION    (1U << 3)

struct xen_userptrif_rsp_device {
    uint64_t va_start;          /* first usable GPU address */
    uint64_t va_end;            /* one past the last */
    uint64_t page_sizes;        /* bit n: pages of 2^n octets */
    uint32_t features;          /* XENUSERPTR_FEATURE_* */
    uint32_t nr_engines;
    uint32_t va_bits;
    uint32_t reserved;
};

struct xen_userptrif_rsp_name {
    char name[XENUSERPTR_NAME_LEN]; /* zero-padded, last octet zero */
};

struct xen_userptrif_rsp_memory {
    uint64_t vram_total;        /* octets that this guest may use */
    uint64_t vram_used;         /* octets that this guest uses */
};

struct xen_userptrif_rsp_limits {
    uint64_t max_pages;
    uint64_t used_pages;
    uint32_t max_objects;
    uint32_t max_vms;
    uint32_t max_mappings;
    uint32_t max_jobs;
    uint32_t max_bind_ops;
    uint32_t reserved;
};

struct xen_userptrif_rsp_object {
    uint64_t pages_home;
    uint64_t pages_vram;
    uint64_t pages_lost;
};

struct xen_userptrif_rsp {
    uint16_t id;
    uint8_t  operation;         /* of the request */
    uint8_t  reserved;
    uint32_t status;            /* XENUSERPTR_STATUS_* */
    union {
        struct xen_userptrif_rsp_device device;
        struct xen_userptrif_rsp_name   name;
        struct xen_userptrif_rsp_memory memory;
        struct xen_userptrif_rsp_limits limits;
        struct xen_userptrif_rsp_object object;
        uint32_t error_index;   /* failing page or bind operation */
        uint8_t octets[56];
    } u;
};

/* A directory page: entries for pages or for arrays of bind operations. */
#define XENUSERPTR_DIR_ENTRIES          1023U

struct xen_userptrif_dir {
    uint32_t next;              /* gref of the next directory page, 0: last */
    uint32_t gref[XENUSERPTR_DIR_ENTRIES];
};

#define XENUSERPTR_EVT_FENCE            1
#define XENUSERPTR_EVT_LOST             2
#define XENUSERPTR_EVT_RESET            3

/* A job ended with an error; precedes its seqno in the fence page. */
struct xen_userptrif_evt_fence {
    uint32_t timeline;
    uint32_t status;            /* XENUSERPTR_STATUS_*, not OK */
    uint64_t seqno;
    uint64_t fault_va;          /* GPU_FAULT: the GPU address, else 0 */
};

/* Contents of pages of an object are gone. */
struct xen_userptrif_evt_lost {
    uint32_t obj_id;
    uint32_t nr_pages;
    uint64_t first_page;
};

/* The GPU was reset; jobs that it took along have their own events. */
struct xen_userptrif_evt_reset {
    uint32_t nr_jobs;
    uint32_t reserved;
};

struct xen_userptrif_evt {
    uint16_t id;                /* counts up */
    uint8_t  type;              /* XENUSERPTR_EVT_* */
    uint8_t  reserved[5];
    union {
        struct xen_userptrif_evt_fence fence;
        struct xen_userptrif_evt_lost  lost;
        struct xen_userptrif_evt_reset reset;
        uint8_t octets[56];
    } op;
};

#define XENUSERPTR_EVT_RING_LEN         32U /* a power of two */

/* The event page; the backend produces, the frontend consumes. */
struct xen_userptrif_evt_page {
    uint32_t prod;              /* backend writes */
    uint32_t cons;              /* frontend writes */
    uint32_t reserved[14];
    struct xen_userptrif_evt ring[XENUSERPTR_EVT_RING_LEN];
};

/* The fence page; the backend writes, the frontend reads. */
struct xen_userptrif_fence_page {
    uint64_t seqno[XENUSERPTR_MAX_TIMELINES];
};

#ifdef DEFINE_RING_TYPES
DEFINE_RING_TYPES(xen_userptrif, struct xen_userptrif_req,
                  struct xen_userptrif_rsp);
#endif

#endif /* XEN_PUBLIC_IO_USERPTRIF_H */
