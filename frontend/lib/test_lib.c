// SPDX-License-Identifier: MIT
/* libxenuserptr without a kernel: what it hands to the ioctls, and its errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "private.h"

/* One fake call: what came in, what goes back. */
static struct {
	unsigned long request;
	int nr;
	int error;		/* errno to fail with, 0: succeed */
	union {
		struct drm_xen_userptr_create create;
		struct drm_xen_userptr_vm_bind bind;
		struct drm_xen_userptr_exec exec;
		struct drm_xen_userptr_lost lost;
		struct drm_xen_userptr_vm_create vm_create;
	} in;
	uint32_t nr_gpus;	/* what INFO says */
	struct drm_xen_userptr_range ranges[2];
	struct drm_xen_userptr_bind_op ops[2];
	struct drm_xen_userptr_sync syncs[2];
} fake;

static int fail_calloc;		/* fail the nth calloc, 0: none */

int __wrap_drmIoctl(int fd, unsigned long request, void *arg);
void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);

void *__wrap_calloc(size_t nr, size_t size)
{
	if (fail_calloc && !--fail_calloc)
		return NULL;
	return __real_calloc(nr, size);
}

static void take_create(struct drm_xen_userptr_create *create)
{
	fake.in.create = *create;
	memcpy(fake.ranges, (void *)(uintptr_t)create->ranges,
	       create->nr_ranges * sizeof(fake.ranges[0]));
	create->handle = 17;
	create->error_range = 1;
}

static void take_bind(struct drm_xen_userptr_vm_bind *bind)
{
	fake.in.bind = *bind;
	memcpy(fake.ops, (void *)(uintptr_t)bind->ops, bind->nr_ops * sizeof(fake.ops[0]));
	bind->error_op = 1;
}

static void take_exec(const struct drm_xen_userptr_exec *exec)
{
	fake.in.exec = *exec;
	if (exec->nr_syncs)
		memcpy(fake.syncs, (void *)(uintptr_t)exec->syncs,
		       exec->nr_syncs * sizeof(fake.syncs[0]));
}

static void take_lost(struct drm_xen_userptr_lost *lost)
{
	fake.in.lost = *lost;
	lost->offset = 8192;
	lost->length = 4096;
}

static void take_vm_create(struct drm_xen_userptr_vm_create *create)
{
	fake.in.vm_create = *create;
	create->vm_id = 23;
}

int __wrap_drmIoctl(int fd, unsigned long request, void *arg)
{
	assert_int_equal(fd, 42);
	fake.request = request;
	fake.nr++;
	if (request == DRM_IOCTL_XEN_USERPTR_CREATE)
		take_create(arg);
	else if (request == DRM_IOCTL_XEN_USERPTR_VM_BIND)
		take_bind(arg);
	else if (request == DRM_IOCTL_XEN_USERPTR_EXEC)
		take_exec(arg);
	else if (request == DRM_IOCTL_XEN_USERPTR_LOST)
		take_lost(arg);
	else if (request == DRM_IOCTL_XEN_USERPTR_VM_CREATE)
		take_vm_create(arg);
	else if (request == DRM_IOCTL_XEN_USERPTR_INFO)
		((struct drm_xen_userptr_info *)arg)->nr_gpus = fake.nr_gpus;
	errno = fake.error;
	return fake.error ? -1 : 0;
}

static struct xuptr_device device = { .fd = 42 };

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fail_calloc = 0;
	return 0;
}

static void vm_create_passes_the_gpu(void **state)
{
	uint32_t vm = 5;

	(void)state;
	assert_int_equal(xuptr_vm_create_on(&device, 3, &vm), 0);
	assert_int_equal(vm, 23);
	assert_int_equal(fake.in.vm_create.gpu, 3);
	assert_int_equal(xuptr_vm_create(&device, &vm), 0);
	assert_int_equal(fake.in.vm_create.gpu, 0);
	fake.error = EINVAL;
	vm = 5;
	assert_int_equal(xuptr_vm_create_on(&device, 4, &vm), -EINVAL);
	assert_int_equal(vm, 5);
}

/* A driver that does not say how many has one. */
static void info_counts_gpus(void **state)
{
	struct xuptr_info info;

	(void)state;
	assert_int_equal(xuptr_get_info(&device, &info, sizeof(info)), 0);
	assert_int_equal(info.nr_gpus, 1);
	fake.nr_gpus = 2;
	assert_int_equal(xuptr_get_info(&device, &info, sizeof(info)), 0);
	assert_int_equal(info.nr_gpus, 2);
}

