// SPDX-License-Identifier: MIT
/*
 * Calls into the backend's kernel module. In walk A between the directory walk
 * (grant.c) and the import into the GPU driver (gpu/). No state here.
 */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MODULE_PATH	"/dev/xen/userptr-back"
#define MODULE_REVOCABLE "/sys/class/misc/xen!userptr-back/revocable"

int module_open(uint16_t domid, uint64_t max_pages)
{
	struct xen_userptr_back_bind bind = {
		.domid = domid,
		.max_pages = max_pages,
	};
	int module, saved;

	module = open(MODULE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (module < 0)
		return -errno;
	if (ioctl(module, XEN_USERPTR_BACK_BIND, &bind) == 0)
		return module;
	saved = errno;
	close(module);
	return -saved;
}

bool module_is_revocable(void)
{
	char answer = '0';
	int fd = open(MODULE_REVOCABLE, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &answer, 1) != 1)
		answer = '0';
	close(fd);
	return answer == '1';
}

/* For calls that have changed nothing, or may be repeated, when a signal came. */
static int module_call(int module, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(module, request, arg);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : 0;
}

int module_map(int module, const uint32_t *grefs, uint32_t nr, uint32_t flags,
	       uint64_t cookie, uint32_t *error_index)
{
	struct xen_userptr_back_map map = {
		.grefs = (uint64_t)(uintptr_t)grefs,
		.nr = nr,
		.flags = flags,
		.cookie = cookie,
		.fd = -1,
	};
	int ret = module_call(module, XEN_USERPTR_BACK_MAP, &map);

	if (ret == 0)
		return map.fd;
	*error_index = map.error_index;
	return ret;
}

int module_trim(int module, int dmabuf, uint32_t first, uint32_t nr)
{
	struct xen_userptr_back_trim trim = {
		.fd = dmabuf,
		.first = first,
		.nr = nr,
	};

	return module_call(module, XEN_USERPTR_BACK_TRIM, &trim);
}

int module_copy(int module, const uint32_t *grefs, uint32_t nr, void *pages)
{
	struct xen_userptr_back_read args = {
		.grefs = (uint64_t)(uintptr_t)grefs,
		.to = (uint64_t)(uintptr_t)pages,
		.nr = nr,
	};

	return module_call(module, XEN_USERPTR_BACK_READ, &args);
}

int module_write(int module, int dmabuf, uint32_t first, uint32_t nr,
		 const void *from)
{
	struct xen_userptr_back_write args = {
		.from = (uint64_t)(uintptr_t)from,
		.fd = dmabuf,
		.first = first,
		.nr = nr,
	};

	return module_call(module, XEN_USERPTR_BACK_WRITE, &args);
}

int module_ops(int module, struct xen_userptr_back_op *ops, uint32_t nr)
{
	struct xen_userptr_back_ops args = {
		.ops = (uint64_t)(uintptr_t)ops,
		.nr = nr,
	};

	if (ioctl(module, XEN_USERPTR_BACK_OPS, &args) < 0)
		return -errno;
	return args.done == nr ? 0 : -EIO;
}

int module_read(int module, struct xen_userptr_back_record *record)
{
	ssize_t ret;

	do {
		ret = read(module, record, sizeof(*record));
	} while (ret < 0 && errno == EINTR);
	if (ret == (ssize_t)sizeof(*record))
		return 1;
	if (ret < 0)
		return errno == EAGAIN ? 0 : -errno;
	return ret == 0 ? 0 : -EIO;
}
