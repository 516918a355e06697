// SPDX-License-Identifier: MIT
/* The naive model; see vamodel.h. Single-threaded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "vamodel.h"

#define NR_RECORDS(max) ((uint32_t)va_records_need(max))
#define NR_NODES(max) ((uint32_t)va_nodes_need(max, VAMODEL_SPACES))

static void *model_alloc(size_t nr, size_t size)
{
	void *mem = calloc(nr, size);

	FAKE_ASSERT(mem);
	return mem;
}

struct vamodel *vamodel_new(uint32_t max, uint64_t va_base, uint64_t va_scale)
{
	struct vamodel *m = model_alloc(1, sizeof(*m));
	uint32_t i;

	m->mem[0] = model_alloc(NR_RECORDS(max), sizeof(struct gpuva));
	m->mem[1] = model_alloc(NR_RECORDS(max), sizeof(uint32_t));
	m->mem[2] = model_alloc(NR_NODES(max), sizeof(struct va_node));
	m->mem[3] = model_alloc(NR_NODES(max), sizeof(uint32_t));
	m->pool.va = m->mem[0];
	pool_init(&m->pool.free, m->mem[1], NR_RECORDS(max));
	va_nodes_init(&m->pool.nodes, m->mem[2], m->mem[3], NR_NODES(max));
	m->pool.owner = m->owner;
	m->pool.max = max;
	for (i = 0; i < VAMODEL_OWNERS; i++)
		va_owner_init(&m->owner[i]);
	for (i = 0; i < VAMODEL_SPACES; i++)
		va_space_init(&m->space[i]);
	m->va_base = va_base;
	m->va_scale = va_scale;
	return m;
}

void vamodel_free(struct vamodel *m)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		free(m->mem[i]);
	free(m);
}

static uint64_t va_of(const struct vamodel *m, uint32_t page)
{
	return m->va_base + page * m->va_scale;
}

static uint32_t count_runs(const struct vamodel_page *page)
{
	uint32_t i, runs = page[0].id != 0;

	for (i = 1; i < VAMODEL_PAGES; i++)
		runs += page[i].id && page[i].id != page[i - 1].id;
	return runs;
}

static uint32_t max_of(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* What the model thinks is charged, with a transaction's old state reserved. */
static uint32_t model_charge(const struct vamodel *m)
{
	uint32_t i, sum = 0;

	for (i = 0; i < VAMODEL_SPACES; i++)
		sum += max_of(m->model[i].runs, m->model[i].base_runs);
	return sum;
}

/* The operation is in the model already: is it within the quota? */
static int model_expect(struct vamodel *m, uint32_t space)
{
	struct vamodel_space *s = &m->model[space];

	s->runs = count_runs(s->page);
	return model_charge(m) <= m->pool.max ? 0 : -EDQUOT;
}

static int model_settle(struct vamodel *m, uint32_t space, int expect, int got)
{
	FAKE_ASSERT(expect == got);
	if (got)
		vamodel_rollback(m, space);
	else
		FAKE_ASSERT(m->space[space].index.nr == m->model[space].runs);
	FAKE_ASSERT(m->pool.charged == model_charge(m));
	return got;
}

int vamodel_map(struct vamodel *m, uint32_t space, uint32_t page, uint32_t nr,
		uint32_t owner, uint32_t offset, uint16_t flags)
{
	struct va_range range = {
		.start = va_of(m, page),
		.end = va_of(m, page + nr),
		.offset = owner == VA_NO_OWNER ? 0 : offset * m->va_scale,
		.owner = owner,
		.flags = flags,
	};
	uint32_t i, id = ++m->next_id;

	if (!nr) {
		FAKE_ASSERT(va_map(&m->pool, &m->space[space], &range) ==
			    -EINVAL);
		return -EINVAL;
	}
	for (i = 0; i < nr; i++)
		m->model[space].page[page + i] = (struct vamodel_page){
			.id = id,
			.owner = owner,
			.offset = owner == VA_NO_OWNER ? 0 : offset + i,
			.flags = flags,
		};
	return model_settle(m, space, model_expect(m, space),
			    va_map(&m->pool, &m->space[space], &range));
}