/* Programs that know fewer members, and more. */
static void info_of_any_size(void **state)
{
	struct {
		struct xuptr_info info;
		uint64_t later;
	} newer, older;
	const size_t size = offsetof(struct xuptr_info, nr_gpus);

	(void)state;
	fake.nr_gpus = 2;
	memset(&newer, 0xff, sizeof(newer));
	assert_int_equal(xuptr_get_info(&device, &newer.info, sizeof(newer)), 0);
	assert_int_equal(newer.info.nr_gpus, 2);
	assert_int_equal(newer.later, 0);
	memset(&older, 0xff, sizeof(older));
	assert_int_equal(xuptr_get_info(&device, &older.info, size), 0);
	assert_memory_equal(&older, &newer, size);
	assert_int_equal(older.info.nr_gpus, UINT32_MAX);
	fake.error = ENODEV;
	assert_int_equal(xuptr_get_info(&device, &newer.info, sizeof(newer)), -ENODEV);
	assert_int_equal(newer.info.nr_gpus, 2);
}

static void register_passes_ranges(void **state)
{
	struct xuptr_range ranges[2] = { { (void *)0x1000, 4096 }, { (void *)0x9000, 8192 } };
	uint32_t object = 0;

	(void)state;
	assert_int_equal(xuptr_register(&device, ranges, 2, XUPTR_READONLY, &object, NULL), 0);
	assert_int_equal(object, 17);
	assert_int_equal(fake.in.create.flags, DRM_XEN_USERPTR_CREATE_READONLY);
	assert_int_equal(fake.ranges[1].addr, 0x9000);
	assert_int_equal(fake.ranges[1].length, 8192);
}

static void register_reports_the_range(void **state)
{
	struct xuptr_range ranges[2] = { { (void *)0x1000, 4096 }, { (void *)0x9000, 8192 } };
	uint32_t object = 3, range = 9;

	(void)state;
	fake.error = EFAULT;
	assert_int_equal(xuptr_register(&device, ranges, 2, 0, &object, &range), -EFAULT);
	assert_int_equal(object, 3);
	assert_int_equal(range, 1);
}

static void register_nothing(void **state)
{
	uint32_t object;

	(void)state;
	assert_int_equal(xuptr_register(&device, NULL, 0, 0, &object, NULL), -EINVAL);
	assert_int_equal(fake.nr, 0);
}

static void map_is_one_op(void **state)
{
	(void)state;
	assert_int_equal(xuptr_map(&device, 5, 17, 4096, 8192, 0x100000, XUPTR_READONLY), 0);
	assert_int_equal(fake.in.bind.vm_id, 5);
	assert_int_equal(fake.in.bind.nr_ops, 1);
	assert_int_equal(fake.ops[0].op, DRM_XEN_USERPTR_BIND_MAP);
	assert_int_equal(fake.ops[0].flags, DRM_XEN_USERPTR_BIND_READONLY);
	assert_int_equal(fake.ops[0].offset, 4096);
	assert_int_equal(fake.ops[0].pad, 0);
}

static void unmap_names_no_object(void **state)
{
	(void)state;
	assert_int_equal(xuptr_unmap(&device, 5, 0x100000, 8192), 0);
	assert_int_equal(fake.ops[0].op, DRM_XEN_USERPTR_BIND_UNMAP);
	assert_int_equal(fake.ops[0].handle, 0);
	assert_int_equal(fake.ops[0].length, 8192);
}

static void exec_passes_syncs(void **state)
{
	struct xuptr_sync syncs[2] = { { .syncobj = 3 }, { .syncobj = 4, .signal = 1, .point = 9 } };

	(void)state;
	assert_int_equal(xuptr_exec(&device, 5, 1, 0x2000, 64, syncs, 2), 0);
	assert_int_equal(fake.in.exec.engine, 1);
	assert_int_equal(fake.syncs[0].flags, 0);
	assert_int_equal(fake.syncs[1].flags,
			 DRM_XEN_USERPTR_SYNC_SIGNAL | DRM_XEN_USERPTR_SYNC_TIMELINE);
	assert_int_equal(fake.syncs[1].point, 9);
}

