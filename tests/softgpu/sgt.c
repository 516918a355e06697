// SPDX-License-Identifier: MIT
/*
 * Thin wrappers over the ioctls of softgpu and over libdrm's syncobjs.
 */
#include <errno.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm_node.h"
#include "sgt.h"

#define RUN_TIMEOUT_NS	(60 * SGT_SECOND)

static int sgt_ioctl(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) ? -errno : 0;
}

uint64_t sgt_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SGT_SECOND + ts.tv_nsec;
}

int sgt_open(unsigned int index)
{
	int fd = drm_node_open("softgpu", index);

	return fd < 0 ? -ENODEV : fd;
}

int sgt_info(int fd, struct drm_softgpu_info *info)
{
	memset(info, 0, sizeof(*info));
	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_INFO, info);
}

int sgt_counters(int fd, struct drm_softgpu_counters *counters)
{
	memset(counters, 0, sizeof(*counters));
	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_COUNTERS, counters);
}

int sgt_switch(int fd, uint32_t mask, uint32_t value)
{
	struct drm_softgpu_switch args = { .mask = mask, .value = value };
	int err = sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_SWITCH, &args);

	return err ? err : (int)args.value;
}

int sgt_vm_create(int fd, uint32_t flags)
{
	struct drm_softgpu_vm_create args = { .flags = flags };
	int err = sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_CREATE, &args);

	return err ? err : (int)args.vm_id;
}

int sgt_vm_destroy(int fd, uint32_t vm)
{
	struct drm_softgpu_vm_destroy args = { .vm_id = vm };

	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_DESTROY, &args);
}

int sgt_vm_query(int fd, uint32_t vm, struct drm_softgpu_vm_query *query)
{
	memset(query, 0, sizeof(*query));
	query->vm_id = vm;
	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_QUERY, query);
}

int sgt_vm_control(int fd, uint32_t vm, uint32_t op, uint64_t timeout_ns)
{
	struct drm_softgpu_vm_control args = {
		.vm_id = vm,
		.op = op,
		.timeout_ns = timeout_ns,
	};

	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_CONTROL, &args);
}

int sgt_vm_stop_sync(int fd, uint32_t vm, uint32_t out_sync)
{
	struct drm_softgpu_vm_control args = {
		.vm_id = vm,
		.op = DRM_SOFTGPU_VM_STOP,
		.out_sync = out_sync,
	};

	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_CONTROL, &args);
}

int sgt_vm_lookup(int fd, uint32_t vm, struct drm_softgpu_lookup *entries,
		  uint32_t count)
{
	struct drm_softgpu_vm_lookup args = {
		.vm_id = vm,
		.count = count,
		.entries = (uintptr_t)entries,
	};

	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_LOOKUP, &args);
}

int sgt_bo_create(int fd, struct sgt_bo *bo, uint64_t size, uint32_t placement)
{
	struct drm_softgpu_gem_create args = {
		.size = size,
		.placement = placement,
	};
	int err = sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_GEM_CREATE, &args);

	memset(bo, 0, sizeof(*bo));
	if (err)
		return err;
	bo->handle = args.handle;
	bo->size = size;
	return 0;
}

int sgt_bo_map(int fd, struct sgt_bo *bo)
{
	struct drm_softgpu_gem_mmap_offset args = { .handle = bo->handle };
	int err = sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_GEM_MMAP_OFFSET, &args);
	void *map;

	if (err)
		return err;
	map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   args.offset);
	if (map == MAP_FAILED)
		return -errno;
	bo->map = map;
	return 0;
}

void sgt_bo_destroy(int fd, struct sgt_bo *bo)
{
	if (bo->map)
		munmap(bo->map, bo->size);
	if (bo->handle)
		drmCloseBufferHandle(fd, bo->handle);
	memset(bo, 0, sizeof(*bo));
}

int sgt_bo_info(int fd, uint32_t handle, struct drm_softgpu_gem_info *info)
{
	memset(info, 0, sizeof(*info));
	info->handle = handle;
	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_GEM_INFO, info);
}

int sgt_bind_ops(int fd, uint32_t vm, struct drm_softgpu_bind_op *ops,
		 uint32_t num_ops, struct drm_softgpu_sync *syncs,
		 uint32_t num_syncs)
{
	struct drm_softgpu_vm_bind args = {
		.vm_id = vm,
		.num_ops = num_ops,
		.ops = (uintptr_t)ops,
		.num_syncs = num_syncs,
		.syncs = (uintptr_t)syncs,
	};

	return sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_VM_BIND, &args);
}

