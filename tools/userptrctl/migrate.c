// SPDX-License-Identifier: MIT
/* migrate and policy: move memory of a guest by hand, or say what moves it. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "config.h"
#include "log.h"
#include "number.h"

/* "all", "FIRST" or "FIRST+NR", in pages. */
static int migrate_range(char *text, struct ipc_control *control)
{
	char *nr = strchr(text, '+');
	int ret;

	if (!strcmp(text, "all"))
		return CTL_OK;
	control->nr = 1;
	if (nr) {
		*nr++ = '\0';
		ret = ask_number(nr, "number of pages", &control->nr);
		if (ret != CTL_OK)
			return ret;
		if (!control->nr)
			return ctl_error(CTL_USAGE, "no pages");
	}
	return ask_number(text, "page", &control->first);
}

static int migrate_place(const char *text, uint32_t *place)
{
	static const char *const places[] = {
		[MIG_PLACE_RAM] = "ram",
		[MIG_PLACE_VRAM] = "vram",
	};
	uint32_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!strcmp(text, places[i])) {
			*place = i;
			return CTL_OK;
		}
	if (!strcmp(text, "mapped") || !strcmp(text, "host"))
		return ctl_error(CTL_FAILED, "to %s: %s", text,
				 mig_why_text(MIG_WHY_RESERVED));
	return ctl_error(CTL_USAGE, "'%s' is neither vram nor ram", text);
}

static int migrate_parse(struct ctl *ctl, struct ipc_request *request)
{
	struct ipc_control *control = &request->control;
	int ret;

	if (ctl->nr_args != 5 || strcmp(ctl->args[3], "to"))
		return ctl_error(CTL_USAGE, "migrate DOMAIN OBJECT RANGE to vram|ram");
	control->type = IPC_CONTROL_MOVE;
	ret = ask_device(ctl, ctl->args[0], request);
	if (ret == CTL_OK)
		ret = ask_number(ctl->args[1], "object", &control->obj_id);
	if (ret == CTL_OK)
		ret = migrate_range(ctl->args[2], control);
	if (ret == CTL_OK)
		ret = migrate_place(ctl->args[4], &control->place);
	return ret;
}

static bool migrate_is_there(const struct ipc_entry *run, bool to_vram)
{
	const char *state = mig_state_text(run->state);
	bool is_home = !strcmp(state, "HOME");

	return is_home != to_vram && strcmp(state, "LOST");
}

static void migrate_print(const struct ipc_report *report, bool to_vram,
			  uint32_t there, uint32_t left, uint64_t us)
{
	const struct ipc_entry *run;
	uint32_t i;

	for (i = 0; i < report->nr; i++) {
		run = &report->entry[i];
		if (!migrate_is_there(run, to_vram))
			ctl_error(CTL_FAILED, "pages %u to %u: %s (%s)",
				  run->first, run->first + run->nr - 1,
				  mig_why_text(run->why),
				  mig_state_text(run->state));
	}
	printf("%u pages in %s, %u not, %llu.%03llu ms\n", there,
	       to_vram ? "VRAM" : "RAM", left, (unsigned long long)us / 1000,
	       (unsigned long long)us % 1000);
}

static void migrate_print_json(const struct ipc_report *report, bool to_vram,
			       uint32_t there, uint32_t left, uint64_t us)
{
	struct json_object *object = json_object_new_object();
	struct json_object *runs = json_object_new_array();
	uint32_t i;

	for (i = 0; i < report->nr; i++)
		if (!migrate_is_there(&report->entry[i], to_vram))
			json_object_array_add(runs,
					      map_json(&report->entry[i]));
	json_object_object_add(object, "pages", json_object_new_uint64(there));
	json_object_object_add(object, "pages_left",
			       json_object_new_uint64(left));
	json_object_object_add(object, "us", json_object_new_uint64(us));
	json_object_object_add(object, "left", runs);
	json_object_object_add(object, "is_complete",
			       json_object_new_boolean(!report->next));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

/* Says which pages are not where they should be, and why. */
static int migrate_result(const struct ctl *ctl,
			  const struct ipc_report *report, bool to_vram,
			  uint64_t us)
{
	uint32_t i, there = 0, left = 0;

	for (i = 0; i < report->nr; i++)
		if (migrate_is_there(&report->entry[i], to_vram))
			there += report->entry[i].nr;
		else
			left += report->entry[i].nr;
	(ctl->json ? migrate_print_json : migrate_print)(report, to_vram, there,
							 left, us);
	return left || report->next ? CTL_FAILED : CTL_OK;
}

int ctl_migrate(struct ctl *ctl)
{
	struct ipc_request request = { 0 };
	struct ipc_report report;
	uint64_t start;
	int ret;

	ret = migrate_parse(ctl, &request);
	start = clock_us();
	if (ret == CTL_OK)
		ret = ask(ctl, &request, &report);
	if (ret != CTL_OK)
		return ret;
	return migrate_result(ctl, &report,
			      request.control.place == MIG_PLACE_VRAM,
			      clock_us() - start);
}

int ctl_policy(struct ctl *ctl)
{
	struct ipc_request request = {
		.control.type = IPC_CONTROL_POLICY,
	};
	struct ipc_report report;
	int policy, ret;

	if (ctl->nr_args != 2)
		return ctl_error(CTL_USAGE, "policy DOMAIN manual|first-use|hint|pressure");
	policy = config_policy(ctl->args[1]);
	if (policy < 0)
		return ctl_error(CTL_USAGE, "unknown policy '%s'", ctl->args[1]);
	request.control.policy = (uint32_t)policy;
	ret = ask_device(ctl, ctl->args[0], &request);
	return ret == CTL_OK ? ask(ctl, &request, &report) : ret;
}
