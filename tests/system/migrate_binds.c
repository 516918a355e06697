// SPDX-License-Identifier: MIT
/*
 * migrate-binds: mappings of two objects in two address spaces of the GPU overlap,
 * replace each other and are unmapped in part, while the host moves the objects.
 *
 * usage: migrate-binds SECONDS SEED
 *        migrate-binds steps SEED
 *
 * SECONDS: a job runs in one address space; meanwhile a range chosen at random is
 * mapped or unmapped in the other one. The job adds to pages that it can write, and
 * copies from those that it can only read; a plain array says what is mapped where, and
 * so what each page must hold. Says "ready" at the start.
 * steps: the large object is bound in one address space ("ready"); after SIGUSR1 a part of
 * it is mapped over another part ("overlap"), then a part is unmapped ("cut"), then a
 * job uses all that is left ("used"), then all is checked.
 *
 * The large object is a page less than 8 MiB, so that there are chunks of each size. The
 * last line ends with "wrong 0". Exit code: 0 all right, 1 wrong, 99 it could not run.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm.h"
#include "program.h"

#define NR_VMS		2U
#define NR_OBJECTS	2U
#define WINDOW		3000U	/* pages of the address space */
#define MOST_PAGES	700U	/* of one change */
#define JOB_PAGES	128U
#define LOOKS		4U	/* pages that the guest looks at after a job */
#define COPY_OCTETS	(MM_WORDS * sizeof(uint32_t))

struct object {
	uint32_t id;
	uint32_t pages;
	uint32_t number;	/* of its first page's pattern */
	uint32_t *memory;
	uint32_t *jobs;		/* that added to each page */
};

/* A page of the address space. */
struct slot {
	struct object *object;	/* NULL: nothing is mapped */
	uint32_t page;
	bool is_readonly;
};

/* What a job copies must be this. */
struct copy {
	const struct object *object;
	uint32_t page, jobs;
};

static struct mm mm;
static struct object objects[NR_OBJECTS] = { { .pages = 2047 }, { .pages = 600, .number = 10000 } };
static uint32_t vms[NR_VMS];
static struct slot slots[NR_VMS][WINDOW];
static struct copy copies[JOB_PAGES];
static uint32_t *results;
static unsigned long wrong, changes, nr_jobs, copied;
static uint64_t seed;

static uint32_t below(uint32_t end)
{
	return (uint32_t)(next_random(&seed) % end);
}

/* ---- what is mapped ---- */

static uint64_t va_of(uint32_t slot)
{
	return MM_VA_DATA + slot * MM_PAGE;
}

static void map(uint32_t vm, uint32_t slot, struct object *object, uint32_t first,
		uint32_t nr, bool is_readonly)
{
	uint32_t i;

	need(xuptr_map(mm.device, vms[vm], object->id, first * MM_PAGE, nr * MM_PAGE,
		       va_of(slot), is_readonly ? XUPTR_READONLY : 0), "xuptr_map");
	for (i = 0; i < nr; i++)
		slots[vm][slot + i] = (struct slot){ object, first + i, is_readonly };
}

static void unmap(uint32_t vm, uint32_t slot, uint32_t nr)
{
	need(xuptr_unmap(mm.device, vms[vm], va_of(slot), nr * MM_PAGE), "xuptr_unmap");
	memset(&slots[vm][slot], 0, nr * sizeof(slots[vm][slot]));
}

static void change(uint32_t vm)
{
	struct object *object = &objects[below(NR_OBJECTS)];
	uint32_t nr = 1 + below(below(2) ? MOST_PAGES : 20);
	uint32_t most = nr < object->pages ? nr : object->pages;
	uint32_t first = below(object->pages - most + 1);

	if (below(3))
		map(vm, below(WINDOW - most), object, first, most, !below(4));
	else
		unmap(vm, below(WINDOW - nr), nr);
	changes++;
}

/* ---- jobs ---- */

static void job_page(const struct slot *slot, uint64_t va, uint32_t *nr_copies)
{
	uint64_t to = MM_VA_OUT + *nr_copies * COPY_OCTETS;

	if (slot->is_readonly) {
		gpu_cmd_copy(&mm.cmd, to, va, COPY_OCTETS);
		copies[(*nr_copies)++] = (struct copy){ slot->object, slot->page,
							slot->object->jobs[slot->page] };
	} else {
		gpu_cmd_inc(&mm.cmd, va, 1, MM_WORDS);
		slot->object->jobs[slot->page]++;
	}
}

