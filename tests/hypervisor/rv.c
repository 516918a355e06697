// SPDX-License-Identifier: MIT
/* What both programs that test revocable grants need; rv.h says what it is. */
#include "rv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define HYPERVISOR_MEMORY_OP 12
#define HYPERVISOR_GRANT_TABLE_OP 20

struct privcmd_hypercall {
	uint64_t op;
	uint64_t arg[5];
};
#define IOCTL_PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

void die(const char *format, ...)
{
	va_list ap;

	fputs("fail: ", stdout);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

int hypercall_open(void)
{
	int fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/xen/privcmd: %s", strerror(errno));
	return fd;
}

static int hypercall(int fd, unsigned int op, unsigned int cmd, void *arg, unsigned int count)
{
	struct privcmd_hypercall call = { .op = op, .arg = { cmd, (uintptr_t)arg, count } };
	int rc = ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call);

	return rc < 0 ? -errno : rc;
}

int grant_table_op(int fd, unsigned int cmd, void *arg, unsigned int count)
{
	return hypercall(fd, HYPERVISOR_GRANT_TABLE_OP, cmd, arg, count);
}

int memory_op(int fd, unsigned int cmd, void *arg)
{
	return hypercall(fd, HYPERVISOR_MEMORY_OP, cmd, arg, 0);
}

void *hypercall_alloc(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("no locked memory: %s", strerror(errno));
	return p;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ULL;
}
