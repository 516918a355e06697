// SPDX-License-Identifier: MIT
/* map: which objects a guest has, and where the pages of one are. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"

/* Pages of one character, and of one row of the picture. */
#define MAP_PAGES	16U
#define MAP_ROW		64U
#define MAP_SCALE	4U	/* units of SVG a character */

static void map_put(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void map_object(struct ctl *ctl, struct json_object *array,
		       const struct ipc_entry *entry)
{
	struct json_object *object;

	if (!ctl->json) {
		printf("%-10u %10u %10u %10u\n", entry->id, entry->nr,
		       entry->state, entry->why);
		return;
	}
	object = json_object_new_object();
	map_put(object, "object", entry->id);
	map_put(object, "pages", entry->nr);
	map_put(object, "vram", entry->state);
	map_put(object, "lost", entry->why);
	map_put(object, "moved_out", entry->moved_out);
	map_put(object, "moved_home", entry->moved_home);
	json_object_array_add(array, object);
}

static char map_letter(const char *state)
{
	static const struct {
		const char *state;
		char letter;
	} letters[] = {
		{ "HOME", '.' }, { "DEVICE", 'V' }, { "SHARED", 'S' },
		{ "LOST", 'x' },
	};
	size_t i;

	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (!strcmp(letters[i].state, state))
			return letters[i].letter;
	return 'm';
}

static const char *map_colour(char letter)
{
	switch (letter) {
	case '.':
		return "#cccccc";
	case 'V':
		return "#2266cc";
	case 'S':
		return "#66aa44";
	case 'x':
		return "#cc2222";
	default:
		return "#ddaa22";
	}
}

static void map_svg_run(const struct ipc_entry *run, char letter)
{
	uint32_t page = run->first, end = run->first + run->nr, stop;

	for (; page < end; page = stop) {
		stop = (page / (MAP_PAGES * MAP_ROW) + 1) * MAP_PAGES * MAP_ROW;
		if (stop > end)
			stop = end;
		printf("<rect x='%.2f' y='%u' width='%.2f' height='%u' fill='%s'/>\n",
		       (page % (MAP_PAGES * MAP_ROW)) * (double)MAP_SCALE / MAP_PAGES,
		       page / (MAP_PAGES * MAP_ROW) * MAP_SCALE,
		       (stop - page) * (double)MAP_SCALE / MAP_PAGES, MAP_SCALE,
		       map_colour(letter));
	}
}

/* A character stands for its first page: whole chunks are larger or alike. */
static void map_text_run(const struct ipc_entry *run, char letter)
{
	uint32_t page = run->first;

	for (; page < run->first + run->nr; page++) {
		if (page % MAP_PAGES)
			continue;
		if (page % (MAP_PAGES * MAP_ROW) == 0)
			printf("%s%8u ", page ? "\n" : "", page);
		putchar(letter);
	}
}

static void map_run(struct ctl *ctl, struct json_object *array,
		    const struct ipc_entry *run)
{
	const char *state = mig_state_text(run->state);
	struct json_object *object;

	if (ctl->svg) {
		map_svg_run(run, map_letter(state));
	} else if (ctl->json) {
		object = json_object_new_object();
		map_put(object, "first", run->first);
		map_put(object, "pages", run->nr);
		json_object_object_add(object, "state",
				       json_object_new_string(state));
		json_object_object_add(object, "why",
				       json_object_new_string(
						mig_why_text(run->why)));
		json_object_array_add(array, object);
	} else {
		map_text_run(run, map_letter(state));
	}
}

static int map_all(struct ctl *ctl, struct ipc_request *request,
		   struct json_object *array)
{
	struct ipc_report report;
	uint32_t i;
	int ret;

	do {
		ret = ask(ctl, request, &report);
		if (ret != CTL_OK)
			return ret;
		for (i = 0; i < report.nr; i++) {
			if (request->control.type == IPC_CONTROL_OBJECTS)
				map_object(ctl, array, &report.entry[i]);
			else
				map_run(ctl, array, &report.entry[i]);
		}
		/* It may be in the hands of its guest: never go round. */
		if (report.next && report.next <= request->control.first)
			return ctl_error(CTL_FAILED, "an answer without sense");
		request->control.first = report.next;
	} while (report.next);
	return CTL_OK;
}

static void map_begin(const struct ctl *ctl, const struct ipc_request *request)
{
	if (ctl->json)
		return;
	if (request->control.type == IPC_CONTROL_OBJECTS)
		printf("%-10s %10s %10s %10s\n", "OBJECT", "PAGES", "IN VRAM",
		       "LOST");
	else if (ctl->svg)
		printf("<svg xmlns='http://www.w3.org/2000/svg' width='%u'>\n",
		       MAP_ROW * MAP_SCALE);
	else
		printf(". home  V VRAM  S both  m moving  x lost; %u pages a character\n",
		       MAP_PAGES);
}

static void map_end(const struct ctl *ctl, const struct ipc_request *request,
		    struct json_object *array)
{
	if (ctl->json)
		puts(json_object_to_json_string_ext(array,
						    JSON_C_TO_STRING_PLAIN));
	else if (ctl->svg)
		puts("</svg>");
	else if (request->control.type == IPC_CONTROL_CHUNKS)
		putchar('\n');
}

int ctl_map(struct ctl *ctl)
{
	struct ipc_request request = {
		.control.type = IPC_CONTROL_OBJECTS,
	};
	struct json_object *array;
	int ret;

	if (ctl->nr_args < 1 || ctl->nr_args > 2)
		return ctl_error(CTL_USAGE, "map DOMAIN [OBJECT]");
	ret = ask_device(ctl, ctl->args[0], &request);
	if (ret == CTL_OK && ctl->nr_args == 2) {
		request.control.type = IPC_CONTROL_CHUNKS;
		ret = ask_number(ctl->args[1], "object",
				 &request.control.obj_id);
	}
	if (ret != CTL_OK)
		return ret;
	array = json_object_new_array();
	map_begin(ctl, &request);
	ret = map_all(ctl, &request, array);
	if (ret == CTL_OK)
		map_end(ctl, &request, array);
	json_object_put(array);
	return ret;
}
