// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * sysfs.c: counters in the directory "userptr" of the xenbus device.
 *
 * One number per file. Values are read without locks and may be a moment
 * apart.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "xen_userptr.h"

static ssize_t emit_stat(struct device *dev, char *buf, enum xu_stat stat)
{
	struct xu_device *xd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%lld\n", atomic64_read(&xd->stat[stat]));
}

#define STAT_ATTR(name, stat)						\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	return emit_stat(dev, buf, stat);				\
}									\
static DEVICE_ATTR_RO(name)

STAT_ATTR(requests, XU_STAT_REQUESTS);
STAT_ATTR(notifications, XU_STAT_NOTIFICATIONS);
STAT_ATTR(interrupts, XU_STAT_INTERRUPTS);
STAT_ATTR(spurious_interrupts, XU_STAT_SPURIOUS);
STAT_ATTR(jobs, XU_STAT_JOBS);
STAT_ATTR(job_errors, XU_STAT_JOB_ERRORS);
STAT_ATTR(gpu_resets, XU_STAT_GPU_RESETS);
STAT_ATTR(lost_pages, XU_STAT_LOST_PAGES);
STAT_ATTR(notifier_calls, XU_STAT_NOTIFIER_CALLS);
STAT_ATTR(notifier_ns, XU_STAT_NOTIFIER_NS);

static ssize_t pages_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct xu_device *xd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%ld\n", atomic_long_read(&xd->nr_pages));
}
static DEVICE_ATTR_RO(pages);

static ssize_t objects_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct xu_device *xd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&xd->nr_objects));
}
static DEVICE_ATTR_RO(objects);

static ssize_t grants_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct xu_device *xd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%ld\n",
			  atomic_long_read(&xd->grants.nr_grefs));
}
static DEVICE_ATTR_RO(grants);

/* Ever; a gref of a page that two objects share counts once. */
static ssize_t opted_in_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct xu_device *xd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%lld\n",
			  atomic64_read(&xd->grants.nr_opted_in));
}
static DEVICE_ATTR_RO(opted_in);

static ssize_t scrubbed_pages_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	struct xu_device *xd = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%lld\n",
			  atomic64_read(&xd->grants.nr_scrubbed));
}
static DEVICE_ATTR_RO(scrubbed_pages);

/* Of all devices and users together. */
static ssize_t releasing_pages_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%ld\n", xu_releasing_pages());
}
static DEVICE_ATTR_RO(releasing_pages);

static ssize_t quarantined_pages_show(struct device *dev,
				      struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%ld\n", xu_quarantine_pages());
}
static DEVICE_ATTR_RO(quarantined_pages);

static struct attribute *xu_attrs[] = {
	&dev_attr_requests.attr,
	&dev_attr_notifications.attr,
	&dev_attr_interrupts.attr,
	&dev_attr_spurious_interrupts.attr,
	&dev_attr_jobs.attr,
	&dev_attr_job_errors.attr,
	&dev_attr_gpu_resets.attr,
	&dev_attr_lost_pages.attr,
	&dev_attr_notifier_calls.attr,
	&dev_attr_notifier_ns.attr,
	&dev_attr_pages.attr,
	&dev_attr_objects.attr,
	&dev_attr_grants.attr,
	&dev_attr_opted_in.attr,
	&dev_attr_scrubbed_pages.attr,
	&dev_attr_releasing_pages.attr,
	&dev_attr_quarantined_pages.attr,
	NULL
};

static const struct attribute_group xu_group = {
	.name = "userptr",
	.attrs = xu_attrs,
};

const struct attribute_group *xu_sysfs_groups[] = {
	&xu_group,
	NULL
};
