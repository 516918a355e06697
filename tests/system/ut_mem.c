// SPDX-License-Identifier: MIT
/* An object of some pages and what cases do with it; see ut_mem.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ut_mem.h"

void ut_mem_bind(struct ut_mem *m, void *memory, size_t octets)
{
	m->memory = memory;
	m->handle = ut_create_one(m->ut.fd, memory, octets, 0);
	ut_map(&m->ut, m->handle, octets, UT_GPU_VA);
}

void ut_mem_open_size(struct ut_mem *m, void *memory, size_t octets)
{
	ut_open(&m->ut);
	ut_batch_open(&m->batch, &m->ut, &m->cmd);
	ut_mem_bind(m, memory, octets);
}

void ut_mem_open_at(struct ut_mem *m, void *memory)
{
	ut_mem_open_size(m, memory, UT_MEM_PAGES * UT_PAGE);
}

void ut_mem_open(struct ut_mem *m)
{
	ut_mem_open_at(m, ut_pages(UT_MEM_PAGES));
}

void ut_mem_begin(struct ut_mem *m)
{
	gpu_cmd_begin(&m->cmd, m->batch.memory, UT_PAGE);
}

void ut_mem_fill(struct ut_mem *m, unsigned int page, unsigned int nr, uint32_t value)
{
	gpu_cmd_fill(&m->cmd, UT_GPU_VA + page * UT_PAGE, value, nr * UT_PAGE);
}

uint32_t ut_mem_word(const struct ut_mem *m, unsigned int page)
{
	return *(volatile uint32_t *)(m->memory + page * UT_PAGE);
}

int __ut_mem_map_page(struct ut_mem *m, unsigned int page)
{
	return __ut_map(&m->ut, m->handle, page * UT_PAGE, UT_PAGE, UT_OUT_VA, 0);
}

void ut_mem_drop(struct ut_mem *m, unsigned int first, unsigned int nr)
{
	UT_CHECK(!munmap(m->memory + first * UT_PAGE, nr * UT_PAGE), "munmap: %s",
		 strerror(errno));
}

/* The pages of @kept (a bit each) work for the GPU and can be bound; others cannot. */
void ut_mem_check_kept(struct ut_mem *m, unsigned int kept, uint32_t value)
{
	unsigned int page;

	ut_mem_begin(m);
	for (page = 0; page < UT_MEM_PAGES; page++)
		if (kept & 1u << page)
			ut_mem_fill(m, page, 1, value + page);
	UT_ERRNO(ut_run(&m->batch, &m->cmd), 0);
	for (page = 0; page < UT_MEM_PAGES; page++) {
		if (kept & 1u << page)
			UT_CHECK(ut_mem_word(m, page) == value + page, "page %u: %#x", page,
				 ut_mem_word(m, page));
		UT_ERRNO(__ut_mem_map_page(m, page), kept & 1u << page ? 0 : -ESTALE);
	}
}

void ut_mem_check_new(const struct ut_mem *m)
{
	size_t i;

	for (i = 0; i < UT_MEM_PAGES * UT_PAGE; i++)
		UT_CHECK(m->memory[i] == UT_MEM_NEW, "the GPU wrote to new memory at %zu", i);
}

unsigned long ut_pinned_pages(void)
{
	return ut_status_kib("VmPin") * 1024 / UT_PAGE;
}

/* Returns whether it came true; the release runs by itself, so wait at most a minute. */
bool ut_wait_pinned(unsigned long want)
{
	int tries;

	for (tries = 0; tries < 6000 && ut_pinned_pages() != want; tries++)
		usleep(10000);
	return ut_pinned_pages() == want;
}
