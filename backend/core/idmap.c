// SPDX-License-Identifier: MIT
/*
 * Finds the slot of a number that the guest chose: object ids, VM ids and
 * (object, VM) pairs. Linear probing; removal closes the gap, so there are no
 * tombstones and the cost does not grow with time. Single-threaded.
 */
#include "idmap.h"

uint32_t idmap_entries(uint32_t nr)
{
	uint32_t entries = 2;

	while (entries / 2 < nr && entries < (UINT32_C(1) << 31))
		entries *= 2;
	return entries;
}

void idmap_init(struct idmap *map, struct idmap_entry *entry,
		uint32_t nr_entries, uint64_t seed)
{
	map->entry = entry;
	map->seed = seed;
	map->mask = nr_entries - 1;
	map->nr = 0;
}

/* The finalizer of splitmix64: every bit of the key reaches every bit. */
static uint32_t hash(const struct idmap *map, uint64_t key)
{
	uint64_t x = key + map->seed + UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(x ^ (x >> 31)) & map->mask;
}

/* The place of key, or the empty one where it would go. */
static uint32_t place(const struct idmap *map, uint64_t key)
{
	uint32_t i = hash(map, key);

	while (map->entry[i].used && map->entry[i].key != key)
		i = (i + 1) & map->mask;
	return i;
}

uint32_t idmap_find(const struct idmap *map, uint64_t key)
{
	/* IDMAP_NONE is 0 - 1. */
	return map->entry[place(map, key)].used - 1;
}

void idmap_insert(struct idmap *map, uint64_t key, uint32_t slot)
{
	struct idmap_entry *e = &map->entry[place(map, key)];

	e->key = key;
	e->used = slot + 1;
	map->nr++;
}

void idmap_remove(struct idmap *map, uint64_t key)
{
	uint32_t hole = place(map, key);
	uint32_t i = hole;

	for (;;) {
		uint32_t home;

		map->entry[hole].used = 0;
		do {
			i = (i + 1) & map->mask;
			if (!map->entry[i].used) {
				map->nr--;
				return;
			}
			home = hash(map, map->entry[i].key);
			/* Entries whose home lies in (hole, i] stay. */
		} while (((i - home) & map->mask) < ((i - hole) & map->mask));
		map->entry[hole] = map->entry[i];
		hole = i;
	}
}
