// SPDX-License-Identifier: MIT
/*
 * One device of one guest: reads both ends' nodes, carries out what decide.c
 * says, and follows the life of its worker.
 */
#include "broker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "module.h"
#include "userptrif.h"

/* More ends than fit into crash_us within this time, and we give up. */
#define DEVICE_CRASH_WINDOW_US	60000000U

/* Connections that a guest may begin; each is a process of this domain. */
#define DEVICE_START_WINDOW_US	60000000U
#define DEVICE_STARTS		60U

/* For the data of one worker. */
#define DEVICE_RESCUERS		3U

/* Lines of the log that one guest can cause. */
#define DEVICE_LOG_WINDOW_US	60000000U
#define DEVICE_LOG_BURST	20U

static const enum xenbus_state device_xenbus[DEV_NR_STATES] = {
	[DEV_NEW] = XB_INITIALISING,
	[DEV_WAITING] = XB_INIT_WAIT,
	[DEV_STARTING] = XB_INIT_WAIT,
	[DEV_CONNECTED] = XB_CONNECTED,
	[DEV_STOPPING] = XB_CLOSING,
	[DEV_RESCUING] = XB_CLOSING,
	[DEV_CLOSED] = XB_CLOSED,
	[DEV_BROKEN] = XB_CLOSED,
};

#define device_log(device, ...) do { \
	if (log_limit_take(&(device)->log, clock_us())) \
		log_line(__VA_ARGS__); \
} while (0)

/* -ENOENT is no error: the toolstack was faster and has removed the device. */
static int device_write(struct device *device, const struct store_item *items,
			unsigned int nr)
{
	int ret = store_update(device->broker->xs, device->back, "frontend",
			       items, nr);

	return ret == -ENOENT ? 0 : ret;
}

/* The store has failed: nothing is known that it was to say, so nothing ends for it. */
static void device_retry(struct device *device, int error)
{
	log_debug("%u.%u: the store has failed: %s", device->domid,
		  device->devid, strerror(-error));
	device->is_stale = true;
	broker_retry(device->broker, error);
}

/* What could not be said is said by the next update. */
static void device_write_state(struct device *device, enum xenbus_state state)
{
	struct store_item item = { .key = "state" };
	int ret;

	/* By now the nodes may be those of another device with this number. */
	if (device->is_leaving)
		return;
	snprintf(item.value, sizeof(item.value), "%d", (int)state);
	ret = device_write(device, &item, 1);
	device->is_unsaid = ret != 0;
	if (ret)
		device_retry(device, ret);
}

static void device_set_state(struct device *device, enum device_state state)
{
	enum xenbus_state before = device_xenbus[device->state];

	log_debug("%u.%u: %s -> %s", device->domid, device->devid,
		  device_state_name(device->state), device_state_name(state));
	device->state = state;
	if (device_xenbus[state] == before && state != DEV_WAITING)
		return;
	device_write_state(device, device_xenbus[state]);
}

/* Where xenbus devices leave their errors: error/<node>/error. */
static void device_error_path(const struct device *device, char *path)
{
	snprintf(path, STORE_PATH_LEN, "error/backend/userptr/%u/%u",
		 device->domid, device->devid);
}

static void device_set_error(struct device *device, int error,
			     const char *text, const char *detail)
{
	char path[STORE_PATH_LEN];

	device_error_path(device, path);
	device_log(device, LOG_WARNING, "%u.%u: %s%s%s: %s", device->domid,
		   device->devid, text, *detail ? ": " : "", detail,
		   strerror(-error));
	/* The log has it too; a store that refuses this node changes nothing. */
	(void)store_write(device->broker->xs, XBT_NULL, path, "error",
			  "%d %s%s%s", error, text, *detail ? ": " : "",
			  detail);
}

static void device_clear_error(struct device *device)
{
	char path[STORE_PATH_LEN];

	device_error_path(device, path);
	xs_rm(device->broker->xs, XBT_NULL, path);
}

