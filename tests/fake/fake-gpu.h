/* SPDX-License-Identifier: MIT */
/* A GPU adapter that counts, for tests of what stands above it. */
#ifndef FAKE_GPU_H
#define FAKE_GPU_H

#include "gpu.h"

/* Addresses for copies begin here. */
#define FAKE_PLACE_START (UINT64_C(1) << 30)

struct fake_gpu {
	unsigned int vms;	/* open now */
	unsigned int imports;	/* alive now */
	unsigned int binds;	/* calls of bind() that succeeded */
	void (*on_bind)(void);	/* what another thread does during a bind() */
	unsigned int jobs;	/* exec() that succeeded */
	struct gpu_bind last_bind;
	struct gpu_job last_job;
	unsigned int vram;	/* objects of VRAM alive now */
	unsigned int stopped;	/* VMs */
	unsigned int copies;	/* begun */
	unsigned int copy_calls;
	unsigned int place_calls;	/* of place() and displace() */
	unsigned int places;	/* of objects, now */
	bool keeps_places;	/* displace() fails */
	struct gpu_copy last_copy;
	unsigned int maps;	/* of VRAM for the CPU, now */
	bool is_gone;		/* what the CPU has read may be nothing */
	bool hangs;		/* copies do not end ... */
	int copy_fence;		/* ... until a test signals it */
	bool left_runs;		/* what a dead process left does not stop */
	bool left_is_deaf;	/* ... nor die */
};

extern struct fake_gpu fake_gpu;
extern const struct gpu_ops fake_gpu_ops;

#endif /* FAKE_GPU_H */
