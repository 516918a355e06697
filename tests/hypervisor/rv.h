/* SPDX-License-Identifier: MIT */
/*
 * Shared by the two programs that test revocable grants: how each makes the
 * hypercalls, and what the guest's program puts into a page.
 */
#ifndef RV_H
#define RV_H

#include <stdint.h>
#include <stddef.h>

#define RV_PAGE 4096

/*
 * One page of the guest's program. Each thread checks what it alone wrote; the
 * shared counter is checked against the sum of what all threads added.
 */
struct rv_page {
	uint64_t shared;		/* locked adds of every thread */
	uint64_t plain[7];		/* load, add, store: two per thread, the last 3 unused */
	uint8_t vector[2][64];		/* SSE stores: one per thread */
	uint8_t string[2][1024];	/* rep movs: one per thread */
	uint8_t code[2][64];		/* is executed: one per thread */
};

/*
 * Opens the hypercall device. Exits the process with a message if it cannot:
 * nothing works without it.
 */
int hypercall_open(void);

/*
 * HYPERVISOR_grant_table_op. arg must lie in memory that stays where it is
 * (hypercall_alloc). Returns 0 or a negative errno of Xen.
 */
int grant_table_op(int fd, unsigned int cmd, void *arg, unsigned int count);

/* HYPERVISOR_memory_op, likewise. */
int memory_op(int fd, unsigned int cmd, void *arg);

/* Zeroed memory that is locked in place, for arguments. Exits on failure. */
void *hypercall_alloc(size_t bytes);

/* Prints "fail: ..." and exits with 1. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

uint64_t now_ns(void);

/* xorshift64*; *state must not be 0. */
uint64_t random_next(uint64_t *state);

#endif
