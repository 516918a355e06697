/* SPDX-License-Identifier: MIT */
/* What most test programs need: calls that must work, the time, random numbers. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <err.h>
#include <stdint.h>
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

/* The next one of a sequence that @state, which is not 0, stands for. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif /* PROGRAM_H */
