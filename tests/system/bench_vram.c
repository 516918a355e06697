// SPDX-License-Identifier: MIT
/*
 * bench-vram: how long the CPU takes to copy memory into VRAM of softgpu and
 * back, the floor for moving it there.
 *
 * usage: bench-vram MIB
 *
 * Prints seconds for each direction: "sample memcpy_out S", "sample memcpy_home S".
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xf86drm.h>

#include "program.h"
#include "softgpu_drm.h"

static void *vram_map(int fd, size_t octets)
{
	struct drm_softgpu_gem_create create = {
		.size = octets,
		.placement = DRM_SOFTGPU_PLACE_VRAM | DRM_SOFTGPU_PLACE_PINNED,
	};
	struct drm_softgpu_gem_mmap_offset offset = { 0 };
	void *vram;

	if (drmIoctl(fd, DRM_IOCTL_SOFTGPU_GEM_CREATE, &create))
		err(99, "GEM_CREATE");
	offset.handle = create.handle;
	if (drmIoctl(fd, DRM_IOCTL_SOFTGPU_GEM_MMAP_OFFSET, &offset))
		err(99, "GEM_MMAP_OFFSET");
	vram = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset.offset);
	if (vram == MAP_FAILED)
		err(99, "mmap");
	return vram;
}

int main(int argc, char **argv)
{
	size_t octets = argc == 2 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	int fd = drmOpenWithType("softgpu", NULL, DRM_NODE_RENDER);
	void *ram = octets ? malloc(octets) : NULL, *vram;
	double start;

	if (!ram || fd < 0)
		errx(99, "usage: bench-vram MIB, where there is a softgpu");
	vram = vram_map(fd, octets);
	memset(ram, 1, octets);
	memset(vram, 1, octets);	/* no page faults below */
	start = now();
	memcpy(vram, ram, octets);
	printf("sample memcpy_out %.6f\n", now() - start);
	start = now();
	memcpy(ram, vram, octets);
	printf("sample memcpy_home %.6f\n", now() - start);
	return 0;
}