/* *@number stays if the node is not there or makes no sense. -errno: the store failed. */
static int device_read_number(struct device *device, const char *dir,
			      const char *key, uint64_t max, uint64_t *number)
{
	uint64_t value;
	int ret;

	ret = store_read_number(device->broker->xs, dir, key, max, &value);
	if (!ret)
		*number = value;
	return store_has_failed(ret) ? ret : 0;
}

static int device_read_frontend(struct device *device, uint64_t *state)
{
	*state = XB_UNKNOWN;
	return device_read_number(device, device->front, "state",
				  XB_NR_STATES - 1, state);
}

enum xenbus_state device_frontend_state(struct device *device)
{
	uint64_t state;

	(void)device_read_frontend(device, &state);
	return (enum xenbus_state)state;
}

static int device_write_keys(struct device *device)
{
	struct store_item items[] = {
		{ .key = XENUSERPTR_FIELD_BE_VERSIONS },
		{ .key = XENUSERPTR_FIELD_MAX_RING_ORDER },
		{ .key = XENUSERPTR_FIELD_REVOCABLE },
		{ .key = XENUSERPTR_FIELD_TRIM, .value = "1" },
		{ .key = XENUSERPTR_FIELD_DISCARD, .value = "1" },
		{ .key = XENUSERPTR_FIELD_STAY, .value = "1" },
		{ .key = XENUSERPTR_FIELD_GPUS },
	};

	snprintf(items[0].value, sizeof(items[0].value), "%d",
		 XENUSERPTR_PROTOCOL_VERSION);
	snprintf(items[1].value, sizeof(items[1].value), "%u",
		 XENUSERPTR_MAX_RING_ORDER);
	snprintf(items[2].value, sizeof(items[2].value), "%d",
		 module_is_revocable());
	snprintf(items[6].value, sizeof(items[6].value), "%u",
		 device->config.gpus.nr);
	return device_write(device, items, sizeof(items) / sizeof(items[0]));
}

static int device_publish(struct device *device)
{
	const char *bad_key = "";
	int ret;

	ret = config_read(device->broker->xs, device->back, &device->config,
			  &bad_key);
	if (store_has_failed(ret))
		return ret;
	if (ret) {
		device_set_error(device, ret, "bad setting", bad_key);
		device_set_state(device, DEV_BROKEN);
		return 0;
	}
	ret = device_write_keys(device);
	if (!ret)
		device_set_state(device, DEV_WAITING);
	return ret;
}

/* Counts an end that nobody asked for; true: there were too many. */
static bool device_count_crash(struct device *device)
{
	size_t nr = sizeof(device->crash_us) / sizeof(device->crash_us[0]);
	uint64_t oldest = device->crash_us[0];
	uint64_t now = clock_us();

	memmove(&device->crash_us[0], &device->crash_us[1],
		(nr - 1) * sizeof(device->crash_us[0]));
	device->crash_us[nr - 1] = now;
	return !device->broker->keep_trying && oldest &&
	       now - oldest < DEVICE_CRASH_WINDOW_US;
}

/* No worker any more, or none came to be: Closed, or given up. */
static void device_fail(struct device *device)
{
	if (device_xenbus[device->state] != XB_CLOSING)
		device_set_state(device, DEV_STOPPING);
	if (device_count_crash(device)) {
		device_set_error(device, -EIO, "failed too often, given up",
				 "");
		device_set_state(device, DEV_BROKEN);
		return;
	}
	device_set_state(device, DEV_CLOSED);
}

static void device_spawn(struct device *device,
			 const struct ipc_frontend *frontend)
{
	const char *what = "";
	int ret;

	if (!log_limit_take(&device->starts, clock_us())) {
		device_set_error(device, -EBUSY, "connects too often, given up",
				 "");
		device_set_state(device, DEV_BROKEN);
		return;
	}
	ret = worker_spawn(device, frontend, &what);
	if (ret) {
		device_set_error(device, ret, "no worker", what);
		device_fail(device);
		return;
	}
	device_set_state(device, DEV_STARTING);
}

