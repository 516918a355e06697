// SPDX-License-Identifier: MIT
/* Cases of VM_CREATE, VM_BIND and VM_DESTROY. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include "gpu_cmd.h"
#include "ut.h"

struct bound {
	struct ut ut;
	struct ut_batch batch;
	struct gpu_cmd cmd;
	unsigned char *memory;	/* 4 pages */
	uint32_t handle;
};

static void bound_open(struct bound *b)
{
	ut_open(&b->ut);
	ut_batch_open(&b->batch, &b->ut, &b->cmd);
	b->memory = ut_pages(4);
	b->handle = ut_create_one(b->ut.fd, b->memory, 4 * UT_PAGE, 0);
}

/* A single operation that must be refused. */
static void refuse_op(struct drm_xen_userptr_bind_op op, int want)
{
	struct bound b;

	bound_open(&b);
	if (op.op == DRM_XEN_USERPTR_BIND_MAP && !op.handle)
		op.handle = b.handle;
	UT_ERRNO(__ut_bind(b.ut.fd, b.ut.vm, &op, 1, NULL), want);
	ut_close(&b.ut);
}

/* One page of the object, at the usual place. */
static struct drm_xen_userptr_bind_op map_op(uint32_t handle)
{
	return (struct drm_xen_userptr_bind_op){
		.op = DRM_XEN_USERPTR_BIND_MAP, .handle = handle,
		.length = UT_PAGE, .gpu_va = UT_GPU_VA,
	};
}

/* That operation with one field changed must be refused. */
#define REFUSE(field, value, want) \
	do { \
		struct drm_xen_userptr_bind_op op = map_op(0); \
		op.field = value; \
		refuse_op(op, want); \
	} while (0)

static void bind_unaligned_address(void)
{
	REFUSE(gpu_va, UT_GPU_VA + 8, -EINVAL);
}

static void bind_unaligned_offset(void)
{
	REFUSE(offset, 8, -EINVAL);
}

static void bind_zero_length(void)
{
	REFUSE(length, 0, -EINVAL);
}

static void bind_beyond_object(void)
{
	REFUSE(offset, 4 * UT_PAGE, -EINVAL);
}

static void bind_wraps_around(void)
{
	REFUSE(length, 0ULL - UT_PAGE, -EINVAL);
}

static void bind_reserved_area(void)
{
	REFUSE(gpu_va, 0, -ERANGE);
}

static void bind_above_range(void)
{
	struct drm_xen_userptr_info info;
	int fd = ut_node_open();

	UT_ERRNO(__ut_info(fd, &info), 0);
	close(fd);
	REFUSE(gpu_va, info.va_end, -ERANGE);
}

static void bind_unknown_handle(void)
{
	REFUSE(handle, 0x7fffffff, -ENOENT);
}

static void bind_unknown_op(void)
{
	REFUSE(op, 77, -EINVAL);
}

static void bind_unknown_flag(void)
{
	REFUSE(flags, 1U << 30, -EINVAL);
}

static void bind_padding(void)
{
	REFUSE(pad, 1, -EINVAL);
}

static void bind_unknown_vm(void)
{
	struct drm_xen_userptr_bind_op op = {
		.op = DRM_XEN_USERPTR_BIND_UNMAP, .length = UT_PAGE, .gpu_va = UT_GPU_VA,
	};
	int fd = ut_node_open();

	UT_ERRNO(__ut_bind(fd, 0x7fffffff, &op, 1, NULL), -ENOENT);
	close(fd);
}

static void bind_readonly_object_writable(void)
{
	struct bound b;
	uint32_t handle;

	bound_open(&b);
	handle = ut_create_one(b.ut.fd, b.memory, UT_PAGE, DRM_XEN_USERPTR_CREATE_READONLY);
	UT_ERRNO(__ut_map(&b.ut, handle, 0, UT_PAGE, UT_GPU_VA, 0), -EACCES);
	UT_ERRNO(__ut_map(&b.ut, handle, 0, UT_PAGE, UT_GPU_VA,
			  DRM_XEN_USERPTR_BIND_READONLY), 0);
	ut_close(&b.ut);
}

