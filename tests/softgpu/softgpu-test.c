// SPDX-License-Identifier: MIT
/*
 * Tests of softgpu from user space: `softgpu-test [NAME-PREFIX...]`. One line
 * per test: "pass NAME", "fail NAME REASON" or "skip NAME REASON"; then the
 * totals. Exit status 0 if nothing failed. Needs root (test switches).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define SETTLE_TRIES	100
#define SETTLE_US	20000

uint64_t test_seed;

/* xorshift64*: small, good enough to choose operations. */
uint32_t test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL) >> 32;
}

void test_fail(struct test_ctx *t, const char *func, int line, const char *fmt,
	       ...)
{
	int n = snprintf(t->why, sizeof(t->why), "%s:%d: ", func, line);
	va_list args;

	va_start(args, fmt);
	vsnprintf(t->why + n, sizeof(t->why) - n, fmt, args);
	va_end(args);
}

bool buffer_create(struct test_ctx *t, struct buffer *buf, uint64_t va,
		   uint64_t size, uint32_t placement)
{
	int err;

	buf->va = va;
	err = sgt_bo_create(t->fd, &buf->bo, size, placement);
	if (!err)
		err = sgt_bo_map(t->fd, &buf->bo);
	if (!err)
		err = sgt_bind(t->fd, t->vm, buf->bo.handle, 0, size, va, 0);
	if (err)
		test_fail(t, __func__, __LINE__, "error %d", err);
	return !err;
}

void buffer_destroy(struct test_ctx *t, struct buffer *buf)
{
	sgt_unbind(t->fd, t->vm, buf->va, buf->bo.size);
	sgt_bo_destroy(t->fd, &buf->bo);
}

int run_stream(struct test_ctx *t, uint32_t engine)
{
	int ret = sgt_run(t->fd, t->vm, engine, &t->stream);

	sgt_stream_reset(&t->stream);
	return ret;
}

static bool same_live(const struct drm_softgpu_counters *a,
		      const struct drm_softgpu_counters *b)
{
	return a->vms == b->vms && a->mappings == b->mappings &&
	       a->imports == b->imports && a->objects == b->objects &&
	       a->pt_pages == b->pt_pages;
}

/* What a closed file leaves behind goes soon, not at once. */
static void check_leaks(struct test_ctx *t, const struct test *test, int fd,
			const struct drm_softgpu_counters *before)
{
	struct drm_softgpu_counters now;
	int tries;

	for (tries = 0; tries < SETTLE_TRIES; tries++) {
		sgt_counters(fd, &now);
		if (same_live(before, &now))
			break;
		usleep(SETTLE_US);
	}
	if (tries == SETTLE_TRIES)
		test_fail(t, __func__, __LINE__,
			  "left: %lld VMs, %lld mappings, %lld imports, %lld objects, %lld table pages",
			  (long long)(now.vms - before->vms),
			  (long long)(now.mappings - before->mappings),
			  (long long)(now.imports - before->imports),
			  (long long)(now.objects - before->objects),
			  (long long)(now.pt_pages - before->pt_pages));
	else if (!test->stale &&
		 now.use_after_invalidate != before->use_after_invalidate)
		test_fail(t, __func__, __LINE__, "use after invalidate");
}

static bool test_setup(struct test_ctx *t)
{
	int vm;

	t->fd = sgt_open(0);
	if (t->fd < 0) {
		test_fail(t, __func__, __LINE__, "no softgpu");
		return false;
	}
	vm = sgt_vm_create(t->fd, 0);
	if (vm < 0) {
		test_fail(t, __func__, __LINE__, "VM_CREATE: %d", vm);
		return false;
	}
	t->vm = vm;
	if (sgt_stream_create(t->fd, t->vm, &t->stream, STREAM_VA,
			      STREAM_SIZE)) {
		test_fail(t, __func__, __LINE__, "no stream");
		return false;
	}
	return true;
}

static struct test_ctx test_run(const struct test *test, int fd)
{
	struct drm_softgpu_counters before;
	struct test_ctx t = { .fd = -1 };

	sgt_counters(fd, &before);
	if (test_setup(&t))
		test->run(&t);
	sgt_switch(fd, DRM_SOFTGPU_SWITCH_ALL, 0);
	if (t.fd >= 0) {
		sgt_bo_destroy(t.fd, &t.stream.bo);
		close(t.fd);
	}
	if (!t.why[0])
		check_leaks(&t, test, fd, &before);
	return t;
}

static bool selected(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strncmp(name, argv[i], strlen(argv[i])) == 0)
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	static const struct test * const suites[] = {
		cmd_tests, bind_tests, sync_tests, mem_tests, control_tests,
		userptr_tests, unplug_tests,
	};
	const char *seed = getenv("SOFTGPU_TEST_SEED");
	unsigned int passed = 0, failed = 0, skipped = 0, s;
	const struct test *test;
	int fd = sgt_open(0);

	setvbuf(stdout, NULL, _IOLBF, 0);
	test_seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	printf("seed %llu\n", (unsigned long long)test_seed);
	if (fd < 0) {
		printf("error softgpu-test no softgpu device\n");
		return 2;
	}
	for (s = 0; s < sizeof(suites) / sizeof(suites[0]); s++) {
		for (test = suites[s]; test->name; test++) {
			struct test_ctx t;

			if (!selected(test->name, argc, argv))
				continue;
			t = test_run(test, fd);
			passed += !t.why[0] && !t.skip;
			failed += !!t.why[0];
			skipped += !t.why[0] && t.skip;
			if (t.why[0])
				printf("fail %s %s\n", test->name, t.why);
			else if (t.skip)
				printf("skip %s %s\n", test->name, t.skip);
			else
				printf("pass %s\n", test->name);
		}
	}
	printf("softgpu-test: %u passed, %u failed, %u skipped\n", passed,
	       failed, skipped);
	close(fd);
	return failed ? 1 : 0;
}
