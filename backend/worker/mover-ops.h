/* SPDX-License-Identifier: MIT */
/* The ops of the engine that act on a chunk's pages through the module. */
#ifndef XU_MOVER_OPS_H
#define XU_MOVER_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "migrate.h"
#include "module.h"

#define MOVER_MAX_PAGES	512U	/* of a chunk */

/**
 * mover_pages() - ARM, REVOKE, QUERY or RESTORE of all pages of a chunk
 * @grefs: of its op->nr pages
 * @stayed: they were mapped all the time since they were armed
 * @stay: RESTORE leaves them armed
 * @ops: room for MOVER_MAX_PAGES
 * @extra_refs: (out) the sum, REVOKE and QUERY only
 *
 * One call of the module. RESTORE disarms too, unless they stay armed. A second call
 * where something is left to take back: an ARM that fails for one page leaves none
 * armed, and a RESTORE that disarms does so with pages that were home before. A RESTORE
 * of pages that are armed no more has been done before, if they stayed mapped; if not
 * they have lost their contents, and it fails.
 * Returns an enum mig_status.
 */
uint32_t mover_pages(int module, const struct mig_op *op, const uint32_t *grefs,
		     bool stayed, bool stay, struct xen_userptr_back_op *ops,
		     uint32_t *extra_refs);

/** mover_alive() - a call of the module that does nothing, for its deadlines */
void mover_alive(int module, uint32_t gref);

#endif /* XU_MOVER_OPS_H */
