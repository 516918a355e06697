/* SPDX-License-Identifier: MIT */
/*
 * Memory that moves: one object, bound in one address space of the GPU, and
 * jobs that change it. For programs that the host's scenario leads step by step.
 *
 * Each page holds a pattern of its own; each job adds 1 to its first MM_WORDS
 * numbers. A call that fails ends the program with code 99.
 */
#ifndef MM_H
#define MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu_cmd.h"
#include "xenuserptr.h"

#define MM_PAGE		((size_t)XUPTR_PAGE_SIZE)
#define MM_NUMBERS	(MM_PAGE / sizeof(uint32_t))
#define MM_WORDS	64U
#define MM_VA_CMD	0x000010000000ULL
#define MM_VA_OUT	0x000800000000ULL
#define MM_VA_DATA	0x001000000000ULL

struct mm {
	const char *node;	/* NULL: the first device */
	struct xuptr_device *device;
	uint32_t vm;
	uint32_t object;
	uint32_t cmd_object;
	struct gpu_cmd cmd;
	void *cmd_memory;
	size_t cmd_octets;
	uint32_t *memory;
	size_t pages;
	uint32_t jobs;		/* that added to the object */
	unsigned long wrong;	/* pages that did not hold what they should */
};

/* 0 or -errno of a call that must work. */
void mm_need(int ret, const char *call);
/* New anonymous memory, not touched. */
void *mm_map(size_t pages);
/* Fill with the pattern of a page with this number. */
void mm_fill(uint32_t *page, uint32_t number);
/* Does it hold the pattern, with @jobs added? */
bool mm_holds(const uint32_t *page, uint32_t number, uint32_t jobs);

/* The device @node, an address space, and room for commands on @pages pages. */
void mm_open(struct mm *mm, size_t pages);
/* Register memory of @pages pages. @flags: XUPTR_READONLY or 0. */
void mm_register(struct mm *mm, void *memory, size_t pages, uint32_t flags);
/* Bind all of it. @flags: XUPTR_READONLY or 0. */
void mm_bind(struct mm *mm, uint64_t gpu_va, uint32_t flags);
/*
 * Register and bind memory for results at MM_VA_OUT: a page less than there is,
 * so that a scenario knows the object by its size.
 */
uint32_t *mm_out(struct mm *mm, uint32_t *object);
/* A job that clears it and copies all but the last page there. Returns the octets. */
size_t mm_copy_out(struct mm *mm);
/* An empty stream of commands; run it. Returns the job's error. */
void mm_begin(struct mm *mm);
uint32_t mm_start(struct mm *mm);
int mm_wait(struct mm *mm, uint32_t syncobj);
int mm_run(struct mm *mm);
/* A job that adds 1 to each page's numbers. */
void mm_add(struct mm *mm);
/* Count the pages from @first on that do not hold what they should. */
void mm_check(struct mm *mm, size_t first, size_t nr);
void mm_close(struct mm *mm);

/* Print @why, and wait until the scenario says go (SIGUSR1). */
void mm_step(const char *why);
/* Has it said go since the last step? */
bool mm_is_told(void);
/* Block SIGUSR1: before the first fork or thread, so that none is lost. */
void mm_steps_begin(void);

#endif /* MM_H */
