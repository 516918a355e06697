// SPDX-License-Identifier: MIT
/* Helpers of the guest's test programs; see ut.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/sync_file.h>

#include <xf86drm.h>

#include "drm_node.h"
#include "gpu_cmd.h"
#include "ut.h"

#define BATCH_OCTETS	(4 * UT_PAGE)
#define FENCE_LIMIT_NS	(60 * 1000000000LL)

void ut_skip(const char *why)
{
	printf("%s\n", why);
	exit(77);
}

void ut_error(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(99);
}

static int ut_ioctl(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) ? -errno : 0;
}

int ut_node_open_nth(unsigned int nth)
{
	return drm_node_open("xen_userptr", nth);
}

int ut_node_open(void)
{
	int fd = ut_node_open_nth(0);

	if (fd >= 0)
		return fd;
	errno = ENODEV;
	ut_error("no render node of xen_userptr");
}

void ut_open(struct ut *ut)
{
	ut->fd = ut_node_open();
	UT_ERRNO(__ut_vm_create(ut->fd, &ut->vm), 0);
}

void ut_close(struct ut *ut)
{
	close(ut->fd);
	ut->fd = -1;
}

void *ut_pages(size_t nr_pages)
{
	void *memory = mmap(NULL, nr_pages * UT_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		ut_error("mmap");
	memset(memory, 0, nr_pages * UT_PAGE);
	return memory;
}

int __ut_info(int fd, struct drm_xen_userptr_info *info)
{
	memset(info, 0, sizeof(*info));
	return ut_ioctl(fd, DRM_IOCTL_XEN_USERPTR_INFO, info);
}

int __ut_create(int fd, const struct drm_xen_userptr_range *ranges, uint32_t nr,
		uint32_t flags, struct drm_xen_userptr_create *out)
{
	memset(out, 0, sizeof(*out));
	out->ranges = (uintptr_t)ranges;
	out->nr_ranges = nr;
	out->flags = flags;
	return ut_ioctl(fd, DRM_IOCTL_XEN_USERPTR_CREATE, out);
}

int __ut_create_one(int fd, const void *addr, size_t length, uint32_t flags,
		    uint32_t *handle)
{
	struct drm_xen_userptr_range range = {
		.addr = (uintptr_t)addr, .length = length,
	};
	struct drm_xen_userptr_create create;
	int ret = __ut_create(fd, &range, 1, flags, &create);

	*handle = create.handle;
	return ret;
}

uint32_t ut_create_one(int fd, const void *addr, size_t length, uint32_t flags)
{
	uint32_t handle;

	UT_ERRNO(__ut_create_one(fd, addr, length, flags, &handle), 0);
	return handle;
}

void ut_destroy(int fd, uint32_t handle)
{
	UT_ERRNO(drmCloseBufferHandle(fd, handle), 0);
}

int __ut_vm_create(int fd, uint32_t *vm)
{
	struct drm_xen_userptr_vm_create arg = { 0 };
	int ret = ut_ioctl(fd, DRM_IOCTL_XEN_USERPTR_VM_CREATE, &arg);

	*vm = arg.vm_id;
	return ret;
}

int __ut_vm_destroy(int fd, uint32_t vm)
{
	struct drm_xen_userptr_vm_destroy arg = { .vm_id = vm };

	return ut_ioctl(fd, DRM_IOCTL_XEN_USERPTR_VM_DESTROY, &arg);
}

int __ut_bind(int fd, uint32_t vm, struct drm_xen_userptr_bind_op *ops, uint32_t nr,
	      uint32_t *error_op)
{
	struct drm_xen_userptr_vm_bind arg = {
		.vm_id = vm, .ops = (uintptr_t)ops, .nr_ops = nr,
	};
	int ret = ut_ioctl(fd, DRM_IOCTL_XEN_USERPTR_VM_BIND, &arg);

	if (error_op)
		*error_op = arg.error_op;
	return ret;
}

int __ut_map(struct ut *ut, uint32_t handle, uint64_t offset, uint64_t length,
	     uint64_t gpu_va, uint32_t flags)
{
	struct drm_xen_userptr_bind_op op = {
		.op = DRM_XEN_USERPTR_BIND_MAP, .flags = flags, .handle = handle,
		.offset = offset, .length = length, .gpu_va = gpu_va,
	};

	return __ut_bind(ut->fd, ut->vm, &op, 1, NULL);
}

void ut_map(struct ut *ut, uint32_t handle, uint64_t length, uint64_t gpu_va)
{
	UT_ERRNO(__ut_map(ut, handle, 0, length, gpu_va, 0), 0);
}

int __ut_unmap(struct ut *ut, uint64_t gpu_va, uint64_t length)
{
	struct drm_xen_userptr_bind_op op = {
		.op = DRM_XEN_USERPTR_BIND_UNMAP, .length = length, .gpu_va = gpu_va,
	};

	return __ut_bind(ut->fd, ut->vm, &op, 1, NULL);
}

int __ut_exec(struct ut *ut, uint32_t engine, uint64_t cmd_va, uint32_t length,
	      uint32_t *syncobj)
{
	struct drm_xen_userptr_sync sync = { .flags = DRM_XEN_USERPTR_SYNC_SIGNAL };
	struct drm_xen_userptr_exec arg = {
		.vm_id = ut->vm, .engine = engine, .cmd_va = cmd_va,
		.cmd_length = length, .syncs = (uintptr_t)&sync, .nr_syncs = 1,
	};
	int ret;

	if (drmSyncobjCreate(ut->fd, 0, syncobj))
		ut_error("drmSyncobjCreate");
	sync.handle = *syncobj;
	ret = ut_ioctl(ut->fd, DRM_IOCTL_XEN_USERPTR_EXEC, &arg);
	if (ret)
		drmSyncobjDestroy(ut->fd, *syncobj);
	return ret;
}

/* The status of a fence that has signalled: 0 or its error. Returns 0 or -errno. */
static int fence_error(int fd, uint32_t syncobj, int *error)
{
	struct sync_fence_info fence = { 0 };
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)&fence,
	};
	int file, ret;

	if (drmSyncobjExportSyncFile(fd, syncobj, &file))
		return -errno;
	ret = ioctl(file, SYNC_IOC_FILE_INFO, &info) ? -errno : 0;
	close(file);
	*error = info.status == 1 ? 0 : info.status;
	return ret;
}

