/* SPDX-License-Identifier: MIT */
/*
 * What the broker and a worker say to each other.
 *
 * Two SOCK_SEQPACKET pairs. "control": one ipc_start to the worker, then
 * ipc_reports back and ipc_controls there; end of file in either direction ends
 * the connection of this guest. "files": the worker's helper thread asks for one more descriptor
 * of the GPU and waits; the broker always answers and never waits.
 *
 * The broker trusts nothing that a worker says: a worker may be in the hands
 * of its guest.
 */
#ifndef XU_IPC_H
#define XU_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "migrate.h"
#include "userptrif.h"

/* Descriptors that a worker is born with. */
#define IPC_FD_CONTROL	3
#define IPC_FD_FILES	4
#define IPC_FD_LOCK	5
#define IPC_FD_END	6

#define IPC_MAX_FDS	4
#define IPC_MAX_RING	(1U << XENUSERPTR_MAX_RING_ORDER)
#define IPC_TEXT_LEN	160

/* Where the frontend's pages are; checked, but a gref may name nothing. */
struct ipc_frontend {
	uint32_t ring_order;
	uint32_t ring_ref[IPC_MAX_RING];
	uint32_t evt_ref;
	uint32_t fence_ref;
	uint32_t event_channel;
};

/* Descriptors in the message, in this order. */
enum ipc_start_fd {
	IPC_START_MODULE,	/* bound to domid */
	IPC_START_STATUS,	/* memfd of a struct worker_status */
	IPC_START_GPU,		/* the first: to ask it what it is, and to move
				 * memory */
	IPC_START_JOURNAL,	/* of the worker's limits */
	IPC_START_NR_FDS,
};

struct ipc_start {
	uint32_t domid;
	uint32_t devid;
	struct ipc_frontend frontend;
	struct core_limits limits; /* max_requests, max_bind_ops: worker fills */
	uint64_t max_vram;
	struct mig_settings settings;
	uint32_t nr_gpus;	/* that IPC_FILES_OPEN_GPU may name */
	uint32_t revocable;	/* memory can be moved */
	uint64_t trace;		/* events of migration to be recorded */
	uint32_t rescue;	/* a worker died: bring home what it left */
	uint32_t debug;
	uint32_t sandbox_log;	/* log what the sandbox would kill */
	char gpu_driver[32];
};

/* What an administrator asks of a worker; each is answered by one report. */
enum ipc_control_type {
	IPC_CONTROL_MOVE = 1,	/* obj_id first nr place */
	IPC_CONTROL_POLICY,	/* policy */
	IPC_CONTROL_OBJECTS,	/* first: of the slots to look at */
	IPC_CONTROL_CHUNKS,	/* obj_id first: page */
};

struct ipc_control {
	uint32_t type;
	uint32_t obj_id;	/* the guest's */
	uint32_t first;		/* page, or slot */
	uint32_t nr;		/* pages; 0: to the end */
	uint32_t place;		/* enum mig_place */
	uint32_t policy;	/* enum mig_policy_id */
	uint32_t tag;		/* the broker's */
};

/* From a tool to the broker. */
struct ipc_request {
	uint32_t domid;
	uint32_t devid;
	uint32_t wait;		/* 1: behind others' requests; 0: -EBUSY then */
	struct ipc_control control;
};

#define IPC_MAX_ENTRIES	32U

/* An object, or a run of pages of one. */
struct ipc_entry {
	uint32_t id;		/* object */
	uint32_t first;		/* page */
	uint32_t nr;		/* pages */
	uint32_t state;		/* run: of mig_chunk_info; object: pages in VRAM */
	uint32_t why;		/* run: enum mig_why; object: pages lost */
	uint64_t moved_out;	/* object: pages that went to VRAM ever */
	uint64_t moved_home;
};

enum ipc_report_type {
	IPC_REPORT_READY = 1,	/* rings mapped, sandboxed: say Connected */
	IPC_REPORT_FAILED = 2,	/* the worker ends now, and why */
	IPC_REPORT_ANSWER = 3,	/* to the ipc_control with this tag */
};

struct ipc_report {
	uint32_t type;
	int32_t error;		/* negative errno */
	uint32_t tag;		/* ANSWER */
	uint32_t next;		/* OBJECTS, CHUNKS: go on there; 0: the end */
	uint32_t nr;		/* entries */
	union {
		char text[IPC_TEXT_LEN];	/* FAILED */
		struct ipc_entry entry[IPC_MAX_ENTRIES];
	};
};

#define IPC_FILES_OPEN_GPU	1
/* Only before READY: where the events of migration are recorded; see trace. */
#define IPC_FILES_OPEN_TRACE	2

struct ipc_files_req {
	uint32_t what;
	uint32_t gpu;		/* OPEN_GPU: which one of the device, else 0 */
};

struct ipc_files_rsp {
	int32_t error;		/* 0: one descriptor comes along */
};

/**
 * ipc_send() - one message with @nr_fds <= IPC_MAX_FDS descriptors
 *
 * The caller keeps its descriptors. Returns 0 or -errno; -EAGAIN if the
 * socket is non-blocking and full.
 */
int ipc_send(int sock, const void *msg, size_t size, const int *fds,
	     unsigned int nr_fds);

/**
 * ipc_recv() - one message of exactly @size octets
 * @fds: room for @max_fds descriptors; close-on-exec and the caller's
 *
 * Returns how many descriptors came along, -ENOTCONN at end of file, -EBADMSG
 * for any other shape (all descriptors closed), or -errno.
 */
int ipc_recv(int sock, void *msg, size_t size, int *fds, unsigned int max_fds);

#endif /* XU_IPC_H */
