// SPDX-License-Identifier: MIT
/* The sockets of the daemon, both ends. */
#include "rundir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUNDIR_BACKLOG	8

static int rundir_socket(const char *path, int type, struct sockaddr_un *address)
{
	int sock;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	return sock < 0 ? -errno : sock;
}

int rundir_listen(const char *path, int type)
{
	struct sockaddr_un address;
	int ret, sock;

	sock = rundir_socket(path, type | SOCK_NONBLOCK, &address);
	if (sock < 0)
		return sock;
	/* A remainder of an earlier broker; the lock says that it is dead. */
	unlink(path);
	if (bind(sock, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    chmod(path, 0600) == 0 && listen(sock, RUNDIR_BACKLOG) == 0)
		return sock;
	ret = -errno;
	close(sock);
	return ret;
}

int rundir_connect(const char *path, int type)
{
	struct sockaddr_un address;
	int ret, sock;

	sock = rundir_socket(path, type, &address);
	if (sock < 0)
		return sock;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
		return sock;
	ret = -errno;
	close(sock);
	return ret;
}
