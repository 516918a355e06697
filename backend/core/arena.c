// SPDX-License-Identifier: MIT
/*
 * Lays the core's tables out in the caller's memory: once without memory to
 * learn the size, once for real, by the same code. Single-threaded.
 */
#include <string.h>

#include "arena.h"
#include "internal.h"

#define ARENA_ALIGN 64U

void *arena_take(struct arena *arena, uint64_t nr, size_t size)
{
	size_t at = arena->used;
	size_t octets;

	if (nr > SIZE_MAX ||
	    __builtin_mul_overflow((size_t)nr, size, &octets) ||
	    __builtin_add_overflow(octets, ARENA_ALIGN - 1, &octets) ||
	    __builtin_add_overflow(at, octets & ~(size_t)(ARENA_ALIGN - 1),
				   &arena->used)) {
		arena->overflow = true;
		return NULL;
	}
	return arena->mem ? arena->mem + at : NULL;
}

void arena_take_pool(struct arena *arena, struct pool *pool, uint32_t nr)
{
	uint32_t *link = arena_take(arena, nr, sizeof(*link));

	if (arena->mem)
		pool_init(pool, link, nr);
}

void arena_take_idmap(struct arena *arena, struct idmap *map, uint32_t nr,
		      uint64_t seed)
{
	uint32_t entries = idmap_entries(nr);
	struct idmap_entry *entry = arena_take(arena, entries, sizeof(*entry));

	if (arena->mem)
		idmap_init(map, entry, entries, seed);
}

/* Pairs of an object and a VM: no more than there can be, or be of use. */
static uint32_t nr_imports(const struct core_limits *limits)
{
	uint64_t pairs = (uint64_t)limits->max_objects * limits->max_vms;
	uint64_t useful = (uint64_t)limits->max_mappings + limits->max_objects;

	return (uint32_t)(pairs < useful ? pairs : useful);
}

static void take_va(struct arena *arena, struct va_pool *va,
		    const struct core_limits *limits, uint32_t imports)
{
	uint32_t records = (uint32_t)va_records_need(limits->max_mappings);
	uint32_t nodes = (uint32_t)va_nodes_need(limits->max_mappings,
						 limits->max_vms);
	struct va_node *node;
	uint32_t *link;

	va->va = arena_take(arena, records, sizeof(*va->va));
	arena_take_pool(arena, &va->free, records);
	node = arena_take(arena, nodes, sizeof(*node));
	link = arena_take(arena, nodes, sizeof(*link));
	va->owner = arena_take(arena, imports, sizeof(*va->owner));
	if (arena->mem)
		va_nodes_init(&va->nodes, node, link, nodes);
	va->max = limits->max_mappings;
}

static void take_tables(struct arena *arena, struct core *core,
			const struct core_limits *l)
{
	uint32_t imports = nr_imports(l);
	uint32_t i;

	core->req = arena_take(arena, l->max_requests, sizeof(*core->req));
	core->obj = arena_take(arena, l->max_objects, sizeof(*core->obj));
	core->vm = arena_take(arena, l->max_vms, sizeof(*core->vm));
	core->import = arena_take(arena, imports, sizeof(*core->import));
	core->job = arena_take(arena, l->max_jobs, sizeof(*core->job));
	arena_take_pool(arena, &core->req_pool, l->max_requests);
	arena_take_pool(arena, &core->obj_pool, l->max_objects);
	arena_take_pool(arena, &core->vm_pool, l->max_vms);
	arena_take_pool(arena, &core->import_pool, imports);
	arena_take_pool(arena, &core->job_pool, l->max_jobs);
	arena_take_idmap(arena, &core->obj_ids, l->max_objects, l->hash_seed);
	arena_take_idmap(arena, &core->vm_ids, l->max_vms, l->hash_seed);
	arena_take_idmap(arena, &core->import_ids, imports, l->hash_seed);
	take_va(arena, &core->va, l, imports);
	for (i = 0; i < NR_BUFFERS; i++)
		core->buffer[i] = arena_take(arena, l->max_bind_ops,
					     sizeof(*core->buffer[i]));
}

static bool limits_sane(const struct core_limits *l)
{
	return l->max_pages && l->max_objects && l->max_vms &&
	       l->max_mappings && l->max_jobs && l->max_requests &&
	       l->max_bind_ops && l->max_objects <= MAX_SLOTS &&
	       l->max_vms <= MAX_SLOTS && l->max_mappings <= MAX_SLOTS &&
	       l->max_jobs <= MAX_SLOTS && l->max_requests <= NR_IDS &&
	       l->max_bind_ops <= XENUSERPTR_MAX_BIND_OPS;
}

size_t core_size(const struct core_limits *limits)
{
	struct arena arena = { 0 };
	struct core core;

	if (!limits_sane(limits))
		return 0;
	arena_take(&arena, 1, sizeof(struct core));
	take_tables(&arena, &core, limits);
	return arena.overflow ? 0 : arena.used;
}

/* Low bits of addresses and offsets that must be zero for this GPU. */
static uint64_t va_mask(const struct core_gpu *gpu)
{
	uint64_t smallest = gpu->page_sizes & -gpu->page_sizes;

	return (smallest > XENUSERPTR_PAGE_SIZE ? smallest :
						  XENUSERPTR_PAGE_SIZE) - 1;
}

void core_attach_mig(struct core *core, const struct mig *mig)
{
	core->mig = mig;
}

struct core *core_init(void *mem, const struct core_limits *limits,
		       const struct core_gpu *gpu)
{
	struct arena arena = { .mem = mem };
	struct core *core = mem;
	uint32_t i;

	if (!core_size(limits))
		return NULL;
	arena_take(&arena, 1, sizeof(*core));
	take_tables(&arena, core, limits);
	core->limits = *limits;
	core->gpu = *gpu;
	core->va_mask = va_mask(gpu);
	core->buffers_free = (1U << NR_BUFFERS) - 1;
	queue_init(&core->ready);
	queue_init(&core->buffer_wait);
	for (i = 0; i < XENUSERPTR_MAX_TIMELINES; i++) {
		core->timeline[i].vm = NONE;
		core->timeline[i].first = NONE;
		core->timeline[i].last = NONE;
	}
	return core;
}