static int device_connect(struct device *device)
{
	struct ipc_frontend frontend;
	const char *what = "";
	int ret;

	ret = config_read_frontend(device->broker->xs, device->front,
				   &frontend, &what);
	if (store_has_failed(ret))
		return ret;
	if (!ret) {
		device_spawn(device, &frontend);
		return 0;
	}
	device_set_error(device, ret, "bad frontend key", what);
	device_fail(device);
	return 0;
}

/* The toolstack may have written Closing over our Closed, and waits for it. */
static int device_close(struct device *device)
{
	uint64_t state = XB_UNKNOWN;
	int ret;

	if (device->state != DEV_CLOSED && device->state != DEV_BROKEN) {
		device_set_state(device, DEV_CLOSED);
		return 0;
	}
	ret = device_read_number(device, device->back, "state",
				 XB_NR_STATES - 1, &state);
	if (!ret && state != XB_CLOSED)
		device_write_state(device, XB_CLOSED);
	return ret;
}

void device_stop(struct device *device)
{
	/* Its time began before somebody waited for our end. */
	if (device->state == DEV_RESCUING)
		broker_needs_time(device->broker, device->broker->rescue_us);
	if (device->pid <= 0 || device->state == DEV_STOPPING ||
	    device->state == DEV_RESCUING)
		return;
	worker_stop(device);
	device_set_state(device, DEV_STOPPING);
}

/* 0 or why the store has failed: then nothing has changed. */
static int device_act(struct device *device, enum device_action action)
{
	switch (action) {
	case ACT_NONE:
		break;
	case ACT_PUBLISH:
		return device_publish(device);
	case ACT_CONNECT:
		return device_connect(device);
	case ACT_STOP:
		device_stop(device);
		break;
	case ACT_CLOSE:
		return device_close(device);
	}
	return 0;
}

/* One look at both ends, and what follows from it. */
static int device_step(struct device *device)
{
	uint64_t frontend, online = 0;
	int ret;

	ret = device_read_frontend(device, &frontend);
	if (!ret)
		ret = device_read_number(device, device->back, "online", 1,
					 &online);
	if (ret)
		return ret;
	return device_act(device, device_decide(device->state,
						(enum xenbus_state)frontend,
						online != 0));
}

void device_update(struct device *device)
{
	enum device_state before;
	int ret;

	if (device->broker->is_ending || device->is_leaving)
		return;
	if (device->is_unsaid)
		device_write_state(device, device_xenbus[device->state]);
	do {
		before = device->state;
		ret = device_step(device);
	} while (!ret && device->state != before);
	if (ret)
		device_retry(device, ret);
}

void device_worker_ready(struct device *device)
{
	if (device->state != DEV_STARTING)
		return;
	device_clear_error(device);
	device_log(device, LOG_INFO,
		   "%u.%u: connected, GPU %s of %u (%s), worker %d",
		   device->domid, device->devid, device->gpu_path[0],
		   device->config.gpus.nr, device->gpu_driver,
		   (int)device->pid);
	device_set_state(device, DEV_CONNECTED);
	device_update(device);
}

static void device_say_end(struct device *device,
			   const struct ipc_report *report, int code,
			   int wstatus)
{
	char text[64];

	snprintf(text, sizeof(text), "worker %s %d",
		 code == CLD_EXITED ? "exited with code" :
				      "was killed by signal", wstatus);
	if (report->type == IPC_REPORT_FAILED)
		device_set_error(device, report->error, report->text, "");
	else
		device_set_error(device, -EIO, text, "");
}

/* Without a worker. */
static void device_free(struct device *device)
{
	char path[STORE_PATH_LEN];

	if (!store_path(path, device->front, "state"))
		xs_unwatch(device->broker->xs, path, device->token);
	device_clear_error(device);
	log_info("%u.%u: removed", device->domid, device->devid);
	HASH_DEL(device->broker->devices, device);
	free(device);
}

