// SPDX-License-Identifier: MIT
/* What userptrctl migrate and map print of a worker's answer. */
#include "cm.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "fake-xen.h"

/* What the store says of directories: an error, or one with a domain and its devices. */
static int dir_error;
static bool has_device;

char **xs_directory(struct xs_handle *xs, xs_transaction_t txn,
		    const char *path, unsigned int *nr)
{
	const char *name = NULL;
	char **names;

	(void)xs;
	(void)txn;
	*nr = 0;
	if (!strcmp(path, "/libxl"))
		name = "7";
	else if (has_device && !strcmp(path, "/libxl/7/device/userptr"))
		name = "0";
	errno = name ? dir_error : ENOENT;
	if (errno)
		return NULL;
	names = calloc(1, sizeof(*names) + 2);
	assert_non_null(names);
	*names = memcpy(names + 1, name, 2);
	*nr = 1;
	return names;
}

/* The worker, and what it was asked. */
static struct ipc_report answer;
static struct ipc_request asked;

int ask(struct ctl *ctl, const struct ipc_request *request,
	struct ipc_report *report)
{
	(void)ctl;
	asked = *request;
	*report = answer;
	assert_true(answer_fits(&request->control, report));
	return CTL_OK;
}

int ask_device(struct ctl *ctl, char *text, struct ipc_request *request)
{
	(void)ctl;
	(void)text;
	request->domid = 7;
	return CTL_OK;
}

int ask_number(const char *text, const char *what, uint32_t *number)
{
	(void)what;
	*number = (uint32_t)strtoul(text, NULL, 10);
	return CTL_OK;
}

static uint32_t state_of(const char *name)
{
	uint32_t i;

	for (i = 0; *mig_state_text(i); i++)
		if (!strcmp(mig_state_text(i), name))
			return i;
	fail_msg("no state %s", name);
	return 0;
}

static int ctl_setup(void **state)
{
	(void)state;
	memset(&answer, 0, sizeof(answer));
	memset(&asked, 0, sizeof(asked));
	return 0;
}

/* Runs a command with its output in *@text, the caller's. */
static int run(int (*command)(struct ctl *), struct ctl *ctl, char **text)
{
	FILE *saved = stdout;
	size_t size;
	int ret;

	stdout = open_memstream(text, &size);
	assert_non_null(stdout);
	ret = command(ctl);
	fclose(stdout);
	stdout = saved;
	return ret;
}

static int migrate(bool json, const char *place, char **text)
{
	char domain[] = "7", object[] = "3", range[] = "0+560", to[] = "to";
	char where[16];
	char *args[] = { domain, object, range, to, where };
	struct ctl ctl = { .json = json, .args = args, .nr_args = 5 };

	snprintf(where, sizeof(where), "%s", place);
	return run(ctl_migrate, &ctl, text);
}

static void answer_with_three_runs(void)
{
	answer.nr = 3;
	answer.entry[0] = (struct ipc_entry){ .nr = 512,
					      .state = state_of("DEVICE") };
	answer.entry[1] = (struct ipc_entry){ .first = 512, .nr = 16,
					      .state = state_of("LOST") };
	answer.entry[2] = (struct ipc_entry){ .first = 528, .nr = 32,
					      .state = state_of("HOME"),
					      .why = 1 };
}

static uint64_t number(struct json_object *object, const char *key)
{
	struct json_object *value = json_object_object_get(object, key);

	assert_true(json_object_is_type(value, json_type_int));
	return json_object_get_uint64(value);
}

