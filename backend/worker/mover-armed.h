/* SPDX-License-Identifier: MIT */
/* ARM, REVOKE, QUERY and RESTORE of chunks that stay armed. */
#ifndef XU_MOVER_ARMED_H
#define XU_MOVER_ARMED_H

#include "mover.h"

/**
 * mover_armed() - perform the op on all pages of the chunk
 * @grefs: of the object
 * @extra_refs: (out) see mover_pages()
 *
 * RESTORE leaves the chunk armed, unless more than mover.max_idle pages would be so
 * then, or their contents are lost. An ARM that fails is repeated when all that is
 * home has been disarmed. Returns an enum mig_status.
 */
uint32_t mover_armed(struct mover *mover, const struct mig_op *op,
		     const uint32_t *grefs, uint32_t *extra_refs);

/** mover_disarm_idle() - what is home and armed, of all objects */
void mover_disarm_idle(struct mover *mover);

/** mover_armed_forget() - the object is about to be unmapped, which disarms it */
void mover_armed_forget(struct mover *mover, uint32_t obj);

#endif /* XU_MOVER_ARMED_H */
