// SPDX-License-Identifier: MIT
/* What the broker makes of xenstore nodes, good and bad. */
#include "cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "fake-fail.h"
#include "fake-xen.h"
#include "store.h"

static int config_setup(void **state)
{
	(void)state;
	fake_fail_set(0);
	fake_store_clear();
	fake_store_set("f/version", "1", -1);
	fake_store_set("f/ring-ref0", "8", -1);
	fake_store_set("f/evt-ring-ref", "9", -1);
	fake_store_set("f/fence-ref", "10", -1);
	fake_store_set("f/event-channel", "11", -1);
	return 0;
}

static int read_frontend(struct ipc_frontend *frontend, const char **bad_key)
{
	return config_read_frontend(NULL, "f", frontend, bad_key);
}

static void config_has_defaults(void **state)
{
	struct config config;
	const char *bad_key;

	(void)state;
	assert_int_equal(config_read(NULL, "b", &config, &bad_key), 0);
	assert_int_equal(config.limits.max_pages, 32768);
	assert_int_equal(config.limits.max_objects, 1024);
	assert_int_equal(config.limits.max_vms, 64);
	assert_int_equal(config.limits.max_mappings, 65536);
	assert_int_equal(config.limits.max_jobs, 256);
	assert_int_equal(config.max_vram, 0);
	assert_int_equal(config.gpus.nr, 1);
	assert_string_equal(config.gpus.key[0], "");
}

static void config_takes_quotas(void **state)
{
	struct config config;
	const char *bad_key;

	(void)state;
	fake_store_set("b/max-pages", "262144", -1);
	fake_store_set("b/max-vram", "0", -1);
	fake_store_set("b/gpu", "0000:00:04.0", -1);
	assert_int_equal(config_read(NULL, "b", &config, &bad_key), 0);
	assert_int_equal(config.limits.max_pages, 262144);
	assert_int_equal(config.gpus.nr, 1);
	assert_string_equal(config.gpus.key[0], "0000:00:04.0");
}

static void config_takes_gpus(void **state)
{
	struct config config;
	const char *bad_key;

	(void)state;
	fake_store_set("b/gpu", "0000:00:04.0,/dev/dri/renderD129,c,d", -1);
	assert_int_equal(config_read(NULL, "b", &config, &bad_key), 0);
	assert_int_equal(config.gpus.nr, XENUSERPTR_MAX_GPUS);
	assert_string_equal(config.gpus.key[0], "0000:00:04.0");
	assert_string_equal(config.gpus.key[1], "/dev/dri/renderD129");
	assert_string_equal(config.gpus.key[3], "d");
	fake_store_set("b/gpu", "", -1);
	assert_int_equal(config_read(NULL, "b", &config, &bad_key), 0);
	assert_int_equal(config.gpus.nr, 1);
	assert_string_equal(config.gpus.key[0], "");
}

static void config_refuses_gpus(void **state)
{
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{ "a,b,c,d,e", -E2BIG },
		{ "a,b,a", -EEXIST },
		{ "a,", -EINVAL },
		{ ",a", -EINVAL },
		{ ",", -EINVAL },
		{ "a,,b", -EINVAL },
		{ "a,/dev/dri/0123456789012345678901234567890123456789012345678"
		  "9012345678901234567", -EINVAL },
	};
	struct config config;
	const char *bad_key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fake_store_set("b/gpu", bad[i].text, -1);
		assert_int_equal(config_read(NULL, "b", &config, &bad_key),
				 bad[i].error);
		assert_string_equal(bad_key, "gpu");
	}
}

static void config_names_the_bad_key(void **state)
{
	static const char *const keys[] = { "max-pages", "max-objects",
		"max-vms", "max-mappings", "max-jobs" };
	static const char *const values[] = { "0", "-1", "x", "", "1x",
		"99999999999999999999" };
	struct config config;
	const char *bad_key;
	char path[64];
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "b/%s", keys[i]);
		for (j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			fake_store_set(path, values[j], -1);
			assert_int_not_equal(config_read(NULL, "b", &config,
							 &bad_key), 0);
			assert_string_equal(bad_key, keys[i]);
		}
		fake_store_set(path, NULL, 0);
	}
}

static void frontend_with_one_page(void **state)
{
	struct ipc_frontend frontend;
	const char *bad_key;

	(void)state;
	assert_int_equal(read_frontend(&frontend, &bad_key), 0);
	assert_int_equal(frontend.ring_order, 0);
	assert_int_equal(frontend.ring_ref[0], 8);
	assert_int_equal(frontend.evt_ref, 9);
	assert_int_equal(frontend.fence_ref, 10);
	assert_int_equal(frontend.event_channel, 11);
}

