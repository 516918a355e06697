/* SPDX-License-Identifier: MIT */
/*
 * A naive model of GPU address spaces, to compare the VA tree with: one array
 * entry per page, copied for a rollback. Shares nothing with the tree. An
 * operation is done on both and must give the same result; then both must
 * hold the same mappings, cut at the same places.
 */
#ifndef XU_VAMODEL_H
#define XU_VAMODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "vatree.h"

#define VAMODEL_SPACES	3U
#define VAMODEL_PAGES	512U
#define VAMODEL_OWNERS	8U

struct vamodel_page {
	uint32_t id;		/* of the map that made it; 0: not mapped */
	uint32_t owner;
	uint32_t offset;	/* pages */
	uint16_t flags;
};

struct vamodel_space {
	struct vamodel_page page[VAMODEL_PAGES];
	struct vamodel_page base[VAMODEL_PAGES];
	uint32_t runs;		/* mappings in page */
	uint32_t base_runs;
};

struct vamodel {
	struct va_pool pool;
	struct va_owner owner[VAMODEL_OWNERS];
	struct va_space space[VAMODEL_SPACES];
	struct vamodel_space model[VAMODEL_SPACES];
	uint64_t va_base;	/* address of page 0 */
	uint64_t va_scale;	/* octets per page */
	uint32_t next_id;
	void *mem[4];
};

/* Dies without memory. */
struct vamodel *vamodel_new(uint32_t max, uint64_t va_base, uint64_t va_scale);
void vamodel_free(struct vamodel *m);

/* Owner VA_NO_OWNER: a null mapping. They die if tree and model differ. */
int vamodel_map(struct vamodel *m, uint32_t space, uint32_t page, uint32_t nr,
		uint32_t owner, uint32_t offset, uint16_t flags);
int vamodel_unmap(struct vamodel *m, uint32_t space, uint32_t page,
		  uint32_t nr);
void vamodel_commit(struct vamodel *m, uint32_t space);
void vamodel_rollback(struct vamodel *m, uint32_t space);
/* Commits first. */
void vamodel_clear(struct vamodel *m, uint32_t space);
/* Every page of every space, the owners' lists, the counters. */
void vamodel_compare(struct vamodel *m);

#endif /* XU_VAMODEL_H */
