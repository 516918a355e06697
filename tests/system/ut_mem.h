/* SPDX-License-Identifier: MIT */
/* An object of a few pages, bound, with commands to use it. */
#ifndef UT_MEM_H
#define UT_MEM_H

#include "gpu_cmd.h"
#include "ut.h"

#define UT_MEM_PAGES		8
#define UT_OUT_VA		(UT_GPU_VA + 0x1000000)
#define UT_SOME_TIME_NS		300000000ULL

/* The object is bound at UT_GPU_VA. */
struct ut_mem {
	struct ut ut;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned char *memory;
	uint32_t handle;
};

/* Register memory and bind it: the object from now on. */
void ut_mem_bind(struct ut_mem *m, void *memory, size_t octets);
void ut_mem_open_size(struct ut_mem *m, void *memory, size_t octets);
void ut_mem_open_at(struct ut_mem *m, void *memory);	/* UT_MEM_PAGES */
void ut_mem_open(struct ut_mem *m);

/* A new command stream, in the batch's first page. */
void ut_mem_begin(struct ut_mem *m);
void ut_mem_fill(struct ut_mem *m, unsigned int page, unsigned int nr, uint32_t value);
uint32_t ut_mem_word(const struct ut_mem *m, unsigned int page);

/* Bind one page of the object at UT_OUT_VA. */
int __ut_mem_map_page(struct ut_mem *m, unsigned int page);
void ut_mem_drop(struct ut_mem *m, unsigned int first, unsigned int nr);

/* The pages of @kept (a bit each) work for the GPU and can be bound, others not. */
void ut_mem_check_kept(struct ut_mem *m, unsigned int kept, uint32_t value);

/* All of the memory still holds UT_MEM_NEW, as the program has filled it. */
#define UT_MEM_NEW		0xaa
void ut_mem_check_new(const struct ut_mem *m);

unsigned long ut_pinned_pages(void);
/* Does the number of pinned pages become @want? The release runs by itself. */
bool ut_wait_pinned(unsigned long want);

/* One whole use of the GPU (ut_fail.c); fails the case if something is left of it. */
void ut_fail_once(void);

#endif /* UT_MEM_H */
