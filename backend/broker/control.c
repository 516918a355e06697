// SPDX-License-Identifier: MIT
/*
 * The control socket: root's tools ask for moves, policies and pictures. A
 * request is passed on to the worker of the device, and its answer back; one
 * at a time for each device, in the order in which they came. The broker waits for
 * neither. Who hangs up makes room for the next one, even if the worker has his request:
 * its late answer has another tag, and is dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "broker.h"
#include "rundir.h"

#define MAX_WAITING	64U

/* Somebody who has not said what for, whose turn it is not yet, or whose turn it is. */
struct asker {
	struct broker *broker;
	sd_event_source *source;
	int fd;
	bool is_waiting;	/* in broker.waiting, with the request */
	struct device *device;	/* whose worker has the request: it is device.asker */
	struct ipc_request request;
	struct asker *prev, *next;
};

static void control_send(int fd, const struct ipc_report *report)
{
	int ret = ipc_send(fd, report, sizeof(*report), NULL, 0);

	if (ret)
		log_debug("control: %s", strerror(-ret));
}

static void control_refuse(int fd, int error)
{
	struct ipc_report report = {
		.type = IPC_REPORT_ANSWER,
		.error = error,
	};

	control_send(fd, &report);
}

static void asker_unqueue(struct asker *asker)
{
	if (!asker->is_waiting)
		return;
	DL_DELETE(asker->broker->waiting, asker);
	asker->broker->nr_waiting--;
	asker->is_waiting = false;
}

static void asker_free(struct asker *asker)
{
	sd_event_source_disable_unref(asker->source);
	asker_unqueue(asker);
	if (asker->device)
		asker->device->asker = NULL;
	close(asker->fd);
	free(asker);
}

/* Returns 0 when the device's worker has it, else -errno. */
static int control_pass(struct asker *asker)
{
	struct ipc_request *request = &asker->request;
	struct device *device = device_find(asker->broker, request->domid,
					    request->devid);
	int ret;

	if (!device)
		return -ENODEV;
	if (device->state != DEV_CONNECTED || device->control < 0)
		return -ENOTCONN;
	if (device->asker)
		return -EBUSY;
	request->control.tag = ++device->tag;
	ret = ipc_send(device->control, &request->control,
		       sizeof(request->control), NULL, 0);
	if (!ret) {
		asker_unqueue(asker);
		asker->device = device;
		device->asker = asker;
	}
	/* It has just ended. */
	return ret == -EPIPE || ret == -ECONNRESET ? -ENOTCONN : ret;
}

/* False: it has to wait. */
static bool asker_serve(struct asker *asker)
{
	struct broker *broker = asker->broker;
	int ret = control_pass(asker);

	if (ret == -EBUSY && asker->is_waiting)
		return false;
	if (ret == -EBUSY && asker->request.wait &&
	    broker->nr_waiting < MAX_WAITING) {
		DL_APPEND(broker->waiting, asker);
		broker->nr_waiting++;
		asker->is_waiting = true;
		return false;
	}
	if (ret) {
		control_refuse(asker->fd, ret);
		asker_free(asker);
	}
	return true;
}

/* The device's worker is free, or has gone, or nobody waits for its answer. */
static void control_next(struct device *device)
{
	struct asker *asker, *next;

	DL_FOREACH_SAFE(device->broker->waiting, asker, next)
		if (asker->request.domid == device->domid &&
		    asker->request.devid == device->devid &&
		    !asker_serve(asker))
			return;
}

void control_drop(struct device *device)
{
	if (device->asker)
		asker_free(device->asker);
	control_next(device);
}

/* What a worker says is a stranger's: the tool checks what it prints. */
void control_answer(struct device *device, const struct ipc_report *report)
{
	/* None, or of somebody who has gone. */
	if (!device->asker || report->tag != device->tag)
		return;
	control_send(device->asker->fd, report);
	control_drop(device);
}

static int control_on_request(sd_event_source *source, int fd, uint32_t revents,
			      void *context)
{
	struct asker *asker = context;
	int ret;

	(void)source;
	(void)revents;
	/* Who says more than one thing, or hangs up, is not waited for. */
	if (asker->device) {
		control_drop(asker->device);
		return 0;
	}
	if (asker->is_waiting) {
		asker_free(asker);
		return 0;
	}
	ret = ipc_recv(fd, &asker->request, sizeof(asker->request), NULL, 0);
	if (ret == -EAGAIN)
		return 0;
	if (!ret) {
		(void)asker_serve(asker);
		return 0;
	}
	control_refuse(fd, ret);
	asker_free(asker);
	return 0;
}

static int control_on_connect(sd_event_source *source, int fd, uint32_t revents,
			      void *context)
{
	struct asker *asker;
	int client, ret;

	(void)source;
	(void)revents;
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0;
	asker = calloc(1, sizeof(*asker));
	if (!asker)
		goto err_close;
	asker->broker = context;
	asker->fd = client;
	ret = sd_event_add_io(asker->broker->loop, &asker->source, client,
			      EPOLLIN, control_on_request, asker);
	if (ret >= 0)
		return 0;
	free(asker);
err_close:
	close(client);
	return 0;
}

int control_listen(struct broker *broker)
{
	int ret;

	broker->control_sock = rundir_listen(RUNDIR_CONTROL, SOCK_SEQPACKET);
	if (broker->control_sock < 0) {
		log_err("cannot listen on %s: %s", RUNDIR_CONTROL,
			strerror(-broker->control_sock));
		return broker->control_sock;
	}
	ret = sd_event_add_io(broker->loop, NULL, broker->control_sock, EPOLLIN,
			      control_on_connect, broker);
	return ret < 0 ? ret : 0;
}
