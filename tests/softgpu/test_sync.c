// SPDX-License-Identifier: MIT
/*
 * In- and out-fences of EXEC and VM_BIND, binary and timeline.
 */
#include <errno.h>
#include <string.h>
#include <xf86drm.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE
#define COPY	DRM_SOFTGPU_ENGINE_COPY
#define SYSTEM	DRM_SOFTGPU_PLACE_SYSTEM

#define WAIT_ON(h, p) { .handle = (h), .kind = DRM_SOFTGPU_SYNC_WAIT, \
			.point = (p) }
#define SIGNAL(h, p) { .handle = (h), .kind = DRM_SOFTGPU_SYNC_SIGNAL, \
		       .point = (p) }

/* A busy job on one engine holds up a job on the other through a fence. */
static void test_in_out(struct test_ctx *t)
{
	struct drm_softgpu_sync first = SIGNAL(0, 0);
	struct drm_softgpu_sync second[2] = { WAIT_ON(0, 0), SIGNAL(0, 0) };
	volatile uint64_t *word;
	struct buffer buf;
	uint32_t second_len, first_len;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	word = buf.bo.map;
	EXPECT_EQ(t, sgt_sync_create(t->fd, &first.handle), 0);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &second[1].handle), 0);
	second[0].handle = first.handle;
	sgt_poll(&t->stream, buf.va + 64, 1, ~0u);
	sgt_store(&t->stream, buf.va, 1);
	first_len = t->stream.length;
	sgt_copy(&t->stream, buf.va + 8, buf.va, 8);
	second_len = t->stream.length - first_len;
	EXPECT_EQ(t, sgt_exec(t->fd, t->vm, COMPUTE, STREAM_VA, first_len,
			      &first, 1, NULL), 0);
	EXPECT_EQ(t, first_len % 8, 0);
	EXPECT_EQ(t, sgt_exec(t->fd, t->vm, COPY, STREAM_VA + first_len,
			      second_len, second, 2, NULL), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, second[1].handle, 100000000), -ETIME);
	word[8] = 1;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, second[1].handle, LONG), 0);
	EXPECT_EQ(t, word[1], 1);
	sgt_sync_destroy(t->fd, first.handle);
	sgt_sync_destroy(t->fd, second[1].handle);
	buffer_destroy(t, &buf);
}

static void test_timeline(struct test_ctx *t)
{
	struct drm_softgpu_sync syncs[2] = { WAIT_ON(0, 0), SIGNAL(0, 0) };
	struct buffer buf;
	uint32_t timeline;
	int i;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &timeline), 0);
	syncs[0].handle = timeline;
	syncs[1].handle = timeline;
	sgt_atomic_add(&t->stream, buf.va, 1);
	for (i = 1; i <= 20; i++) {
		syncs[0].point = i - 1;
		syncs[1].point = i;
		EXPECT_EQ(t, sgt_exec(t->fd, t->vm, i & 1 ? COMPUTE : COPY,
				      STREAM_VA, t->stream.length,
				      i == 1 ? &syncs[1] : syncs,
				      i == 1 ? 1 : 2, NULL), 0);
	}
	EXPECT_EQ(t, sgt_timeline_wait(t->fd, timeline, 20, LONG), 0);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 20);
	EXPECT_EQ(t, sgt_timeline_wait(t->fd, timeline, 7, LONG), 0);
	sgt_sync_destroy(t->fd, timeline);
	buffer_destroy(t, &buf);
}

/*
 * The error of a job is on the fence of a binary syncobj. A timeline signals as
 * well, but the kernel's chain fences do not carry errors.
 */
static void test_error(struct test_ctx *t)
{
	struct drm_softgpu_sync out[2] = { SIGNAL(0, 5), SIGNAL(0, 0) };

	EXPECT_EQ(t, sgt_sync_create(t->fd, &out[0].handle), 0);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &out[1].handle), 0);
	sgt_store(&t->stream, DATA_VA, 1);
	EXPECT_EQ(t, sgt_exec(t->fd, t->vm, COMPUTE, STREAM_VA,
			      t->stream.length, out, 2, NULL), 0);
	EXPECT_EQ(t, sgt_timeline_wait(t->fd, out[0].handle, 5,
				       LONG), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out[1].handle, 0), -EFAULT);
	sgt_sync_destroy(t->fd, out[0].handle);
	sgt_sync_destroy(t->fd, out[1].handle);
}

