// SPDX-License-Identifier: MIT
/* Talks to the control socket of the daemon: one message there, one back. */
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "number.h"
#include "rundir.h"

int ask_number(const char *text, const char *what, uint32_t *number)
{
	uint64_t value;

	if (number_parse(text, UINT32_MAX, &value))
		return ctl_error(CTL_USAGE, "'%s' is no %s", text, what);
	*number = (uint32_t)value;
	return CTL_OK;
}

int ask_device(struct ctl *ctl, char *text, struct ipc_request *request)
{
	char *devid = strchr(text, '/');
	int ret = CTL_OK;

	if (devid) {
		*devid++ = '\0';
		ret = ask_number(devid, "device number", &request->devid);
	}
	if (ret == CTL_OK && ctl_find_domain(ctl, text, &request->domid))
		ret = ctl_error(CTL_NO_ENTRY, "no domain '%s'", text);
	return ret;
}

static const char *ask_text(int error)
{
	switch (error) {
	case -ENODEV:
		return "there is no such device";
	case -ENOTCONN:
		return "the device is not connected";
	case -EBUSY:
		return "it is busy: its guest was suspended and has run no job since, or too many requests wait";
	case -EOPNOTSUPP:
		return "not possible with this hypervisor, module or GPU";
	case -ENOENT:
		return "there is no such object";
	case -ERANGE:
		return "the object has fewer pages";
	default:
		return strerror(-error);
	}
}

/* 0, or why there is no answer of a worker. */
static enum ctl_exit ask_worker(struct ctl *ctl,
				const struct ipc_request *request,
				struct ipc_report *report, int *error)
{
	struct pollfd pollfd = { .events = POLLIN };
	enum ctl_exit code = CTL_OK;
	int ret;

	pollfd.fd = rundir_connect(RUNDIR_CONTROL, SOCK_SEQPACKET);
	*error = pollfd.fd;
	if (pollfd.fd < 0)
		return CTL_NO_DAEMON;
	*error = ipc_send(pollfd.fd, request, sizeof(*request), NULL, 0);
	if (*error) {
		code = CTL_NO_DAEMON;
		goto out;
	}
	ret = poll(&pollfd, 1, (int)ctl->timeout_s * 1000);
	if (ret == 0)
		code = CTL_TIMEOUT;
	else if (ret < 0 ||
		 ipc_recv(pollfd.fd, report, sizeof(*report), NULL, 0) < 0)
		code = CTL_FAILED;
out:
	close(pollfd.fd);
	return code;
}

int ask_quietly(struct ctl *ctl, const struct ipc_request *request,
		struct ipc_report *report)
{
	int error;

	if (ask_worker(ctl, request, report, &error) != CTL_OK)
		return -EIO;
	if (report->error)
		return report->error;
	return answer_fits(&request->control, report) ? 0 : -EBADMSG;
}

int ask(struct ctl *ctl, const struct ipc_request *request,
	struct ipc_report *report)
{
	struct ipc_request patient = *request;
	int error;

	patient.wait = 1;
	switch (ask_worker(ctl, &patient, report, &error)) {
	case CTL_OK:
		break;
	case CTL_NO_DAEMON:
		return ctl_error(CTL_NO_DAEMON, "userptrd does not answer: %s",
				 strerror(-error));
	case CTL_TIMEOUT:
		return ctl_error(CTL_TIMEOUT, "no answer in %u s; it goes on",
				 ctl->timeout_s);
	case CTL_FAILED:
	case CTL_USAGE:
	case CTL_NO_ENTRY:
		return ctl_error(CTL_FAILED, "the worker has ended");
	}
	if (report->error)
		return ctl_error(report->error == -ENODEV ||
				 report->error == -ENOENT ?
				 CTL_NO_ENTRY : CTL_FAILED, "%s",
				 ask_text(report->error));
	if (!answer_fits(&request->control, report))
		return ctl_error(CTL_FAILED, "an answer without sense");
	return CTL_OK;
}
