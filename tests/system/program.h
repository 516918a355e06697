/* SPDX-License-Identifier: MIT */
/* What most test programs need: calls that must work, and the time. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <err.h>
#include <string.h>
#include <time.h>

/* Ends the program with 99 if @ret, 0 or -errno, is an error. */
static inline void need(int ret, const char *call)
{
	if (ret)
		errx(99, "%s: %s", call, strerror(-ret));
}

/* Seconds since some moment. */
static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif /* PROGRAM_H */
