// SPDX-License-Identifier: MIT
/*
 * The calls that the cases of back-test are made of: see back-lib.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "back-lib.h"

uint16_t domid;
uint32_t grefs[MAX_GREFS];
uint32_t ngrefs;
const char *argument;

int back_open(void)
{
	int fd = open("/dev/xen/userptr-back", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int bind_call(int fd, uint16_t to, uint64_t max_pages)
{
	struct xen_userptr_back_bind arg = { .domid = to, .max_pages = max_pages };

	return ioctl(fd, XEN_USERPTR_BACK_BIND, &arg);
}

int back_bound(uint64_t max_pages)
{
	int fd = back_open();

	CHECK(bind_call(fd, domid, max_pages) == 0);
	return fd;
}

struct xen_userptr_back_map map_arg(uint32_t first, uint32_t nr,
					   uint64_t cookie)
{
	return (struct xen_userptr_back_map) {
		.grefs = (uintptr_t)&grefs[first],
		.nr = nr,
		.cookie = cookie,
		.fd = -7,
	};
}

int map_flags(int fd, uint32_t first, uint32_t nr, uint64_t cookie,
		     uint32_t flags)
{
	struct xen_userptr_back_map arg = map_arg(first, nr, cookie);

	arg.flags = flags;
	return ioctl(fd, XEN_USERPTR_BACK_MAP, &arg) ? -1 : arg.fd;
}

int map(int fd, uint32_t first, uint32_t nr, uint64_t cookie)
{
	return map_flags(fd, first, nr, cookie, 0);
}

struct xen_userptr_back_stats stats(int fd)
{
	struct xen_userptr_back_stats s;

	CHECK(ioctl(fd, XEN_USERPTR_BACK_STATS, &s) == 0);
	return s;
}

bool readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

struct xen_userptr_back_record record_next(int fd)
{
	struct xen_userptr_back_record r;

	CHECK(readable(fd, EVENT_MS));
	CHECK(read(fd, &r, sizeof(r)) == sizeof(r));
	return r;
}

void expect_unmapped(int fd, uint64_t cookie)
{
	struct xen_userptr_back_record r = record_next(fd);

	CHECK(r.type == XEN_USERPTR_BACK_UNMAPPED);
	CHECK(r.cookie == cookie);
	CHECK(r.gref == 0 && r.access == 0 && r.waiters == 0 && r.reserved == 0);
}

int importer_open(void)
{
	int fd = open("/dev/xu-importer", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

int import_call(int importer, int dmabuf, uint32_t flags,
		       struct xu_import *out)
{
	*out = (struct xu_import){ .fd = dmabuf, .flags = flags };
	return ioctl(importer, XU_IMPORT, out);
}

int imported(int dmabuf, uint32_t flags)
{
	int importer = importer_open();
	struct xu_import arg;

	CHECK(import_call(importer, dmabuf, flags, &arg) == 0);
	return importer;
}

uint64_t peek(int importer, uint32_t page, uint32_t word)
{
	struct xu_access a = { .offset = (page * (uint64_t)WORDS + word) * 8 };

	CHECK(ioctl(importer, XU_ACCESS, &a) == 0);
	return a.value;
}

int poke(int importer, uint32_t page, uint32_t word, uint64_t value)
{
	struct xu_access a = {
		.offset = (page * (uint64_t)WORDS + word) * 8,
		.value = value,
		.write = 1,
	};

	return ioctl(importer, XU_ACCESS, &a);
}

void expect_pattern(int importer, uint32_t first, uint32_t nr)
{
	for (uint32_t p = 0; p < nr; p++)
		for (uint32_t w = 1; w < WORDS; w += 255)
			CHECK(peek(importer, p, w) ==
			      BACK_PATTERN + (first + p) * (uint64_t)WORDS + w);
}

void send_fd(int sock, int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char c = 'x';
	struct iovec iov = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.h), &fd, sizeof(int));
	CHECK(sendmsg(sock, &m, 0) == 1);
}

int receive_fd(int sock)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	CHECK(recvmsg(sock, &m, 0) == 1);
	CHECK(m.msg_controllen && control.h.cmsg_len == CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(&control.h), sizeof(int));
	return fd;
}

void grefs_load(const char *path)
{
	FILE *f = fopen(path, "r");

	CHECK(f);
	while (ngrefs < MAX_GREFS && fscanf(f, "%u", &grefs[ngrefs]) == 1)
		ngrefs++;
	fclose(f);
	CHECK(ngrefs > 0);
}

void number_write(const char *path, int value)
{
	FILE *f = fopen(path, "w");

	CHECK(f);
	CHECK(fprintf(f, "%d", value) > 0);
	CHECK(fclose(f) == 0);
}

int number_read(const char *path)
{
	FILE *f = fopen(path, "r");
	int value;

	CHECK(f);
	CHECK(fscanf(f, "%d", &value) == 1);
	fclose(f);
	return value;
}
