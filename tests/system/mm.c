// SPDX-License-Identifier: MIT
/* One object that moves, its jobs and its pattern. */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mm.h"

void mm_need(int ret, const char *call)
{
	if (ret)
		errx(99, "%s: %s", call, strerror(-ret));
}

void *mm_map(size_t pages)
{
	void *memory = mmap(NULL, pages * MM_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(99, "memory");
	return memory;
}

static uint32_t pattern(uint32_t number, uint32_t word)
{
	return number * 2654435761U ^ word * 40503U;
}

void mm_fill(uint32_t *page, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < MM_NUMBERS; i++)
		page[i] = pattern(number, i);
}

bool mm_holds(const uint32_t *page, uint32_t number, uint32_t jobs)
{
	uint32_t i;

	for (i = 0; i < MM_NUMBERS; i++)
		if (page[i] != pattern(number, i) + (i < MM_WORDS ? jobs : 0))
			return false;
	return true;
}

void mm_open(struct mm *mm, size_t pages)
{
	mm->cmd_octets = (pages * 32 + 2 * MM_PAGE) / MM_PAGE * MM_PAGE;
	mm->cmd_memory = mm_map(mm->cmd_octets / MM_PAGE);
	mm_need(xuptr_open(mm->node, &mm->device), "xuptr_open");
	mm_need(xuptr_vm_create(mm->device, &mm->vm), "xuptr_vm_create");
	mm_need(xuptr_register_one(mm->device, mm->cmd_memory, mm->cmd_octets, 0,
				   &mm->cmd_object), "xuptr_register_one(commands)");
	mm_need(xuptr_map(mm->device, mm->vm, mm->cmd_object, 0, mm->cmd_octets, MM_VA_CMD, 0),
		"xuptr_map(commands)");
	mm_begin(mm);
}

void mm_register(struct mm *mm, void *memory, size_t pages, uint32_t flags)
{
	mm->memory = memory;
	mm->pages = pages;
	mm_need(xuptr_register_one(mm->device, memory, pages * MM_PAGE, flags, &mm->object),
		"xuptr_register_one");
}

void mm_bind(struct mm *mm, uint64_t gpu_va, uint32_t flags)
{
	mm_need(xuptr_map(mm->device, mm->vm, mm->object, 0, mm->pages * MM_PAGE, gpu_va,
			  flags), "xuptr_map");
}

uint32_t *mm_out(struct mm *mm, uint32_t *object)
{
	size_t octets = (mm->pages - 1) * MM_PAGE;
	uint32_t *out = mm_map(mm->pages - 1);

	mm_need(xuptr_register_one(mm->device, out, octets, 0, object),
		"xuptr_register_one(results)");
	mm_need(xuptr_map(mm->device, mm->vm, *object, 0, octets, MM_VA_OUT, 0),
		"xuptr_map(results)");
	return out;
}

size_t mm_copy_out(struct mm *mm)
{
	size_t octets = (mm->pages - 1) * MM_PAGE;

	mm_begin(mm);
	gpu_cmd_fill(&mm->cmd, MM_VA_OUT, 0x55555555, octets);
	gpu_cmd_copy(&mm->cmd, MM_VA_OUT, MM_VA_DATA, octets);
	mm_need(mm_run(mm), "the job");
	return octets;
}

void mm_begin(struct mm *mm)
{
	gpu_cmd_begin(&mm->cmd, mm->cmd_memory, mm->cmd_octets);
}

uint32_t mm_start(struct mm *mm)
{
	struct xuptr_sync done = { .signal = 1 };

	mm_need(xuptr_fence_create(mm->device, &done.syncobj), "xuptr_fence_create");
	mm_need(xuptr_exec(mm->device, mm->vm, 0, MM_VA_CMD, gpu_cmd_octets(&mm->cmd), &done,
			   1), "xuptr_exec");
	return done.syncobj;
}

int mm_wait(struct mm *mm, uint32_t syncobj)
{
	int ret = xuptr_fence_wait(mm->device, syncobj, -1);

	mm_need(xuptr_fence_destroy(mm->device, syncobj), "xuptr_fence_destroy");
	return ret;
}

int mm_run(struct mm *mm)
{
	return mm_wait(mm, mm_start(mm));
}

void mm_add(struct mm *mm)
{
	size_t i;

	mm_begin(mm);
	for (i = 0; i < mm->pages; i++)
		gpu_cmd_inc(&mm->cmd, MM_VA_DATA + i * MM_PAGE, 1, MM_WORDS);
	mm_need(mm_run(mm), "the job");
	mm->jobs++;
}

void mm_check(struct mm *mm, size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr; i++) {
		const uint32_t *page = mm->memory + i * MM_NUMBERS;

		if (mm_holds(page, (uint32_t)i, mm->jobs))
			continue;
		printf("page %zu: its first number has %d of %u jobs\n", i,
		       (int)(page[0] - pattern((uint32_t)i, 0)), mm->jobs);
		mm->wrong++;
	}
}

void mm_close(struct mm *mm)
{
	mm_need(xuptr_unregister(mm->device, mm->object), "xuptr_unregister");
	mm_need(xuptr_unregister(mm->device, mm->cmd_object), "xuptr_unregister(commands)");
	xuptr_close(mm->device);
}

static void usr1(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
}

void mm_steps_begin(void)
{
	sigset_t set;

	usr1(&set);
	mm_need(-pthread_sigmask(SIG_BLOCK, &set, NULL), "pthread_sigmask");
	setvbuf(stdout, NULL, _IOLBF, 0);
}

bool mm_is_told(void)
{
	const struct timespec now = { 0 };
	sigset_t set;

	usr1(&set);
	return sigtimedwait(&set, NULL, &now) == SIGUSR1;
}

void mm_step(const char *why)
{
	sigset_t set;
	int number;

	usr1(&set);
	puts(why);
	mm_need(-sigwait(&set, &number), "sigwait");
}