static void migrate_as_json(void **state)
{
	struct json_object *document, *left, *run;
	char *text;

	(void)state;
	answer_with_three_runs();
	assert_int_equal(migrate(true, "vram", &text), CTL_FAILED);
	document = json_tokener_parse(text);
	assert_non_null(document);
	assert_int_equal(number(document, "pages"), 512);
	assert_int_equal(number(document, "pages_left"), 48);
	assert_true(json_object_get_boolean(
			json_object_object_get(document, "is_complete")));
	left = json_object_object_get(document, "left");
	assert_int_equal(json_object_array_length(left), 2);
	run = json_object_array_get_idx(left, 1);
	assert_int_equal(number(run, "first"), 528);
	assert_int_equal(number(run, "pages"), 32);
	assert_string_equal(json_object_get_string(
				json_object_object_get(run, "state")), "HOME");
	assert_string_equal(json_object_get_string(
				json_object_object_get(run, "why")),
			    mig_why_text(1));
	json_object_put(document);
	free(text);
	assert_int_equal(asked.control.type, IPC_CONTROL_MOVE);
	assert_int_equal(asked.control.obj_id, 3);
	assert_int_equal(asked.control.nr, 560);
}

static void migrate_as_text(void **state)
{
	char *text;

	(void)state;
	answer_with_three_runs();
	assert_int_equal(migrate(false, "vram", &text), CTL_FAILED);
	assert_non_null(strstr(text, "512 pages in VRAM, 48 not, "));
	free(text);
	assert_int_equal(migrate(false, "ram", &text), CTL_FAILED);
	assert_non_null(strstr(text, "32 pages in RAM, 528 not, "));
	free(text);
	answer.nr = 1;
	assert_int_equal(migrate(false, "vram", &text), CTL_OK);
	assert_non_null(strstr(text, "512 pages in VRAM, 0 not, "));
	free(text);
}

/* So many runs of a page each, from @first on. */
static void answer_with_runs(uint32_t first, uint32_t nr)
{
	uint32_t i;

	answer.nr = nr;
	for (i = 0; i < nr; i++)
		answer.entry[i] = (struct ipc_entry){
			.first = first + i, .nr = 1,
			.state = state_of(i % 2 ? "HOME" : "DEVICE"),
		};
}

/* More runs than one message holds: what is not there is not all told. */
static void answer_that_is_cut(void **state)
{
	struct json_object *document;
	char *text;

	(void)state;
	answer_with_runs(0, IPC_MAX_ENTRIES);
	answer.next = IPC_MAX_ENTRIES;
	assert_int_equal(migrate(true, "vram", &text), CTL_FAILED);
	document = json_tokener_parse(text);
	assert_false(json_object_get_boolean(
			json_object_object_get(document, "is_complete")));
	json_object_put(document);
	free(text);
}

static void place_that_is_none(void **state)
{
	static const char *const places[] = { "nowhere", "RAM", "" };
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(migrate(true, places[i], &text), CTL_USAGE);
		free(text);
	}
	assert_int_equal(migrate(true, "mapped", &text), CTL_FAILED);
	free(text);
	assert_int_equal(migrate(true, "host", &text), CTL_FAILED);
	free(text);
	assert_int_equal(asked.domid, 0);
}

static void map_as_json(void **state)
{
	char domain[] = "7", object[] = "3";
	char *args[] = { domain, object };
	struct ctl ctl = { .json = true, .args = args, .nr_args = 2 };
	struct json_object *document;
	char *text;

	(void)state;
	answer_with_three_runs();
	assert_int_equal(run(ctl_map, &ctl, &text), CTL_OK);
	document = json_tokener_parse(text);
	assert_int_equal(json_object_array_length(document), 3);
	assert_int_equal(number(json_object_array_get_idx(document, 1),
				"first"), 512);
	json_object_put(document);
	free(text);
}

/* That nothing is attached is not said by who could not look. */
static void list_that_cannot_be_read(void **state)
{
	struct ctl ctl = { .json = true };
	struct json_object *document;
	char *text;

	(void)state;
	dir_error = EACCES;
	assert_int_equal(run(ctl_list, &ctl, &text), CTL_FAILED);
	assert_string_equal(text, "");
	free(text);
	dir_error = 0;
	assert_int_equal(run(ctl_list, &ctl, &text), CTL_OK);
	document = json_tokener_parse(text);
	assert_int_equal(json_object_array_length(document), 0);
	json_object_put(document);
	free(text);
	has_device = true;
	fake_store_set("/libxl/7/device/userptr/0/backend", "x", -1);
	fake_store_deny("/libxl/7/device/userptr/0/backend", EIO);
	assert_int_equal(run(ctl_list, &ctl, &text), CTL_FAILED);
	has_device = false;
	assert_string_equal(text, "");
	free(text);
}

