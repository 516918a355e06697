// SPDX-License-Identifier: MIT
/*
 * Log lines. One write() each, so that lines of several processes on one pipe
 * stay whole. No lock: the only state is set before threads exist.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char log_who[64];
static bool log_has_journal;
static int log_max = LOG_INFO;

void log_init(const char *who, bool debug)
{
	snprintf(log_who, sizeof(log_who), "%s", who);
	log_has_journal = getenv("JOURNAL_STREAM") != NULL;
	log_max = debug ? LOG_DEBUG : LOG_INFO;
}

void log_line(int priority, const char *format, ...)
{
	int saved = errno;
	char line[512];
	va_list args;
	size_t used;

	if (priority > log_max)
		return;
	used = (size_t)(log_has_journal ?
		snprintf(line, sizeof(line), "<%d>%s: ", priority, log_who) :
		snprintf(line, sizeof(line), "%s: ", log_who));
	va_start(args, format);
	vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	for (used = 0; line[used]; used++)
		if ((unsigned char)line[used] < ' ')
			line[used] = '?';
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		errno = 0;	/* there is nowhere left to say it */
	errno = saved;
}

bool log_limit_take(struct log_limit *limit, uint64_t now_us)
{
	if (!limit->start_us || now_us - limit->start_us >= limit->window_us) {
		if (limit->dropped)
			log_warn("%u lines like the next were dropped",
				 limit->dropped);
		limit->start_us = now_us ? now_us : 1;
		limit->used = 0;
		limit->dropped = 0;
	}
	if (limit->used >= limit->burst) {
		limit->dropped++;
		return false;
	}
	limit->used++;
	return true;
}

uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
