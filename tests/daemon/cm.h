/* SPDX-License-Identifier: MIT */
/* cmocka with the headers that it wants before it, and what several tests count. */
#ifndef CM_H
#define CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>

/* Descriptors of this process: before and after must be the same. */
static inline unsigned int open_fds(void)
{
	unsigned int nr = 0;
	int fd;

	for (fd = 0; fd < 512; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

#endif /* CM_H */