static void test_no_fence(struct test_ctx *t)
{
	struct drm_softgpu_sync in = WAIT_ON(0, 0);

	EXPECT_EQ(t, sgt_sync_create(t->fd, &in.handle), 0);
	EXPECT_EQ(t, sgt_exec(t->fd, t->vm, COMPUTE, STREAM_VA, 0, &in, 1,
			      NULL), -EINVAL);
	in.point = 3;
	EXPECT_EQ(t, sgt_exec(t->fd, t->vm, COMPUTE, STREAM_VA, 0, &in, 1,
			      NULL), -EINVAL);
	sgt_sync_destroy(t->fd, in.handle);
}

/* A bind behind an in-fence: the tree changes at once, the tables later. */
static void test_bind_async(struct test_ctx *t)
{
	struct drm_softgpu_sync syncs[2] = { WAIT_ON(0, 0), SIGNAL(0, 0) };
	struct drm_softgpu_bind_op op = {
		.va = DATA_VA + (1 << 30),
		.length = SGT_PAGE,
	};
	struct drm_softgpu_lookup entry = { .va = op.va };
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	op.handle = buf.bo.handle;
	EXPECT_EQ(t, sgt_sync_create(t->fd, &syncs[0].handle), 0);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &syncs[1].handle), 0);
	sgt_poll(&t->stream, buf.va, 1, ~0u);
	EXPECT_EQ(t, sgt_exec_out(t->fd, t->vm, COMPUTE, &t->stream,
				  syncs[0].handle), 0);
	EXPECT_EQ(t, sgt_bind_ops(t->fd, t->vm, &op, 1, syncs, 2), 0);
	EXPECT_EQ(t, sgt_sync_wait(t->fd, syncs[1].handle, 50000000), -ETIME);
	EXPECT_EQ(t, sgt_vm_lookup(t->fd, t->vm, &entry, 1), 0);
	EXPECT_EQ(t, entry.flags, DRM_SOFTGPU_LOOKUP_MAPPED);
	*(volatile uint32_t *)buf.bo.map = 1;
	EXPECT_EQ(t, sgt_sync_wait(t->fd, syncs[1].handle, LONG), 0);
	EXPECT_EQ(t, sgt_vm_lookup(t->fd, t->vm, &entry, 1), 0);
	EXPECT(t, entry.flags & DRM_SOFTGPU_LOOKUP_PTE_MATCH);
	sgt_sync_destroy(t->fd, syncs[0].handle);
	sgt_sync_destroy(t->fd, syncs[1].handle);
	sgt_unbind(t->fd, t->vm, op.va, SGT_PAGE);
	buffer_destroy(t, &buf);
}

static void test_queue_order(struct test_ctx *t)
{
	struct drm_softgpu_sync out = SIGNAL(0, 0);
	struct buffer buf;
	uint32_t at, i;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_sync_create(t->fd, &out.handle), 0);
	for (i = 0; i < 100; i++) {
		at = t->stream.length;
		sgt_store(&t->stream, buf.va, i);
		EXPECT_EQ(t, sgt_exec(t->fd, t->vm, COMPUTE, STREAM_VA + at,
				      t->stream.length - at, &out, 1, NULL), 0);
	}
	EXPECT_EQ(t, sgt_sync_wait(t->fd, out.handle, 10 * SGT_SECOND), 0);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 99);
	sgt_sync_destroy(t->fd, out.handle);
	buffer_destroy(t, &buf);
}

const struct test sync_tests[] = {
	{ "sync-in-out", test_in_out, false },
	{ "sync-timeline", test_timeline, false },
	{ "sync-error", test_error, false },
	{ "sync-no-fence", test_no_fence, false },
	{ "sync-bind-async", test_bind_async, false },
	{ "sync-queue-order", test_queue_order, false },
	{ NULL, NULL, false },
};
