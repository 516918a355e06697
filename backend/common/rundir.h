/* SPDX-License-Identifier: MIT */
/* Where the daemon keeps its socket and its lock; for daemon and tools. */
#ifndef XU_RUNDIR_H
#define XU_RUNDIR_H

#define RUNDIR		"/run/xen-userptr"
#define RUNDIR_SOCKET	RUNDIR "/userptrd.sock"
#define RUNDIR_CONTROL	RUNDIR "/control.sock"
/* With domain and device number: what the worker has recorded. */
#define RUNDIR_TRACE	RUNDIR "/%u.%u.trace"
#define RUNDIR_LOCK	RUNDIR "/userptrd.lock"

#endif /* XU_RUNDIR_H */
