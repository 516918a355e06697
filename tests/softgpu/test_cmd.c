// SPDX-License-Identifier: MIT
/*
 * Every packet of the command stream against a CPU reference, and malformed
 * streams.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE
#define COPY	DRM_SOFTGPU_ENGINE_COPY
#define SYSTEM	DRM_SOFTGPU_PLACE_SYSTEM
#define VRAM	DRM_SOFTGPU_PLACE_VRAM

static void fill_random(void *p, size_t bytes, uint64_t seed)
{
	uint32_t *word = p;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		word[i] = test_random(&seed);
}

static void test_empty(struct test_ctx *t)
{
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, run_stream(t, COPY), 0);
}

static void test_nop(struct test_ctx *t)
{
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	sgt_nop(&t->stream, 1);
	sgt_nop(&t->stream, 2);
	sgt_nop(&t->stream, 2000);
	sgt_store(&t->stream, DATA_VA, 7);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 7);
	buffer_destroy(t, &buf);
}

static void test_fill(struct test_ctx *t)
{
	struct buffer buf;
	uint32_t *p;
	size_t i;

	BUFFER(t, &buf, DATA_VA, 4 * SGT_PAGE, SYSTEM);
	sgt_fill(&t->stream, DATA_VA + 8, 0x12345678, 3 * SGT_PAGE);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	p = buf.bo.map;
	EXPECT_EQ(t, p[1], 0);
	for (i = 2; i < 2 + 3 * SGT_PAGE / 4; i++)
		EXPECT_EQ(t, p[i], 0x12345678);
	EXPECT_EQ(t, p[i], 0);
	buffer_destroy(t, &buf);
}

static void copy_between(struct test_ctx *t, uint32_t from, uint32_t to,
			 uint32_t engine)
{
	const size_t size = 64 * SGT_PAGE, n = size - 5000;
	struct buffer a, b;

	BUFFER(t, &a, DATA_VA, size, from);
	BUFFER(t, &b, DATA_VA + (1 << 30), size, to);
	fill_random(a.bo.map, size, test_seed);
	sgt_copy(&t->stream, b.va + 1234, a.va + 77, n);
	EXPECT_EQ(t, run_stream(t, engine), 0);
	EXPECT(t, !memcmp((char *)b.bo.map + 1234, (char *)a.bo.map + 77, n));
	EXPECT_EQ(t, ((unsigned char *)b.bo.map)[1233], 0);
	EXPECT_EQ(t, ((unsigned char *)b.bo.map)[1234 + n], 0);
	buffer_destroy(t, &a);
	buffer_destroy(t, &b);
}

static void test_copy_system(struct test_ctx *t)
{
	copy_between(t, SYSTEM, SYSTEM, COMPUTE);
}

static void test_copy_to_vram(struct test_ctx *t)
{
	copy_between(t, SYSTEM, VRAM, COPY);
}

static void test_copy_from_vram(struct test_ctx *t)
{
	copy_between(t, VRAM, SYSTEM, COPY);
}

static void test_vadd(struct test_ctx *t)
{
	const size_t n = 5000;
	struct buffer a, b, c;
	uint32_t *pa, *pb, *pc;
	size_t i;

	BUFFER(t, &a, DATA_VA, 8 * SGT_PAGE, SYSTEM);
	BUFFER(t, &b, DATA_VA + (1 << 20), 8 * SGT_PAGE, VRAM);
	BUFFER(t, &c, DATA_VA + (2 << 20), 8 * SGT_PAGE, SYSTEM);
	fill_random(a.bo.map, a.bo.size, test_seed);
	fill_random(b.bo.map, b.bo.size, test_seed + 1);
	sgt_vadd(&t->stream, c.va, a.va + 4, b.va + 2000, n);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	pa = (uint32_t *)a.bo.map + 1;
	pb = (uint32_t *)b.bo.map + 500;
	pc = c.bo.map;
	for (i = 0; i < n; i++)
		EXPECT_EQ(t, pc[i], pa[i] + pb[i]);
	EXPECT_EQ(t, pc[n], 0);
	buffer_destroy(t, &a);
	buffer_destroy(t, &b);
	buffer_destroy(t, &c);
}

/* Also numbers whose product has to be rounded before the sum. */
static void test_saxpy(struct test_ctx *t)
{
	const size_t n = 20000;
	const float factor = 1.0f + 0x1p-12f;
	struct buffer x, y;
	uint32_t *got, *bits;
	float *want, *px;
	size_t i;

	BUFFER(t, &x, DATA_VA, 20 * SGT_PAGE, SYSTEM);
	BUFFER(t, &y, DATA_VA + (1 << 20), 20 * SGT_PAGE, SYSTEM);
	want = malloc(n * sizeof(*want));
	EXPECT(t, want);
	fill_random(x.bo.map, x.bo.size, test_seed);
	fill_random(y.bo.map, y.bo.size, test_seed + 1);
	for (px = x.bo.map, i = 0; i < n; i += 2)
		px[i] = 1.0f + i * 0x1p-20f;
	for (i = 0; i < n; i++) {
		volatile float product = factor * px[i];

		want[i] = product + ((float *)y.bo.map)[i];
	}
	sgt_saxpy(&t->stream, factor, y.va, x.va, n);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	got = y.bo.map;
	bits = (uint32_t *)want;
	for (i = 0; i < n; i++)
		if (want[i] == want[i])
			EXPECT_EQ(t, got[i], bits[i]);
		else
			EXPECT(t, (got[i] & 0x7fffffff) > 0x7f800000);
	free(want);
	buffer_destroy(t, &x);
	buffer_destroy(t, &y);
}