static void frontend_with_many_pages(void **state)
{
	struct ipc_frontend frontend;
	const char *bad_key;
	char path[32], value[8];
	int i;

	(void)state;
	fake_store_set("f/ring-page-order", "4", -1);
	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "f/ring-ref%d", i);
		snprintf(value, sizeof(value), "%d", 100 + i);
		fake_store_set(path, value, -1);
	}
	assert_int_equal(read_frontend(&frontend, &bad_key), 0);
	assert_int_equal(frontend.ring_ref[15], 115);
	fake_store_set("f/ring-ref15", NULL, 0);
	assert_int_equal(read_frontend(&frontend, &bad_key), -ENOENT);
}

static void frontend_that_lies(void **state)
{
	static const struct {
		const char *path;
		const char *value;
		int len;
		int error;
	} bad[] = {
		{ "f/version", "2", -1, -EPROTONOSUPPORT },
		{ "f/version", NULL, 0, -ENOENT },
		{ "f/version", "1 ", -1, -EINVAL },
		{ "f/ring-page-order", "5", -1, -ERANGE },
		{ "f/ring-page-order", "", -1, -EINVAL },
		{ "f/ring-ref0", "0", -1, -ERANGE },
		{ "f/ring-ref0", "4294967296", -1, -ERANGE },
		{ "f/evt-ring-ref", "9\0009", 3, -EINVAL },
		{ "f/fence-ref", "123456789012345678901234567890", -1,
		  -ERANGE },
		{ "f/event-channel", "131072", -1, -ERANGE },
		{ "f/event-channel", "1\n", -1, -EINVAL },
	};
	struct ipc_frontend frontend;
	const char *bad_key;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config_setup(state);
		fake_store_set(bad[i].path, bad[i].value, bad[i].len);
		assert_int_equal(read_frontend(&frontend, &bad_key),
				 bad[i].error);
	}
}

static void frontend_each_read_may_fail(void **state)
{
	struct ipc_frontend frontend;
	const char *bad_key;
	unsigned int nth = 0;
	int ret;

	(void)state;
	do {
		fake_fail_set(++nth);
		ret = read_frontend(&frontend, &bad_key);
		assert_true(fake_fail_hit() ? ret == -EIO || ret == -ENOMEM :
			    ret == 0);
	} while (fake_fail_hit());
	assert_true(nth > 5);
}

static void expect_node(const char *dir, const char *key, const char *want)
{
	char text[32];
	int ret = store_read(NULL, dir, key, text, sizeof(text));

	assert_int_equal(ret, want ? 0 : -ENOENT);
	if (want)
		assert_string_equal(text, want);
}

static void update_never_makes_a_device(void **state)
{
	const struct store_item items[] = { { "state", "6" }, { "x", "1" } };

	(void)state;
	assert_int_equal(store_update(NULL, "b", "frontend", items, 2),
			 -ENOENT);
	expect_node("b", "state", NULL);
	fake_store_set("b/frontend", "f", -1);
	fake_store_conflict(3);
	assert_int_equal(store_update(NULL, "b", "frontend", items, 2), 0);
	expect_node("b", "state", "6");
	expect_node("b", "x", "1");
	fake_store_conflict(1000);
	assert_int_equal(store_update(NULL, "b", "frontend", items, 2),
			 -EAGAIN);
	fake_store_conflict(0);
}

static void update_is_all_or_nothing(void **state)
{
	const struct store_item items[] = { { "state", "6" }, { "x", "1" } };
	unsigned int nth = 0;
	int ret;

	(void)state;
	fake_store_set("b/frontend", "f", -1);
	do {
		fake_fail_set(++nth);
		ret = store_update(NULL, "b", "frontend", items, 2);
		if (!fake_fail_hit())
			break;
		fake_fail_set(0);
		assert_true(ret < 0);
		expect_node("b", "state", NULL);
		expect_node("b", "x", NULL);
	} while (nth < 100);
	fake_fail_set(0);
	assert_int_equal(ret, 0);
	assert_true(nth > 4);
	expect_node("b", "x", "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(config_has_defaults, config_setup),
		cmocka_unit_test_setup(config_takes_quotas, config_setup),
		cmocka_unit_test_setup(config_takes_gpus, config_setup),
		cmocka_unit_test_setup(config_refuses_gpus, config_setup),
		cmocka_unit_test_setup(config_names_the_bad_key, config_setup),
		cmocka_unit_test_setup(frontend_with_one_page, config_setup),
		cmocka_unit_test_setup(frontend_with_many_pages, config_setup),
		cmocka_unit_test_setup(frontend_that_lies, config_setup),
		cmocka_unit_test_setup(frontend_each_read_may_fail,
				       config_setup),
		cmocka_unit_test_setup(update_never_makes_a_device,
				       config_setup),
		cmocka_unit_test_setup(update_is_all_or_nothing, config_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