/* No process and nothing of it is left. May free the device. */
static void device_ended(struct device *device)
{
	worker_forget(device);
	if (device->is_leaving) {
		/* Another one with its number may have come meanwhile. */
		broker_look(device->broker);
		device_free(device);
		return;
	}
	if (device->was_told) {
		device_log(device, LOG_INFO, "%u.%u: closed", device->domid,
			   device->devid);
		device_set_state(device, DEV_CLOSED);
	} else {
		device_fail(device);
	}
	device_update(device);
}

/*
 * A rescuer that somebody killed has left a journal that another can go on from.
 * One that ended by itself, or that took too long, has done what there was to do.
 */
static bool is_worth_another(const struct device *device, int code)
{
	return code != CLD_EXITED && !device->is_late &&
	       device->rescuers < DEVICE_RESCUERS;
}

/* Only an end that was in order is known to have left nothing in VRAM. */
void device_worker_gone(struct device *device, int code, int wstatus)
{
	bool in_order = code == CLD_EXITED && !wstatus;
	enum device_state before = device->state;
	struct ipc_report report = device->report;
	struct broker *broker = device->broker;

	worker_release(device);
	if (before != DEV_RESCUING) {
		device->was_told = before == DEV_STOPPING;
		device->rescuers = 0;
		device->is_late = false;
	}
	if (before == DEV_RESCUING ? !in_order : !device->was_told)
		device_say_end(device, &report, code, wstatus);
	if (in_order || (before == DEV_RESCUING && !is_worth_another(device, code)) ||
	    worker_rescue(device))
		device_ended(device);
	else
		device_set_state(device, DEV_RESCUING);
	broker_end_step(broker);
}

struct device *device_find(struct broker *broker, uint32_t domid,
			   uint32_t devid)
{
	uint64_t key = (uint64_t)domid << 32 | devid;
	struct device *device;

	HASH_FIND(hh, broker->devices, &key, sizeof(key), device);
	return device;
}

struct device *device_add(struct broker *broker, uint32_t domid,
			  uint32_t devid)
{
	struct device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->broker = broker;
	device->key = (uint64_t)domid << 32 | devid;
	device->domid = domid;
	device->devid = devid;
	device->control = -1;
	device->files = -1;
	memset(device->kept, -1, sizeof(device->kept));
	device->log.window_us = DEVICE_LOG_WINDOW_US;
	device->log.burst = DEVICE_LOG_BURST;
	device->starts.window_us = DEVICE_START_WINDOW_US;
	device->starts.burst = DEVICE_STARTS;
	snprintf(device->back, sizeof(device->back),
		 "/local/domain/%u/backend/userptr/%u/%u", broker->own_domid,
		 domid, devid);
	snprintf(device->front, sizeof(device->front),
		 "/local/domain/%u/device/userptr/%u", domid, devid);
	snprintf(device->token, sizeof(device->token), "%u/%u", domid, devid);
	HASH_ADD(hh, broker->devices, key, sizeof(device->key), device);
	if (hash_added(device))
		return device;
	free(device);
	return NULL;
}

/* The guest's own directory is left when its last device goes. */
static void device_remove_nodes(struct device *device)
{
	struct xs_handle *xs = device->broker->xs;
	char parent[STORE_PATH_LEN];
	unsigned int nr = 0;
	char **names;

	xs_rm(xs, XBT_NULL, device->back);
	snprintf(parent, sizeof(parent), "/local/domain/%u/backend/userptr/%u",
		 device->broker->own_domid, device->domid);
	names = xs_directory(xs, XBT_NULL, parent, &nr);
	if (names && !nr)
		xs_rm(xs, XBT_NULL, parent);
	free(names);
}

void device_abandon(struct device *device)
{
	if (device->pid > 0)
		device_set_state(device, DEV_STOPPING);
	worker_release(device);
	worker_forget(device);
	HASH_DEL(device->broker->devices, device);
	free(device);
}

void device_leave(struct device *device)
{
	device->is_leaving = true;
	device_stop(device);
	if (device->pid <= 0)
		device_free(device);
}

void device_forget(struct device *device)
{
	worker_kill(device);
	worker_forget(device);
	device_remove_nodes(device);
	device_free(device);
}