/* The third operation is bad: its index is told and the first two did nothing. */
static void bind_all_or_nothing(void)
{
	struct drm_xen_userptr_bind_op ops[3];
	uint32_t error_op = 99;
	struct bound b;

	bound_open(&b);
	ops[0] = ops[1] = ops[2] = map_op(b.handle);
	ops[1].gpu_va += UT_PAGE;
	ops[2].offset = 4 * UT_PAGE;
	UT_ERRNO(__ut_bind(b.ut.fd, b.ut.vm, ops, 3, &error_op), -EINVAL);
	UT_CHECK(error_op == 2, "error_op is %u", error_op);
	gpu_cmd_fill(&b.cmd, UT_GPU_VA, 1, UT_PAGE);
	UT_ERRNO(ut_run(&b.batch, &b.cmd), -EFAULT);
	ut_close(&b.ut);
}

/* A map over the middle of a mapping replaces just that. */
static void bind_replaces_middle(void)
{
	unsigned char *other = ut_pages(1);
	uint32_t handle, value = 0x5a5a5a5a;
	struct bound b;

	bound_open(&b);
	handle = ut_create_one(b.ut.fd, other, UT_PAGE, 0);
	ut_map(&b.ut, b.handle, 4 * UT_PAGE, UT_GPU_VA);
	ut_map(&b.ut, handle, UT_PAGE, UT_GPU_VA + UT_PAGE);
	gpu_cmd_fill(&b.cmd, UT_GPU_VA, value, 4 * UT_PAGE);
	UT_ERRNO(ut_run(&b.batch, &b.cmd), 0);
	UT_CHECK(b.memory[0] == 0x5a && b.memory[2 * UT_PAGE] == 0x5a, "the sides");
	UT_CHECK(b.memory[UT_PAGE] == 0, "the replaced page was written");
	UT_CHECK(other[0] == 0x5a && other[UT_PAGE - 1] == 0x5a, "the new page");
	ut_close(&b.ut);
}

/* An unmap in the middle leaves both sides mapped. */
static void bind_unmap_splits(void)
{
	struct bound b;

	bound_open(&b);
	ut_map(&b.ut, b.handle, 4 * UT_PAGE, UT_GPU_VA);
	UT_ERRNO(__ut_unmap(&b.ut, UT_GPU_VA + UT_PAGE, UT_PAGE), 0);
	gpu_cmd_fill(&b.cmd, UT_GPU_VA, 7, UT_PAGE);
	gpu_cmd_fill(&b.cmd, UT_GPU_VA + 2 * UT_PAGE, 7, 2 * UT_PAGE);
	UT_ERRNO(ut_run(&b.batch, &b.cmd), 0);
	gpu_cmd_begin(&b.cmd, b.batch.memory, UT_PAGE);
	gpu_cmd_fill(&b.cmd, UT_GPU_VA + UT_PAGE, 7, 4);
	UT_ERRNO(ut_run(&b.batch, &b.cmd), -EFAULT);
	UT_CHECK(b.memory[UT_PAGE] == 0, "the unmapped page was written");
	ut_close(&b.ut);
}

static void unmap_nothing(void)
{
	struct ut ut;

	ut_open(&ut);
	UT_ERRNO(__ut_unmap(&ut, UT_GPU_VA, 16 * UT_PAGE), 0);
	ut_close(&ut);
}

/* 300 operations do not fit in one packet. */
static void bind_many(void)
{
	enum { NR = 300 };
	struct drm_xen_userptr_bind_op ops[NR];
	struct bound b;
	unsigned int i;

	bound_open(&b);
	for (i = 0; i < NR; i++) {
		ops[i] = map_op(b.handle);
		ops[i].offset = (i & 3) * UT_PAGE;
		ops[i].gpu_va += i * UT_PAGE;
	}
	UT_ERRNO(__ut_bind(b.ut.fd, b.ut.vm, ops, NR, NULL), 0);
	gpu_cmd_inc(&b.cmd, UT_GPU_VA, 1, NR * UT_PAGE / 4);
	UT_ERRNO(ut_run(&b.batch, &b.cmd), 0);
	for (i = 0; i < 4; i++)
		UT_CHECK(*(uint32_t *)(b.memory + i * UT_PAGE) == NR / 4, "page %u: %u", i,
			 *(uint32_t *)(b.memory + i * UT_PAGE));
	ut_close(&b.ut);
}

static void vm_destroy_unknown(void)
{
	int fd = ut_node_open();

	UT_ERRNO(__ut_vm_destroy(fd, 0x7fffffff), -ENOENT);
	close(fd);
}