int sgt_bind(int fd, uint32_t vm, uint32_t handle, uint64_t offset,
	     uint64_t length, uint64_t va, uint32_t flags)
{
	struct drm_softgpu_bind_op op = {
		.op = DRM_SOFTGPU_BIND_MAP,
		.flags = flags,
		.handle = handle,
		.offset = offset,
		.va = va,
		.length = length,
	};

	return sgt_bind_ops(fd, vm, &op, 1, NULL, 0);
}

int sgt_unbind(int fd, uint32_t vm, uint64_t va, uint64_t length)
{
	struct drm_softgpu_bind_op op = {
		.op = DRM_SOFTGPU_BIND_UNMAP,
		.va = va,
		.length = length,
	};

	return sgt_bind_ops(fd, vm, &op, 1, NULL, 0);
}

int sgt_bind_null(int fd, uint32_t vm, uint64_t va, uint64_t length)
{
	struct drm_softgpu_bind_op op = {
		.op = DRM_SOFTGPU_BIND_MAP_NULL,
		.va = va,
		.length = length,
	};

	return sgt_bind_ops(fd, vm, &op, 1, NULL, 0);
}

int sgt_sync_create(int fd, uint32_t *handle)
{
	return drmSyncobjCreate(fd, 0, handle) ? -errno : 0;
}

void sgt_sync_destroy(int fd, uint32_t handle)
{
	drmSyncobjDestroy(fd, handle);
}

