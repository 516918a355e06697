// SPDX-License-Identifier: MIT
/*
 * The broker's loop: xenstore watches in, device updates out. What a watch
 * says is only a hint to look; what is in the store is what counts.
 */
#include "broker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>
#include <xen/xen.h>

#include "number.h"

#define TOKEN_BACK	"backend"
#define TOKEN_RELEASE	"release"

/*
 * Watches of one round. To take one costs nothing but memory, while who sets them off
 * waits for xenstored each time: a round finds the end of the line.
 */
#define BROKER_WATCHES	4096U

/* No watch tells that a store that has failed would answer now. */
#define BROKER_RETRY_US	1000000U
#define BROKER_LOG_WINDOW_US	60000000U
#define BROKER_LOG_BURST	5U

/*
 * For a rescuer. The CPU reads the memory of a GPU slowly, and chunks that go together
 * arrive late, but not a step in this time is a hang. After as long the module answers
 * wants itself (want_limit_ms). What a rescuer says of its steps may be its guest's words.
 */
#define BROKER_RESCUE_US	60000000U
#define BROKER_RESCUE_MAX_US	600000000U
/* For systemd, on top. */
#define BROKER_SLACK_US	10000000U

void broker_look(struct broker *broker)
{
	broker->is_stale = true;
	sd_event_source_set_enabled(broker->sweep, SD_EVENT_ONESHOT);
}

void broker_retry(struct broker *broker, int error)
{
	int enabled = SD_EVENT_OFF;

	/* The library has closed the connection and opens no other. */
	if (error == -EBADF) {
		log_err("xenstore is gone");
		sd_event_exit(broker->loop, -EIO);
		return;
	}
	/* Who fails meanwhile does not put it off. */
	sd_event_source_get_enabled(broker->retry, &enabled);
	if (enabled != SD_EVENT_OFF)
		return;
	if (log_limit_take(&broker->log, clock_us()))
		log_warn("xenstore has failed, it is asked again: %s",
			 strerror(-error));
	sd_event_source_set_time_relative(broker->retry, BROKER_RETRY_US);
	sd_event_source_set_enabled(broker->retry, SD_EVENT_ONESHOT);
}

static int broker_on_retry(sd_event_source *source, uint64_t usec, void *context)
{
	struct broker *broker = context;

	(void)source;
	(void)usec;
	return sd_event_source_set_enabled(broker->sweep, SD_EVENT_ONESHOT);
}

static int broker_add(struct broker *broker, uint32_t domid, uint32_t devid)
{
	struct device *device;
	char path[STORE_PATH_LEN];
	int ret;

	device = device_add(broker, domid, devid);
	if (!device)
		return -ENOMEM;
	ret = store_path(path, device->front, "state");
	if (!ret && !xs_watch(broker->xs, path, device->token))
		ret = errno ? -errno : -EIO;
	if (ret) {
		if (log_limit_take(&broker->log, clock_us()))
			log_err("%u.%u: cannot watch the frontend", domid, devid);
		device_leave(device);
		return ret;
	}
	log_info("%u.%u: found", domid, devid);
	return 0;
}

/*
 * A node is a device if the toolstack has written where its frontend is. 0, -ENOENT (it
 * is none), or why that is not known.
 */
static int broker_check_node(struct broker *broker, uint32_t domid,
			     uint32_t devid)
{
	char back[STORE_PATH_LEN], front[STORE_PATH_LEN], want[STORE_PATH_LEN];
	int ret;

	snprintf(back, sizeof(back), "/local/domain/%u/backend/userptr/%u/%u",
		 broker->own_domid, domid, devid);
	snprintf(want, sizeof(want), "/local/domain/%u/device/userptr/%u",
		 domid, devid);
	ret = store_read(broker->xs, back, "frontend", front, sizeof(front));
	if (store_has_failed(ret) || ret == -EACCES)
		return ret;
	return ret || strcmp(front, want) ? -ENOENT : 0;
}

static int broker_scan_device(struct broker *broker, uint32_t domid,
			      const char *name)
{
	uint64_t devid;
	int ret;

	if (number_parse(name, UINT32_MAX, &devid) ||
	    device_find(broker, domid, (uint32_t)devid))
		return 0;
	ret = broker_check_node(broker, domid, (uint32_t)devid);
	if (!ret)
		ret = broker_add(broker, domid, (uint32_t)devid);
	return ret == -ENOENT ? 0 : ret;
}