/* Of slots chosen at random, or @all. Returns how many were copied. */
static uint32_t job_make(uint32_t vm, bool all)
{
	uint32_t i, slot, nr_copies = 0;

	mm.vm = vms[vm];
	mm_begin(&mm);
	gpu_cmd_busy(&mm.cmd, 1);	/* no job is empty */
	for (i = 0; i < (all ? WINDOW : JOB_PAGES); i++) {
		slot = all ? i : below(WINDOW);
		if (slots[vm][slot].object)
			job_page(&slots[vm][slot], va_of(slot), &nr_copies);
	}
	nr_jobs++;
	return nr_copies;
}

static uint32_t *page_of(const struct object *object, uint32_t page)
{
	return object->memory + page * MM_NUMBERS;
}

static void page_check(const struct object *object, uint32_t page)
{
	if (mm_holds(page_of(object, page), object->number + page, object->jobs[page]))
		return;
	printf("object of %u pages: page %u is wrong after %u jobs\n", object->pages, page,
	       object->jobs[page]);
	wrong++;
}

static void copies_check(uint32_t nr)
{
	uint32_t i, w, page[MM_NUMBERS];

	for (i = 0; i < nr; i++) {
		mm_fill(page, copies[i].object->number + copies[i].page);
		for (w = 0; w < MM_WORDS; w++)
			page[w] += copies[i].jobs;
		if (!memcmp(page, results + i * MM_WORDS, COPY_OCTETS))
			continue;
		printf("object of %u pages: page %u was read wrong\n", copies[i].object->pages,
		       copies[i].page);
		wrong++;
	}
	copied += nr;
}

static void looks(void)
{
	uint32_t i;

	for (i = 0; i < LOOKS; i++) {
		struct object *object = &objects[below(NR_OBJECTS)];

		page_check(object, below(object->pages));
	}
}

static void at_random(double seconds)
{
	double end = now() + seconds;
	uint32_t vm, nr, fence;

	while (now() < end) {
		vm = below(NR_VMS);
		nr = job_make(vm, false);
		fence = mm_start(&mm);
		change(!vm);
		need(mm_wait(&mm, fence), "the job");
		copies_check(nr);
		looks();
	}
}

static void steps(void)
{
	map(0, 0, &objects[0], 0, objects[0].pages, false);
	mm_step("ready");
	map(0, 256, &objects[0], 512, 512, false);
	mm_step("overlap");
	unmap(0, 1100, 100);
	mm_step("cut");
	copies_check(job_make(0, true));
	need(mm_run(&mm), "the job");
	mm_step("used");
}

/* ---- begin and end ---- */

static void object_make(struct object *object)
{
	uint32_t page;

	object->memory = mm_map(object->pages);
	object->jobs = calloc(object->pages, sizeof(*object->jobs));
	if (!object->jobs)
		err(99, "memory");
	for (page = 0; page < object->pages; page++)
		mm_fill(page_of(object, page), object->number + page);
	need(xuptr_register_one(mm.device, object->memory, object->pages * MM_PAGE, 0,
				&object->id), "xuptr_register_one");
}

static void vm_make(uint32_t vm, uint32_t out_object, size_t out_octets)
{
	need(xuptr_map(mm.device, vms[vm], out_object, 0, out_octets, MM_VA_OUT, 0),
	     "xuptr_map(results)");
	if (vm)
		need(xuptr_map(mm.device, vms[vm], mm.cmd_object, 0, mm.cmd_octets, MM_VA_CMD,
			       0), "xuptr_map(commands)");
}

static void begin(void)
{
	size_t octets = (JOB_PAGES * COPY_OCTETS + MM_PAGE - 1) / MM_PAGE * MM_PAGE;
	uint32_t i, object;

	mm_open(&mm, WINDOW);
	vms[0] = mm.vm;
	need(xuptr_vm_create(mm.device, &vms[1]), "xuptr_vm_create");
	results = mm_map(octets / MM_PAGE);
	need(xuptr_register_one(mm.device, results, octets, 0, &object),
	     "xuptr_register_one(results)");
	for (i = 0; i < NR_VMS; i++)
		vm_make(i, object, octets);
	for (i = 0; i < NR_OBJECTS; i++)
		object_make(&objects[i]);
}

static void all_check(void)
{
	uint32_t i, page;

	for (i = 0; i < NR_OBJECTS; i++)
		for (page = 0; page < objects[i].pages; page++)
			page_check(&objects[i], page);
}

int main(int argc, char **argv)
{
	mm_steps_begin();
	if (argc != 3)
		errx(99, "usage: migrate-binds SECONDS|steps SEED");
	seed = strtoull(argv[2], NULL, 10) + 1;
	begin();
	if (!strcmp(argv[1], "steps")) {
		steps();
	} else {
		puts("ready");
		at_random(strtod(argv[1], NULL));
	}
	all_check();
	xuptr_close(mm.device);
	printf("seed %s: changes %lu jobs %lu read only %lu wrong %lu\n", argv[2], changes,
	       nr_jobs, copied, wrong);
	return wrong ? 1 : 0;
}
