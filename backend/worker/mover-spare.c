// SPDX-License-Identifier: MIT
/* A list, the newest first: that is the one a cache may know still. */
#include "mover-spare.h"

#include "mover-place.h"

/* 64 MiB: what moves at a time under pressure. */
#define MAX_SPARE	(1U << 14)
/* As many of the largest chunks. */
#define MAX_SPARES	32U

void mover_spare_limit(struct mover *mover, uint64_t vram_pages)
{
	uint64_t half = vram_pages / 2;

	mover->max_vram = vram_pages;
	mover->max_spare = half < MAX_SPARE ? (uint32_t)half : MAX_SPARE;
}

/* What a process before this one allocated is of unknown size: 0. */
bool mover_spare_fits(const struct mover *mover, const struct mover_vram *vram)
{
	return vram->nr && vram->place && mover->nr_spares < MAX_SPARES &&
	       vram->nr <= mover->max_spare &&
	       mover->nr_spare <= mover->max_spare - vram->nr;
}

void mover_spare_add(struct mover *mover, struct mover_vram *vram)
{
	vram->next = mover->spare;
	mover->spare = vram;
	mover->nr_spare += vram->nr;
	mover->nr_spares++;
}

static struct mover_vram *cut(struct mover *mover, struct mover_vram **at)
{
	struct mover_vram *vram = *at;

	if (!vram)
		return NULL;
	*at = vram->next;
	mover->nr_spare -= vram->nr;
	mover->nr_spares--;
	return vram;
}

struct mover_vram *mover_spare_take(struct mover *mover, uint32_t nr)
{
	struct mover_vram **at = &mover->spare;

	while (*at && (*at)->nr != nr)
		at = &(*at)->next;
	return cut(mover, at);
}

struct mover_vram *mover_spare_pop(struct mover *mover)
{
	return cut(mover, &mover->spare);
}

bool mover_spare_has_room(const struct mover *mover, uint32_t nr)
{
	return !mover->spare ||
	       mover->nr_vram + mover->nr_spare + nr <= mover->max_vram;
}
