// SPDX-License-Identifier: MIT
/*
 * The status socket: whoever may connect (root) gets one JSON document with
 * all devices, quotas and counters, and the end of the file. Nothing is read.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"
#include "rundir.h"

static void status_put_number(struct json_object *object, const char *key,
			      uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void status_put_text(struct json_object *object, const char *key,
			    const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static struct json_object *status_limits(const struct config *config)
{
	struct json_object *limits = json_object_new_object();

	status_put_number(limits, "max-pages", config->limits.max_pages);
	status_put_number(limits, "max-objects", config->limits.max_objects);
	status_put_number(limits, "max-vms", config->limits.max_vms);
	status_put_number(limits, "max-mappings",
			  config->limits.max_mappings);
	status_put_number(limits, "max-jobs", config->limits.max_jobs);
	status_put_number(limits, "max-vram", config->max_vram);
	return limits;
}

static struct json_object *status_counters(const struct worker_status *status)
{
	struct json_object *counters = json_object_new_object();

#define X(name, text) \
	status_put_number(counters, #name, status_get(&status->name));
	WORKER_COUNTERS(X)
#undef X
	return counters;
}

/* Buckets up to the last that is not empty. */
static struct json_object *status_buckets(const struct worker_time *time)
{
	struct json_object *buckets = json_object_new_array();
	uint32_t i, nr = MIG_BUCKETS;

	while (nr && !status_get(&time->bucket[nr - 1]))
		nr--;
	for (i = 0; i < nr; i++)
		json_object_array_add(buckets, json_object_new_uint64(
					status_get(&time->bucket[i])));
	return buckets;
}

static struct json_object *status_time(const struct worker_time *from)
{
	struct json_object *time = json_object_new_object();

	status_put_number(time, "count", status_get(&from->count));
	status_put_number(time, "sum_us", status_get(&from->sum_us));
	status_put_number(time, "max_us", status_get(&from->max_us));
	json_object_object_add(time, "buckets", status_buckets(from));
	return time;
}

/* Of what has happened: the document must fit into a socket. */
static struct json_object *status_times(const struct worker_status *status)
{
	static const char *const names[] = {
#define X(id, name, text) #name,
		MIG_TIMES(X)
#undef X
	};
	struct json_object *times = json_object_new_object();
	uint32_t i;

	for (i = 0; i < MIG_NR_TIMES; i++)
		if (status_get(&status->time[i].count))
			json_object_object_add(times, names[i],
					       status_time(&status->time[i]));
	return times;
}

static struct json_object *status_gpus(const struct device *device)
{
	struct json_object *gpus = json_object_new_array();
	uint32_t i;

	for (i = 0; i < device->config.gpus.nr; i++)
		json_object_array_add(gpus, json_object_new_string(
						device->gpu_path[i]));
	return gpus;
}

static struct json_object *status_device(struct device *device)
{
	struct json_object *object = json_object_new_object();

	status_put_number(object, "domid", device->domid);
	status_put_number(object, "devid", device->devid);
	status_put_text(object, "state", device_state_name(device->state));
	status_put_text(object, "frontend-state",
			store_state_name(device_frontend_state(device)));
	json_object_object_add(object, "limits",
			       status_limits(&device->config));
	if (!device->status)
		return object;
	status_put_number(object, "pid", (uint64_t)device->pid);
	status_put_text(object, "gpu", device->gpu_path[0]);
	json_object_object_add(object, "gpus", status_gpus(device));
	status_put_text(object, "driver", device->gpu_driver);
	json_object_object_add(object, "counters",
			       status_counters(device->status));
	json_object_object_add(object, "times", status_times(device->status));
	return object;
}

static struct json_object *status_document(struct broker *broker)
{
	struct json_object *document = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	struct device *device, *next;

	HASH_ITER(hh, broker->devices, device, next)
		json_object_array_add(devices, status_device(device));
	status_put_number(document, "domid", broker->own_domid);
	json_object_object_add(document, "devices", devices);
	return document;
}

static int status_on_connect(sd_event_source *source, int fd, uint32_t revents,
			     void *context)
{
	struct json_object *document;
	const char *text;
	int client;

	(void)source;
	(void)revents;
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0;
	document = status_document(context);
	text = json_object_to_json_string_ext(document,
					      JSON_C_TO_STRING_PLAIN);
	/* It fits into an empty socket, or the reader gets less: no waiting. */
	if (send(client, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_debug("status: %s", strerror(errno));
	json_object_put(document);
	close(client);
	return 0;
}

int status_listen(struct broker *broker)
{
	int ret;

	broker->status_sock = rundir_listen(RUNDIR_SOCKET, SOCK_STREAM);
	if (broker->status_sock < 0) {
		log_err("cannot listen on %s: %s", RUNDIR_SOCKET,
			strerror(-broker->status_sock));
		return broker->status_sock;
	}
	ret = sd_event_add_io(broker->loop, NULL, broker->status_sock, EPOLLIN,
			      status_on_connect, broker);
	return ret < 0 ? ret : 0;
}
