/* SPDX-License-Identifier: MIT */
/*
 * A small library for programs that drive softgpu directly: tests of the driver
 * itself. Every function returns 0 or a positive value on success and -errno on
 * failure, unless its text says otherwise. Nothing is thread-safe.
 */
#ifndef SGT_H
#define SGT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "softgpu_drm.h"

#define SGT_PAGE	((uint64_t)DRM_SOFTGPU_PAGE_SIZE)
#define SGT_SECOND	1000000000ULL

struct sgt_bo {
	uint32_t handle;
	uint64_t size;
	void *map;		/* CPU mapping, or NULL */
};

/* Opens the softgpu with this number (from 0), as a render node: an fd. */
int sgt_open(unsigned int index);
int sgt_info(int fd, struct drm_softgpu_info *info);
int sgt_counters(int fd, struct drm_softgpu_counters *counters);
/* Returns the previous value of all switches. */
int sgt_switch(int fd, uint32_t mask, uint32_t value);

/* Returns the vm_id. */
int sgt_vm_create(int fd, uint32_t flags);
int sgt_vm_destroy(int fd, uint32_t vm);
int sgt_vm_query(int fd, uint32_t vm, struct drm_softgpu_vm_query *query);
int sgt_vm_control(int fd, uint32_t vm, uint32_t op, uint64_t timeout_ns);
/* STOP with a fence in the syncobj out_sync. */
int sgt_vm_stop_sync(int fd, uint32_t vm, uint32_t out_sync);
int sgt_vm_lookup(int fd, uint32_t vm, struct drm_softgpu_lookup *entries,
		  uint32_t count);

int sgt_bo_create(int fd, struct sgt_bo *bo, uint64_t size, uint32_t placement);
/* Maps bo for the CPU. */
int sgt_bo_map(int fd, struct sgt_bo *bo);
void sgt_bo_destroy(int fd, struct sgt_bo *bo);
int sgt_bo_info(int fd, uint32_t handle, struct drm_softgpu_gem_info *info);

int sgt_bind_ops(int fd, uint32_t vm, struct drm_softgpu_bind_op *ops,
		 uint32_t num_ops, struct drm_softgpu_sync *syncs,
		 uint32_t num_syncs);
/* One operation, waited for. */
int sgt_bind(int fd, uint32_t vm, uint32_t handle, uint64_t offset,
	     uint64_t length, uint64_t va, uint32_t flags);
int sgt_unbind(int fd, uint32_t vm, uint64_t va, uint64_t length);
int sgt_bind_null(int fd, uint32_t vm, uint64_t va, uint64_t length);

/* Syncobjs: handles, never 0. */
int sgt_sync_create(int fd, uint32_t *handle);
void sgt_sync_destroy(int fd, uint32_t handle);
/*
 * Waits for the fence of a binary syncobj; 0, -ETIME, or the fence's error
 * (-EFAULT for a GPU fault, ...).
 */
int sgt_sync_wait(int fd, uint32_t handle, uint64_t timeout_ns);
/* The same for a sync_file, which drmSyncobjExportSyncFile() makes. */
int sgt_sync_file_wait(int sync_fd, uint64_t timeout_ns);
/* The same for a point of a timeline. */
int sgt_timeline_wait(int fd, uint32_t handle, uint64_t point,
		      uint64_t timeout_ns);

/*
 * A command stream under construction: an object bound at va. Functions that
 * add packets do not fail; a stream that is too long is an error of exec.
 */
struct sgt_stream {
	struct sgt_bo bo;
	uint64_t va;
	uint32_t length;	/* bytes */
};

int sgt_stream_create(int fd, uint32_t vm, struct sgt_stream *stream,
		      uint64_t va, uint64_t size);
void sgt_stream_destroy(int fd, uint32_t vm, struct sgt_stream *stream);
void sgt_stream_reset(struct sgt_stream *stream);
void sgt_emit(struct sgt_stream *stream, const uint32_t *dwords,
	      unsigned int count);
void sgt_nop(struct sgt_stream *s, unsigned int dwords);
void sgt_fill(struct sgt_stream *s, uint64_t dst, uint32_t value,
	      uint64_t bytes);
void sgt_copy(struct sgt_stream *s, uint64_t dst, uint64_t src,
	      uint64_t bytes);
void sgt_vadd(struct sgt_stream *s, uint64_t dst, uint64_t a, uint64_t b,
	      uint64_t count);
void sgt_saxpy(struct sgt_stream *s, float a, uint64_t y, uint64_t x,
	       uint64_t count);
void sgt_crc32c(struct sgt_stream *s, uint32_t crc, uint64_t dst, uint64_t src,
		uint64_t bytes);
void sgt_histogram(struct sgt_stream *s, uint64_t dst, uint64_t src,
		   uint64_t bytes);
void sgt_poll(struct sgt_stream *s, uint64_t addr, uint32_t value,
	      uint32_t mask);
void sgt_busy(struct sgt_stream *s, uint64_t ns);
void sgt_store(struct sgt_stream *s, uint64_t addr, uint64_t value);
void sgt_inc(struct sgt_stream *s, uint64_t dst, uint32_t value,
	     uint64_t count);
void sgt_atomic_add(struct sgt_stream *s, uint64_t addr, uint64_t value);

/* Submits; syncs as the uAPI has them. *job_id may be NULL. */
int sgt_exec(int fd, uint32_t vm, uint32_t engine, uint64_t va, uint32_t length,
	     struct drm_softgpu_sync *syncs, uint32_t num_syncs,
	     uint64_t *job_id);
/* Submits with one out-fence in the binary syncobj out. */
int sgt_exec_out(int fd, uint32_t vm, uint32_t engine,
		 const struct sgt_stream *stream, uint32_t out);
/* Submits, waits for 60 s at most, returns how the job ended. */
int sgt_run(int fd, uint32_t vm, uint32_t engine,
	    const struct sgt_stream *stream);

uint64_t sgt_now_ns(void);

#endif /* SGT_H */
