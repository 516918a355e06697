// SPDX-License-Identifier: MIT
/*
 * The control socket: root's tools ask for moves, policies and pictures. A
 * request is passed on to the worker of the device, and its answer back; one
 * at a time for each device, in the order in which they came. The broker waits for
 * neither.
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

/* Somebody who has not said what for, or whose turn it is not yet. */
struct asker {
	struct broker *broker;
	sd_event_source *source;
	int fd;
	bool is_waiting;	/* in broker.waiting, with the request */
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

/* Returns 0 when the device's worker has it, else -errno. */
static int control_pass(struct broker *broker, const struct ipc_request *request,
			int fd)
{
	struct device *device = device_find(broker, request->domid,
					    request->devid);
	int ret;

	if (!device)
		return -ENODEV;
	if (device->state != DEV_CONNECTED || device->control < 0)
		return -ENOTCONN;
	if (device->asker >= 0)
		return -EBUSY;
	ret = ipc_send(device->control, &request->control,
		       sizeof(request->control), NULL, 0);
	if (!ret)
		device->asker = fd;
	/* It has just ended. */
	return ret == -EPIPE || ret == -ECONNRESET ? -ENOTCONN : ret;
}

/* @fd: what stays open of it, or -1. */
static void asker_free(struct asker *asker, int fd)
{
	struct broker *broker = asker->broker;

	sd_event_source_disable_unref(asker->source);
	if (asker->is_waiting) {
		DL_DELETE(broker->waiting, asker);
		broker->nr_waiting--;
	}
	if (asker->fd != fd)
		close(asker->fd);
	free(asker);
}

/* False: it has to wait. */
static bool asker_serve(struct asker *asker)
{
	struct broker *broker = asker->broker;
	int ret = control_pass(broker, &asker->request, asker->fd);

	if (ret == -EBUSY && asker->is_waiting)
		return false;
	if (ret == -EBUSY && asker->request.wait &&
	    broker->nr_waiting < MAX_WAITING) {
		DL_APPEND(broker->waiting, asker);
		broker->nr_waiting++;
		asker->is_waiting = true;
		return false;
	}
	if (ret)
		control_refuse(asker->fd, ret);
	asker_free(asker, ret ? -1 : asker->fd);
	return true;
}

/* The device's worker is free, or has gone. */
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
	if (device->asker >= 0)
		close(device->asker);
	device->asker = -1;
	control_next(device);
}

/* What a worker says is a stranger's: the tool checks what it prints. */
void control_answer(struct device *device, const struct ipc_report *report)
{
	if (device->asker < 0)
		return;
	control_send(device->asker, report);
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
	if (asker->is_waiting) {
		asker_free(asker, -1);
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
	asker_free(asker, -1);
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