int sgt_sync_file_wait(int sync_fd, uint64_t timeout_ns)
{
	struct pollfd pfd = { .fd = sync_fd, .events = POLLIN };
	struct sync_file_info info = {};
	int ret;

	ret = poll(&pfd, 1, (timeout_ns + 999999) / 1000000);
	if (ret < 0)
		return -errno;
	if (ret == 0)
		return -ETIME;
	if (ioctl(sync_fd, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	return info.status < 0 ? info.status : 0;
}

int sgt_sync_wait(int fd, uint32_t handle, uint64_t timeout_ns)
{
	int sync_fd, ret;

	if (drmSyncobjExportSyncFile(fd, handle, &sync_fd))
		return -errno;
	ret = sgt_sync_file_wait(sync_fd, timeout_ns);
	close(sync_fd);
	return ret;
}

int sgt_timeline_wait(int fd, uint32_t handle, uint64_t point,
		      uint64_t timeout_ns)
{
	uint32_t binary;
	int ret;

	ret = sgt_sync_create(fd, &binary);
	if (ret)
		return ret;
	if (drmSyncobjTransfer(fd, binary, 0, handle, point, 0))
		ret = -errno;
	else
		ret = sgt_sync_wait(fd, binary, timeout_ns);
	sgt_sync_destroy(fd, binary);
	return ret;
}

int sgt_exec(int fd, uint32_t vm, uint32_t engine, uint64_t va, uint32_t length,
	     struct drm_softgpu_sync *syncs, uint32_t num_syncs,
	     uint64_t *job_id)
{
	struct drm_softgpu_exec args = {
		.vm_id = vm,
		.engine = engine,
		.va = va,
		.length = length,
		.num_syncs = num_syncs,
		.syncs = (uintptr_t)syncs,
	};
	int err = sgt_ioctl(fd, DRM_IOCTL_SOFTGPU_EXEC, &args);

	if (!err && job_id)
		*job_id = args.job_id;
	return err;
}

int sgt_exec_out(int fd, uint32_t vm, uint32_t engine,
		 const struct sgt_stream *stream, uint32_t out)
{
	struct drm_softgpu_sync sync = {
		.handle = out,
		.kind = DRM_SOFTGPU_SYNC_SIGNAL,
	};

	return sgt_exec(fd, vm, engine, stream->va, stream->length, &sync, 1,
			NULL);
}

int sgt_run(int fd, uint32_t vm, uint32_t engine,
	    const struct sgt_stream *stream)
{
	uint32_t out;
	int ret;

	ret = sgt_sync_create(fd, &out);
	if (ret)
		return ret;
	ret = sgt_exec_out(fd, vm, engine, stream, out);
	if (!ret)
		ret = sgt_sync_wait(fd, out, RUN_TIMEOUT_NS);
	sgt_sync_destroy(fd, out);
	return ret;
}

int sgt_stream_create(int fd, uint32_t vm, struct sgt_stream *stream,
		      uint64_t va, uint64_t size)
{
	int err;

	memset(stream, 0, sizeof(*stream));
	err = sgt_bo_create(fd, &stream->bo, size, DRM_SOFTGPU_PLACE_SYSTEM);
	if (!err)
		err = sgt_bo_map(fd, &stream->bo);
	if (!err)
		err = sgt_bind(fd, vm, stream->bo.handle, 0, size, va,
			       DRM_SOFTGPU_BIND_READONLY);
	if (err)
		sgt_bo_destroy(fd, &stream->bo);
	stream->va = va;
	return err;
}

void sgt_stream_destroy(int fd, uint32_t vm, struct sgt_stream *stream)
{
	sgt_unbind(fd, vm, stream->va, stream->bo.size);
	sgt_bo_destroy(fd, &stream->bo);
}

void sgt_stream_reset(struct sgt_stream *stream)
{
	stream->length = 0;
}

void sgt_emit(struct sgt_stream *stream, const uint32_t *dwords,
	      unsigned int count)
{
	uint32_t bytes = count * sizeof(*dwords);

	if (stream->length + bytes <= stream->bo.size)
		memcpy((char *)stream->bo.map + stream->length, dwords, bytes);
	stream->length += bytes;
}

#define LO(x)	((uint32_t)(x))
#define HI(x)	((uint32_t)((uint64_t)(x) >> 32))
#define HDR(op)	SOFTGPU_CMD_HDR(SOFTGPU_CMD_##op, SOFTGPU_CMD_##op##_DWORDS)
#define EMIT(s, ...) do {						\
	const uint32_t packet_[] = { __VA_ARGS__ };			\
	sgt_emit(s, packet_, sizeof(packet_) / sizeof(packet_[0]));	\
} while (0)

void sgt_nop(struct sgt_stream *s, unsigned int dwords)
{
	uint32_t dword = SOFTGPU_CMD_HDR(SOFTGPU_CMD_NOP, dwords);

	sgt_emit(s, &dword, 1);
	for (dword = 0xdeadbeef; --dwords;)
		sgt_emit(s, &dword, 1);
}

void sgt_fill(struct sgt_stream *s, uint64_t dst, uint32_t value,
	      uint64_t bytes)
{
	EMIT(s, HDR(FILL), value, LO(dst), HI(dst), LO(bytes), HI(bytes));
}

void sgt_copy(struct sgt_stream *s, uint64_t dst, uint64_t src, uint64_t bytes)
{
	EMIT(s, HDR(COPY), 0, LO(dst), HI(dst), LO(src), HI(src), LO(bytes),
	     HI(bytes));
}

void sgt_vadd(struct sgt_stream *s, uint64_t dst, uint64_t a, uint64_t b,
	      uint64_t count)
{
	EMIT(s, HDR(VADD), 0, LO(dst), HI(dst), LO(a), HI(a), LO(b), HI(b),
	     LO(count), HI(count));
}

void sgt_saxpy(struct sgt_stream *s, float a, uint64_t y, uint64_t x,
	       uint64_t count)
{
	uint32_t bits;

	memcpy(&bits, &a, sizeof(bits));
	EMIT(s, HDR(SAXPY), bits, LO(y), HI(y), LO(x), HI(x), LO(count),
	     HI(count));
}

void sgt_crc32c(struct sgt_stream *s, uint32_t crc, uint64_t dst, uint64_t src,
		uint64_t bytes)
{
	EMIT(s, HDR(CRC32C), crc, LO(dst), HI(dst), LO(src), HI(src),
	     LO(bytes), HI(bytes));
}

void sgt_histogram(struct sgt_stream *s, uint64_t dst, uint64_t src,
		   uint64_t bytes)
{
	EMIT(s, HDR(HISTOGRAM), 0, LO(dst), HI(dst), LO(src), HI(src),
	     LO(bytes), HI(bytes));
}

void sgt_poll(struct sgt_stream *s, uint64_t addr, uint32_t value,
	      uint32_t mask)
{
	EMIT(s, HDR(POLL), 0, LO(addr), HI(addr), value, mask);
}

void sgt_busy(struct sgt_stream *s, uint64_t ns)
{
	EMIT(s, HDR(BUSY), 0, LO(ns), HI(ns));
}

void sgt_store(struct sgt_stream *s, uint64_t addr, uint64_t value)
{
	EMIT(s, HDR(STORE), 0, LO(addr), HI(addr), LO(value), HI(value));
}

void sgt_inc(struct sgt_stream *s, uint64_t dst, uint32_t value,
	     uint64_t count)
{
	EMIT(s, HDR(INC), value, LO(dst), HI(dst), LO(count), HI(count));
}

void sgt_atomic_add(struct sgt_stream *s, uint64_t addr, uint64_t value)
{
	EMIT(s, HDR(ATOMIC_ADD), 0, LO(addr), HI(addr), LO(value), HI(value));
}
