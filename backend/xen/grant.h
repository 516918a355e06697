/* SPDX-License-Identifier: MIT */
/*
 * Reads lists that the guest granted: directories of grefs and arrays of bind
 * operations (userptrif.md section 4.4). Pages are copied by the module, each
 * once, into private memory; they are never mapped.
 *
 * Calls block in the hypervisor; the worker's helper thread makes them.
 */
#ifndef XU_GRANT_H
#define XU_GRANT_H

#include <stdint.h>

#include "status.h"
#include "userptrif.h"

struct grant_reader {
	int module;
	struct worker_status *status;	/* copy_calls, copy_pages */
};

/**
 * grant_read_dir() - the @nr grefs of a directory
 * @grefs: (out) array of @nr, the caller frees it
 *
 * Returns 0, -EPROTO (a chain that no honest frontend makes), -EIO (a page
 * cannot be read), or -ENOMEM. On an error nothing is returned.
 */
int grant_read_dir(struct grant_reader *reader, uint32_t gref_directory,
		   uint32_t nr, uint32_t **grefs);

/**
 * grant_read_binds() - the @nr operations of an indirect VM_BIND
 * @untrusted_ops: (out) array of @nr, the caller frees it
 *
 * Checks the directory, and that the unused rest of each page is zero, but no
 * field of an operation. Returns as grant_read_dir().
 */
int grant_read_binds(struct grant_reader *reader, uint32_t gref_directory,
		     uint32_t nr, struct xen_userptrif_bind_op **untrusted_ops);

#endif /* XU_GRANT_H */
