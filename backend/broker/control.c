// SPDX-License-Identifier: MIT
/*
 * The control socket: root's tools ask for moves, policies and pictures. A
 * request is passed on to the worker of the device, and its answer back; one
 * at a time for each device. The broker waits for neither.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"
#include "rundir.h"

/* Somebody connected who has not said what for. */
struct asker {
	struct broker *broker;
	sd_event_source *source;
	int fd;
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

void control_drop(struct device *device)
{
	if (device->asker >= 0)
		close(device->asker);
	device->asker = -1;
}

/* What a worker says is a stranger's: the tool checks what it prints. */
void control_answer(struct device *device, const struct ipc_report *report)
{
	if (device->asker < 0)
		return;
	control_send(device->asker, report);
	control_drop(device);
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
	if (device->state != DEV_CONNECTED)
		return -ENOTCONN;
	if (device->asker >= 0)
		return -EBUSY;
	ret = ipc_send(device->control, &request->control,
		       sizeof(request->control), NULL, 0);
	if (!ret)
		device->asker = fd;
	return ret;
}

static int control_on_request(sd_event_source *source, int fd, uint32_t revents,
			      void *context)
{
	struct asker *asker = context;
	struct ipc_request request;
	int ret;

	(void)source;
	(void)revents;
	ret = ipc_recv(fd, &request, sizeof(request), NULL, 0);
	if (ret == -EAGAIN)
		return 0;
	sd_event_source_disable_unref(asker->source);
	if (!ret)
		ret = control_pass(asker->broker, &request, fd);
	if (ret) {
		control_refuse(fd, ret);
		close(fd);
	}
	free(asker);
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
