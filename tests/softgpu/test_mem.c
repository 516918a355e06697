// SPDX-License-Identifier: MIT
/*
 * Where objects are: VRAM, eviction, dma-buf export and import.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE
#define SYSTEM	DRM_SOFTGPU_PLACE_SYSTEM
#define VRAM	DRM_SOFTGPU_PLACE_VRAM
#define PINNED	DRM_SOFTGPU_PLACE_PINNED

static uint64_t vram_total(struct test_ctx *t, uint64_t *used)
{
	struct drm_softgpu_info info;

	if (sgt_info(t->fd, &info))
		return 0;
	if (used)
		*used = info.vram_used;
	return info.vram_total;
}

static bool in_vram(struct test_ctx *t, uint32_t handle)
{
	struct drm_softgpu_gem_info info;

	return !sgt_bo_info(t->fd, handle, &info) &&
	       (info.state & DRM_SOFTGPU_GEM_IN_VRAM);
}

static void test_create_arguments(struct test_ctx *t)
{
	uint64_t total = vram_total(t, NULL);
	struct sgt_bo bo;

	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, 0, SYSTEM), -EINVAL);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, 100, SYSTEM), -EINVAL);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, SGT_PAGE, 0), -EINVAL);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, SGT_PAGE, PINNED), -EINVAL);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, SGT_PAGE, 8 | SYSTEM), -EINVAL);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, total + SGT_PAGE, VRAM),
		  -ENOSPC);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, total + SGT_PAGE,
				   VRAM | SYSTEM), 0);
	EXPECT(t, !in_vram(t, bo.handle));
	sgt_bo_destroy(t->fd, &bo);
}

static void test_vram_accounting(struct test_ctx *t)
{
	uint64_t before = 0, used = 0;
	struct sgt_bo bo;

	EXPECT(t, vram_total(t, &before) > 0);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, 16 * SGT_PAGE, VRAM), 0);
	EXPECT(t, in_vram(t, bo.handle));
	vram_total(t, &used);
	EXPECT_EQ(t, used - before, 16 * SGT_PAGE);
	sgt_bo_destroy(t->fd, &bo);
	vram_total(t, &used);
	EXPECT_EQ(t, used, before);
}

/* Memory of a freed object comes back zeroed. */
static void test_vram_zeroed(struct test_ctx *t)
{
	uint64_t total = vram_total(t, NULL), i;
	struct sgt_bo bo;

	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, total / 2, VRAM), 0);
	EXPECT_EQ(t, sgt_bo_map(t->fd, &bo), 0);
	for (i = 0; i < bo.size; i += SGT_PAGE)
		*(uint64_t *)((char *)bo.map + i) = ~i;
	sgt_bo_destroy(t->fd, &bo);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, total, VRAM), 0);
	EXPECT_EQ(t, sgt_bo_map(t->fd, &bo), 0);
	for (i = 0; i < bo.size; i += SGT_PAGE)
		EXPECT_EQ(t, *(uint64_t *)((char *)bo.map + i), 0);
	sgt_bo_destroy(t->fd, &bo);
}

static void test_vram_pinned(struct test_ctx *t)
{
	uint64_t total = vram_total(t, NULL);
	struct sgt_bo a, b;

	EXPECT_EQ(t, sgt_bo_create(t->fd, &a, total, VRAM | PINNED), 0);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &b, SGT_PAGE, VRAM), -ENOSPC);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &b, SGT_PAGE, VRAM | PINNED),
		  -ENOSPC);
	EXPECT_EQ(t, sgt_bo_create(t->fd, &b, SGT_PAGE, VRAM | SYSTEM), 0);
	EXPECT(t, !in_vram(t, b.handle));
	sgt_bo_destroy(t->fd, &b);
	sgt_bo_destroy(t->fd, &a);
}

/* Three objects of 40 % each, used in turns by a VM each: none loses data. */
static void test_evict(struct test_ctx *t)
{
	uint64_t size = vram_total(t, NULL) / 5 * 2 / SGT_PAGE * SGT_PAGE;
	struct drm_softgpu_counters before, after;
	struct sgt_stream stream[3];
	struct sgt_bo bo[3];
	int i, round, vm[3];

	EXPECT_EQ(t, sgt_counters(t->fd, &before), 0);
	for (i = 0; i < 3; i++) {
		vm[i] = sgt_vm_create(t->fd, 0);
		EXPECT(t, vm[i] > 0);
		EXPECT_EQ(t, sgt_bo_create(t->fd, &bo[i], size, VRAM), 0);
		EXPECT_EQ(t, sgt_bo_map(t->fd, &bo[i]), 0);
		EXPECT_EQ(t, sgt_bind(t->fd, vm[i], bo[i].handle, 0, size,
				      DATA_VA, 0), 0);
		EXPECT_EQ(t, sgt_stream_create(t->fd, vm[i], &stream[i],
					       STREAM_VA, STREAM_SIZE), 0);
		sgt_inc(&stream[i], DATA_VA, i + 1, 1);
		sgt_inc(&stream[i], DATA_VA + size - 4, 10 * (i + 1), 1);
	}
	for (round = 1; round <= 4; round++) {
		for (i = 0; i < 3; i++) {
			volatile uint32_t *p = bo[i].map;

			EXPECT_EQ(t, sgt_run(t->fd, vm[i], COMPUTE,
					     &stream[i]), 0);
			EXPECT(t, in_vram(t, bo[i].handle));
			EXPECT_EQ(t, p[0], (i + 1) * round);
			EXPECT_EQ(t, p[size / 4 - 1], 10 * (i + 1) * round);
		}
	}
	EXPECT_EQ(t, sgt_counters(t->fd, &after), 0);
	EXPECT(t, after.evictions - before.evictions >= 3);
	for (i = 0; i < 3; i++) {
		sgt_bo_destroy(t->fd, &bo[i]);
		sgt_bo_destroy(t->fd, &stream[i].bo);
		sgt_vm_destroy(t->fd, vm[i]);
	}
}

