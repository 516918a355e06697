/* SPDX-License-Identifier: MIT */
/*
 * The frame of softgpu-test: a test is a function that gets a fresh open file,
 * one VM and one command stream, and gives up with EXPECT() at the first thing
 * that is wrong. After each test the device's counters of live things must be
 * back to what they were, and no use after invalidate may have happened.
 */
#ifndef SOFTGPU_TEST_H
#define SOFTGPU_TEST_H

#include "sgt.h"

#define STREAM_VA	0x10000000ULL
#define STREAM_SIZE	(16 * SGT_PAGE)
#define DATA_VA		0x100000000ULL
/* For what must happen, however slow the machine. */
#define LONG		(30 * SGT_SECOND)

struct test_ctx {
	int fd;
	uint32_t vm;
	struct sgt_stream stream;
	const char *skip;	/* set: the test could not run, and why */
	char why[256];		/* set: the test failed */
};

struct test {
	const char *name;
	void (*run)(struct test_ctx *t);
	bool stale;		/* provokes uses after invalidate */
};

extern const struct test cmd_tests[], bind_tests[], sync_tests[], mem_tests[],
	control_tests[], userptr_tests[], unplug_tests[];

void test_fail(struct test_ctx *t, const char *func, int line, const char *fmt,
	       ...) __attribute__((format(printf, 4, 5)));

#define EXPECT(t, cond) do {						\
	if (!(cond)) {							\
		test_fail(t, __func__, __LINE__, "%s", #cond);		\
		return;							\
	}								\
} while (0)

/* Compares integers and prints both. */
#define EXPECT_EQ(t, a, b) do {						\
	long long a_ = (long long)(a), b_ = (long long)(b);		\
	if (a_ != b_) {							\
		test_fail(t, __func__, __LINE__, "%s is %lld, not %lld",\
			  #a, a_, b_);					\
		return;							\
	}								\
} while (0)

#define SKIP(t, reason) do { (t)->skip = (reason); return; } while (0)

/* The seed of this run; printed, and set by SOFTGPU_TEST_SEED. */
extern uint64_t test_seed;
uint32_t test_random(uint64_t *state);

/*
 * An object with CPU mapping, bound at va, or a failed test. Freed with
 * buffer_destroy(); the file's end frees it as well.
 */
struct buffer {
	struct sgt_bo bo;
	uint64_t va;
};

bool buffer_create(struct test_ctx *t, struct buffer *buf, uint64_t va,
		   uint64_t size, uint32_t placement);
void buffer_destroy(struct test_ctx *t, struct buffer *buf);

#define BUFFER(t, buf, va, size, placement) do {			\
	if (!buffer_create(t, buf, va, size, placement))		\
		return;							\
} while (0)

/* Runs what is in t->stream on the engine and empties the stream. */
int run_stream(struct test_ctx *t, uint32_t engine);

#endif /* SOFTGPU_TEST_H */
