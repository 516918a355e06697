// SPDX-License-Identifier: MIT
/*
 * Prints the counters of a softgpu, one "NAME VALUE" a line; or makes it
 * misbehave.
 *
 * usage: softgpu-counters [NODE]; default: the first render node of softgpu
 *        softgpu-counters [NODE] --switch [NAME]...; all others off
 */
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <xf86drm.h>

#include "drm_node.h"
#include "softgpu_drm.h"

static int first_node_open(void)
{
	int fd = drm_node_open("softgpu", 0);

	if (fd < 0)
		errx(99, "no softgpu");
	return fd;
}

#define COUNTER(name)	{ #name, offsetof(struct drm_softgpu_counters, name) }

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	COUNTER(accesses), COUNTER(faults), COUNTER(tlb_misses), COUNTER(tlb_flushes),
	COUNTER(use_after_invalidate), COUNTER(jobs_submitted), COUNTER(jobs_done),
	COUNTER(jobs_failed), COUNTER(preemptions), COUNTER(stops), COUNTER(evictions),
	COUNTER(vms), COUNTER(mappings), COUNTER(imports), COUNTER(objects),
	COUNTER(pt_pages),
};

static const struct {
	const char *name;
	uint32_t bit;
} switches[] = {
	{ "no-preempt", DRM_SOFTGPU_SWITCH_NO_PREEMPT },
	{ "ignore-kill", DRM_SOFTGPU_SWITCH_IGNORE_KILL },
	{ "fail-copy", DRM_SOFTGPU_SWITCH_FAIL_COPY },
	{ "hang-copy", DRM_SOFTGPU_SWITCH_HANG_COPY },
	{ "slow-stop", DRM_SOFTGPU_SWITCH_SLOW_STOP },
};

static uint32_t switch_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (!strcmp(switches[i].name, name))
			return switches[i].bit;
	errx(99, "no switch '%s'", name);
}

static int switches_set(int fd, char **names)
{
	struct drm_softgpu_switch args = { .mask = DRM_SOFTGPU_SWITCH_ALL };

	for (; *names; names++)
		args.value |= switch_find(*names);
	if (drmIoctl(fd, DRM_IOCTL_SOFTGPU_SWITCH, &args))
		err(99, "SWITCH");
	return 0;
}

static int counters_print(int fd)
{
	struct drm_softgpu_counters values = { 0 };
	size_t i;

	if (drmIoctl(fd, DRM_IOCTL_SOFTGPU_COUNTERS, &values))
		err(99, "COUNTERS");
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		__u64 value;

		memcpy(&value, (char *)&values + counters[i].offset, sizeof(value));
		printf("%s %llu\n", counters[i].name, (unsigned long long)value);
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool is_named = argc > 1 && argv[1][0] == '/';
	char **args = argv + 1 + is_named;
	int fd;

	fd = is_named ? open(argv[1], O_RDWR | O_CLOEXEC) : first_node_open();
	if (fd < 0)
		err(99, "%s", argv[1]);
	if (!*args)
		return counters_print(fd);
	if (strcmp(*args, "--switch"))
		errx(99, "usage: softgpu-counters [NODE] [--switch [NAME]...]");
	return switches_set(fd, args + 1);
}
