// SPDX-License-Identifier: MIT
/* Command streams of softgpu: one function a packet. */
#include <err.h>
#include <stdarg.h>
#include <string.h>
#include <linux/types.h>

#include "gpu_cmd.h"
#include "softgpu_cmd.h"

void gpu_cmd_begin(struct gpu_cmd *cmd, void *memory, size_t octets)
{
	cmd->words = memory;
	cmd->nr = 0;
	cmd->max = octets / sizeof(uint32_t);
}

static void put32(struct gpu_cmd *cmd, uint32_t word)
{
	if (cmd->nr == cmd->max)
		errx(99, "command stream too long for its %zu dwords", cmd->max);
	cmd->words[cmd->nr++] = word;
}

static void put64(struct gpu_cmd *cmd, uint64_t value)
{
	put32(cmd, (uint32_t)value);
	put32(cmd, (uint32_t)(value >> 32));
}

/* A packet: its first operand is 32 bits wide, the nr_wide others 64. */
static void packet(struct gpu_cmd *cmd, uint32_t opcode, uint32_t first,
		   unsigned int nr_wide, ...)
{
	va_list wide;

	put32(cmd, SOFTGPU_CMD_HDR(opcode, 2 + 2 * nr_wide));
	put32(cmd, first);
	va_start(wide, nr_wide);
	while (nr_wide--)
		put64(cmd, va_arg(wide, uint64_t));
	va_end(wide);
}

void gpu_cmd_fill(struct gpu_cmd *cmd, uint64_t dst, uint32_t value, uint64_t octets)
{
	packet(cmd, SOFTGPU_CMD_FILL, value, 2, dst, octets);
}

void gpu_cmd_copy(struct gpu_cmd *cmd, uint64_t dst, uint64_t src, uint64_t octets)
{
	packet(cmd, SOFTGPU_CMD_COPY, 0, 3, dst, src, octets);
}

void gpu_cmd_saxpy(struct gpu_cmd *cmd, uint64_t y, float a, uint64_t x, uint64_t count)
{
	uint32_t bits;

	memcpy(&bits, &a, sizeof(bits));
	packet(cmd, SOFTGPU_CMD_SAXPY, bits, 3, y, x, count);
}

void gpu_cmd_crc32c(struct gpu_cmd *cmd, uint64_t dst, uint64_t src, uint64_t octets)
{
	packet(cmd, SOFTGPU_CMD_CRC32C, 0, 3, dst, src, octets);
}

void gpu_cmd_histogram(struct gpu_cmd *cmd, uint64_t dst, uint64_t src, uint64_t octets)
{
	packet(cmd, SOFTGPU_CMD_HISTOGRAM, 0, 3, dst, src, octets);
}

void gpu_cmd_poll(struct gpu_cmd *cmd, uint64_t addr, uint32_t value, uint32_t mask)
{
	packet(cmd, SOFTGPU_CMD_POLL, 0, 2, addr, value | (uint64_t)mask << 32);
}

void gpu_cmd_busy(struct gpu_cmd *cmd, uint64_t nanoseconds)
{
	packet(cmd, SOFTGPU_CMD_BUSY, 0, 1, nanoseconds);
}

void gpu_cmd_store(struct gpu_cmd *cmd, uint64_t addr, uint64_t value)
{
	packet(cmd, SOFTGPU_CMD_STORE, 0, 2, addr, value);
}

void gpu_cmd_inc(struct gpu_cmd *cmd, uint64_t dst, uint32_t value, uint64_t count)
{
	packet(cmd, SOFTGPU_CMD_INC, value, 2, dst, count);
}
