// SPDX-License-Identifier: MIT
/* The table of userptrctl top: rates between two looks, order, both pictures. */
#include "cm.h"

#include <stdlib.h>
#include <string.h>

#include "top-table.h"

static void look(struct top *top, const char *text)
{
	struct json_object *device = json_tokener_parse(text);

	assert_non_null(device);
	assert_int_equal(top_device(top, device), 0);
	json_object_put(device);
}

static void object(struct top *top, uint32_t domid, uint32_t id, uint64_t out,
		   uint64_t home)
{
	const struct ipc_entry entry = {
		.id = id, .nr = 512, .state = 256, .moved_out = out,
		.moved_home = home,
	};

	assert_int_equal(top_object(top, domid, 0, &entry), 0);
}

#define DEVICE(domid, out, wants, buckets) \
	"{\"domid\":" #domid ",\"devid\":0,\"state\":\"connected\"," \
	"\"driver\":\"softgpu\",\"counters\":{\"mig_out\":" #out \
	",\"mig_wants\":" #wants ",\"mig_vram_now\":512}," \
	"\"times\":{\"want\":{\"buckets\":" buckets "}}}"

static struct top *two_looks(void)
{
	struct top *top = calloc(1, sizeof(*top));

	assert_non_null(top);
	top_begin(top, 0);
	look(top, DEVICE(1, 1000, 10, "[0,0,5]"));
	look(top, DEVICE(2, 1000, 10, "[]"));
	object(top, 1, 7, 500, 0);
	object(top, 2, 8, 500, 0);
	top_end(top);
	top_begin(top, 2);
	look(top, DEVICE(1, 1000, 10, "[0,0,5]"));
	look(top, DEVICE(2, 1512, 30, "[0,0,0,0,20]"));
	object(top, 1, 7, 500, 0);
	object(top, 2, 8, 700, 100);
	object(top, 2, 9, 1024, 0);
	top_end(top);
	return top;
}

static void end(struct top *top)
{
	top_free(top);
	free(top);
}

static void sorted_by_traffic(void **state)
{
	struct top *top = two_looks();

	(void)state;
	assert_int_equal(top->devices->key.domid, 2);
	assert_int_equal(top_delta(&top->devices->rate[TOP_mig_out]), 512);
	/* One that appears later has moved all that in between. */
	assert_int_equal(top->objects->key.id, 9);
	assert_int_equal(top_delta(&top->objects->out), 1024);
	end(top);
}

/* What was there before the first look has no rate; a new worker begins at 0. */
static void first_look_and_new_worker(void **state)
{
	struct top *top = calloc(1, sizeof(*top));

	(void)state;
	assert_non_null(top);
	top_begin(top, 0);
	look(top, DEVICE(1, 1000, 10, "[7]"));
	object(top, 1, 7, 500, 500);
	top_end(top);
	assert_int_equal(top_delta(&top->devices->rate[TOP_mig_out]), 0);
	assert_int_equal(top_delta(&top->devices->want[0]), 0);
	assert_int_equal(top_delta(&top->objects->out), 0);
	top_begin(top, 1);
	look(top, DEVICE(1, 20, 0, "[]"));
	object(top, 1, 7, 20, 0);
	top_end(top);
	assert_int_equal(top_delta(&top->devices->rate[TOP_mig_out]), 20);
	assert_int_equal(top_delta(&top->objects->out), 20);
	end(top);
}

static void what_is_gone_is_forgotten(void **state)
{
	struct top *top = two_looks();

	(void)state;
	top_begin(top, 1);
	look(top, DEVICE(2, 1512, 30, "[0,0,0,0,20]"));
	top_unknown(top, 2, 0);
	top_end(top);
	assert_int_equal(HASH_COUNT(top->devices), 1);
	/* Those of a worker that did not answer stay, and nothing moved. */
	assert_int_equal(HASH_COUNT(top->objects), 2);
	assert_int_equal(top_delta(&top->objects->out), 0);
	end(top);
}

static char *text_of(const struct top *top, unsigned int max_objects)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	top_print(top, out, max_objects);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Rates are of a second: 512 pages in 2 s are 1 MiB/s. */
static void as_text(void **state)
{
	struct top *top = two_looks();
	char *text = text_of(top, 2);

	(void)state;
	assert_non_null(strstr(text, "2 devices, 3 objects, 2.0 s"));
	assert_non_null(strstr(text, "2/0       connected  softgpu           0       1.0       0.0       10        0       2.0      16 us"));
	assert_non_null(strstr(text, "2/0                9        2.0        1.0         0       2.0       0.0"));
	assert_non_null(strstr(text, "... 1 more"));
	free(text);
	text = text_of(top, UINT32_MAX);
	assert_null(strstr(text, "more"));
	free(text);
	end(top);
}

static void as_json(void **state)
{
	struct top *top = two_looks();
	struct json_object *json = top_json(top), *device, *objects;

	(void)state;
	device = json_object_array_get_idx(json_object_object_get(json,
								  "devices"), 0);
	assert_int_equal(json_object_get_int(json_object_object_get(device,
								    "domid")), 2);
	assert_true(json_object_get_double(json_object_object_get(device,
					   "out_pages_per_s")) == 256.0);
	assert_int_equal(json_object_get_int(json_object_object_get(device,
						"want_p99_us")), 16);
	objects = json_object_object_get(json, "objects");
	assert_int_equal(json_object_array_length(objects), 3);
	json_object_put(json);
	end(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorted_by_traffic),
		cmocka_unit_test(first_look_and_new_worker),
		cmocka_unit_test(what_is_gone_is_forgotten),
		cmocka_unit_test(as_text),
		cmocka_unit_test(as_json),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
