// SPDX-License-Identifier: MIT
/* The recorder of the engine's events: what the file says, and when it is full. */
#include "cm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recorder.h"

#define ROOM	3U

static const struct mig_limits limits = {
	.max_pages = 1024, .max_objects = 4, .max_asks = 8, .hash_seed = 7,
};

static uint8_t file[(2 + ROOM) * MIG_TRACE];

static int file_make(size_t size)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void file_read(int fd, struct mig_trace_head *head)
{
	assert_int_equal(pread(fd, file, sizeof(file), 0), sizeof(file));
	assert_int_equal(mig_trace_head_decode(file, head), 0);
}

static void says_what_it_was_told(void **state)
{
	const struct mig_event wish = { .type = MIG_EV_MOVE, .obj = 3, .nr = 9,
					.now = 5 };
	const struct mig_op op = { .type = MIG_OP_ALLOC, .nr = 9 };
	struct mig_settings settings = mig_settings_default, again;
	struct recorder recorder = { 0 };
	struct mig_trace_head head;
	struct mig_event ev;
	int fd = file_make(sizeof(file));

	(void)state;
	settings.kill_ms = 77;
	assert_int_equal(recorder_init(&recorder, fd, &limits, &settings), 0);
	file_read(fd, &head);
	assert_int_equal(head.events, 0);
	assert_int_equal(head.limits.max_objects, limits.max_objects);
	assert_int_equal(head.limits.hash_seed, 0);
	assert_int_equal(mig_trace_decode(file + MIG_TRACE, &ev, &again), 0);
	assert_int_equal(again.kill_ms, 77);
	recorder_event(&recorder, &wish);
	recorder_ops(&recorder, &op, 1);
	recorder_event(&recorder, NULL);
	file_read(fd, &head);
	assert_int_equal(head.events, 1);
	assert_int_equal(head.ops, 1);
	assert_true(head.hash != MIG_TRACE_HASH);
	assert_int_equal(mig_trace_decode(file + 2 * MIG_TRACE, &ev, NULL), 0);
	assert_int_equal(ev.type, MIG_EV_MOVE);
	assert_int_equal(ev.obj, 3);
	assert_int_equal(ev.now, 5);
	munmap(recorder.record, sizeof(file));
	close(fd);
}

/* What no longer fits is counted, and ops after it are not hashed. */
static void full(void **state)
{
	const struct mig_event ev = { .type = MIG_EV_TIME };
	const struct mig_op op = { .type = MIG_OP_FREE };
	struct recorder recorder = { 0 };
	struct mig_trace_head head;
	int fd = file_make(sizeof(file));
	unsigned int i;

	(void)state;
	assert_int_equal(recorder_init(&recorder, fd, &limits,
				       &mig_settings_default), 0);
	for (i = 0; i < ROOM + 2; i++) {
		recorder_event(&recorder, &ev);
		recorder_ops(&recorder, &op, 1);
	}
	file_read(fd, &head);
	assert_int_equal(head.events, ROOM);
	assert_int_equal(head.dropped, 2);
	assert_int_equal(head.ops, ROOM);
	munmap(recorder.record, sizeof(file));
	close(fd);
}

static void nothing_to_record_into(void **state)
{
	const struct mig_event ev = { .type = MIG_EV_TIME };
	const struct mig_op op = { .type = MIG_OP_FREE };
	struct recorder recorder = { 0 };
	struct mig_trace_head head;
	int fd = file_make(2 * MIG_TRACE);

	(void)state;
	assert_int_equal(recorder_init(&recorder, fd, &limits,
				       &mig_settings_default), -EINVAL);
	assert_int_equal(recorder_init(&recorder, -1, &limits,
				       &mig_settings_default), -EBADF);
	recorder_event(&recorder, &ev);
	recorder_ops(&recorder, &op, 1);
	memset(file, 0, sizeof(file));
	assert_int_equal(mig_trace_head_decode(file, &head), -EINVAL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_it_was_told),
		cmocka_unit_test(full),
		cmocka_unit_test(nothing_to_record_into),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
