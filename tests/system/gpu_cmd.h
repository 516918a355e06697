/* SPDX-License-Identifier: MIT */
/*
 * Builds command streams of softgpu (tests/softgpu/softgpu_cmd.h) in memory of
 * the caller. A stream that would grow beyond its memory ends the program.
 */
#ifndef GPU_CMD_H
#define GPU_CMD_H

#include <stddef.h>
#include <stdint.h>

struct gpu_cmd {
	uint32_t *words;
	size_t nr;	/* dwords written */
	size_t max;	/* dwords there is room for */
};

static inline uint32_t gpu_cmd_octets(const struct gpu_cmd *cmd)
{
	return (uint32_t)(cmd->nr * sizeof(uint32_t));
}

void gpu_cmd_begin(struct gpu_cmd *cmd, void *memory, size_t octets);
void gpu_cmd_fill(struct gpu_cmd *cmd, uint64_t dst, uint32_t value, uint64_t octets);
void gpu_cmd_copy(struct gpu_cmd *cmd, uint64_t dst, uint64_t src, uint64_t octets);
void gpu_cmd_saxpy(struct gpu_cmd *cmd, uint64_t y, float a, uint64_t x, uint64_t count);
void gpu_cmd_crc32c(struct gpu_cmd *cmd, uint64_t dst, uint64_t src, uint64_t octets);
void gpu_cmd_histogram(struct gpu_cmd *cmd, uint64_t dst, uint64_t src, uint64_t octets);
void gpu_cmd_poll(struct gpu_cmd *cmd, uint64_t addr, uint32_t value, uint32_t mask);
void gpu_cmd_busy(struct gpu_cmd *cmd, uint64_t nanoseconds);
void gpu_cmd_store(struct gpu_cmd *cmd, uint64_t addr, uint64_t value);
void gpu_cmd_inc(struct gpu_cmd *cmd, uint64_t dst, uint32_t value, uint64_t count);

#endif /* GPU_CMD_H */
