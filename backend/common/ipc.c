// SPDX-License-Identifier: MIT
/* Messages with descriptors between broker and worker; see ipc.h. */
#include "ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union ipc_cmsg {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * IPC_MAX_FDS)];
};

int ipc_send(int sock, const void *msg, size_t size, const int *fds,
	     unsigned int nr_fds)
{
	struct msghdr hdr = { 0 };
	union ipc_cmsg control;
	struct iovec iov;
	ssize_t ret;

	if (nr_fds > IPC_MAX_FDS)
		return -EINVAL;
	memset(&control, 0, sizeof(control));
	memcpy(&iov.iov_base, &msg, sizeof(msg));
	iov.iov_len = size;
	hdr.msg_iov = &iov;
	hdr.msg_iovlen = 1;
	if (nr_fds) {
		hdr.msg_control = &control;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * nr_fds);
	}
	do {
		ret = sendmsg(sock, &hdr, MSG_NOSIGNAL);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

/* Takes all descriptors of a message out; returns how many, at most 4. */
static unsigned int ipc_take_fds(struct msghdr *hdr, int *fds)
{
	struct cmsghdr *cmsg;
	unsigned int nr = 0;

	for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
		size_t octets = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		if (octets > sizeof(int) * (IPC_MAX_FDS - nr))
			octets = sizeof(int) * (IPC_MAX_FDS - nr);
		memcpy(fds + nr, CMSG_DATA(cmsg), octets);
		nr += (unsigned int)(octets / sizeof(int));
	}
	return nr;
}

int ipc_recv(int sock, void *msg, size_t size, int *fds, unsigned int max_fds)
{
	struct iovec iov = { .iov_base = msg, .iov_len = size };
	int got_fds[IPC_MAX_FDS];
	struct msghdr hdr = { 0 };
	union ipc_cmsg control;
	unsigned int got, i;
	ssize_t ret;

	hdr.msg_iov = &iov;
	hdr.msg_iovlen = 1;
	hdr.msg_control = &control;
	hdr.msg_controllen = sizeof(control);
	do {
		ret = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return errno == ECONNRESET ? -ENOTCONN : -errno;
	got = ipc_take_fds(&hdr, got_fds);
	if ((size_t)ret == size && got <= max_fds &&
	    !(hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		if (got)
			memcpy(fds, got_fds, sizeof(int) * got);
		return (int)got;
	}
	for (i = 0; i < got; i++)
		close(got_fds[i]);
	return ret == 0 && !got ? -ENOTCONN : -EBADMSG;
}