int vamodel_unmap(struct vamodel *m, uint32_t space, uint32_t page,
		  uint32_t nr)
{
	uint64_t start = va_of(m, page), end = va_of(m, page + nr);

	if (!nr) {
		FAKE_ASSERT(va_unmap(&m->pool, &m->space[space], start, end) ==
			    -EINVAL);
		return -EINVAL;
	}
	memset(&m->model[space].page[page], 0,
	       nr * sizeof(m->model[space].page[0]));
	return model_settle(m, space, model_expect(m, space),
			    va_unmap(&m->pool, &m->space[space], start, end));
}

void vamodel_commit(struct vamodel *m, uint32_t space)
{
	struct vamodel_space *s = &m->model[space];

	va_commit(&m->pool, &m->space[space]);
	memcpy(s->base, s->page, sizeof(s->base));
	s->base_runs = s->runs;
	FAKE_ASSERT(!va_busy(&m->space[space]));
	FAKE_ASSERT(m->pool.charged == model_charge(m));
}

void vamodel_rollback(struct vamodel *m, uint32_t space)
{
	struct vamodel_space *s = &m->model[space];

	va_rollback(&m->pool, &m->space[space]);
	memcpy(s->page, s->base, sizeof(s->page));
	s->runs = s->base_runs;
	FAKE_ASSERT(!va_busy(&m->space[space]));
	FAKE_ASSERT(m->pool.charged == model_charge(m));
}

void vamodel_clear(struct vamodel *m, uint32_t space)
{
	vamodel_commit(m, space);
	va_clear(&m->pool, &m->space[space]);
	memset(&m->model[space], 0, sizeof(m->model[space]));
	FAKE_ASSERT(m->pool.charged == model_charge(m));
}

static void compare_page(const struct vamodel *m, uint32_t space, uint32_t i)
{
	const struct vamodel_page *p = &m->model[space].page[i];
	const struct gpuva *va = va_find(&m->pool, &m->space[space],
					 va_of(m, i) + m->va_scale / 2);

	FAKE_ASSERT(!va == !p->id);
	if (!va)
		return;
	FAKE_ASSERT(va->owner == p->owner && va->flags == p->flags);
	FAKE_ASSERT((va->start == va_of(m, i)) ==
		    (!i || p[-1].id != p->id));
	FAKE_ASSERT((va->end == va_of(m, i + 1)) ==
		    (i + 1 == VAMODEL_PAGES || p[1].id != p->id));
	if (va->owner != VA_NO_OWNER)
		FAKE_ASSERT(va->offset + (va_of(m, i) - va->start) ==
			    p->offset * m->va_scale);
}

static void compare_owner(const struct vamodel *m, uint32_t owner,
			  uint32_t *listed)
{
	uint32_t id, nr = 0;

	for (id = m->owner[owner].first; id != POOL_NONE;
	     id = m->pool.va[id].owner_next) {
		FAKE_ASSERT(m->pool.va[id].owner == owner);
		*listed += m->pool.va[id].state != VA_OLD;
		nr++;
	}
	FAKE_ASSERT(nr == m->owner[owner].nr);
}

void vamodel_compare(struct vamodel *m)
{
	uint32_t s, i, nodes = 0, owned = 0, listed = 0;

	for (s = 0; s < VAMODEL_SPACES; s++) {
		const struct vamodel_page *page = m->model[s].page;

		FAKE_ASSERT(va_index_check(&m->pool.nodes, &m->space[s].index,
					   &nodes));
		for (i = 0; i < VAMODEL_PAGES; i++) {
			compare_page(m, s, i);
			owned += page[i].id && page[i].owner != VA_NO_OWNER &&
				 (!i || page[i - 1].id != page[i].id);
		}
	}
	FAKE_ASSERT(nodes == m->pool.nodes.pool.used);
	for (i = 0; i < VAMODEL_OWNERS; i++)
		compare_owner(m, i, &listed);
	FAKE_ASSERT(owned == listed);
}
