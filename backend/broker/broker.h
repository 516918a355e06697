/* SPDX-License-Identifier: MIT */
/*
 * The broker: one process that watches xenstore, opens what needs privilege,
 * and keeps one worker for each connected device. Single event loop; it waits
 * for no worker and for no guest.
 */
#ifndef XU_BROKER_H
#define XU_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include <xenstore.h>

#include "config.h"
#include "hash.h"
#include "ipc.h"
#include "log.h"
#include "status.h"
#include "store.h"

struct broker {
	struct xs_handle *xs;
	sd_event *loop;
	sd_event_source *sweep;	/* looks at what has become stale */
	sd_event_source *retry;	/* brings the next sweep after the store has failed */
	struct log_limit log;	/* of its failures */
	bool is_stale;		/* nodes of backends have changed */
	bool is_released;	/* a domain has gone */
	bool is_ending;		/* no worker is started any more */
	struct device *devices;	/* hash by key */
	uint32_t own_domid;
	char root[STORE_PATH_LEN];	/* of all backend nodes */
	int lock;		/* held while this broker or a worker lives */
	int status_sock;
	int control_sock;
	struct asker *waiting;	/* first come, first served: control.c */
	unsigned int nr_waiting;
	bool debug;
	bool sandbox_log;
	bool keep_trying;	/* however often workers die */
	/* A rescuer is killed when it did nothing for so long, and after so long. */
	uint64_t rescue_us, rescue_max_us;
};

/* XenbusState, as far as it is ours to say; the numbers are Xen's. */
enum xenbus_state {
	XB_UNKNOWN = 0,
	XB_INITIALISING = 1,
	XB_INIT_WAIT = 2,
	XB_INITIALISED = 3,
	XB_CONNECTED = 4,
	XB_CLOSING = 5,
	XB_CLOSED = 6,
	XB_NR_STATES = 7,
};

/* Where a device is, seen from this side. */
enum device_state {
	DEV_NEW,	/* found, nothing published */
	DEV_WAITING,	/* InitWait */
	DEV_STARTING,	/* a worker is setting up; still InitWait outside */
	DEV_CONNECTED,	/* Connected */
	DEV_STOPPING,	/* Closing: the worker was told to end */
	DEV_RESCUING,	/* Closing: its data comes home, see rescue.c */
	DEV_CLOSED,	/* Closed, may be opened again */
	DEV_BROKEN,	/* Closed, given up until the toolstack acts */
	DEV_NR_STATES,
};

enum device_action {
	ACT_NONE,
	ACT_PUBLISH,	/* write keys, InitWait */
	ACT_CONNECT,	/* read the frontend's keys, start a worker */
	ACT_STOP,	/* end the worker, Closing */
	ACT_CLOSE,	/* no worker: Closed, also if it was said before */
};

struct device {
	UT_hash_handle hh;
	struct broker *broker;
	uint64_t key;		/* domid << 32 | devid */
	uint32_t domid;
	uint32_t devid;
	char back[STORE_PATH_LEN];
	char front[STORE_PATH_LEN];
	char token[32];		/* of the watch on the frontend's state */
	enum device_state state;
	bool is_stale;		/* its frontend wrote; to be looked at */
	bool is_unsaid;		/* its state could not be written */
	bool is_leaving;	/* its nodes have gone, or are another's; so will it */
	struct config config;

	/* The worker, if pid > 0. */
	pid_t pid;
	int control;
	int files;
	sd_event_source *control_source;
	sd_event_source *files_source;
	sd_event_source *child_source;
	sd_event_source *kill_timer;
	struct worker_status *status;
	/* What a rescuer of its data needs; descriptors or -1. */
	struct ipc_start start;
	int kept[IPC_START_NR_FDS];
	bool was_told;		/* to end, before it is rescued */
	unsigned int rescuers;	/* started since */
	uint64_t rescue_end_us;	/* of the one that runs, whatever it does */
	uint64_t rescued;	/* steps that it had made when last looked at */
	bool is_late;		/* it was killed because it did not end */
	char gpu_path[XENUSERPTR_MAX_GPUS][64];	/* of config.gpus.nr */
	char gpu_driver[32];
	struct ipc_report report;	/* why the worker failed, type 0: not */
	struct asker *asker;		/* waits for the worker's answer: control.c */
	uint32_t tag;			/* of what was asked last */

