// SPDX-License-Identifier: MIT
/* map: which objects a guest has, and where the pages of one are. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"

/* Pages of one character, and of one row of the picture. */
#define MAP_PAGES	16U
#define MAP_ROW		64U
#define MAP_ROW_PAGES	(MAP_PAGES * MAP_ROW)
#define MAP_SCALE	4U	/* units of SVG a character */

/* What is collected until all is known. */
struct map {
	struct json_object *array;	/* JSON */
	FILE *body;			/* SVG */
	uint32_t nr_pages;
};

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

/* Rectangles, one a row; what they are is shown by a pointer above them. */
static void map_svg_run(FILE *out, const struct ipc_entry *run, char letter)
{
	uint32_t page = run->first, end = run->first + run->nr, stop;

	for (; page < end; page = stop) {
		stop = (page / MAP_ROW_PAGES + 1) * MAP_ROW_PAGES;
		if (stop > end)
			stop = end;
		fprintf(out, "<rect x='%.2f' y='%u' width='%.2f' height='%u' fill='%s'><title>pages %u to %u: %s</title></rect>\n",
			(page % MAP_ROW_PAGES) * (double)MAP_SCALE / MAP_PAGES,
			page / MAP_ROW_PAGES * MAP_SCALE,
			(stop - page) * (double)MAP_SCALE / MAP_PAGES,
			MAP_SCALE, map_colour(letter), run->first, end - 1,
			mig_state_text(run->state));
	}
}

/* The size stands before the rectangles and is known behind them. */
static int map_svg(const char *body, uint32_t nr_pages)
{
	printf("<svg xmlns='http://www.w3.org/2000/svg' width='%u' height='%u'>\n%s</svg>\n",
	       MAP_ROW * MAP_SCALE,
	       (nr_pages + MAP_ROW_PAGES - 1) / MAP_ROW_PAGES * MAP_SCALE, body);
	return CTL_OK;
}

/* A character stands for its first page: whole chunks are larger or alike. */
static void map_text_run(const struct ipc_entry *run, char letter)
{
	uint32_t page = run->first;

	for (; page < run->first + run->nr; page++) {
		if (page % MAP_PAGES)
			continue;
		if (page % MAP_ROW_PAGES == 0)
			printf("%s%8u ", page ? "\n" : "", page);
		putchar(letter);
	}
}

struct json_object *map_json(const struct ipc_entry *run)
{
	struct json_object *object = json_object_new_object();

	map_put(object, "first", run->first);
	map_put(object, "pages", run->nr);
	json_object_object_add(object, "state",
			       json_object_new_string(
					mig_state_text(run->state)));
	json_object_object_add(object, "why",
			       json_object_new_string(
					mig_why_text(run->why)));
	return object;
}

static void map_run(struct ctl *ctl, struct map *map,
		    const struct ipc_entry *run)
{
	const char *state = mig_state_text(run->state);

	map->nr_pages = run->first + run->nr;
	if (ctl->svg) {
		map_svg_run(map->body, run, map_letter(state));
	} else if (ctl->json) {
		json_object_array_add(map->array, map_json(run));
	} else {
		map_text_run(run, map_letter(state));
	}
}

static int map_all(struct ctl *ctl, struct ipc_request *request,
		   struct map *map)
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
				map_object(ctl, map->array, &report.entry[i]);
			else
				map_run(ctl, map, &report.entry[i]);
		}
		request->control.first = report.next;
	} while (report.next);
	return CTL_OK;
}

static void map_begin(const struct ctl *ctl, const struct ipc_request *request)
{
	if (ctl->json || ctl->svg)
		return;
	if (request->control.type == IPC_CONTROL_OBJECTS)
		printf("%-10s %10s %10s %10s\n", "OBJECT", "PAGES", "IN VRAM",
		       "LOST");
	else
		printf(". home  V VRAM  S both  m moving  x lost; %u pages a character\n",
		       MAP_PAGES);
}

static int map_end(const struct ctl *ctl, const struct ipc_request *request,
		   const struct map *map)
{
	if (ctl->json)
		puts(json_object_to_json_string_ext(map->array,
						    JSON_C_TO_STRING_PLAIN));
	else if (!ctl->svg && request->control.type == IPC_CONTROL_CHUNKS)
		putchar('\n');
	return CTL_OK;
}

static int map_collect(struct ctl *ctl, struct ipc_request *request)
{
	struct map map = { .array = json_object_new_array() };
	char *body = NULL;
	size_t size;
	int ret;

	map.body = open_memstream(&body, &size);
	if (!map.body || !map.array) {
		ret = ctl_error(CTL_FAILED, "no memory");
		goto out;
	}
	map_begin(ctl, request);
	ret = map_all(ctl, request, &map);
	if (fclose(map.body) && ret == CTL_OK)
		ret = ctl_error(CTL_FAILED, "no memory");
	if (ret == CTL_OK)
		ret = ctl->svg ? map_svg(body, map.nr_pages) :
				 map_end(ctl, request, &map);
out:
	free(body);
	json_object_put(map.array);
	return ret;
}

int ctl_map(struct ctl *ctl)
{
	struct ipc_request request = {
		.control.type = IPC_CONTROL_OBJECTS,
	};
	int ret;

	if (ctl->nr_args < 1 || ctl->nr_args > 2)
		return ctl_error(CTL_USAGE, "map DOMAIN [OBJECT]");
	if (ctl->svg && ctl->nr_args < 2)
		return ctl_error(CTL_USAGE, "a picture of which object?");
	ret = ask_device(ctl, ctl->args[0], &request);
	if (ret == CTL_OK && ctl->nr_args == 2) {
		request.control.type = IPC_CONTROL_CHUNKS;
		ret = ask_number(ctl->args[1], "object",
				 &request.control.obj_id);
	}
	return ret == CTL_OK ? map_collect(ctl, &request) : ret;
}
