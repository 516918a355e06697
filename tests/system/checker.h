/* SPDX-License-Identifier: MIT */
/*
 * Two threads that change memory and check it all the time, while a GPU and the host
 * work on the same pages: one does locked adds, the other writes blocks by memcpy and
 * by vector stores, past the cache too, and reads them back, at once and the next time.
 *
 * Each page has a cell for that. What is wrong is printed and counted. A call that
 * fails ends the program with code 99.
 */
#ifndef CHECKER_H
#define CHECKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKER_BLOCK	512U

struct checker_cell {
	_Atomic uint64_t added;
	uint64_t pad;
	_Alignas(16) uint8_t block[CHECKER_BLOCK];
	uint8_t same[CHECKER_BLOCK];	/* never written again: filled at the start */
};

struct checker {
	struct checker_cell **cells;
	size_t nr;
	uint64_t *added;	/* what each cell should say */
	uint8_t *written;	/* what its block holds */
	uint64_t adds, blocks;
	uint64_t pause_ns;
	uint64_t seed;
	pthread_t threads[2];
	atomic_bool stop;
	atomic_ulong wrong;
};

/* Add @nr cells, the first one at @first, the others a page further each; all zeroes. */
void checker_add(struct checker *checker, void *first, size_t nr);
/*
 * Between two accesses of a thread is a pause of up to @pause_ns, at random, so that pages
 * can stay away for a while.
 */
void checker_start(struct checker *checker, uint64_t seed, uint64_t pause_ns);
void checker_stop(struct checker *checker);
/* Add to each cell. Not while the threads run. */
void checker_touch(struct checker *checker);
/*
 * Check all cells, and print what the threads did: a program that never asks does not say
 * so. Returns how much was wrong since the start.
 */
unsigned long checker_check(struct checker *checker);

#endif /* CHECKER_H */