int __ut_fence_wait(int fd, uint32_t syncobj, int *error)
{
	struct timespec now;
	int64_t limit;

	clock_gettime(CLOCK_MONOTONIC, &now);
	limit = now.tv_sec * 1000000000LL + now.tv_nsec + FENCE_LIMIT_NS;
	if (drmSyncobjWait(fd, &syncobj, 1, limit, 0, NULL))
		return -errno;
	return fence_error(fd, syncobj, error);
}

int ut_fence_wait(int fd, uint32_t syncobj)
{
	int error, ret = __ut_fence_wait(fd, syncobj, &error);

	if (ret)
		UT_FAIL("the fence did not signal: %s", strerror(-ret));
	drmSyncobjDestroy(fd, syncobj);
	return error;
}

void ut_batch_open(struct ut_batch *batch, struct ut *ut, struct gpu_cmd *cmd)
{
	batch->ut = ut;
	batch->memory = ut_pages(BATCH_OCTETS / UT_PAGE);
	batch->handle = ut_create_one(ut->fd, batch->memory, BATCH_OCTETS, 0);
	ut_map(ut, batch->handle, BATCH_OCTETS, UT_CMD_VA);
	gpu_cmd_begin(cmd, batch->memory, BATCH_OCTETS);
}

void ut_batch_close(struct ut_batch *batch)
{
	UT_ERRNO(__ut_unmap(batch->ut, UT_CMD_VA, BATCH_OCTETS), 0);
	ut_destroy(batch->ut->fd, batch->handle);
	munmap(batch->memory, BATCH_OCTETS);
}

int ut_run(struct ut_batch *batch, const struct gpu_cmd *cmd)
{
	uint32_t syncobj;

	UT_ERRNO(__ut_exec(batch->ut, 0, UT_CMD_VA, gpu_cmd_octets(cmd), &syncobj), 0);
	return ut_fence_wait(batch->ut->fd, syncobj);
}

unsigned long ut_status_kib(const char *key)
{
	unsigned long value = 0;
	size_t length = strlen(key);
	char line[128];
	bool found = false;
	FILE *file = fopen("/proc/self/status", "r");

	if (!file)
		ut_error("/proc/self/status");
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, key, length) && line[length] == ':' &&
			sscanf(line + length + 1, "%lu", &value) == 1;
	fclose(file);
	if (!found)
		ut_error(key);
	return value;
}
