/* SPDX-License-Identifier: MIT */
/* How the guest's programs grant pages and opt them in. All exit on failure. */
#ifndef RV_GRANT_H
#define RV_GRANT_H

#include "rv.h"

#include <xen/grant_table.h>
#include "../../protocol/xen_revocable.h"

/* Grant a zeroed page; fd is /dev/xen/gntalloc. Mapped for everything. */
void *grant_page(int fd, unsigned int domid, uint32_t *gref);

/* GNTTABOP_revocable_allow for these pages; each has to be accepted. */
void opt_in(unsigned int domid, unsigned int flags, const uint32_t *grefs, void *const *pages,
	    unsigned int nr);

#endif
