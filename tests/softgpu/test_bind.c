// SPDX-License-Identifier: MIT
/*
 * The address space: split, replace, null and read-only mappings, GPU faults,
 * bad arguments, and a random walk compared with a plain array.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define COMPUTE	DRM_SOFTGPU_ENGINE_COMPUTE
#define SYSTEM	DRM_SOFTGPU_PLACE_SYSTEM
#define VRAM	DRM_SOFTGPU_PLACE_VRAM

#define MAPPED_OK (DRM_SOFTGPU_LOOKUP_MAPPED | DRM_SOFTGPU_LOOKUP_PTE | \
		   DRM_SOFTGPU_LOOKUP_PTE_WRITE | DRM_SOFTGPU_LOOKUP_PTE_MATCH)

static struct drm_softgpu_lookup lookup(struct test_ctx *t, uint64_t va)
{
	struct drm_softgpu_lookup entry = { .va = va };

	if (sgt_vm_lookup(t->fd, t->vm, &entry, 1))
		memset(&entry, 0xff, sizeof(entry));
	return entry;
}

static int store_at(struct test_ctx *t, uint64_t va, uint64_t value)
{
	sgt_store(&t->stream, va, value);
	return run_stream(t, COMPUTE);
}

static void test_map_unmap(struct test_ctx *t)
{
	struct drm_softgpu_gem_info info;
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, 3 * SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, lookup(t, DATA_VA).flags, MAPPED_OK);
	EXPECT_EQ(t, lookup(t, DATA_VA + 3 * SGT_PAGE).flags,
		  DRM_SOFTGPU_LOOKUP_PTE_MATCH);
	EXPECT_EQ(t, sgt_bo_info(t->fd, buf.bo.handle, &info), 0);
	EXPECT_EQ(t, info.mappings, 1);
	EXPECT_EQ(t, lookup(t, DATA_VA + SGT_PAGE).object_id, info.object_id);
	EXPECT_EQ(t, lookup(t, DATA_VA + SGT_PAGE).offset, SGT_PAGE);
	EXPECT_EQ(t, store_at(t, DATA_VA, 1), 0);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, 3 * SGT_PAGE), 0);
	EXPECT_EQ(t, lookup(t, DATA_VA).flags, DRM_SOFTGPU_LOOKUP_PTE_MATCH);
	EXPECT_EQ(t, store_at(t, DATA_VA, 2), -EFAULT);
	EXPECT_EQ(t, *(uint64_t *)buf.bo.map, 1);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, 3 * SGT_PAGE), 0);
	buffer_destroy(t, &buf);
}

static void test_split(struct test_ctx *t)
{
	struct drm_softgpu_vm_query query;
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, 8 * SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA + 2 * SGT_PAGE,
				3 * SGT_PAGE), 0);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.mappings, 3);
	EXPECT_EQ(t, lookup(t, DATA_VA).map_length, 2 * SGT_PAGE);
	EXPECT_EQ(t, lookup(t, DATA_VA + 5 * SGT_PAGE).map_length,
		  3 * SGT_PAGE);
	EXPECT_EQ(t, lookup(t, DATA_VA + 6 * SGT_PAGE).offset, 6 * SGT_PAGE);
	EXPECT_EQ(t, store_at(t, DATA_VA + SGT_PAGE, 11), 0);
	EXPECT_EQ(t, store_at(t, DATA_VA + 3 * SGT_PAGE, 12), -EFAULT);
	EXPECT_EQ(t, store_at(t, DATA_VA + 5 * SGT_PAGE, 13), 0);
	EXPECT_EQ(t, *((uint64_t *)buf.bo.map + SGT_PAGE / 8), 11);
	EXPECT_EQ(t, *((uint64_t *)buf.bo.map + 5 * SGT_PAGE / 8), 13);
	buffer_destroy(t, &buf);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.mappings, 1);
}

static void test_replace(struct test_ctx *t)
{
	struct buffer a, b;

	BUFFER(t, &a, DATA_VA, 6 * SGT_PAGE, SYSTEM);
	BUFFER(t, &b, DATA_VA + (1 << 21), 2 * SGT_PAGE, VRAM);
	EXPECT_EQ(t, store_at(t, DATA_VA + 2 * SGT_PAGE, 1), 0);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, b.bo.handle, 0, 2 * SGT_PAGE,
			      DATA_VA + 2 * SGT_PAGE, 0), 0);
	EXPECT_EQ(t, store_at(t, DATA_VA + SGT_PAGE, 2), 0);
	EXPECT_EQ(t, store_at(t, DATA_VA + 2 * SGT_PAGE, 3), 0);
	EXPECT_EQ(t, store_at(t, DATA_VA + 4 * SGT_PAGE, 4), 0);
	EXPECT_EQ(t, ((uint64_t *)a.bo.map)[SGT_PAGE / 8], 2);
	EXPECT_EQ(t, ((uint64_t *)a.bo.map)[2 * SGT_PAGE / 8], 1);
	EXPECT_EQ(t, ((uint64_t *)a.bo.map)[4 * SGT_PAGE / 8], 4);
	EXPECT_EQ(t, ((uint64_t *)b.bo.map)[0], 3);
	EXPECT(t, lookup(t, DATA_VA + 2 * SGT_PAGE).flags &
	       DRM_SOFTGPU_LOOKUP_PTE_VRAM);
	buffer_destroy(t, &a);
	buffer_destroy(t, &b);
}

/* The object lives as long as it is mapped, the handle notwithstanding. */
static void test_close_while_mapped(struct test_ctx *t)
{
	struct buffer buf, result;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	BUFFER(t, &result, DATA_VA + SGT_PAGE, SGT_PAGE, SYSTEM);
	*(uint64_t *)buf.bo.map = 5;
	sgt_bo_destroy(t->fd, &buf.bo);
	sgt_copy(&t->stream, DATA_VA + SGT_PAGE, DATA_VA, 8);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, *(uint64_t *)result.bo.map, 5);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, SGT_PAGE), 0);
	buffer_destroy(t, &result);
}

