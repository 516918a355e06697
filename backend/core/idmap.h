/* SPDX-License-Identifier: MIT */
/*
 * Numbers that the guest chose -> slots: open addressing in the caller's
 * memory. Never more than half full, so no insertion fails. The seed keeps a
 * guest from choosing numbers that all collide.
 */
#ifndef XU_IDMAP_H
#define XU_IDMAP_H

#include <stdint.h>

#define IDMAP_NONE UINT32_MAX

struct idmap_entry {
	uint64_t key;
	uint32_t used;		/* slot + 1; 0: empty */
	uint32_t pad;
};

struct idmap {
	struct idmap_entry *entry;
	uint64_t seed;
	uint32_t mask;		/* entries - 1 */
	uint32_t nr;
};

/** idmap_entries() - entries for at most @nr keys; a power of two */
uint32_t idmap_entries(uint32_t nr);

/** idmap_init() - @entry has @nr_entries, all zero: empty memory is not touched */
void idmap_init(struct idmap *map, struct idmap_entry *entry,
		uint32_t nr_entries, uint64_t seed);

/** idmap_find() - slot of @key or IDMAP_NONE */
uint32_t idmap_find(const struct idmap *map, uint64_t key);

/** idmap_insert() - @key must not be in the map, which must not be full */
void idmap_insert(struct idmap *map, uint64_t key, uint32_t slot);

/** idmap_remove() - @key must be in the map */
void idmap_remove(struct idmap *map, uint64_t key);

#endif /* XU_IDMAP_H */
