// SPDX-License-Identifier: MIT
/*
 * Chooses the adapter of a GPU by its DRM driver name, and the GPU by the text
 * in the device's xenstore node. Called by the broker.
 */
#include "gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#define GPU_MAX_DEVICES	64

static const struct gpu_ops *const gpu_all_ops[] = {
	&gpu_softgpu,
};

const struct gpu_ops *gpu_find_ops(const char *driver)
{
	size_t i;

	for (i = 0; i < sizeof(gpu_all_ops) / sizeof(gpu_all_ops[0]); i++)
		if (!strcmp(gpu_all_ops[i]->driver, driver))
			return gpu_all_ops[i];
	return NULL;
}

/* Returns a descriptor if the node's driver has an adapter. */
static int gpu_open_node(const char *path, const struct gpu_ops **ops)
{
	drmVersionPtr version;
	int node;

	node = open(path, O_RDWR | O_CLOEXEC);
	if (node < 0)
		return -errno;
	version = drmGetVersion(node);
	*ops = version ? gpu_find_ops(version->name) : NULL;
	drmFreeVersion(version);
	if (*ops)
		return node;
	close(node);
	return -EOPNOTSUPP;
}

static bool gpu_has_address(drmDevicePtr device, const char *key)
{
	char address[32];

	if (device->bustype != DRM_BUS_PCI)
		return false;
	snprintf(address, sizeof(address), "%04x:%02x:%02x.%u",
		 device->businfo.pci->domain, device->businfo.pci->bus,
		 device->businfo.pci->dev, device->businfo.pci->func);
	return !strcmp(address, key);
}

/* The first device that fits; the last error tells why the others did not. */
static int gpu_scan(drmDevicePtr *devices, int nr, const char *key,
		    char *path, size_t size, const struct gpu_ops **ops)
{
	int i, ret = -ENOENT;

	for (i = 0; i < nr; i++) {
		if (!(devices[i]->available_nodes & (1 << DRM_NODE_RENDER)))
			continue;
		if (*key && !gpu_has_address(devices[i], key))
			continue;
		snprintf(path, size, "%s", devices[i]->nodes[DRM_NODE_RENDER]);
		ret = gpu_open_node(path, ops);
		if (ret >= 0)
			break;
	}
	return ret;
}

int gpu_select(const char *key, char *path, size_t size,
	       const struct gpu_ops **ops)
{
	drmDevicePtr devices[GPU_MAX_DEVICES];
	int nr, ret;

	if (key[0] == '/') {
		if (strncmp(key, "/dev/dri/", 9) || strstr(key, "..") ||
		    strlen(key) >= size)
			return -ENOENT;
		snprintf(path, size, "%s", key);
		return gpu_open_node(path, ops);
	}
	nr = drmGetDevices2(0, devices, GPU_MAX_DEVICES);
	if (nr < 0)
		return nr;
	ret = gpu_scan(devices, nr, key, path, size, ops);
	drmFreeDevices(devices, nr);
	return ret;
}

static bool gpu_is_like(const struct core_gpu *a, const struct core_gpu *b)
{
	return a->va_start == b->va_start && a->va_end == b->va_end &&
	       a->page_sizes == b->page_sizes && a->features == b->features &&
	       a->nr_engines == b->nr_engines && a->va_bits == b->va_bits;
}

static bool gpu_can_like(const struct gpu_caps *a, const struct gpu_caps *b)
{
	return a->max_bind_ops == b->max_bind_ops &&
	       a->preempt == b->preempt && a->kill == b->kill &&
	       a->vram_page == b->vram_page;
}

int gpu_compare(const struct gpu_ops *ops, int node, int other)
{
	struct gpu_caps caps[2] = { { 0 }, { 0 } };
	struct core_gpu gpu[2];
	int ret;

	ret = ops->info(node, &gpu[0], &caps[0]);
	if (!ret)
		ret = ops->info(other, &gpu[1], &caps[1]);
	if (ret)
		return ret;
	return gpu_is_like(&gpu[0], &gpu[1]) &&
	       gpu_can_like(&caps[0], &caps[1]) ? 0 : -EXDEV;
}

uint32_t gpu_job_status(int error)
{
	switch (error) {
	case 0:
		return XENUSERPTR_STATUS_OK;
	case -EFAULT:
		return XENUSERPTR_STATUS_GPU_FAULT;
	case -ETIME:
	case -ETIMEDOUT:
		return XENUSERPTR_STATUS_GPU_HANG;
	case -ECANCELED:
		return XENUSERPTR_STATUS_CANCELED;
	default:
		return XENUSERPTR_STATUS_IO;
	}
}
