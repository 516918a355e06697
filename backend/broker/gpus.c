// SPDX-License-Identifier: MIT
/*
 * The GPUs of a device: those that its configuration names, each once and all
 * with the same adapter. What else they must have in common the worker looks
 * at. Only files of these are ever opened for it.
 */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpu.h"

/* Is it one that was chosen before, by whatever name? When in doubt, yes. */
static bool gpus_has(const struct device *device, unsigned int nr, int node)
{
	struct stat one, other;
	unsigned int i;

	if (fstat(node, &one))
		return true;
	for (i = 0; i < nr; i++)
		if (stat(device->gpu_path[i], &other) ||
		    one.st_rdev == other.st_rdev)
			return true;
	return false;
}

/* One more; @ops: (in/out) the adapter of those before, or NULL. */
static int gpus_select_one(struct device *device, unsigned int index,
			   const struct gpu_ops **ops, const char **why)
{
	const struct gpu_ops *first = *ops;
	int node;

	*why = "GPU";
	node = gpu_select(device->config.gpus.key[index],
			  device->gpu_path[index],
			  sizeof(device->gpu_path[index]), ops);
	if (node < 0)
		return node;
	if (gpus_has(device, index, node)) {
		*why = "a GPU is named twice";
		close(node);
		return -EEXIST;
	}
	if (first && first != *ops) {
		*why = "the GPUs have different drivers";
		close(node);
		return -EXDEV;
	}
	return node;
}

int gpus_select(struct device *device, const char **why)
{
	const struct gpu_ops *ops = NULL;
	int node, first = -ENOENT;
	unsigned int i;

	for (i = 0; i < device->config.gpus.nr; i++) {
		node = gpus_select_one(device, i, &ops, why);
		if (node < 0)
			goto err_close;
		if (!i)
			first = node;
		else
			close(node);
	}
	snprintf(device->gpu_driver, sizeof(device->gpu_driver), "%s",
		 ops->driver);
	return first;

err_close:
	if (i)
		close(first);
	return node;
}

int gpus_open(const struct device *device, uint32_t untrusted_gpu)
{
	int node;

	if (untrusted_gpu >= device->config.gpus.nr)
		return -ENODEV;
	node = open(device->gpu_path[untrusted_gpu], O_RDWR | O_CLOEXEC);
	return node < 0 ? -errno : node;
}
