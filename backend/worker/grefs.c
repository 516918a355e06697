// SPDX-License-Identifier: MIT
/* gref -> page of an object. Memory only; the event loop's thread. */
#include "grefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An entry: users 16, object 24, page 24 bits. */
#define USERS_SHIFT	48
#define USERS_MAX	UINT16_MAX
#define OBJ_SHIFT	24
#define FIELD_MASK	0xffffffU
/* Two users, or one that is left of two. */
#define NOWHERE		((uint64_t)FIELD_MASK << OBJ_SHIFT)
#define PLACE_MASK	(((uint64_t)1 << USERS_SHIFT) - 1)

/* A grant table has at most 2^32 entries; far fewer exist. */
#define GREFS_STEP	4096U

static uint64_t place_make(uint32_t obj, uint32_t page)
{
	return (uint64_t)obj << OBJ_SHIFT | page;
}

static uint32_t entry_users(uint64_t entry)
{
	return (uint32_t)(entry >> USERS_SHIFT);
}

static bool place_known(uint64_t entry)
{
	return (entry & NOWHERE) != NOWHERE;
}

static int grefs_grow(struct grefs *table, size_t nr)
{
	uint64_t *entry;

	if (nr <= table->nr)
		return 0;
	nr = (nr + GREFS_STEP - 1) / GREFS_STEP * GREFS_STEP;
	entry = realloc(table->entry, nr * sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	memset(entry + table->nr, 0, (nr - table->nr) * sizeof(*entry));
	table->entry = entry;
	table->nr = nr;
	return 0;
}

/* A count that is full stays so: its page never moves again. */
static void gref_add(uint64_t *entry, uint64_t place, grefs_alias alias,
		     void *context)
{
	uint32_t users = entry_users(*entry);
	uint64_t old = *entry & PLACE_MASK;

	if (!users) {
		*entry = (uint64_t)1 << USERS_SHIFT | place;
		return;
	}
	if (place_known(old))
		alias(context, GREFS_OLD, (uint32_t)(old >> OBJ_SHIFT) & FIELD_MASK,
		      (uint32_t)old & FIELD_MASK);
	alias(context, GREFS_NEW, (uint32_t)(place >> OBJ_SHIFT),
	      (uint32_t)place & FIELD_MASK);
	if (users < USERS_MAX)
		users++;
	*entry = (uint64_t)users << USERS_SHIFT | NOWHERE;
}

int grefs_add(struct grefs *table, uint32_t obj, const uint32_t *grefs,
	      uint32_t nr, grefs_alias alias, void *context)
{
	uint32_t i, max = 0;

	for (i = 0; i < nr; i++)
		if (grefs[i] > max)
			max = grefs[i];
	if (grefs_grow(table, (size_t)max + 1))
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		gref_add(&table->entry[grefs[i]], place_make(obj, i), alias,
			 context);
	return 0;
}

void grefs_remove(struct grefs *table, const uint32_t *grefs, uint32_t nr)
{
	uint32_t i, users;
	uint64_t *entry;

	for (i = 0; i < nr; i++) {
		if (!grefs[i] || grefs[i] >= table->nr)
			continue;
		entry = &table->entry[grefs[i]];
		users = entry_users(*entry);
		if (users == USERS_MAX || !users)
			continue;
		*entry = users == 1 ? 0 :
			 (uint64_t)(users - 1) << USERS_SHIFT | NOWHERE;
	}
}

bool grefs_find(const struct grefs *table, uint32_t gref, uint32_t *obj,
		uint32_t *page)
{
	uint64_t entry;

	if (gref >= table->nr)
		return false;
	entry = table->entry[gref];
	if (!entry_users(entry) || !place_known(entry))
		return false;
	*obj = (uint32_t)(entry >> OBJ_SHIFT) & FIELD_MASK;
	*page = (uint32_t)entry & FIELD_MASK;
	return true;
}

void grefs_fini(struct grefs *table)
{
	free(table->entry);
	table->entry = NULL;
	table->nr = 0;
}