/* One VM that maps more than fits at once: a clear error, then it works. */
static void test_evict_too_much(struct test_ctx *t)
{
	uint64_t size = vram_total(t, NULL) / 5 * 2 / SGT_PAGE * SGT_PAGE;
	struct sgt_bo bo[3];
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(t, sgt_bo_create(t->fd, &bo[i], size, VRAM), 0);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(t, sgt_bind(t->fd, t->vm, bo[i].handle, 0, size,
				      DATA_VA + i * (1ULL << 32), 0), 0);
	EXPECT_EQ(t, run_stream(t, COMPUTE), -ENOSPC);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, size), 0);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	for (i = 0; i < 3; i++)
		sgt_bo_destroy(t->fd, &bo[i]);
}

/* ---- dma-buf ---- */

/* A udmabuf of size bytes and its memory mapped at *map; an fd or -errno. */
static int udmabuf_create(uint64_t size, void **map)
{
	struct udmabuf_create create = { .size = size };
	int dev = open("/dev/udmabuf", O_RDWR);
	int memfd, buf;

	if (dev < 0)
		return -errno;
	memfd = memfd_create("softgpu-test", MFD_ALLOW_SEALING);
	if (memfd < 0 || ftruncate(memfd, size) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		close(dev);
		return -errno;
	}
	*map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	create.memfd = memfd;
	buf = ioctl(dev, UDMABUF_CREATE, &create);
	if (buf < 0)
		buf = -errno;
	close(memfd);
	close(dev);
	return *map == MAP_FAILED ? -ENOMEM : buf;
}

static void test_import_udmabuf(struct test_ctx *t)
{
	const uint64_t size = 40 * SGT_PAGE;
	struct drm_softgpu_gem_info info;
	uint32_t handle, *p;
	uint64_t i;
	void *map = NULL;
	int buf;

	buf = udmabuf_create(size, &map);
	if (buf < 0)
		SKIP(t, "no udmabuf");
	p = map;
	for (i = 0; i < size / 4; i++)
		p[i] = i;
	EXPECT_EQ(t, drmPrimeFDToHandle(t->fd, buf, &handle), 0);
	close(buf);
	EXPECT_EQ(t, sgt_bo_info(t->fd, handle, &info), 0);
	EXPECT_EQ(t, info.state, DRM_SOFTGPU_GEM_IMPORTED);
	EXPECT_EQ(t, info.size, size);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, handle, 0, size, DATA_VA, 0), 0);
	sgt_inc(&t->stream, DATA_VA, 1000, size / 4);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	for (i = 0; i < size / 4; i++)
		EXPECT_EQ(t, p[i], i + 1000);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, size), 0);
	drmCloseBufferHandle(t->fd, handle);
	munmap(map, size);
}

static int open_vgem(void)
{
	char path[64];
	int i, fd;

	for (i = 0; i < 16; i++) {
		drmVersionPtr version;
		bool is;

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		is = version && strcmp(version->name, "vgem") == 0;
		drmFreeVersion(version);
		if (is)
			return fd;
		close(fd);
	}
	return -ENODEV;
}

static void import_vgem(struct test_ctx *t, uint32_t flags, bool readonly)
{
	struct drm_mode_create_dumb dumb = {
		.width = 1024, .height = 64, .bpp = 32,
	};
	struct drm_softgpu_gem_info info;
	int vgem = open_vgem(), buf;
	uint32_t handle;

	if (vgem < 0)
		SKIP(t, "no vgem");
	EXPECT_EQ(t, drmIoctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), 0);
	EXPECT_EQ(t, drmPrimeHandleToFD(vgem, dumb.handle, flags, &buf), 0);
	close(vgem);
	EXPECT_EQ(t, drmPrimeFDToHandle(t->fd, buf, &handle), 0);
	close(buf);
	EXPECT_EQ(t, sgt_bo_info(t->fd, handle, &info), 0);
	EXPECT_EQ(t, !!(info.state & DRM_SOFTGPU_GEM_READONLY), readonly);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, handle, 0, dumb.size, DATA_VA, 0),
		  readonly ? -EACCES : 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, handle, 0, dumb.size, DATA_VA,
			      DRM_SOFTGPU_BIND_READONLY), 0);
	sgt_crc32c(&t->stream, 0, DATA_VA, DATA_VA, dumb.size);
	EXPECT_EQ(t, run_stream(t, COMPUTE), -EFAULT);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, dumb.size), 0);
	drmCloseBufferHandle(t->fd, handle);
}

