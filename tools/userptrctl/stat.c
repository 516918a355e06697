// SPDX-License-Identifier: MIT
/* stat: asks the daemon of this domain for the counters of its workers. */
#include "stat.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rundir.h"
#include "status.h"
#include "times.h"

#define STAT_MAX_TEXT	(1U << 20)

/* For people: the counters in words, from the one list of them. */
static const struct {
	const char *name;
	const char *text;
} stat_words[] = {
#define X(name, text) { #name, text },
	WORKER_COUNTERS(X)
#undef X
};

static struct json_object *stat_read(int sock)
{
	struct json_object *document;
	size_t used = 0;
	ssize_t got;
	char *text;

	text = malloc(STAT_MAX_TEXT);
	if (!text)
		return NULL;
	while ((got = read(sock, text + used, STAT_MAX_TEXT - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	document = got < 0 ? NULL : json_tokener_parse(text);
	free(text);
	return document;
}

static uint64_t stat_number(struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

static const char *stat_text(struct json_object *object, const char *key)
{
	const char *text;

	text = json_object_get_string(json_object_object_get(object, key));
	return text ? text : "-";
}

static void stat_print_gpus(struct json_object *gpus)
{
	size_t i, nr = json_object_is_type(gpus, json_type_array) ?
		       json_object_array_length(gpus) : 0;

	for (i = 0; i < nr; i++)
		printf("%s%s", i ? ", " : "", json_object_get_string(
				json_object_array_get_idx(gpus, i)));
	if (!nr)
		putchar('-');
}

static void stat_print(struct json_object *device)
{
	struct json_object *counters;
	size_t i;

	printf("domain %s device %s: %s, GPU ", stat_text(device, "domid"),
	       stat_text(device, "devid"), stat_text(device, "state"));
	stat_print_gpus(json_object_object_get(device, "gpus"));
	printf(" (%s)\n", stat_text(device, "driver"));
	counters = json_object_object_get(device, "counters");
	for (i = 0; counters &&
	     i < sizeof(stat_words) / sizeof(stat_words[0]); i++)
		printf("  %12llu  %s\n", (unsigned long long)
		       stat_number(counters, stat_words[i].name),
		       stat_words[i].text);
	times_print(json_object_object_get(device, "times"));
}

/* Only the devices of one domain stay. */
static void stat_filter(struct json_object *devices, uint32_t domid)
{
	size_t i = 0;

	while (i < json_object_array_length(devices)) {
		struct json_object *device = json_object_array_get_idx(devices,
								       i);

		if (stat_number(device, "domid") == domid)
			i++;
		else
			json_object_array_del_idx(devices, i, 1);
	}
}

static void stat_show(struct ctl *ctl, struct json_object *devices)
{
	size_t i;

	if (ctl->json) {
		puts(json_object_to_json_string_ext(devices,
						    JSON_C_TO_STRING_PRETTY));
		return;
	}
	for (i = 0; i < json_object_array_length(devices); i++)
		stat_print(json_object_array_get_idx(devices, i));
	if (!i)
		puts("no devices");
}

int stat_devices(struct ctl *ctl, struct json_object **document,
		 struct json_object **devices)
{
	uint32_t domid = 0;
	int sock;

	if (ctl->nr_args > 1)
		return ctl_error(CTL_USAGE, "one domain at most");
	if (ctl->nr_args == 1 && ctl_find_domain(ctl, ctl->args[0], &domid))
		return ctl_error(CTL_NO_ENTRY, "no domain '%s'", ctl->args[0]);
	sock = rundir_connect(RUNDIR_SOCKET, SOCK_STREAM);
	if (sock < 0)
		return ctl_error(CTL_NO_DAEMON, "userptrd does not answer on %s: %s",
				 RUNDIR_SOCKET, strerror(-sock));
	*document = stat_read(sock);
	close(sock);
	*devices = json_object_object_get(*document, "devices");
	if (!json_object_is_type(*devices, json_type_array)) {
		json_object_put(*document);
		return ctl_error(CTL_FAILED, "userptrd's answer makes no sense");
	}
	if (ctl->nr_args == 1)
		stat_filter(*devices, domid);
	return CTL_OK;
}

int ctl_stat(struct ctl *ctl)
{
	struct json_object *document, *devices;
	int ret = stat_devices(ctl, &document, &devices);

	if (ret != CTL_OK)
		return ret;
	stat_show(ctl, devices);
	json_object_put(document);
	return CTL_OK;
}
