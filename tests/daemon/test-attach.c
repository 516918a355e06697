// SPDX-License-Identifier: MIT
/*
 * What userptrctl attach writes, and what it refuses because userptrd would. The
 * directories of the fake store are nodes without a value.
 */
#include "cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "ctl.h"
#include "fake-fail.h"
#include "fake-xen.h"

#define BACK	"/local/domain/0/backend/userptr/7/0"

bool xs_rm(struct xs_handle *xs, xs_transaction_t txn, const char *path)
{
	(void)xs;
	(void)txn;
	fake_store_set(path, NULL, 0);
	return true;
}

bool xs_mkdir(struct xs_handle *xs, xs_transaction_t txn, const char *path)
{
	(void)xs;
	(void)txn;
	fake_store_set(path, "", 0);
	return true;
}

bool xs_set_permissions(struct xs_handle *xs, xs_transaction_t txn,
			const char *path, struct xs_permissions *perms,
			unsigned int nr)
{
	(void)xs;
	(void)txn;
	(void)path;
	(void)perms;
	(void)nr;
	return true;
}

static int attach_setup(void **state)
{
	(void)state;
	fake_fail_set(0);
	fake_store_clear();
	fake_store_set("/local/domain/7", "", 0);
	fake_store_set("/local/domain/7/name", "g1", -1);
	return 0;
}

/* attach 7 KEYS...: keys are separated by a space. */
static int attach(const char *untrusted_keys)
{
	char text[256] = "7", *args[8];
	struct ctl ctl = { .args = args };
	char *word;

	if (*untrusted_keys)
		snprintf(text, sizeof(text), "7 %s", untrusted_keys);
	for (word = strtok(text, " "); word; word = strtok(NULL, " "))
		args[ctl.nr_args++] = word;
	return ctl_attach(&ctl);
}

/* What userptrd would make of it. */
static int reads(void)
{
	struct config config;
	const char *bad_key;

	return config_read(NULL, BACK, &config, &bad_key);
}

static void taken_by_both(void **state)
{
	static const char *const keys[] = {
		"", "max-pages=1", "max-pages=1048576 max-vram=0", "trace=0",
		"kill-ms=999", "kill-ms=2000 lost-ms=2001",
		"lost-ms=2001 kill-ms=2000", "policy=hint copy-ms=1",
		"gpu=0000:00:04.0", "gpu=0000:00:04.0,0000:00:05.0",
		"gpu=a,b,c,d", "gpu=",
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		attach_setup(state);
		print_message("%s\n", keys[i]);
		assert_int_equal(attach(keys[i]), CTL_OK);
		assert_int_equal(reads(), 0);
	}
}

static void refused_before_it_is_written(void **state)
{
	static const char *const keys[] = {
		"max-pages=0", "max-objects=0", "max-vms=0", "max-jobs=0",
		"max-mappings=0", "max-objects=65537", "max-pages=abc",
		"max-pages=01", "max-pages=-1", "kill-ms=0", "lost-ms=0",
		"copy-ms=0", "kill-ms=1000", "kill-ms=2000", "lost-ms=100",
		"lost-ms=2000 kill-ms=2000", "policy=none", "nonsense=1",
		"max-pages", "devid=64", "backend=7", "gpu=a,b,a",
		"gpu=a,b,c,d,e", "gpu=a,", "gpu=,a",
	};
	char text[STORE_TEXT_LEN];
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		attach_setup(state);
		print_message("%s\n", keys[i]);
		assert_int_equal(attach(keys[i]), CTL_USAGE);
		assert_int_equal(store_read(NULL, BACK, "state", text,
					    sizeof(text)), -ENOENT);
	}
}

/* A driver domain may not read the nodes of others, and has no names for them. */
static void number_of_a_hidden_domain(void **state)
{
	struct ctl ctl = { 0 };
	uint32_t domid = 0;

	(void)state;
	fake_store_deny("/local/domain/9", EACCES);
	assert_int_equal(ctl_find_domain(&ctl, "9", &domid), 0);
	assert_int_equal(domid, 9);
	assert_int_equal(ctl_find_domain(&ctl, "7", &domid), 0);
	assert_int_equal(domid, 7);
	assert_int_equal(ctl_find_domain(&ctl, "8", &domid), -ENOENT);
	assert_int_equal(ctl_find_domain(&ctl, "g9", &domid), -ENOENT);
	assert_int_equal(ctl_find_domain(&ctl, "32752", &domid), -ENOENT);
	assert_int_equal(domid, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(taken_by_both, attach_setup),
		cmocka_unit_test_setup(refused_before_it_is_written,
				       attach_setup),
		cmocka_unit_test_setup(number_of_a_hidden_domain, attach_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