static void test_import_vgem(struct test_ctx *t)
{
	import_vgem(t, DRM_CLOEXEC | DRM_RDWR, false);
}

static void test_import_readonly(struct test_ctx *t)
{
	import_vgem(t, DRM_CLOEXEC, true);
}

/* To another file of the same device: the same object. */
static void test_export_own(struct test_ctx *t)
{
	struct drm_softgpu_gem_info a, b;
	struct buffer buf;
	uint32_t handle;
	int fd, prime;
	void *map = NULL;

	BUFFER(t, &buf, DATA_VA, 4 * SGT_PAGE, VRAM);
	EXPECT_EQ(t, drmPrimeHandleToFD(t->fd, buf.bo.handle,
					DRM_CLOEXEC | DRM_RDWR, &prime), 0);
	fd = sgt_open(0);
	EXPECT_EQ(t, drmPrimeFDToHandle(fd, prime, &handle), 0);
	EXPECT_EQ(t, sgt_bo_info(t->fd, buf.bo.handle, &a), 0);
	EXPECT_EQ(t, sgt_bo_info(fd, handle, &b), 0);
	EXPECT_EQ(t, a.object_id, b.object_id);
	sgt_fill(&t->stream, DATA_VA, 0xabcdef01, 4 * SGT_PAGE);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	map = mmap(NULL, 4 * SGT_PAGE, PROT_READ, MAP_SHARED, prime, 0);
	EXPECT(t, map != MAP_FAILED);
	EXPECT_EQ(t, ((uint32_t *)map)[1024], 0xabcdef01);
	munmap(map, 4 * SGT_PAGE);
	close(fd);
	close(prime);
	buffer_destroy(t, &buf);
}

/* To a second softgpu: the object goes to system memory and both work on it. */
static void test_export_second_gpu(struct test_ctx *t)
{
	struct test_ctx other = { .fd = sgt_open(1) };
	struct buffer buf;
	uint32_t handle;
	int prime;

	if (other.fd < 0)
		SKIP(t, "only one softgpu");
	other.vm = sgt_vm_create(other.fd, 0);
	BUFFER(t, &buf, DATA_VA, 4 * SGT_PAGE, VRAM);
	EXPECT_EQ(t, sgt_stream_create(other.fd, other.vm, &other.stream,
				       STREAM_VA, STREAM_SIZE), 0);
	EXPECT_EQ(t, drmPrimeHandleToFD(t->fd, buf.bo.handle,
					DRM_CLOEXEC | DRM_RDWR, &prime), 0);
	EXPECT_EQ(t, drmPrimeFDToHandle(other.fd, prime, &handle), 0);
	close(prime);
	EXPECT(t, !in_vram(t, buf.bo.handle));
	EXPECT_EQ(t, sgt_bind(other.fd, other.vm, handle, 0, 4 * SGT_PAGE,
			      DATA_VA, 0), 0);
	sgt_inc(&t->stream, DATA_VA, 1, 4096);
	sgt_inc(&other.stream, DATA_VA, 2, 4096);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, run_stream(&other, COMPUTE), 0);
	EXPECT_EQ(t, ((uint32_t *)buf.bo.map)[4095], 3);
	sgt_bo_destroy(other.fd, &other.stream.bo);
	close(other.fd);
	buffer_destroy(t, &buf);
}

static void test_export_pinned(struct test_ctx *t)
{
	int second = sgt_open(1), prime;
	uint32_t handle;
	struct sgt_bo bo;

	if (second < 0)
		SKIP(t, "only one softgpu");
	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, SGT_PAGE, VRAM | PINNED), 0);
	EXPECT_EQ(t, drmPrimeHandleToFD(t->fd, bo.handle, DRM_CLOEXEC, &prime),
		  0);
	EXPECT(t, drmPrimeFDToHandle(second, prime, &handle) < 0);
	EXPECT_EQ(t, errno, EBUSY);
	EXPECT(t, in_vram(t, bo.handle));
	close(prime);
	close(second);
	sgt_bo_destroy(t->fd, &bo);
}

const struct test mem_tests[] = {
	{ "mem-create-arguments", test_create_arguments, false },
	{ "mem-vram-accounting", test_vram_accounting, false },
	{ "mem-vram-zeroed", test_vram_zeroed, false },
	{ "mem-vram-pinned", test_vram_pinned, false },
	{ "mem-evict", test_evict, false },
	{ "mem-evict-too-much", test_evict_too_much, false },
	{ "mem-import-udmabuf", test_import_udmabuf, false },
	{ "mem-import-vgem", test_import_vgem, false },
	{ "mem-import-readonly", test_import_readonly, false },
	{ "mem-export-own", test_export_own, false },
	{ "mem-export-second-gpu", test_export_second_gpu, false },
	{ "mem-export-pinned", test_export_pinned, false },
	{ NULL, NULL, false },
};
