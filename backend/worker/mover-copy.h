/* SPDX-License-Identifier: MIT */
/* Copies between a chunk's two memories. The mover's thread, but for the end. */
#ifndef XU_MOVER_COPY_H
#define XU_MOVER_COPY_H

#include "mover.h"

/**
 * mover_copy() - start the COPY ops of @moves, or with MIG_OP_CPU perform it
 * @nr: 1 to GPU_COPIES_MAX; 1 with MIG_OP_CPU
 *
 * All or none. On success the first move has a fence, which is that of all, and
 * the others are joined; by CPU there is none. Returns 0 or -errno.
 */
int mover_copy(struct mover *mover, struct move **moves, uint32_t nr);

#endif /* XU_MOVER_COPY_H */