/* Each allocation fails in turn: -ENOMEM, no call made, nothing leaked. */
static void allocations_fail(void **state)
{
	struct xuptr_range range = { (void *)0x1000, 4096 };
	struct xuptr_sync sync = { .syncobj = 3 };
	struct xuptr_bind op = { .op = XUPTR_OP_UNMAP, .length = 4096 };
	uint32_t object;

	(void)state;
	fail_calloc = 1;
	assert_int_equal(xuptr_register(&device, &range, 1, 0, &object, NULL), -ENOMEM);
	fail_calloc = 1;
	assert_int_equal(xuptr_exec(&device, 5, 0, 0, 64, &sync, 1), -ENOMEM);
	fail_calloc = 1;
	assert_int_equal(xuptr_bind(&device, 5, &op, 1, &sync, 1, NULL), -ENOMEM);
	fail_calloc = 2;
	assert_int_equal(xuptr_bind(&device, 5, &op, 1, &sync, 1, NULL), -ENOMEM);
	assert_int_equal(fake.nr, 0);
}

static void lost_next_looks_from_the_offset(void **state)
{
	uint64_t offset = 4096, length = 1;

	(void)state;
	assert_int_equal(xuptr_lost_next(&device, 17, &offset, &length), 0);
	assert_int_equal(fake.in.lost.handle, 17);
	assert_int_equal(fake.in.lost.offset, 4096);
	assert_int_equal(fake.in.lost.pad, 0);
	assert_int_equal(offset, 8192);
	assert_int_equal(length, 4096);
	fake.error = ENODEV;
	offset = 0;
	assert_int_equal(xuptr_lost_next(&device, 17, &offset, &length), -ENODEV);
	assert_int_equal(offset, 0);
	assert_int_equal(length, 4096);
}

/* A pipe stands in for the render node. */
static void lost_read_gives_what_is_there(void **state)
{
	const struct drm_xen_userptr_event_lost event = {
		.base = { DRM_XEN_USERPTR_EVENT_LOST, sizeof(event) },
		.handle = 17, .flags = DRM_XEN_USERPTR_LOST_MISSED,
		.offset = 4096, .length = 8192,
	};
	const struct drm_event other = { 1, sizeof(other) };
	struct xuptr_lost lost = { 0 };
	struct xuptr_device node;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	node.fd = ends[0];
	assert_int_equal(xuptr_lost_read(&node, 0, &lost), -ETIMEDOUT);
	assert_int_equal(xuptr_lost_read(&node, 1000000, &lost), -ETIMEDOUT);
	assert_int_equal(write(ends[1], &event, sizeof(event)), sizeof(event));
	assert_int_equal(xuptr_lost_read(&node, -1, &lost), 0);
	assert_int_equal(lost.object, 17);
	assert_int_equal(lost.flags, XUPTR_LOST_MISSED);
	assert_int_equal(lost.offset, 4096);
	assert_int_equal(lost.length, 8192);
	assert_int_equal(write(ends[1], &other, sizeof(other)), sizeof(other));
	assert_int_equal(xuptr_lost_read(&node, 0, &lost), -EPROTO);
	close(ends[1]);
	close(ends[0]);
}

static void lost_signal_sets_the_descriptor_up(void **state)
{
	struct xuptr_device node;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	node.fd = ends[0];
	assert_int_equal(xuptr_lost_signal(&node, SIGUSR1), 0);
	assert_int_equal(fcntl(node.fd, F_GETOWN), getpid());
	assert_int_equal(fcntl(node.fd, F_GETSIG), SIGUSR1);
	assert_true(fcntl(node.fd, F_GETFL) & O_ASYNC);
	assert_int_equal(xuptr_lost_signal(&node, 0), 0);
	assert_false(fcntl(node.fd, F_GETFL) & O_ASYNC);
	assert_int_equal(xuptr_lost_signal(&node, 10000), -EINVAL);
	close(ends[1]);
	close(ends[0]);
	assert_int_equal(xuptr_lost_signal(&node, SIGUSR1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(vm_create_passes_the_gpu, setup),
		cmocka_unit_test_setup(info_counts_gpus, setup),
		cmocka_unit_test_setup(info_of_any_size, setup),
		cmocka_unit_test_setup(register_passes_ranges, setup),
		cmocka_unit_test_setup(register_reports_the_range, setup),
		cmocka_unit_test_setup(register_nothing, setup),
		cmocka_unit_test_setup(map_is_one_op, setup),
		cmocka_unit_test_setup(unmap_names_no_object, setup),
		cmocka_unit_test_setup(exec_passes_syncs, setup),
		cmocka_unit_test_setup(allocations_fail, setup),
		cmocka_unit_test_setup(lost_next_looks_from_the_offset, setup),
		cmocka_unit_test_setup(lost_read_gives_what_is_there, setup),
		cmocka_unit_test_setup(lost_signal_sets_the_descriptor_up, setup),
	};

	return cmocka_run_group_tests_name("libxenuserptr", tests, NULL, NULL);
}
