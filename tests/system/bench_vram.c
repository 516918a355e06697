// SPDX-License-Identifier: MIT
/*
 * bench-vram: how long it takes to copy memory into VRAM of softgpu and back,
 * the floor for moving it there: by the CPU, and by the GPU's copy engine alone.
 *
 * usage: bench-vram MIB | bench-vram job PAGES
 *
 * Prints seconds for each direction: "sample memcpy_out S", "sample memcpy_home S",
 * "sample engine_out S", "sample engine_home S". job: "sample job_native NS" and, of
 * that, "sample job_native_engine NS" in which the GPU worked, for one that changes so many
 * pages of VRAM, the same as bench-touch's.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sgt.h"

#define VA_COMMANDS	(UINT64_C(1) << 30)
#define VA_RAM		(UINT64_C(2) << 30)
#define VA_VRAM		(UINT64_C(3) << 30)
#define JOB_ROUNDS	32	/* as bench-touch's */

static double now(void) { return (double)sgt_now_ns() * 1e-9; }

static void need(int ret, const char *what)
{
	if (ret < 0)
		errx(99, "%s: %s", what, strerror(-ret));
}

static struct sgt_bo buffer(int fd, size_t octets, uint32_t placement)
{
	struct sgt_bo bo;

	need(sgt_bo_create(fd, &bo, octets, placement), "GEM_CREATE");
	need(sgt_bo_map(fd, &bo), "mmap");
	memset(bo.map, 1, octets);	/* no page faults later */
	return bo;
}

static void cpu_copy(const char *name, void *to, const void *from, size_t octets)
{
	double start = now();

	memcpy(to, from, octets);
	printf("sample memcpy_%s %.6f\n", name, now() - start);
}

static void gpu_copy(int fd, uint32_t vm, struct sgt_stream *stream, const char *name, uint64_t to,
		     uint64_t from, size_t octets)
{
	double start;

	sgt_stream_reset(stream);
	sgt_copy(stream, to, from, octets);
	start = now();
	need(sgt_run(fd, vm, DRM_SOFTGPU_ENGINE_COPY, stream), "copy");
	printf("sample engine_%s %.6f\n", name, now() - start);
}

static void copies(int fd, uint32_t vm, struct sgt_stream *stream, const struct sgt_bo *vram,
		   size_t octets)
{
	struct sgt_bo ram = buffer(fd, octets, DRM_SOFTGPU_PLACE_SYSTEM);

	need(sgt_bind(fd, vm, ram.handle, 0, octets, VA_RAM, 0), "VM_BIND");
	cpu_copy("out", vram->map, ram.map, octets);
	cpu_copy("home", ram.map, vram->map, octets);
	gpu_copy(fd, vm, stream, "out", VA_VRAM, VA_RAM, octets);
	gpu_copy(fd, vm, stream, "home", VA_RAM, VA_VRAM, octets);
}

/* How long the compute engine has worked for the file. */
static unsigned long long engine_ns(int fd)
{
	unsigned long long ns = 0;
	char path[64], line[128];
	bool found = false;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	while (info && !found && fgets(line, sizeof(line), info))
		found = sscanf(line, "drm-engine-compute: %llu ns", &ns) == 1;
	if (!found)
		errx(99, "%s says nothing of the engine", path);
	fclose(info);
	return ns;
}

static void job(int fd, uint32_t vm, struct sgt_stream *stream, size_t octets)
{
	uint64_t count = octets / sizeof(uint32_t);
	unsigned long long before;
	double start;
	int i;

	sgt_stream_reset(stream);
	for (i = 0; i < JOB_ROUNDS; i++) {
		sgt_inc(stream, VA_VRAM, 1, count);
		sgt_inc(stream, VA_VRAM, UINT32_MAX, count);
	}
	before = engine_ns(fd);
	start = now();
	need(sgt_run(fd, vm, DRM_SOFTGPU_ENGINE_COMPUTE, stream), "job");
	printf("sample job_native %.0f\n", (now() - start) * 1e9);
	printf("sample job_native_engine %llu\n", engine_ns(fd) - before);
}

int main(int argc, char **argv)
{
	bool is_job = argc == 3 && !strcmp(argv[1], "job");
	size_t octets = argc > 1 ? strtoul(argv[argc - 1], NULL, 10) << (is_job ? 12 : 20) : 0;
	int fd = sgt_open(0), vm;
	struct sgt_stream stream;
	struct sgt_bo vram;

	if (!octets || octets > 1UL << 30 || fd < 0)
		errx(99, "usage: bench-vram MIB | job PAGES, where there is a softgpu");
	vm = sgt_vm_create(fd, 0);
	need(vm, "VM_CREATE");
	need(sgt_stream_create(fd, (uint32_t)vm, &stream, VA_COMMANDS, SGT_PAGE), "commands");
	vram = buffer(fd, octets, DRM_SOFTGPU_PLACE_VRAM | DRM_SOFTGPU_PLACE_PINNED);
	need(sgt_bind(fd, (uint32_t)vm, vram.handle, 0, octets, VA_VRAM, 0), "VM_BIND");
	if (is_job)
		job(fd, (uint32_t)vm, &stream, octets);
	else
		copies(fd, (uint32_t)vm, &stream, &vram, octets);
	return 0;
}