static void test_null(struct test_ctx *t)
{
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, 2 * SGT_PAGE, SYSTEM);
	memset(buf.bo.map, 0xff, SGT_PAGE);
	EXPECT_EQ(t, sgt_bind_null(t->fd, t->vm, DATA_VA + (1ULL << 30),
				   4ULL << 20), 0);
	EXPECT_EQ(t, store_at(t, DATA_VA + (1ULL << 30) + 8, 77), 0);
	sgt_copy(&t->stream, DATA_VA, DATA_VA + (1ULL << 30), 64);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, ((uint64_t *)buf.bo.map)[0], 0);
	EXPECT_EQ(t, ((uint64_t *)buf.bo.map)[1], 0);
	EXPECT_EQ(t, ((uint64_t *)buf.bo.map)[8], ~0ULL);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA + (1ULL << 30),
				4ULL << 20), 0);
	buffer_destroy(t, &buf);
}

static void test_readonly(struct test_ctx *t)
{
	const uint64_t ro = DATA_VA + (1 << 20);
	struct drm_softgpu_vm_query query;
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	EXPECT_EQ(t, sgt_bind(t->fd, t->vm, buf.bo.handle, 0, SGT_PAGE, ro,
			      DRM_SOFTGPU_BIND_READONLY), 0);
	*(uint64_t *)buf.bo.map = 3;
	sgt_copy(&t->stream, DATA_VA + 64, ro, 8);
	EXPECT_EQ(t, run_stream(t, COMPUTE), 0);
	EXPECT_EQ(t, ((uint64_t *)buf.bo.map)[8], 3);
	EXPECT_EQ(t, store_at(t, ro + 16, 4), -EFAULT);
	EXPECT_EQ(t, ((uint64_t *)buf.bo.map)[2], 0);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.fault_va, ro + 16);
	EXPECT_EQ(t, query.fault_flags, DRM_SOFTGPU_FAULT_WRITE |
		  DRM_SOFTGPU_FAULT_READONLY);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, ro, SGT_PAGE), 0);
	buffer_destroy(t, &buf);
}

/* A piece of work of several pages: those before the fault are copied. */
static void test_copy_fault(struct test_ctx *t)
{
	const uint64_t dst = DATA_VA + (1 << 20);
	struct drm_softgpu_vm_query query;
	struct buffer a, b;

	BUFFER(t, &a, DATA_VA, 8 * SGT_PAGE, SYSTEM);
	BUFFER(t, &b, dst, 5 * SGT_PAGE, SYSTEM);
	memset(a.bo.map, 0x5a, 8 * SGT_PAGE);
	sgt_copy(&t->stream, dst, DATA_VA, 8 * SGT_PAGE);
	EXPECT_EQ(t, run_stream(t, DRM_SOFTGPU_ENGINE_COPY), -EFAULT);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.faults, 1);
	EXPECT_EQ(t, query.fault_va, dst + 5 * SGT_PAGE);
	EXPECT_EQ(t, query.fault_flags, DRM_SOFTGPU_FAULT_WRITE);
	EXPECT(t, !memcmp(a.bo.map, b.bo.map, 5 * SGT_PAGE));
	buffer_destroy(t, &a);
	buffer_destroy(t, &b);
}