static uint32_t cpu_crc32c(uint32_t crc, const unsigned char *p, size_t n)
{
	int bit;

	for (crc = ~crc; n--; p++)
		for (crc ^= *p, bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	return ~crc;
}

static void test_crc32c(struct test_ctx *t)
{
	struct buffer buf;
	uint32_t *result;
	unsigned char *p;

	BUFFER(t, &buf, DATA_VA, 9 * SGT_PAGE, SYSTEM);
	p = buf.bo.map;
	result = (uint32_t *)(p + 8 * SGT_PAGE);
	memcpy(p, "123456789", 9);
	sgt_crc32c(&t->stream, 0, buf.va + 8 * SGT_PAGE, buf.va, 9);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, *result, 0xe3069283u);
	fill_random(p, 8 * SGT_PAGE, test_seed);
	sgt_crc32c(&t->stream, 0, buf.va + 8 * SGT_PAGE, buf.va + 3, 20000);
	sgt_crc32c(&t->stream, cpu_crc32c(0, p + 3, 20000),
		   buf.va + 8 * SGT_PAGE + 4, buf.va + 20003, 777);
	sgt_crc32c(&t->stream, 99, buf.va + 8 * SGT_PAGE + 8, buf.va, 0);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, result[0], cpu_crc32c(0, p + 3, 20000));
	EXPECT_EQ(t, result[1], cpu_crc32c(0, p + 3, 20777));
	EXPECT_EQ(t, result[2], 99);
	buffer_destroy(t, &buf);
}

static void test_histogram(struct test_ctx *t)
{
	const uint64_t bins_at = 8 * SGT_PAGE - 512;
	uint32_t want[256] = {}, *bins;
	struct buffer buf;
	unsigned char *p;
	size_t i;

	BUFFER(t, &buf, DATA_VA, 10 * SGT_PAGE, SYSTEM);
	p = buf.bo.map;
	fill_random(p, 7 * SGT_PAGE, test_seed);
	for (i = 1; i < 1 + 6 * SGT_PAGE; i++)
		want[p[i]]++;
	sgt_histogram(&t->stream, buf.va + bins_at, buf.va + 1, 6 * SGT_PAGE);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	bins = (uint32_t *)(p + bins_at);
	EXPECT(t, !memcmp(bins, want, sizeof(want)));
	sgt_histogram(&t->stream, buf.va + bins_at, buf.va, 0);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	memset(want, 0, sizeof(want));
	EXPECT(t, !memcmp(bins, want, sizeof(want)));
	buffer_destroy(t, &buf);
}

static void test_store_poll(struct test_ctx *t)
{
	struct drm_softgpu_sync sync = { .kind = DRM_SOFTGPU_SYNC_SIGNAL };
	volatile uint64_t *word;
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &sync.handle), 0);
	word = buf.bo.map;
	sgt_poll(&t->stream, buf.va, 0x40, 0xf0);
	sgt_store(&t->stream, buf.va + 8, 0x1122334455667788ULL);
	EXPECT_EQ(t, sgt_exec_out(t->fd, t->vm, COMPUTE, &t->stream,
				  sync.handle), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, sync.handle, 50000000), -ETIME);
	EXPECT_EQ(t, word[1], 0);
	word[0] = 0x3bf;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, sync.handle, 50000000), -ETIME);
	word[0] = 0x34f;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, sync.handle, LONG), 0);
	EXPECT_EQ(t, word[1], 0x1122334455667788ULL);
	sgt_sync_destroy(t->fd, sync.handle);
	buffer_destroy(t, &buf);
}

static void test_inc(struct test_ctx *t)
{
	struct buffer buf;
	uint32_t *p;
	size_t i;

	BUFFER(t, &buf, DATA_VA, 4 * SGT_PAGE, VRAM);
	p = buf.bo.map;
	p[3] = 0xffffffff;
	sgt_inc(&t->stream, buf.va, 5, 3000);
	sgt_inc(&t->stream, buf.va, 0xffffffff, 1);
	sgt_atomic_add(&t->stream, buf.va + 3 * SGT_PAGE, 1ULL << 40);
	sgt_atomic_add(&t->stream, buf.va + 3 * SGT_PAGE, 3);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, p[0], 4);
	EXPECT_EQ(t, p[3], 4);
	for (i = 4; i < 3000; i++)
		EXPECT_EQ(t, p[i], 5);
	EXPECT_EQ(t, p[3000], 0);
	EXPECT_EQ(t, *(uint64_t *)((char *)buf.bo.map + 3 * SGT_PAGE),
		  (1ULL << 40) + 3);
	buffer_destroy(t, &buf);
}

