/* SPDX-License-Identifier: MIT */
/*
 * What the cases of userptr-test share: thin wrappers on the ioctls. A wrapper
 * named __ut_x returns 0 or -errno; ut_x ends the case with a failure if it
 * is not 0.
 *
 * A case that goes on has passed so far: UT_CHECK and friends end the process
 * with 1 (fail), ut_skip with 77, ut_error with 99.
 */
#ifndef UT_H
#define UT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "xen_userptr_drm.h"

#define UT_PAGE		4096ULL
#define UT_GPU_VA	0x10000000ULL	/* where cases put things by default */
#define UT_CMD_VA	0x08000000ULL	/* where ut_run() puts its commands */

struct ut {
	int fd;		/* the render node */
	uint32_t vm;
};

struct gpu_cmd;

struct ut_case {
	const char *name;
	void (*run)(void);
};

/* Each file of cases ends with its table, closed by an empty entry. */
extern const struct ut_case ut_create_cases[];
extern const struct ut_case ut_bind_cases[];
extern const struct ut_case ut_exec_cases[];
extern const struct ut_case ut_limit_cases[];
extern const struct ut_case ut_scenario_cases[];
extern const struct ut_case ut_memory_cases[];
extern const struct ut_case ut_process_cases[];
extern const struct ut_case ut_va_cases[];
extern const struct ut_case ut_style_cases[];
extern const struct ut_case ut_async_cases[];
extern const struct ut_case ut_blits_cases[];
extern const struct ut_case ut_share_cases[];
extern const struct ut_case ut_gpus_cases[];
extern const struct ut_case ut_mm_cases[];
extern const struct ut_case ut_stress_cases[];
extern const struct ut_case ut_fail_cases[];
extern const struct ut_case ut_apart_cases[];

#define UT_FAIL(...) \
	(printf("%s:%d: ", __func__, __LINE__), printf(__VA_ARGS__), printf("\n"), exit(1))
#define UT_CHECK(cond, ...) \
	do { if (!(cond)) UT_FAIL(__VA_ARGS__); } while (0)
#define UT_ERRNO(call, want) \
	do { \
		int ut_got = (call); \
		UT_CHECK(ut_got == (want), "%s: want %d, got %d", #call, want, ut_got); \
	} while (0)

void ut_skip(const char *why) __attribute__((noreturn));
void ut_error(const char *what) __attribute__((noreturn));

/* The render node of the driver xen_userptr; ut_error() if there is none. */
int ut_node_open(void);
/* The same, of the device number @nth (0: the first); -1 if there is none. */
int ut_node_open_nth(unsigned int nth);
void ut_open(struct ut *ut);
void ut_close(struct ut *ut);

/* Anonymous private memory, touched; ut_error() if there is none. */
void *ut_pages(size_t nr_pages);

int __ut_info(int fd, struct drm_xen_userptr_info *info);
int __ut_create(int fd, const struct drm_xen_userptr_range *ranges, uint32_t nr,
		uint32_t flags, struct drm_xen_userptr_create *out);
int __ut_create_one(int fd, const void *addr, size_t length, uint32_t flags,
		    uint32_t *handle);
uint32_t ut_create_one(int fd, const void *addr, size_t length, uint32_t flags);
void ut_destroy(int fd, uint32_t handle);

int __ut_vm_create(int fd, uint32_t *vm);
int __ut_vm_destroy(int fd, uint32_t vm);

int __ut_bind(int fd, uint32_t vm, struct drm_xen_userptr_bind_op *ops, uint32_t nr,
	      uint32_t *error_op);
int __ut_map(struct ut *ut, uint32_t handle, uint64_t offset, uint64_t length,
	     uint64_t gpu_va, uint32_t flags);
void ut_map(struct ut *ut, uint32_t handle, uint64_t length, uint64_t gpu_va);
int __ut_unmap(struct ut *ut, uint64_t gpu_va, uint64_t length);

/* Queue a job; *syncobj is a new binary syncobj with its out-fence. */
int __ut_exec(struct ut *ut, uint32_t engine, uint64_t cmd_va, uint32_t length,
	      uint32_t *syncobj);
/* Wait for the fence in a syncobj, at most a minute. *error: the fence's, 0 if the job went well. */
int __ut_fence_wait(int fd, uint32_t syncobj, int *error);
/* The same, then destroy the syncobj. Returns the fence's error. */
int ut_fence_wait(int fd, uint32_t syncobj);

/*
 * Memory for commands, registered and bound at UT_CMD_VA: fill cmd, then run.
 */
struct ut_batch {
	struct ut *ut;
	void *memory;
	uint32_t handle;
};

void ut_batch_open(struct ut_batch *batch, struct ut *ut, struct gpu_cmd *cmd);
void ut_batch_close(struct ut_batch *batch);
/* Returns the error of the job's fence. */
int ut_run(struct ut_batch *batch, const struct gpu_cmd *cmd);

/* One number of /proc/self/status in KiB, such as VmPin. */
unsigned long ut_status_kib(const char *key);

#endif /* UT_H */
