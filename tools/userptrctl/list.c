// SPDX-License-Identifier: MIT
/* list: the devices that the toolstack knows, with the states of both ends. */
#include "ctl.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "number.h"

struct list {
	struct ctl *ctl;
	bool has_domid;
	uint32_t domid;
	struct json_object *devices;
};

static uint64_t list_state(struct ctl *ctl, const char *dir)
{
	uint64_t state;

	if (store_read_number(ctl->xs, dir, "state", UINT32_MAX, &state))
		return 0;
	return state;
}

/* As it was attached: "gpu" is the first, "gpus" are all. */
static void list_put_gpus(struct list *list, const struct ctl_device *device,
			  struct json_object *object)
{
	struct json_object *names = json_object_new_array();
	char text[STORE_TEXT_LEN];
	struct config_gpus gpus;
	uint32_t i;

	if (store_read(list->ctl->xs, device->libxl, "gpu", text,
		       sizeof(text)) || !*text ||
	    config_parse_gpus(text, &gpus))
		gpus = (struct config_gpus){ .nr = 1, .key[0] = "first" };
	for (i = 0; i < gpus.nr; i++)
		json_object_array_add(names,
				      json_object_new_string(gpus.key[i]));
	json_object_object_add(object, "gpu",
			       json_object_new_string(gpus.key[0]));
	json_object_object_add(object, "gpus", names);
}

static void list_put(struct list *list, const struct ctl_device *device)
{
	struct json_object *object = json_object_new_object();
	const char *back = store_state_name(list_state(list->ctl,
						       device->back));
	const char *front = store_state_name(list_state(list->ctl,
							device->front));

	json_object_object_add(object, "domid",
			       json_object_new_uint64(device->domid));
	json_object_object_add(object, "devid",
			       json_object_new_uint64(device->devid));
	json_object_object_add(object, "backend",
			       json_object_new_uint64(device->backend));
	list_put_gpus(list, device, object);
	json_object_object_add(object, "backend-state",
			       json_object_new_string(back));
	json_object_object_add(object, "frontend-state",
			       json_object_new_string(front));
	json_object_array_add(list->devices, object);
}

/* One that is not there any more, or makes no sense, is none. */
static int list_scan_device(struct list *list, uint32_t domid, const char *name)
{
	struct ctl_device device;
	uint64_t devid;
	int ret;

	if (number_parse(name, UINT32_MAX, &devid))
		return 0;
	ret = ctl_find_device(list->ctl, domid, (uint32_t)devid, &device);
	if (!ret)
		list_put(list, &device);
	return store_has_failed(ret) ? ret : 0;
}

static int list_scan_domain(struct list *list, const char *name)
{
	char dir[STORE_PATH_LEN];
	uint64_t domid;
	unsigned int nr, i;
	char **names;
	int ret;

	if (number_parse(name, UINT32_MAX, &domid) ||
	    (list->has_domid && domid != list->domid))
		return 0;
	snprintf(dir, sizeof(dir), "/libxl/%u/device/userptr", (uint32_t)domid);
	ret = store_list(list->ctl->xs, dir, &names, &nr);
	for (i = 0; !ret && i < nr; i++)
		ret = list_scan_device(list, (uint32_t)domid, names[i]);
	free(names);
	return ret;
}

static int list_scan(struct list *list)
{
	unsigned int nr, i;
	char **names;
	int ret;

	ret = store_list(list->ctl->xs, "/libxl", &names, &nr);
	for (i = 0; !ret && i < nr; i++)
		ret = list_scan_domain(list, names[i]);
	free(names);
	return ret;
}

static const char *list_get(struct json_object *device, const char *key)
{
	return json_object_get_string(json_object_object_get(device, key));
}

/* All GPUs, "," between. */
static const char *list_gpus(struct json_object *device, char *text,
			     size_t size)
{
	struct json_object *gpus = json_object_object_get(device, "gpus");
	size_t i, used = 0;

	text[0] = '\0';
	for (i = 0; i < json_object_array_length(gpus) && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 i ? "," : "", json_object_get_string(
					 json_object_array_get_idx(gpus, i)));
	return text;
}

static void list_print(struct json_object *devices)
{
	size_t i;

	printf("%-6s %-6s %-8s %-20s %-14s %s\n", "DOMID", "DEVID", "BACKEND",
	       "GPU", "BACKEND-STATE", "FRONTEND-STATE");
	for (i = 0; i < json_object_array_length(devices); i++) {
		struct json_object *device = json_object_array_get_idx(devices,
								       i);
		char gpus[STORE_TEXT_LEN];

		printf("%-6s %-6s %-8s %-20s %-14s %s\n",
		       list_get(device, "domid"), list_get(device, "devid"),
		       list_get(device, "backend"),
		       list_gpus(device, gpus, sizeof(gpus)),
		       list_get(device, "backend-state"),
		       list_get(device, "frontend-state"));
	}
}

int ctl_list(struct ctl *ctl)
{
	struct list list = { .ctl = ctl };
	int ret;

	if (ctl->nr_args > 1)
		return ctl_error(CTL_USAGE, "list: one domain at most");
	if (ctl->nr_args == 1) {
		if (ctl_find_domain(ctl, ctl->args[0], &list.domid))
			return ctl_error(CTL_NO_ENTRY, "no domain '%s'",
					 ctl->args[0]);
		list.has_domid = true;
	}
	list.devices = json_object_new_array();
	ret = list_scan(&list);
	if (ret) {
		json_object_put(list.devices);
		return ctl_error(CTL_FAILED, "cannot read what xl knows: %s",
				 strerror(-ret));
	}
	if (ctl->json)
		puts(json_object_to_json_string_ext(list.devices,
						    JSON_C_TO_STRING_PRETTY));
	else
		list_print(list.devices);
	json_object_put(list.devices);
	return CTL_OK;
}
