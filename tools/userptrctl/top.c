// SPDX-License-Identifier: MIT
/*
 * top: looks at the workers again and again and shows what moves. Two looks are
 * needed for the first picture.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "stat.h"
#include "top-table.h"

/* Lines of objects: what an ordinary terminal shows, and all for programs. */
#define TOP_OBJECTS	20U
#define TOP_CLEAR	"\033[H\033[J"

static double top_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A worker that is busy or ends has no objects to show this time. */
static int top_ask(struct ctl *ctl, struct top *top, uint32_t domid,
		   uint32_t devid)
{
	struct ipc_request request = {
		.domid = domid,
		.devid = devid,
		.control.type = IPC_CONTROL_OBJECTS,
	};
	struct ipc_report report;
	uint32_t i;
	int ret;

	do {
		ret = ask_quietly(ctl, &request, &report);
		if (ret) {
			top_unknown(top, domid, devid);
			return 0;
		}
		for (i = 0; !ret && i < report.nr; i++)
			ret = top_object(top, domid, devid, &report.entry[i]);
		request.control.first = report.next;
	} while (!ret && report.next);
	return ret;
}

static int top_look(struct ctl *ctl, struct top *top, double *when)
{
	struct json_object *document, *devices, *device;
	double now = top_now();
	size_t i;
	int ret = stat_devices(ctl, &document, &devices), error = 0;

	if (ret != CTL_OK)
		return ret;
	top_begin(top, now - *when);
	*when = now;
	for (i = 0; !error && i < json_object_array_length(devices); i++) {
		device = json_object_array_get_idx(devices, i);
		error = top_device(top, device);
		if (!error && json_object_object_get(device, "counters"))
			error = top_ask(ctl, top, (uint32_t)json_object_get_int64(
					json_object_object_get(device, "domid")),
					(uint32_t)json_object_get_int64(
					json_object_object_get(device, "devid")));
	}
	json_object_put(document);
	top_end(top);
	return error ? ctl_error(CTL_FAILED, "cannot read the devices: %s",
				 strerror(-error)) : CTL_OK;
}

static int top_show(const struct ctl *ctl, const struct top *top)
{
	struct json_object *document;

	if (ctl->json) {
		document = top_json(top);
		puts(json_object_to_json_string_ext(document,
						    JSON_C_TO_STRING_PLAIN));
		json_object_put(document);
	} else {
		if (isatty(STDOUT_FILENO))
			fputs(TOP_CLEAR, stdout);
		top_print(top, stdout, isatty(STDOUT_FILENO) ? TOP_OBJECTS :
							       UINT32_MAX);
		if (!isatty(STDOUT_FILENO) && !ctl->once)
			putchar('\n');
	}
	return fflush(stdout) ? ctl_error(CTL_FAILED, "output: %s",
					  strerror(errno)) : CTL_OK;
}

/* A timer, so that the time of a look does not add up. */
static int top_timer(const struct ctl *ctl)
{
	const struct timespec every = {
		.tv_sec = ctl->interval_ms / 1000,
		.tv_nsec = (long)(ctl->interval_ms % 1000) * 1000000,
	};
	const struct itimerspec when = { every, every };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (timer >= 0 && timerfd_settime(timer, 0, &when, NULL) == 0)
		return timer;
	ctl_error(CTL_FAILED, "timer: %s", strerror(errno));
	if (timer >= 0)
		close(timer);
	return -1;
}

static int top_loop(struct ctl *ctl, struct top *top, int timer)
{
	double when = top_now();
	uint64_t times;
	int ret = top_look(ctl, top, &when);

	while (ret == CTL_OK) {
		if (read(timer, &times, sizeof(times)) != sizeof(times))
			return ctl_error(CTL_FAILED, "timer: %s",
					 strerror(errno));
		ret = top_look(ctl, top, &when);
		if (ret == CTL_OK)
			ret = top_show(ctl, top);
		if (ctl->once)
			break;
	}
	return ret;
}

int ctl_top(struct ctl *ctl)
{
	struct top top = { 0 };
	int timer = top_timer(ctl);
	int ret;

	if (timer < 0)
		return CTL_FAILED;
	ret = top_loop(ctl, &top, timer);
	top_free(&top);
	close(timer);
	return ret;
}
