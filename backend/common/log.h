/* SPDX-License-Identifier: MIT */
/*
 * Log lines of the broker and the workers: to stderr, with the priority prefix
 * that the journal understands when stderr is the journal.
 */
#ifndef XU_LOG_H
#define XU_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/** log_init() - @who stands at the head of each line; copied, may be long */
void log_init(const char *who, bool debug);

/** log_line() - one line without newline; keeps errno; any thread */
void log_line(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_err(...)	log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_DEBUG, __VA_ARGS__)

/*
 * For lines that a guest can cause: at most @burst of them in each window of
 * @window_us. Zero-initialise all but the first two fields.
 */
struct log_limit {
	uint64_t window_us;
	unsigned int burst;
	unsigned int used;
	unsigned int dropped;
	uint64_t start_us;
};

/**
 * log_limit_take() - may one more line be written at @now_us?
 *
 * When a new window begins, says once how many were dropped before.
 */
bool log_limit_take(struct log_limit *limit, uint64_t now_us);

/** clock_us() - CLOCK_MONOTONIC in microseconds */
uint64_t clock_us(void);

#endif /* XU_LOG_H */
