// SPDX-License-Identifier: MIT
/*
 * Allocations that fail on demand, for programs linked with
 * --wrap=malloc,calloc,reallocarray.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "fake-fail.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_reallocarray(void *old, size_t nr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_reallocarray(void *old, size_t nr, size_t size);

static bool alloc_fails(void)
{
	if (!fake_fail())
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return alloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(nr, size);
}

void *__wrap_reallocarray(void *old, size_t nr, size_t size)
{
	return alloc_fails() ? NULL : __real_reallocarray(old, nr, size);
}