static void test_fault(struct test_ctx *t)
{
	struct drm_softgpu_vm_query query;
	struct buffer buf;

	BUFFER(t, &buf, DATA_VA, 2 * SGT_PAGE, SYSTEM);
	sgt_fill(&t->stream, DATA_VA, 9, 3 * SGT_PAGE);
	EXPECT_EQ(t, run_stream(t, DRM_SOFTGPU_ENGINE_COPY), -EFAULT);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.faults, 1);
	EXPECT_EQ(t, query.fault_va, DATA_VA + 2 * SGT_PAGE);
	EXPECT_EQ(t, query.fault_flags, DRM_SOFTGPU_FAULT_WRITE);
	EXPECT_EQ(t, query.fault_engine, DRM_SOFTGPU_ENGINE_COPY);
	EXPECT_EQ(t, query.fault_job, 1);
	EXPECT_EQ(t, store_at(t, DATA_VA, 10), 0);
	EXPECT_EQ(t, store_at(t, ~7ULL, 10), -EINVAL);
	EXPECT_EQ(t, store_at(t, 1ULL << 48, 10), -EFAULT);
	EXPECT_EQ(t, store_at(t, 0, 10), -EFAULT);
	EXPECT_EQ(t, store_at(t, DATA_VA + 8, 11), 0);
	EXPECT_EQ(t, ((uint64_t *)buf.bo.map)[1], 11);
	buffer_destroy(t, &buf);
}

static void test_arguments(struct test_ctx *t)
{
	const struct {
		struct drm_softgpu_bind_op op;
		int err;
	} bad[] = {
		{ { .op = 3, .va = DATA_VA, .length = SGT_PAGE }, -EINVAL },
		{ { .flags = 2, .va = DATA_VA, .length = SGT_PAGE }, -EINVAL },
		{ { .pad = 1, .va = DATA_VA, .length = SGT_PAGE }, -EINVAL },
		{ { .va = DATA_VA + 1, .length = SGT_PAGE }, -EINVAL },
		{ { .va = DATA_VA, .length = SGT_PAGE - 1 }, -EINVAL },
		{ { .va = DATA_VA, .length = 0 }, -EINVAL },
		{ { .va = 0xf000, .length = SGT_PAGE }, -EINVAL },
		{ { .va = 1ULL << 48, .length = SGT_PAGE }, -EINVAL },
		{ { .va = (1ULL << 48) - SGT_PAGE, .length = 2 * SGT_PAGE },
		  -EINVAL },
		{ { .va = -SGT_PAGE, .length = 2 * SGT_PAGE }, -EINVAL },
		{ { .va = DATA_VA, .length = 3 * SGT_PAGE }, -EINVAL },
		{ { .va = DATA_VA, .length = SGT_PAGE, .offset = 2 * SGT_PAGE },
		  -EINVAL },
		{ { .va = DATA_VA, .length = SGT_PAGE, .offset = -SGT_PAGE },
		  -EINVAL },
		{ { .va = DATA_VA, .length = SGT_PAGE, .offset = 8 }, -EINVAL },
		{ { .va = DATA_VA, .length = SGT_PAGE, .handle = 4321 },
		  -ENOENT },
		{ { .op = DRM_SOFTGPU_BIND_UNMAP, .va = DATA_VA, .flags = 1,
		    .length = SGT_PAGE }, -EINVAL },
		{ { .op = DRM_SOFTGPU_BIND_MAP_NULL, .va = DATA_VA,
		    .offset = SGT_PAGE, .length = SGT_PAGE }, -EINVAL },
	};
	struct drm_softgpu_bind_op ops[2];
	struct drm_softgpu_vm_query query;
	struct sgt_bo bo;
	size_t i;

	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, 2 * SGT_PAGE, SYSTEM), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ops[0] = (struct drm_softgpu_bind_op) {
			.va = DATA_VA,
			.length = SGT_PAGE,
			.handle = bo.handle,
		};
		ops[1] = bad[i].op;
		if (!ops[1].op && !ops[1].handle)
			ops[1].handle = bo.handle;
		EXPECT_EQ(t, sgt_bind_ops(t->fd, t->vm, ops, 2, NULL, 0),
			  bad[i].err);
		EXPECT_EQ(t, lookup(t, DATA_VA).flags,
			  DRM_SOFTGPU_LOOKUP_PTE_MATCH);
	}
	EXPECT_EQ(t, sgt_bind_ops(t->fd, t->vm, ops, 0, NULL, 0), -EINVAL);
	EXPECT_EQ(t, sgt_bind_ops(t->fd, t->vm, NULL, 1, NULL, 0), -EFAULT);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.mappings, 1);
	sgt_bo_destroy(t->fd, &bo);
}

