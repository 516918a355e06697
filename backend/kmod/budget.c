// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How many pages may be mapped: per binding and by the whole host; and the
 * numbers that STATS and sysfs show.
 *
 * Each mapping takes one maptrack entry of this domain, and the block and
 * network backends of all guests take theirs from the same table. When it is
 * empty, disks fail. So the host budget is what the table holds less a
 * reserve. The hypervisor has no call that tells a domain the size of its
 * table: the parameter has to say what gnttab_max_maptrack_frames says.
 * Counters are atomics; no locks.
 */
#include <linux/device.h>
#include <linux/moduleparam.h>
#include <linux/overflow.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "back.h"

/* 16 bytes of maptrack for each mapping. */
#define BACK_MAPPINGS_PER_FRAME	256

static unsigned int maptrack_frames = 1024;
module_param(maptrack_frames, uint, 0444);
MODULE_PARM_DESC(maptrack_frames,
		 "Maptrack frames of this domain, as Xen's gnttab_max_maptrack_frames= (default 1024)");

static unsigned int reserve_pages = 65536;
module_param(reserve_pages, uint, 0444);
MODULE_PARM_DESC(reserve_pages,
		 "Mappings left for the other backends of this domain (default 65536)");

static unsigned int host_pages;
module_param(host_pages, uint, 0644);
MODULE_PARM_DESC(host_pages,
		 "Pages that all guests together may have mapped (default 0: maptrack_frames * 256 - reserve_pages)");

static atomic64_t back_host_mapped;
atomic64_t back_host_objects;
atomic64_t back_host_retiring;
atomic64_t back_host_unmap_failures;
static atomic64_t back_host_hypercalls;
static atomic64_t back_host_bytes;

static u64 back_host_budget(void)
{
	u64 table = (u64)maptrack_frames * BACK_MAPPINGS_PER_FRAME;
	unsigned int fixed = READ_ONCE(host_pages);

	if (fixed)
		return fixed;
	return table > reserve_pages ? table - reserve_pages : 0;
}

static bool back_charge(atomic64_t *used, u32 pages, u64 limit)
{
	s64 old = atomic64_read(used);

	do {
		if ((u64)old + pages > limit)
			return false;
	} while (!atomic64_try_cmpxchg(used, &old, old + pages));
	return true;
}

int back_budget_charge(struct back_binding *binding, u32 pages)
{
	if (!back_charge(&binding->mapped, pages, binding->max_pages))
		return -EDQUOT;
	if (!back_charge(&back_host_mapped, pages, back_host_budget())) {
		atomic64_sub(pages, &binding->mapped);
		return -ENOSPC;
	}
	return 0;
}

void back_budget_uncharge(struct back_binding *binding, u32 pages)
{
	atomic64_sub(pages, &back_host_mapped);
	atomic64_sub(pages, &binding->mapped);
}

int back_slots_charge(struct back_object *object)
{
	struct back_binding *binding = object->binding;
	u64 limit;

	if (check_mul_overflow(binding->max_pages, 2ULL, &limit))
		limit = U64_MAX;
	if (!back_charge(&binding->slots, object->nr, limit))
		return -EDQUOT;
	object->slots = object->nr;
	return 0;
}

void back_slots_uncharge(struct back_object *object)
{
	atomic64_sub(object->slots, &object->binding->slots);
	object->slots = 0;
}

void back_count_hypercall(struct back_binding *binding)
{
	atomic64_inc(&binding->hypercalls);
	atomic64_inc(&back_host_hypercalls);
}

void back_count_bytes(struct back_binding *binding, s64 bytes)
{
	atomic64_add(bytes, &binding->bytes);
	atomic64_add(bytes, &back_host_bytes);
}

int back_stats_ioctl(struct back_binding *binding, void __user *arg)
{
	struct xen_userptr_back_stats stats = {
		.mapped = atomic64_read(&binding->mapped),
		.host_mapped = atomic64_read(&back_host_mapped),
		.host_budget = back_host_budget(),
		.objects = atomic64_read(&binding->objects),
		.hypercalls = atomic64_read(&binding->hypercalls),
		.bytes = atomic64_read(&binding->bytes),
		.armed = atomic64_read(&binding->armed),
		.wants = atomic64_read(&binding->wants_seen),
		.lost = atomic64_read(&binding->lost),
	};

	if (back_binding_check(binding) == -ENOTCONN)
		return -ENOTCONN;
	stats.max_pages = binding->max_pages;
	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

#define BACK_GAUGE(name, value)						\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%llu\n", (u64)(value));			\
}									\
static DEVICE_ATTR_RO(name)

BACK_GAUGE(host_mapped, atomic64_read(&back_host_mapped));
BACK_GAUGE(host_budget, back_host_budget());
BACK_GAUGE(objects, atomic64_read(&back_host_objects));
BACK_GAUGE(retiring, atomic64_read(&back_host_retiring));
BACK_GAUGE(unmap_failures, atomic64_read(&back_host_unmap_failures));
BACK_GAUGE(bindings, back_bindings_count());
BACK_GAUGE(hypercalls, atomic64_read(&back_host_hypercalls));
BACK_GAUGE(mapping_bytes, atomic64_read(&back_host_bytes));
BACK_GAUGE(revocable, back_revocable);

static struct attribute *back_attrs[] = {
	&dev_attr_host_mapped.attr,
	&dev_attr_host_budget.attr,
	&dev_attr_objects.attr,
	&dev_attr_retiring.attr,
	&dev_attr_unmap_failures.attr,
	&dev_attr_bindings.attr,
	&dev_attr_hypercalls.attr,
	&dev_attr_mapping_bytes.attr,
	&dev_attr_revocable.attr,
	NULL,
};

static const struct attribute_group back_attr_group = {
	.attrs = back_attrs,
};

const struct attribute_group *back_sysfs_groups[] = {
	&back_attr_group,
	NULL,
};
