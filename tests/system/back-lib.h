/* SPDX-License-Identifier: MIT */
/*
 * What the cases of back-test share. Everything ends the program with exit
 * code 1 and a line on stderr when something differs from what it should be;
 * functions that return -1 with errno are those under test.
 */
#ifndef BACK_LIB_H
#define BACK_LIB_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "back-pattern.h"
#include "xen_userptr_back.h"
#include "xu_importer.h"

#define MAX_GREFS 4096
#define WORDS 512
/* Longer than anything takes that is going to happen. */
#define EVENT_MS 20000
/* How long to look at something that must not happen. */
#define QUIET_MS 300

#define CHECK(condition) do {						\
	if (!(condition)) {						\
		fprintf(stderr, "%s:%d: not true: %s (errno %d %s)\n",	\
			__FILE__, __LINE__, #condition, errno,		\
			strerror(errno));				\
		exit(1);						\
	}								\
} while (0)

/* The call must fail with exactly this errno. */
#define CHECK_ERRNO(want, call) do {					\
	errno = 0;							\
	CHECK((call) == -1);						\
	CHECK(errno == (want));						\
} while (0)

/* From the command line. */
extern uint16_t domid;
extern uint32_t grefs[MAX_GREFS];
extern uint32_t ngrefs;
extern const char *argument;

struct back_case {
	const char *name;
	void (*run)(void);
};
/* Each ends with no name. */
extern const struct back_case revoke_cases[];
extern const struct back_case pages_cases[];
extern const struct back_case fences_cases[];

int back_open(void);
int bind_call(int fd, uint16_t to, uint64_t max_pages);
int back_bound(uint64_t max_pages);
struct xen_userptr_back_map map_arg(uint32_t first, uint32_t nr,
					   uint64_t cookie);
int map_flags(int fd, uint32_t first, uint32_t nr, uint64_t cookie,
		     uint32_t flags);
int map(int fd, uint32_t first, uint32_t nr, uint64_t cookie);
struct xen_userptr_back_stats stats(int fd);
bool readable(int fd, int ms);
struct xen_userptr_back_record record_next(int fd);
void expect_unmapped(int fd, uint64_t cookie);
int importer_open(void);
int import_call(int importer, int dmabuf, uint32_t flags,
		       struct xu_import *out);
int imported(int dmabuf, uint32_t flags);
uint64_t peek(int importer, uint32_t page, uint32_t word);
int poke(int importer, uint32_t page, uint32_t word, uint64_t value);
void expect_pattern(int importer, uint32_t first, uint32_t nr);
void send_fd(int sock, int fd);
int receive_fd(int sock);
void grefs_load(const char *path);
/* The module: the Nth call from now that can fail does. */
#define FAIL_NTH "/sys/module/xen_userptr_back/parameters/fail_nth"
void number_write(const char *path, int value);
int number_read(const char *path);

#endif