static void test_busy(struct test_ctx *t)
{
	uint64_t start = sgt_now_ns();

	sgt_busy(&t->stream, 100000000);
	EXPECT_EQ(t, run_stream(t, COPY), 0);
	EXPECT(t, sgt_now_ns() - start >= 100000000);
}

/* Streams that end with -EINVAL, each followed by one that works. */
static void test_malformed(struct test_ctx *t)
{
	const uint32_t bad[][8] = {
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_COUNT, 2) },
		{ SOFTGPU_CMD_HDR(0xff, 2) },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_NOP, 0) },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_NOP, 9) },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_NOP, 1) | 0x100 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_FILL, 5) },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_FILL, 8) },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_FILL, 6), 0, 2, 1, 4 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_FILL, 6), 0, 0, 1, 3 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_FILL, 6), 0, ~3u, ~0u, 8 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_COPY, 8), 1, 0, 1, 0, 2, 4, 0 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_COPY, 8), 0, 0, 1, 2, 1, 4, 0 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_STORE, 6), 0, 4, 1, 0, 0 },
		{ SOFTGPU_CMD_HDR(SOFTGPU_CMD_SAXPY, 8), 0, 0, 1, 0, 1, 0, ~0u },
	};
	struct buffer buf;
	size_t i;

	BUFFER(t, &buf, 1ULL << 32, SGT_PAGE, SYSTEM);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sgt_emit(&t->stream, bad[i], 8);
		EXPECT_EQ(t, run_stream(t, COMPUTE), -EINVAL);
		sgt_store(&t->stream, buf.va, i + 1);
		EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
		EXPECT_EQ(t, *(uint64_t *)buf.bo.map, i + 1);
	}
	buffer_destroy(t, &buf);
}

static void test_copy_engine_limits(struct test_ctx *t)
{
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	sgt_saxpy(&t->stream, 1, buf.va, buf.va, 4);
	EXPECT_EQ(t, run_stream(t, COPY), -EINVAL);
	sgt_inc(&t->stream, buf.va, 1, 4);
	EXPECT_EQ(t, run_stream(t, COPY), -EINVAL);
	sgt_atomic_add(&t->stream, buf.va, 9);
	EXPECT_EQ(t, run_stream(t, COPY), 0);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 9);
	buffer_destroy(t, &buf);
}

static void test_exec_arguments(struct test_ctx *t)
{
	struct drm_softgpu_sync sync = { .kind = 7 };
	int fd = t->fd;

	EXPECT_EQ(t, sgt_exec(fd, t->vm, 2, STREAM_VA, 0, NULL, 0, NULL),
		  -EINVAL);
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, STREAM_VA + 4, 0, NULL, 0, NULL),
		  -EINVAL);
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, STREAM_VA, 6, NULL, 0, NULL),
		  -EINVAL);
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, STREAM_VA, ~3u, NULL, 0, NULL),
		  -EINVAL);
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, ~7ULL, 16, NULL, 0, NULL),
		  -EINVAL);
	EXPECT_EQ(t, sgt_exec(fd, t->vm + 1, 0, STREAM_VA, 0, NULL, 0, NULL),
		  -ENOENT);
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, STREAM_VA, 0, &sync, 1, NULL),
		  -EINVAL);
	sync.kind = DRM_SOFTGPU_SYNC_SIGNAL;
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, STREAM_VA, 0, &sync, 1, NULL),
		  -ENOENT);
	EXPECT_EQ(t, sgt_exec(fd, t->vm, 0, STREAM_VA, 0, NULL, 1, NULL),
		  -EFAULT);
}

const struct test cmd_tests[] = {
	{ "cmd-empty", test_empty, false },
	{ "cmd-nop", test_nop, false },
	{ "cmd-fill", test_fill, false },
	{ "cmd-copy-system", test_copy_system, false },
	{ "cmd-copy-to-vram", test_copy_to_vram, false },
	{ "cmd-copy-from-vram", test_copy_from_vram, false },
	{ "cmd-vadd", test_vadd, false },
	{ "cmd-saxpy", test_saxpy, false },
	{ "cmd-crc32c", test_crc32c, false },
	{ "cmd-histogram", test_histogram, false },
	{ "cmd-store-poll", test_store_poll, false },
	{ "cmd-inc", test_inc, false },
	{ "cmd-busy", test_busy, false },
	{ "cmd-malformed", test_malformed, false },
	{ "cmd-copy-engine-limits", test_copy_engine_limits, false },
	{ "cmd-exec-arguments", test_exec_arguments, false },
	{ NULL, NULL, false },
};