static int broker_scan_domain(struct broker *broker, const char *name)
{
	unsigned int nr, i;
	char dir[STORE_PATH_LEN];
	uint64_t domid;
	char **names;
	int ret, error;

	if (number_parse(name, DOMID_FIRST_RESERVED - 1, &domid) ||
	    store_path(dir, broker->root, name))
		return 0;
	error = store_list(broker->xs, dir, &names, &nr);
	for (i = 0; i < nr; i++) {
		ret = broker_scan_device(broker, (uint32_t)domid, names[i]);
		error = ret ? ret : error;
	}
	free(names);
	return error;
}

static int broker_scan_new(struct broker *broker)
{
	unsigned int nr, i;
	char **names;
	int ret, error;

	error = store_list(broker->xs, broker->root, &names, &nr);
	for (i = 0; i < nr; i++) {
		ret = broker_scan_domain(broker, names[i]);
		error = ret ? ret : error;
	}
	free(names);
	return error;
}

/* Compares the store with the devices known: new ones, gone ones, the rest. */
static void broker_scan(struct broker *broker)
{
	int ret, error = broker_scan_new(broker);
	struct device *device, *next;

	HASH_ITER(hh, broker->devices, device, next) {
		device->is_stale = false;
		ret = broker_check_node(broker, device->domid, device->devid);
		if (!ret)
			device_update(device);
		else if (ret == -ENOENT)
			device_leave(device);
		else
			error = ret;
	}
	if (error) {
		broker->is_stale = true;
		broker_retry(broker, error);
	}
}

/*
 * Some domain went away. Its number may be another's soon: forget all of it. The
 * library says only by errno whether it was told, or has failed.
 */
static void broker_check_domains(struct broker *broker)
{
	struct device *device, *next;
	int error = 0;

	HASH_ITER(hh, broker->devices, device, next) {
		errno = 0;
		if (xs_is_domain_introduced(broker->xs, device->domid))
			continue;
		/* Only domain 0 may ask; the frontend's node cannot be read any more. */
		if (errno == EACCES)
			device->is_stale = true;
		else if (errno)
			error = -errno;
		else
			device_forget(device);
	}
	if (error) {
		broker->is_released = true;
		broker_retry(broker, error);
	}
}

static void broker_on_token(struct broker *broker, const char *token)
{
	struct device *device, *next;

	if (!strcmp(token, TOKEN_RELEASE))
		broker->is_released = true;
	else if (!strcmp(token, TOKEN_BACK))
		broker->is_stale = true;
	else
		HASH_ITER(hh, broker->devices, device, next)
			if (!strcmp(token, device->token))
				device->is_stale = true;
}

static void broker_update_stale(struct broker *broker)
{
	struct device *device, *next;

	HASH_ITER(hh, broker->devices, device, next) {
		if (!device->is_stale)
			continue;
		device->is_stale = false;
		device_update(device);
	}
}

/*
 * Many watches, one look at the store: a guest that writes its nodes without end
 * causes no more work than one that writes once a round, and the others' turn comes.
 */
static int broker_on_sweep(sd_event_source *source, void *context)
{
	struct broker *broker = context;
	bool is_released = broker->is_released, is_stale = broker->is_stale;

	(void)source;
	/* What the store does not answer becomes stale again. */
	broker->is_released = false;
	broker->is_stale = false;
	if (is_released)
		broker_check_domains(broker);
	if (is_stale)
		broker_scan(broker);
	else
		broker_update_stale(broker);
	/* A device that was forgotten took its worker along. */
	broker_end_step(broker);
	return 0;
}

static int broker_on_store(sd_event_source *source, int fd, uint32_t revents,
			   void *context)
{
	struct broker *broker = context;
	unsigned int i;
	char **watch;

	(void)source;
	(void)fd;
	(void)revents;
	for (i = 0; i < BROKER_WATCHES; i++) {
		watch = xs_check_watch(broker->xs);
		if (!watch)
			break;
		broker_on_token(broker, watch[XS_WATCH_TOKEN]);
		free(watch);
	}
	return sd_event_source_set_enabled(broker->sweep, SD_EVENT_ONESHOT);
}

