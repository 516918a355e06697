/* SPDX-License-Identifier: MIT */
/*
 * VRAM that a chunk has left stays for the next chunk of that size: the driver need
 * not find and clear other memory, and its place and the handles of VMs stay. It
 * counts against the guest's limit, is given back before an allocation fails and
 * when nothing has moved for a while, and never serves another guest. Whoever takes
 * it writes all of it before anything else reads it.
 *
 * None is kept once the engine had to be killed in a copy: such a copy might go on
 * into what is somebody else's by then. Nor what a VM had that is closed, for its jobs
 * may run on. Few are kept, so that giving them back does not hold up a want. The
 * mover's thread alone.
 */
#ifndef XU_MOVER_SPARE_H
#define XU_MOVER_SPARE_H

#include <stdbool.h>
#include <stdint.h>

struct mover;
struct mover_vram;

/** mover_spare_limit() - @vram_pages: what the guest may have; half may be spare */
void mover_spare_limit(struct mover *mover, uint64_t vram_pages);

/** mover_spare_fits() - may @vram stay once it is no chunk's? */
bool mover_spare_fits(const struct mover *mover, const struct mover_vram *vram);

/** mover_spare_add() - keep @vram, which fits and is no chunk's any more */
void mover_spare_add(struct mover *mover, struct mover_vram *vram);

/** mover_spare_take() - of exactly @nr pages, the caller's; or NULL */
struct mover_vram *mover_spare_take(struct mover *mover, uint32_t nr);

/** mover_spare_pop() - any, to be closed; or NULL */
struct mover_vram *mover_spare_pop(struct mover *mover);

/** mover_spare_has_room() - may @nr pages be allocated beside what is spare? */
bool mover_spare_has_room(const struct mover *mover, uint32_t nr);

#endif /* XU_MOVER_SPARE_H */
