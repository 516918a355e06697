// SPDX-License-Identifier: MIT
/* Decimal numbers of strangers. */
#include "cm.h"

#include <errno.h>
#include <stdio.h>

#include "number.h"

static void number_takes_decimals(void **state)
{
	static const uint64_t values[] = { 0, 1, 9, 10, 4096, UINT32_MAX,
					   UINT64_MAX - 1, UINT64_MAX };
	char text[32];
	uint64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)values[i]);
		value = 77;
		assert_int_equal(number_parse(text, UINT64_MAX, &value), 0);
		assert_true(value == values[i]);
	}
}

static void number_refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"", " ", "1 ", " 1", "+1", "-1", "0x1", "01", "00", "1.0",
		"1e3", "a", "1a", "\n", "1\n", "１",
	};
	uint64_t value = 77;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(number_parse(bad[i], UINT64_MAX, &value),
				 -EINVAL);
	assert_true(value == 77);
}

static void number_has_limits(void **state)
{
	uint64_t value = 77;

	(void)state;
	assert_int_equal(number_parse("16", 15, &value), -ERANGE);
	assert_int_equal(number_parse("18446744073709551616", UINT64_MAX,
				      &value), -ERANGE);
	assert_int_equal(number_parse("99999999999999999999999", UINT64_MAX,
				      &value), -ERANGE);
	assert_true(value == 77);
	assert_int_equal(number_parse("15", 15, &value), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_takes_decimals),
		cmocka_unit_test(number_refuses_the_rest),
		cmocka_unit_test(number_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
