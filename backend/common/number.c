// SPDX-License-Identifier: MIT
/* Parses decimal numbers of strangers; strtoul() takes far too much. */
#include "number.h"

#include <errno.h>

int number_parse(const char *untrusted_text, uint64_t max, uint64_t *value)
{
	const char *digit = untrusted_text;
	uint64_t sum = 0;

	if (digit[0] == '\0' || (digit[0] == '0' && digit[1] != '\0'))
		return -EINVAL;
	for (; *digit; digit++) {
		if (*digit < '0' || *digit > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(*digit - '0'), &sum))
			return -ERANGE;
	}
	if (sum > max)
		return -ERANGE;
	*value = sum;
	return 0;
}