static int broker_open_store(struct broker *broker)
{
	uint64_t domid;
	char *text;
	int ret;

	broker->xs = xs_open(0);
	if (!broker->xs) {
		ret = errno ? -errno : -ENODEV;
		log_err("cannot open xenstore: %s", strerror(-ret));
		return ret;
	}
	/* A domain 0 without this node is still domain 0. */
	text = xs_read(broker->xs, XBT_NULL, "domid", NULL);
	ret = number_parse(text ? text : "0", DOMID_FIRST_RESERVED - 1, &domid);
	free(text);
	if (ret)
		return ret;
	broker->own_domid = (uint32_t)domid;
	snprintf(broker->root, sizeof(broker->root),
		 "/local/domain/%u/backend/userptr", broker->own_domid);
	return 0;
}

static int broker_add_retry(struct broker *broker)
{
	int ret;

	broker->log.window_us = BROKER_LOG_WINDOW_US;
	broker->log.burst = BROKER_LOG_BURST;
	ret = sd_event_add_time(broker->loop, &broker->retry, CLOCK_MONOTONIC,
				UINT64_MAX, 0, broker_on_retry, broker);
	return ret < 0 ? ret : sd_event_source_set_enabled(broker->retry,
							   SD_EVENT_OFF);
}

static int broker_watch_store(struct broker *broker)
{
	int ret;

	ret = sd_event_add_defer(broker->loop, &broker->sweep, broker_on_sweep,
				 broker);
	if (ret >= 0)
		ret = broker_add_retry(broker);
	if (ret >= 0)
		ret = sd_event_add_io(broker->loop, NULL,
				      xs_fileno(broker->xs), EPOLLIN,
				      broker_on_store, broker);
	if (ret < 0)
		return ret;
	if (!xs_watch(broker->xs, broker->root, TOKEN_BACK) ||
	    !xs_watch(broker->xs, "@releaseDomain", TOKEN_RELEASE)) {
		log_err("cannot watch %s: %s", broker->root, strerror(errno));
		return -errno;
	}
	return 0;
}

/* Workers bring home what is in VRAM before they end; the last one lets the loop go. */
void broker_end_step(struct broker *broker)
{
	struct device *device, *next;

	if (!broker->is_ending)
		return;
	HASH_ITER(hh, broker->devices, device, next)
		if (device->pid > 0)
			return;
	sd_event_exit(broker->loop, 0);
}

void broker_needs_time(const struct broker *broker, uint64_t usec)
{
	if (broker->is_ending)
		sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu",
			   (unsigned long long)(usec + BROKER_SLACK_US));
}

/* Who asks twice does not want to wait. */
static int broker_on_end(sd_event_source *source,
			 const struct signalfd_siginfo *info, void *context)
{
	struct broker *broker = context;
	struct device *device, *next;

	(void)source;
	(void)info;
	if (broker->is_ending)
		return sd_event_exit(broker->loop, 0);
	broker->is_ending = true;
	sd_notify(0, "STOPPING=1");
	HASH_ITER(hh, broker->devices, device, next)
		device_stop(device);
	broker_end_step(broker);
	return 0;
}

static int broker_add_signals(struct broker *broker)
{
	sigset_t set;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	ret = sd_event_add_signal(broker->loop, NULL, SIGTERM, broker_on_end,
				  broker);
	if (ret >= 0)
		ret = sd_event_add_signal(broker->loop, NULL, SIGINT,
					  broker_on_end, broker);
	return ret < 0 ? ret : 0;
}

int broker_init(struct broker *broker)
{
	int ret;

	broker->rescue_us = BROKER_RESCUE_US;
	broker->rescue_max_us = BROKER_RESCUE_MAX_US;
	ret = sd_event_new(&broker->loop);
	if (ret < 0)
		return ret;
	ret = broker_add_signals(broker);
	if (!ret)
		ret = broker_open_store(broker);
	if (!ret)
		ret = status_listen(broker);
	if (!ret)
		ret = control_listen(broker);
	if (!ret)
		ret = broker_watch_store(broker);
	return ret;
}

int broker_run(struct broker *broker)
{
	log_info("serving %s", broker->root);
	sd_notify(0, "READY=1");
	return sd_event_loop(broker->loop);
}

void broker_fini(struct broker *broker)
{
	struct device *device, *next;

	/* The nodes stay: the next broker takes over from them. */
	HASH_ITER(hh, broker->devices, device, next)
		device_abandon(device);
	sd_event_source_disable_unref(broker->sweep);
	sd_event_source_disable_unref(broker->retry);
	if (broker->xs)
		xs_close(broker->xs);
	sd_event_unref(broker->loop);
}