static bool fits(uint32_t type, uint32_t first)
{
	const struct ipc_control control = { .type = type, .first = first };

	return answer_fits(&control, &answer);
}

static void runs_that_lead_nowhere(void **state)
{
	static const struct ipc_entry bad[] = {
		{ .first = 0, .nr = 0 },
		{ .first = 0, .nr = UINT32_MAX },
		{ .first = 0, .nr = XENUSERPTR_MAX_OBJ_PAGES + 1 },
		{ .first = 0xfffffc00, .nr = 0x3ff },
		{ .first = 1, .nr = 1 },
	};
	size_t i;

	(void)state;
	assert_true(fits(IPC_CONTROL_CHUNKS, 0));
	answer.nr = 1;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		answer.entry[0] = bad[i];
		assert_false(fits(IPC_CONTROL_CHUNKS, 0));
		assert_false(fits(IPC_CONTROL_MOVE, 0));
	}
	answer.entry[0] = (struct ipc_entry){ .nr = XENUSERPTR_MAX_OBJ_PAGES };
	assert_true(fits(IPC_CONTROL_CHUNKS, 5));
	assert_false(fits(IPC_CONTROL_CHUNKS, XENUSERPTR_MAX_OBJ_PAGES));
	answer.nr = IPC_MAX_ENTRIES + 1;
	assert_false(fits(IPC_CONTROL_CHUNKS, 0));
	answer_with_runs(64, IPC_MAX_ENTRIES);
	answer.entry[7].first++;
	assert_false(fits(IPC_CONTROL_CHUNKS, 64));
}

static void answers_that_go_round(void **state)
{
	(void)state;
	answer_with_runs(64, IPC_MAX_ENTRIES);
	answer.next = 64 + IPC_MAX_ENTRIES;
	assert_true(fits(IPC_CONTROL_CHUNKS, 64));
	answer.next--;
	assert_false(fits(IPC_CONTROL_CHUNKS, 64));
	answer_with_runs(64, IPC_MAX_ENTRIES - 1);
	assert_false(fits(IPC_CONTROL_CHUNKS, 64));
	answer.nr = 0;
	assert_false(fits(IPC_CONTROL_CHUNKS, 64));
	assert_false(fits(IPC_CONTROL_OBJECTS, 64));
	answer_with_runs(0, IPC_MAX_ENTRIES);
	answer.next = 64 + IPC_MAX_ENTRIES;
	assert_true(fits(IPC_CONTROL_OBJECTS, 64));
	answer.next--;
	assert_false(fits(IPC_CONTROL_OBJECTS, 64));
	answer.next = 65536;
	assert_true(fits(IPC_CONTROL_OBJECTS, 64));
	assert_false(fits(IPC_CONTROL_OBJECTS, UINT32_MAX - 7));
	answer.next++;
	assert_false(fits(IPC_CONTROL_OBJECTS, 64));
	answer.next = 0;
	assert_false(fits(IPC_CONTROL_POLICY, 0));
	answer.entry[3].nr = UINT32_MAX;
	assert_false(fits(IPC_CONTROL_OBJECTS, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(migrate_as_json, ctl_setup),
		cmocka_unit_test_setup(migrate_as_text, ctl_setup),
		cmocka_unit_test_setup(answer_that_is_cut, ctl_setup),
		cmocka_unit_test_setup(place_that_is_none, ctl_setup),
		cmocka_unit_test_setup(map_as_json, ctl_setup),
		cmocka_unit_test_setup(list_that_cannot_be_read, ctl_setup),
		cmocka_unit_test_setup(runs_that_lead_nowhere, ctl_setup),
		cmocka_unit_test_setup(answers_that_go_round, ctl_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
