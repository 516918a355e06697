// SPDX-License-Identifier: MIT
/*
 * Lists of chunks by slot; a chunk can be on one list of each kind. Decides
 * nothing. Single-threaded.
 */
#include "chunk.h"

void list_init(struct list *list)
{
	list->first = NONE;
	list->last = NONE;
	list->nr = 0;
}

void chunk_list_add(struct mig *mig, struct list *list, enum chunk_list which,
		    uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];

	if (chunk->on[which])
		return;
	chunk->on[which] = true;
	chunk->links[which] = (struct links){ NONE, list->last };
	if (list->last == NONE)
		list->first = slot;
	else
		mig->chunk[list->last].links[which].next = slot;
	list->last = slot;
	list->nr++;
}

void chunk_list_del(struct mig *mig, struct list *list, enum chunk_list which,
		    uint32_t slot)
{
	struct chunk *chunk = &mig->chunk[slot];
	const struct links *links = &chunk->links[which];

	if (!chunk->on[which])
		return;
	chunk->on[which] = false;
	if (links->prev == NONE)
		list->first = links->next;
	else
		mig->chunk[links->prev].links[which].next = links->next;
	if (links->next == NONE)
		list->last = links->prev;
	else
		mig->chunk[links->next].links[which].prev = links->prev;
	list->nr--;
}
