/* SPDX-License-Identifier: MIT */
/* Takes from a worker everything that it does not need. */
#ifndef XU_SANDBOX_H
#define XU_SANDBOX_H

#include <stdbool.h>

/**
 * sandbox_drop() - lock memory, drop capabilities, forbid new privileges
 *
 * Call it before threads are made: capabilities belong to a thread, and those
 * made later inherit that they are gone. Returns 0 or -errno.
 */
int sandbox_drop(void);

/**
 * sandbox_enter() - filter system calls, for all threads, for good
 * @log_only: log what would be killed; for finding out what is missing
 *
 * Only the system calls of an established connection are left: no open(), no
 * socket(), no new executable memory; of the Xen devices only notify. What stays
 * reachable: the module's descriptor (this guest's grants), DRM files of one GPU.
 *
 * Returns 0 or -errno. Call it with all threads made and all sources added.
 */
int sandbox_enter(bool log_only);

#endif /* XU_SANDBOX_H */