/* Another open file does not see the VM. */
static void vm_belongs_to_file(void)
{
	struct ut ut, other;

	ut_open(&ut);
	other.fd = ut_node_open();
	other.vm = ut.vm;
	UT_ERRNO(__ut_unmap(&other, UT_GPU_VA, UT_PAGE), -ENOENT);
	ut_close(&other);
	ut_close(&ut);
}

/* Closing the handle takes the mapping away. */
static void close_unmaps(void)
{
	struct bound b;

	bound_open(&b);
	ut_map(&b.ut, b.handle, 4 * UT_PAGE, UT_GPU_VA);
	ut_destroy(b.ut.fd, b.handle);
	gpu_cmd_fill(&b.cmd, UT_GPU_VA, 7, 4);
	UT_ERRNO(ut_run(&b.batch, &b.cmd), -EFAULT);
	UT_CHECK(b.memory[0] == 0, "memory was written after the handle was closed");
	ut_close(&b.ut);
}

static void refuse_vm(struct drm_xen_userptr_vm_create arg)
{
	struct ut ut;

	ut_open(&ut);
	UT_CHECK(drmIoctl(ut.fd, DRM_IOCTL_XEN_USERPTR_VM_CREATE, &arg) && errno == EINVAL,
		 "flags %u gpu %u pad %u: %s", arg.flags, arg.gpu, arg.pad, strerror(errno));
	ut_close(&ut);
}

static void vm_create_refused(void)
{
	struct drm_xen_userptr_info info;
	struct ut ut;

	ut_open(&ut);
	UT_ERRNO(__ut_info(ut.fd, &info), 0);
	UT_CHECK(info.nr_gpus >= 1 && !info.pad, "%u GPUs", info.nr_gpus);
	ut_close(&ut);
	refuse_vm((struct drm_xen_userptr_vm_create){ .flags = 1 });
	refuse_vm((struct drm_xen_userptr_vm_create){ .pad = 1 });
	refuse_vm((struct drm_xen_userptr_vm_create){ .gpu = UINT32_MAX });
	refuse_vm((struct drm_xen_userptr_vm_create){ .gpu = info.nr_gpus });
}

/* A program that was built before the struct had a GPU. */
static void vm_create_of_old(void)
{
	struct {
		__u32 flags;
		__u32 vm_id;
	} old = { 0 };
	unsigned long request = DRM_IOWR(DRM_COMMAND_BASE + DRM_XEN_USERPTR_VM_CREATE, old);
	struct ut ut;

	ut_open(&ut);
	UT_CHECK(!drmIoctl(ut.fd, request, &old), "VM_CREATE: %s", strerror(errno));
	UT_CHECK(old.vm_id && old.vm_id != ut.vm, "id %u", old.vm_id);
	UT_ERRNO(__ut_vm_destroy(ut.fd, old.vm_id), 0);
	ut_close(&ut);
}

const struct ut_case ut_bind_cases[] = {
	{ "bind_unaligned_address", bind_unaligned_address },
	{ "bind_unaligned_offset", bind_unaligned_offset },
	{ "bind_zero_length", bind_zero_length },
	{ "bind_beyond_object", bind_beyond_object },
	{ "bind_wraps_around", bind_wraps_around },
	{ "bind_reserved_area", bind_reserved_area },
	{ "bind_above_range", bind_above_range },
	{ "bind_unknown_handle", bind_unknown_handle },
	{ "bind_unknown_op", bind_unknown_op },
	{ "bind_unknown_flag", bind_unknown_flag },
	{ "bind_padding", bind_padding },
	{ "bind_unknown_vm", bind_unknown_vm },
	{ "bind_readonly_object_writable", bind_readonly_object_writable },
	{ "bind_all_or_nothing", bind_all_or_nothing },
	{ "bind_replaces_middle", bind_replaces_middle },
	{ "bind_unmap_splits", bind_unmap_splits },
	{ "unmap_nothing", unmap_nothing },
	{ "bind_many", bind_many },
	{ "vm_create_refused", vm_create_refused },
	{ "vm_create_of_old", vm_create_of_old },
	{ "vm_destroy_unknown", vm_destroy_unknown },
	{ "vm_belongs_to_file", vm_belongs_to_file },
	{ "close_unmaps", close_unmaps },
	{ NULL, NULL },
};