static void test_isolation(struct test_ctx *t)
{
	struct drm_softgpu_vm_query query;
	struct buffer buf;
	uint32_t other_vm;
	int fd;

	BUFFER(t, &buf, DATA_VA, SGT_PAGE, SYSTEM);
	fd = sgt_open(0);
	EXPECT(t, fd >= 0);
	EXPECT_EQ(t, sgt_vm_query(fd, t->vm, &query), -ENOENT);
	EXPECT_EQ(t, sgt_vm_destroy(fd, t->vm), -ENOENT);
	other_vm = sgt_vm_create(fd, 0);
	EXPECT_EQ(t, other_vm, 1);
	EXPECT_EQ(t, sgt_bind(fd, other_vm, buf.bo.handle, 0, SGT_PAGE,
			      DATA_VA, 0), -ENOENT);
	EXPECT_EQ(t, sgt_vm_query(fd, other_vm, &query), 0);
	EXPECT_EQ(t, query.mappings, 0);
	close(fd);
	EXPECT_EQ(t, store_at(t, DATA_VA, 6), 0);
	buffer_destroy(t, &buf);
}

/* ---- random walk ---- */

#define WALK_PAGES	1500
#define WALK_OBJECTS	6
#define WALK_OBJ_PAGES	64
#define WALK_STEPS	600
#define WALK_BASE	(DATA_VA + (1ULL << 21) - 700 * SGT_PAGE)

struct walk {
	struct {
		int object;		/* -1: unmapped, WALK_OBJECTS: null */
		uint32_t page;
		bool readonly;
	} model[WALK_PAGES];
	struct sgt_bo bo[WALK_OBJECTS];
	uint64_t id[WALK_OBJECTS];
	uint64_t random;
};

static struct drm_softgpu_bind_op walk_op(struct walk *w)
{
	struct drm_softgpu_bind_op op = {};
	uint32_t kind = test_random(&w->random) % 8;
	uint32_t start = test_random(&w->random) % WALK_PAGES;
	uint32_t pages = 1 + test_random(&w->random) % 48;
	uint32_t first = test_random(&w->random) % WALK_OBJ_PAGES;
	int object = test_random(&w->random) % WALK_OBJECTS;
	uint32_t i;

	if (kind == 0)
		object = WALK_OBJECTS;
	else if (kind < 4)
		object = -1;
	if (pages > WALK_PAGES - start)
		pages = WALK_PAGES - start;
	if (object >= 0 && pages > WALK_OBJ_PAGES - first)
		pages = WALK_OBJ_PAGES - first;
	op.va = WALK_BASE + start * SGT_PAGE;
	op.length = pages * SGT_PAGE;
	op.op = object < 0 ? DRM_SOFTGPU_BIND_UNMAP :
		object == WALK_OBJECTS ? DRM_SOFTGPU_BIND_MAP_NULL :
					 DRM_SOFTGPU_BIND_MAP;
	if (op.op == DRM_SOFTGPU_BIND_MAP) {
		op.handle = w->bo[object].handle;
		op.offset = first * SGT_PAGE;
		op.flags = kind == 7 ? DRM_SOFTGPU_BIND_READONLY : 0;
	}
	for (i = 0; i < pages; i++) {
		w->model[start + i].object = object;
		w->model[start + i].page = first + i;
		w->model[start + i].readonly = op.flags;
	}
	return op;
}

static bool walk_page_ok(const struct walk *w, uint32_t i,
			 const struct drm_softgpu_lookup *got)
{
	int object = w->model[i].object;
	uint32_t want = DRM_SOFTGPU_LOOKUP_PTE_MATCH;

	if (object >= 0)
		want |= DRM_SOFTGPU_LOOKUP_MAPPED | DRM_SOFTGPU_LOOKUP_PTE;
	if (object == WALK_OBJECTS)
		want |= DRM_SOFTGPU_LOOKUP_NULL | DRM_SOFTGPU_LOOKUP_PTE_NULL;
	if (object >= 0 && w->model[i].readonly)
		want |= DRM_SOFTGPU_LOOKUP_READONLY;
	else if (object >= 0)
		want |= DRM_SOFTGPU_LOOKUP_PTE_WRITE;
	if ((got->flags & ~DRM_SOFTGPU_LOOKUP_PTE_VRAM) != want)
		return false;
	if (object < 0 || object == WALK_OBJECTS)
		return got->object_id == 0;
	return got->object_id == w->id[object] &&
	       got->offset == w->model[i].page * SGT_PAGE;
}

