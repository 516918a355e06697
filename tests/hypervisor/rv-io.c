// SPDX-License-Identifier: MIT
/*
 * A guest's program that has its disk and network drivers use a page which dom0
 * can revoke, as a hostile guest might.
 *
 * rv-io DOMID SECONDS file PATH     O_DIRECT reads into the page
 * rv-io DOMID SECONDS net ADDRESS   UDP messages sent from the page, without a copy
 *
 * Prints "grefs: R", and at the end how many calls worked and failed, and the last
 * errno. Touches the page only by these calls.
 */
#include "rv-grant.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int net_open(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		die("what is %s?", address);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("socket: %s", strerror(errno));
	return fd;
}

/* What tells that the kernel is done with the page. */
static void net_drain(int fd)
{
	char control[256], data[16];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };

	while (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		msg.msg_controllen = sizeof(control);
}

int main(int argc, char **argv)
{
	unsigned long good = 0, bad = 0;
	uint64_t end;
	uint32_t gref;
	bool net;
	void *page;
	ssize_t rc;
	int fd, alloc, last = 0;

	if (argc != 5)
		die("usage: rv-io DOMID SECONDS file|net WHAT");
	net = !strcmp(argv[3], "net");
	end = now_ns() + strtoull(argv[2], NULL, 0) * 1000000000ULL;
	signal(SIGTERM, on_term);
	alloc = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	page = grant_page(alloc, strtoul(argv[1], NULL, 0), &gref);
	opt_in(strtoul(argv[1], NULL, 0), GNTREV_ALLOW_all, &gref, &page, 1);
	fd = net ? net_open(argv[4]) : open(argv[4], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", argv[4], strerror(errno));
	printf("grefs: %u\n", gref);
	fflush(stdout);
	while (!stop && now_ns() < end) {
		rc = net ? send(fd, page, 1400, MSG_ZEROCOPY) : pread(fd, page, RV_PAGE, 0);
		if (rc > 0) {
			good++;
		} else {
			bad++;
			last = errno;
		}
		if (net) {
			net_drain(fd);
			usleep(1000);
		}
	}
	printf("io: good %lu bad %lu errno %d\n", good, bad, last);
	return 0;
}
