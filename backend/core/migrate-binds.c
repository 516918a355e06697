// SPDX-License-Identifier: MIT
/*
 * What the tree of mappings says about a chunk: who maps it and how (for
 * MIG_EV_USES after a VM_BIND), and which changes of a VM move it (for the BIND
 * and UNBIND ops of migration). Reads only; single-threaded.
 *
 * Only committed mappings count: while a VM_BIND that touches the chunk is in
 * flight, an ask of the request core holds the chunk where it is.
 */
#include "internal.h"
#include "migrate.h"

/* A range of pages of an object, in octets. */
struct span {
	uint64_t start;
	uint64_t end;
};

static struct span pages_span(uint32_t first, uint32_t nr)
{
	uint64_t start = (uint64_t)first * XENUSERPTR_PAGE_SIZE;

	return (struct span){
		start, start + (uint64_t)nr * XENUSERPTR_PAGE_SIZE,
	};
}

/* The part of the span that a mapping shows; false: none. */
static bool va_overlap(const struct gpuva *va, const struct span *span,
		       struct span *part)
{
	uint64_t end = va->offset + (va->end - va->start);

	part->start = span->start > va->offset ? span->start : va->offset;
	part->end = span->end < end ? span->end : end;
	return va->state == VA_LIVE && part->start < part->end;
}

static uint32_t import_first_va(const struct core *core, uint32_t obj,
				uint32_t vm)
{
	uint32_t slot = import_find(core, obj, vm);

	return slot == IDMAP_NONE ? NONE : core->va.owner[slot].first;
}

uint32_t core_chunk_access(const struct core *core, uint32_t vm, uint32_t obj,
			   uint32_t first, uint32_t nr)
{
	struct span span = pages_span(first, nr), part;
	uint32_t id = import_first_va(core, obj, vm);
	uint32_t access = MIG_ACCESS_NONE;

	for (; id != NONE; id = core->va.va[id].owner_next) {
		const struct gpuva *va = &core->va.va[id];

		if (!va_overlap(va, &span, &part))
			continue;
		if (!(va->flags & XENUSERPTR_BIND_READONLY))
			return MIG_ACCESS_WRITE;
		access = MIG_ACCESS_READ;
	}
	return access;
}

static struct core_bind bind_of(const struct gpuva *va, uint32_t obj,
				const struct span *part)
{
	return (struct core_bind){
		.op = XENUSERPTR_BIND_MAP,
		.flags = va->flags,
		.obj = obj,
		.offset = part->start,
		.length = part->end - part->start,
		.gpu_va = va->start + (part->start - va->offset),
	};
}

uint32_t core_chunk_binds(const struct core *core, uint32_t vm, uint32_t obj,
			  uint32_t first, uint32_t nr, uint32_t skip,
			  struct core_bind *binds, uint32_t max)
{
	struct span span = pages_span(first, nr), part;
	uint32_t id = import_first_va(core, obj, vm);
	uint32_t found = 0;

	for (; id != NONE && found < max; id = core->va.va[id].owner_next) {
		const struct gpuva *va = &core->va.va[id];

		if (!va_overlap(va, &span, &part))
			continue;
		if (skip)
			skip--;
		else
			binds[found++] = bind_of(va, obj, &part);
	}
	return found;
}
