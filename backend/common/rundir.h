/* SPDX-License-Identifier: MIT */
/* Where the daemon keeps its sockets, its lock and traces; for daemon and tools. */
#ifndef XU_RUNDIR_H
#define XU_RUNDIR_H

#define RUNDIR		"/run/xen-userptr"
#define RUNDIR_SOCKET	RUNDIR "/userptrd.sock"
#define RUNDIR_CONTROL	RUNDIR "/control.sock"
/* With domain and device number: what the worker has recorded. */
#define RUNDIR_TRACE	RUNDIR "/%u.%u.trace"
#define RUNDIR_LOCK	RUNDIR "/userptrd.lock"

/**
 * rundir_listen() - a socket for root at @path, in place of what is there
 * @type: SOCK_STREAM or SOCK_SEQPACKET; it does not block
 *
 * Only for who holds the lock. Returns the socket, the caller's, or -errno.
 */
int rundir_listen(const char *path, int type);

/** rundir_connect() - the other end, which blocks; the caller's, or -errno */
int rundir_connect(const char *path, int type);

#endif /* XU_RUNDIR_H */