	/* Ends that nobody asked for, newest last. */
	uint64_t crash_us[5];
	struct log_limit log;
	struct log_limit starts;	/* of workers */
};

/** device_decide() - what to do next; pure, see the table in decide.c */
enum device_action device_decide(enum device_state state,
				 enum xenbus_state frontend, bool is_online);

/** device_find() / device_add() - by number; add returns NULL if out of memory */
struct device *device_find(struct broker *broker, uint32_t domid,
			   uint32_t devid);
struct device *device_add(struct broker *broker, uint32_t domid,
			  uint32_t devid);

/** device_stop() - the broker will end: let the worker bring its data home and end */
void device_stop(struct device *device);

/** device_update() - read both states, act until there is nothing to do */
void device_update(struct device *device);

/**
 * device_leave() - the toolstack has taken it from a domain that lives: let the worker
 * bring its data home and end; then free the device, at once if there is no worker
 */
void device_leave(struct device *device);

/** device_forget() - the domain is gone: end the worker, free the device, no nodes stay */
void device_forget(struct device *device);

/**
 * device_abandon() - the broker ends: say Closing, let go of a worker that is left,
 * which ends by itself, and free the device
 */
void device_abandon(struct device *device);

/** device_worker_ready() - the worker said so */
void device_worker_ready(struct device *device);

/** device_worker_gone() - the worker was reaped; @wstatus as of waitid() */
void device_worker_gone(struct device *device, int code, int wstatus);

/** device_frontend_state() - as the frontend wrote it, or XB_UNKNOWN */
enum xenbus_state device_frontend_state(struct device *device);

/** device_state_name() - for people */
const char *device_state_name(enum device_state state);

/**
 * worker_spawn() - start a worker for the frontend's pages
 * @why: (out) what failed, a constant
 *
 * Returns 0 or -errno with nothing left behind.
 */
int worker_spawn(struct device *device, const struct ipc_frontend *frontend,
		 const char **why);

/**
 * worker_rescue() - start a process that brings home what the reaped worker
 * left in VRAM
 *
 * Returns 0; -ENOENT if it can have left nothing; or -errno. worker_forget()
 * follows when that process was reaped, or at once.
 */
int worker_rescue(struct device *device);

/**
 * gpus_select() - find the GPUs of a device, and their driver
 * @why: (out) on failure: what is wrong, a constant
 *
 * Returns a descriptor of the first one, the caller's; -EEXIST (one is named
 * twice), -EXDEV (of different drivers), or as gpu_select().
 */
int gpus_select(struct device *device, const char **why);

/** gpus_open() - one more descriptor for the worker; -ENODEV: no such GPU */
int gpus_open(const struct device *device, uint32_t untrusted_gpu);

/** worker_forget() - close what was kept; data that is not home is lost */
void worker_forget(struct device *device);

/** worker_stop() - ask it to end; it is killed if that takes too long */
void worker_stop(struct device *device);

/** worker_kill() - kill and reap it now */
void worker_kill(struct device *device);

/** worker_release() - descriptors and sources of a worker that was reaped */
void worker_release(struct device *device);

/** status_listen() - the socket that answers JSON; 0 or -errno */
int status_listen(struct broker *broker);

/** control_listen() - the socket for what concerns one worker; 0 or -errno */
int control_listen(struct broker *broker);
/** control_answer() - the worker's answer for who asked, if somebody waits for it */
void control_answer(struct device *device, const struct ipc_report *report);
/** control_drop() - no answer will come, for the worker has ended */
void control_drop(struct device *device);

/** broker_init() / broker_run() / broker_fini() - see broker.c; 0 or -errno */
int broker_init(struct broker *broker);
int broker_run(struct broker *broker);
void broker_fini(struct broker *broker);

/** broker_look() - at the nodes of all devices, soon */
void broker_look(struct broker *broker);

/**
 * broker_retry() - the store has failed: sweep once more after a while
 *
 * What is not known is left as it is. The caller has said what is stale.
 */
void broker_retry(struct broker *broker, int error);

/** broker_needs_time() - data comes home, for up to @usec more: systemd has to wait */
void broker_needs_time(const struct broker *broker, uint64_t usec);

/** broker_end_step() - a worker has ended: if all have to, and have, the loop ends */
void broker_end_step(struct broker *broker);

#endif /* XU_BROKER_H */