static bool walk_check(struct test_ctx *t, const struct walk *w, int step)
{
	static struct drm_softgpu_lookup got[WALK_PAGES];
	uint32_t i;

	for (i = 0; i < WALK_PAGES; i++)
		got[i] = (struct drm_softgpu_lookup) {
			.va = WALK_BASE + i * SGT_PAGE,
		};
	if (sgt_vm_lookup(t->fd, t->vm, got, WALK_PAGES))
		return false;
	for (i = 0; i < WALK_PAGES; i++) {
		if (walk_page_ok(w, i, &got[i]))
			continue;
		test_fail(t, __func__, __LINE__,
			  "step %d page %u: flags %#x object %llu offset %#llx",
			  step, i, got[i].flags,
			  (unsigned long long)got[i].object_id,
			  (unsigned long long)got[i].offset);
		return false;
	}
	return true;
}

static void test_random_walk(struct test_ctx *t)
{
	static struct walk w;
	struct drm_softgpu_bind_op ops[4];
	struct drm_softgpu_gem_info info;
	uint32_t i, n;
	int step;

	w.random = test_seed * 2 + 1;
	for (i = 0; i < WALK_PAGES; i++)
		w.model[i].object = -1;
	for (i = 0; i < WALK_OBJECTS; i++) {
		EXPECT_EQ(t, sgt_bo_create(t->fd, &w.bo[i],
					   WALK_OBJ_PAGES * SGT_PAGE,
					   i & 1 ? VRAM : SYSTEM), 0);
		EXPECT_EQ(t, sgt_bo_info(t->fd, w.bo[i].handle, &info), 0);
		w.id[i] = info.object_id;
	}
	for (step = 0; step < WALK_STEPS; step++) {
		n = 1 + test_random(&w.random) % 4;
		for (i = 0; i < n; i++)
			ops[i] = walk_op(&w);
		EXPECT_EQ(t, sgt_bind_ops(t->fd, t->vm, ops, n, NULL, 0), 0);
		if (step % 8 == 0 && !walk_check(t, &w, step))
			return;
	}
	walk_check(t, &w, step);
	for (i = 0; i < WALK_OBJECTS; i++)
		sgt_bo_destroy(t->fd, &w.bo[i]);
}

static void test_many(struct test_ctx *t)
{
	static struct drm_softgpu_bind_op ops[4000];
	struct drm_softgpu_vm_query query;
	struct sgt_bo bo;
	uint64_t i;

	EXPECT_EQ(t, sgt_bo_create(t->fd, &bo, 4000 * SGT_PAGE, SYSTEM), 0);
	for (i = 0; i < 4000; i++)
		ops[i] = (struct drm_softgpu_bind_op) {
			.handle = bo.handle,
			.offset = i * SGT_PAGE,
			.va = DATA_VA + (3999 - i) * 2 * SGT_PAGE,
			.length = SGT_PAGE,
		};
	EXPECT_EQ(t, sgt_bind_ops(t->fd, t->vm, ops, 4000, NULL, 0), 0);
	EXPECT_EQ(t, sgt_vm_query(t->fd, t->vm, &query), 0);
	EXPECT_EQ(t, query.mappings, 4001);
	EXPECT_EQ(t, lookup(t, DATA_VA).offset, 3999 * SGT_PAGE);
	EXPECT_EQ(t, sgt_unbind(t->fd, t->vm, DATA_VA, 8000 * SGT_PAGE), 0);
	sgt_bo_destroy(t->fd, &bo);
}

const struct test bind_tests[] = {
	{ "bind-map-unmap", test_map_unmap, false },
	{ "bind-split", test_split, false },
	{ "bind-replace", test_replace, false },
	{ "bind-close-while-mapped", test_close_while_mapped, false },
	{ "bind-null", test_null, false },
	{ "bind-readonly", test_readonly, false },
	{ "bind-fault", test_fault, false },
	{ "bind-copy-fault", test_copy_fault, false },
	{ "bind-arguments", test_arguments, false },
	{ "bind-isolation", test_isolation, false },
	{ "bind-random-walk", test_random_walk, false },
	{ "bind-many", test_many, false },
	{ NULL, NULL, false },
};
