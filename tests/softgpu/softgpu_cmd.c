// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Runs command streams (softgpu_cmd.h), a piece at a time, so that the engine
 * can look up between pieces: at most one page of each operand, 16 for COPY.
 *
 * A piece runs under pt_lock held for reading: translation and access are one
 * step for whoever changes the page tables. A packet is copied out of GPU
 * memory once and checked before it runs. All progress lives in struct sg_cmd:
 * what a piece did before it faulted is in it, and is not done again.
 */
#include <linux/crc32c.h>
#include <linux/overflow.h>
#include <asm/fpu/api.h>

#include "softgpu.h"

struct cmd_ctx {
	struct sg_exec_job *ejob;
	struct sg_cmd *cmd;
	struct sg_fault *fault;
	u64 wait_ns;
};

/* One operand that is an address range: where it is in the packet. */
struct cmd_range {
	u8 dword;			/* of the address; 0: no more ranges */
	u8 align;
	u8 unit;			/* bytes per unit of the size operand */
};

struct cmd_desc {
	u8 dwords;
	u8 engines;			/* bit per engine */
	u8 zero;			/* dword that must be zero, or 0 */
	u8 size;			/* dword of bytes or count; 0: fixed unit */
	u8 size_align;
	struct cmd_range range[3];
	int (*step)(struct cmd_ctx *ctx);
};

#define ON_COMPUTE	BIT(DRM_SOFTGPU_ENGINE_COMPUTE)
#define ON_BOTH		(ON_COMPUTE | BIT(DRM_SOFTGPU_ENGINE_COPY))

static u64 packet_u64(const struct sg_cmd *cmd, unsigned int dword)
{
	return cmd->packet[dword] | (u64)cmd->packet[dword + 1] << 32;
}

static void *cmd_access(struct cmd_ctx *ctx, u64 va, bool write)
{
	struct sg_exec_job *ejob = ctx->ejob;
	u32 flags;
	void *p = sg_pt_access(ejob->job.vm, ejob->engine, va, write, &flags);

	if (!p) {
		ctx->fault->va = va;
		ctx->fault->flags = flags;
	}
	return p;
}

static u64 page_left(u64 va)
{
	return PAGE_SIZE - offset_in_page(va);
}

static void count_bytes(struct cmd_ctx *ctx, u64 read, u64 written)
{
	struct sg_device *sdev = ctx->ejob->engine->sdev;

	sg_count(sdev, read_bytes, read);
	sg_count(sdev, written_bytes, written);
}

/* Ends the piece: n more of size units are done. */
static int cmd_advance(struct cmd_ctx *ctx, u64 n, u64 size)
{
	ctx->cmd->done += n;
	return ctx->cmd->done < size ? SG_CMD_MORE : SG_CMD_DONE;
}

static int step_nop(struct cmd_ctx *ctx)
{
	return SG_CMD_DONE;
}

static int step_fill(struct cmd_ctx *ctx)
{
	u64 bytes = packet_u64(ctx->cmd, 4);
	u64 dst = packet_u64(ctx->cmd, 2) + ctx->cmd->done;
	u64 n = min(bytes - ctx->cmd->done, page_left(dst));
	void *p = cmd_access(ctx, dst, true);

	if (!p)
		return -EFAULT;
	memset32(p, ctx->cmd->packet[1], n / sizeof(u32));
	count_bytes(ctx, 0, n);
	return cmd_advance(ctx, n, bytes);
}

/* Up to the end of a page, inside of the FPU section. 0: a fault. */
static u64 copy_in_page(struct cmd_ctx *ctx, u64 bytes)
{
	u64 dst = packet_u64(ctx->cmd, 2) + ctx->cmd->done;
	u64 src = packet_u64(ctx->cmd, 4) + ctx->cmd->done;
	u64 n = min3(bytes - ctx->cmd->done, page_left(dst), page_left(src));
	const void *s = cmd_access(ctx, src, false);
	void *d = s ? cmd_access(ctx, dst, true) : NULL;

	if (!d)
		return 0;
	sg_fpu_copy(d, s, n);
	return n;
}

/* To enter and leave the section takes as long as a good part of a page. */
#define COPY_PAGES	16

static int step_copy(struct cmd_ctx *ctx)
{
	u64 bytes = packet_u64(ctx->cmd, 6), before = ctx->cmd->done, n = 1;
	unsigned int i;

	kernel_fpu_begin();
	for (i = 0; n && i < COPY_PAGES && ctx->cmd->done < bytes; i++) {
		n = copy_in_page(ctx, bytes);
		ctx->cmd->done += n;
	}
	kernel_fpu_end();
	count_bytes(ctx, ctx->cmd->done - before, ctx->cmd->done - before);
	return n ? cmd_advance(ctx, 0, bytes) : -EFAULT;
}

static int step_vadd(struct cmd_ctx *ctx)
{
	u64 done = ctx->cmd->done * sizeof(u32);
	u64 count = packet_u64(ctx->cmd, 8);
	u64 dst = packet_u64(ctx->cmd, 2) + done;
	u64 a = packet_u64(ctx->cmd, 4) + done;
	u64 b = packet_u64(ctx->cmd, 6) + done;
	u64 left = min3(page_left(dst), page_left(a), page_left(b));
	u64 n = min(count - ctx->cmd->done, left / sizeof(u32));
	const u32 *pa = cmd_access(ctx, a, false);
	const u32 *pb = pa ? cmd_access(ctx, b, false) : NULL;
	u32 *pd = pb ? cmd_access(ctx, dst, true) : NULL;
	u64 i;

	if (!pd)
		return -EFAULT;
	for (i = 0; i < n; i++)
		pd[i] = pa[i] + pb[i];
	count_bytes(ctx, 2 * n * sizeof(u32), n * sizeof(u32));
	return cmd_advance(ctx, n, count);
}

static int step_saxpy(struct cmd_ctx *ctx)
{
	u64 done = ctx->cmd->done * sizeof(u32);
	u64 count = packet_u64(ctx->cmd, 6);
	u64 y = packet_u64(ctx->cmd, 2) + done;
	u64 x = packet_u64(ctx->cmd, 4) + done;
	u64 left = min(page_left(y), page_left(x));
	u64 n = min(count - ctx->cmd->done, left / sizeof(u32));
	const void *px = cmd_access(ctx, x, false);
	void *py = px ? cmd_access(ctx, y, true) : NULL;

	if (!py)
		return -EFAULT;
	kernel_fpu_begin();
	sg_fpu_saxpy(py, px, ctx->cmd->packet[1], n);
	kernel_fpu_end();
	count_bytes(ctx, 2 * n * sizeof(u32), n * sizeof(u32));
	return cmd_advance(ctx, n, count);
}

/* CRC32C and HISTOGRAM: the last piece is the store of the result alone. */
static int step_crc32c(struct cmd_ctx *ctx)
{
	struct sg_cmd *cmd = ctx->cmd;
	u64 bytes = packet_u64(cmd, 6);
	u64 src = packet_u64(cmd, 4) + cmd->done;
	u64 n = min(bytes - cmd->done, page_left(src));
	const void *s;
	u32 *result;

	if (cmd->done < bytes) {
		s = cmd_access(ctx, src, false);
		if (!s)
			return -EFAULT;
		if (!cmd->done)
			cmd->crc = ~cmd->packet[1];
		cmd->crc = crc32c(cmd->crc, s, n);
		count_bytes(ctx, n, 0);
		cmd->done += n;
		return SG_CMD_MORE;
	}
	result = cmd_access(ctx, packet_u64(cmd, 2), true);
	if (!result)
		return -EFAULT;
	WRITE_ONCE(*result, bytes ? ~cmd->crc : cmd->packet[1]);
	count_bytes(ctx, 0, sizeof(u32));
	return SG_CMD_DONE;
}

static void histogram_add(u32 *bins, const u8 *s, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		bins[s[i]]++;
}

static int histogram_store(struct cmd_ctx *ctx, u64 done)
{
	u64 dst = packet_u64(ctx->cmd, 2) + done;
	u64 n = min(sizeof(ctx->cmd->bins) - done, page_left(dst));
	void *d = cmd_access(ctx, dst, true);

	if (!d)
		return -EFAULT;
	memcpy(d, (u8 *)ctx->cmd->bins + done, n);
	count_bytes(ctx, 0, n);
	ctx->cmd->done += n;
	return done + n < sizeof(ctx->cmd->bins) ? SG_CMD_MORE : SG_CMD_DONE;
}

static int step_histogram(struct cmd_ctx *ctx)
{
	struct sg_cmd *cmd = ctx->cmd;
	u64 bytes = packet_u64(cmd, 6);
	u64 src = packet_u64(cmd, 4) + cmd->done;
	const u8 *s;
	u64 n;

	if (cmd->done >= bytes) {
		if (!bytes && !cmd->done)
			memset(cmd->bins, 0, sizeof(cmd->bins));
		return histogram_store(ctx, cmd->done - bytes);
	}
	n = min(bytes - cmd->done, page_left(src));
	s = cmd_access(ctx, src, false);
	if (!s)
		return -EFAULT;
	if (!cmd->done)
		memset(cmd->bins, 0, sizeof(cmd->bins));
	histogram_add(cmd->bins, s, n);
	count_bytes(ctx, n, 0);
	cmd->done += n;
	return SG_CMD_MORE;
}

#define POLL_INTERVAL_NS	(100 * NSEC_PER_USEC)
#define BUSY_SLICE_NS		(500 * NSEC_PER_USEC)

static int step_poll(struct cmd_ctx *ctx)
{
	const u32 *p = cmd_access(ctx, packet_u64(ctx->cmd, 2), false);

	if (!p)
		return -EFAULT;
	count_bytes(ctx, sizeof(u32), 0);
	if ((READ_ONCE(*p) & ctx->cmd->packet[5]) == ctx->cmd->packet[4])
		return SG_CMD_DONE;
	ctx->wait_ns = POLL_INTERVAL_NS;
	return SG_CMD_WAIT;
}

/* The work of this packet is to wait: sg_cmd_waited() counts it. */
static int step_busy(struct cmd_ctx *ctx)
{
	u64 ns = packet_u64(ctx->cmd, 2);

	if (ctx->cmd->done >= ns)
		return SG_CMD_DONE;
	ctx->wait_ns = min_t(u64, ns - ctx->cmd->done, BUSY_SLICE_NS);
	return SG_CMD_WAIT;
}

static int step_store(struct cmd_ctx *ctx)
{
	u64 *p = cmd_access(ctx, packet_u64(ctx->cmd, 2), true);

	if (!p)
		return -EFAULT;
	/* A CPU that polls for the value sees what the commands before wrote. */
	smp_store_release(p, packet_u64(ctx->cmd, 4));
	count_bytes(ctx, 0, sizeof(u64));
	return SG_CMD_DONE;
}

static int step_inc(struct cmd_ctx *ctx)
{
	u64 count = packet_u64(ctx->cmd, 4);
	u64 dst = packet_u64(ctx->cmd, 2) + ctx->cmd->done * sizeof(u32);
	u64 n = min(count - ctx->cmd->done, page_left(dst) / sizeof(u32));
	atomic_t *p = cmd_access(ctx, dst, true);
	u64 i;

	if (!p)
		return -EFAULT;
	for (i = 0; i < n; i++)
		atomic_add(ctx->cmd->packet[1], &p[i]);
	count_bytes(ctx, n * sizeof(u32), n * sizeof(u32));
	return cmd_advance(ctx, n, count);
}

static int step_atomic_add(struct cmd_ctx *ctx)
{
	atomic64_t *p = cmd_access(ctx, packet_u64(ctx->cmd, 2), true);

	if (!p)
		return -EFAULT;
	atomic64_add(packet_u64(ctx->cmd, 4), p);
	count_bytes(ctx, sizeof(u64), sizeof(u64));
	return SG_CMD_DONE;
}

static const struct cmd_desc cmd_descs[SOFTGPU_CMD_COUNT] = {
	[SOFTGPU_CMD_NOP] = { 0, ON_BOTH, .step = step_nop },
	[SOFTGPU_CMD_FILL] = { SOFTGPU_CMD_FILL_DWORDS, ON_BOTH, 0, 4, 4,
		{ { 2, 4, 1 } }, step_fill },
	[SOFTGPU_CMD_COPY] = { SOFTGPU_CMD_COPY_DWORDS, ON_BOTH, 1, 6, 1,
		{ { 2, 1, 1 }, { 4, 1, 1 } }, step_copy },
	[SOFTGPU_CMD_VADD] = { SOFTGPU_CMD_VADD_DWORDS, ON_COMPUTE, 1, 8, 1,
		{ { 2, 4, 4 }, { 4, 4, 4 }, { 6, 4, 4 } }, step_vadd },
	[SOFTGPU_CMD_SAXPY] = { SOFTGPU_CMD_SAXPY_DWORDS, ON_COMPUTE, 0, 6, 1,
		{ { 2, 4, 4 }, { 4, 4, 4 } }, step_saxpy },
	[SOFTGPU_CMD_CRC32C] = { SOFTGPU_CMD_CRC32C_DWORDS, ON_COMPUTE, 0, 6, 1,
		{ { 4, 1, 1 } }, step_crc32c },
	[SOFTGPU_CMD_HISTOGRAM] = { SOFTGPU_CMD_HISTOGRAM_DWORDS, ON_COMPUTE,
		1, 6, 1, { { 4, 1, 1 } }, step_histogram },
	[SOFTGPU_CMD_POLL] = { SOFTGPU_CMD_POLL_DWORDS, ON_BOTH, 1, 0, 0,
		{ { 2, 4, 4 } }, step_poll },
	[SOFTGPU_CMD_BUSY] = { SOFTGPU_CMD_BUSY_DWORDS, ON_BOTH, 1, 0, 0,
		{}, step_busy },
	[SOFTGPU_CMD_STORE] = { SOFTGPU_CMD_STORE_DWORDS, ON_BOTH, 1, 0, 0,
		{ { 2, 8, 8 } }, step_store },
	[SOFTGPU_CMD_INC] = { SOFTGPU_CMD_INC_DWORDS, ON_COMPUTE, 0, 4, 1,
		{ { 2, 4, 4 } }, step_inc },
	[SOFTGPU_CMD_ATOMIC_ADD] = { SOFTGPU_CMD_ATOMIC_ADD_DWORDS, ON_BOTH,
		1, 0, 0, { { 2, 8, 8 } }, step_atomic_add },
};

static bool ranges_overlap(u64 a, u64 b, u64 bytes)
{
	return a < b + bytes && b < a + bytes;
}

static int packet_check_ranges(const struct sg_cmd *cmd,
			       const struct cmd_desc *desc, u64 size)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(desc->range) && desc->range[i].dword; i++) {
		const struct cmd_range *range = &desc->range[i];
		u64 va = packet_u64(cmd, range->dword);
		u64 bytes, end;

		if (va % range->align ||
		    check_mul_overflow(size, (u64)range->unit, &bytes) ||
		    check_add_overflow(va, bytes, &end))
			return -EINVAL;
	}
	return 0;
}

static bool packet_result_ok(const struct sg_cmd *cmd, u32 opcode)
{
	u64 dst = packet_u64(cmd, 2);

	switch (opcode) {
	case SOFTGPU_CMD_CRC32C:
	case SOFTGPU_CMD_HISTOGRAM:
		return dst % sizeof(u32) == 0 &&
		       dst <= U64_MAX - sizeof(cmd->bins);
	case SOFTGPU_CMD_COPY:
		return !ranges_overlap(dst, packet_u64(cmd, 4),
				       packet_u64(cmd, 6));
	default:
		return true;
	}
}

/* The packet's own dwords, once copied. *skip: its size is zero. */
static int packet_check(const struct sg_cmd *cmd, const struct cmd_desc *desc,
			bool *skip)
{
	u64 size = desc->size ? packet_u64(cmd, desc->size) : 1;
	u32 opcode = SOFTGPU_CMD_OPCODE(cmd->packet[0]);
	int err;

	if (desc->zero && cmd->packet[desc->zero])
		return -EINVAL;
	if (desc->size && size % desc->size_align)
		return -EINVAL;
	err = packet_check_ranges(cmd, desc, size);
	if (err)
		return err;
	if (!packet_result_ok(cmd, opcode))
		return -EINVAL;
	*skip = desc->size && !size && opcode != SOFTGPU_CMD_CRC32C &&
		opcode != SOFTGPU_CMD_HISTOGRAM;
	return 0;
}

static int cmd_read(struct cmd_ctx *ctx, u64 va, void *buf, u64 len)
{
	u64 n;

	for (; len; va += n, buf += n, len -= n) {
		const void *p = cmd_access(ctx, va, false);

		if (!p)
			return -EFAULT;
		n = min(len, page_left(va));
		memcpy(buf, p, n);
		count_bytes(ctx, n, 0);
	}
	return 0;
}

/* Reads the header, then what belongs to it. NOP payloads are not read. */
static int packet_load(struct cmd_ctx *ctx, u32 *dwords,
		       const struct cmd_desc **desc)
{
	struct sg_cmd *cmd = ctx->cmd;
	u32 untrusted_hdr, opcode;
	int err;

	err = cmd_read(ctx, cmd->va + cmd->pos, &untrusted_hdr, sizeof(u32));
	if (err)
		return err;
	opcode = SOFTGPU_CMD_OPCODE(untrusted_hdr);
	*dwords = SOFTGPU_CMD_DWORDS(untrusted_hdr);
	if (opcode >= SOFTGPU_CMD_COUNT || SOFTGPU_CMD_RESERVED(untrusted_hdr))
		return -EINVAL;
	*desc = &cmd_descs[opcode];
	if (!*dwords || *dwords > (cmd->length - cmd->pos) / sizeof(u32) ||
	    !((*desc)->engines & BIT(ctx->ejob->engine->index)))
		return -EINVAL;
	cmd->packet[0] = untrusted_hdr;
	if (opcode == SOFTGPU_CMD_NOP)
		return 0;
	if (*dwords != (*desc)->dwords)
		return -EINVAL;
	return cmd_read(ctx, cmd->va + cmd->pos + sizeof(u32), &cmd->packet[1],
			(*dwords - 1) * sizeof(u32));
}

static int cmd_begin_packet(struct cmd_ctx *ctx, bool *skip)
{
	const struct cmd_desc *desc;
	u32 dwords;
	int err;

	err = packet_load(ctx, &dwords, &desc);
	if (err)
		return err;
	err = packet_check(ctx->cmd, desc, skip);
	if (err)
		return err;
	ctx->cmd->done = 0;
	ctx->cmd->loaded = true;
	return 0;
}

static int cmd_run(struct cmd_ctx *ctx)
{
	struct sg_cmd *cmd = ctx->cmd;
	bool skip = false;
	int ret;

	if (!cmd->loaded) {
		ret = cmd_begin_packet(ctx, &skip);
		if (ret)
			return ret;
	}
	ret = SG_CMD_DONE;
	if (!skip)
		ret = cmd_descs[SOFTGPU_CMD_OPCODE(cmd->packet[0])].step(ctx);
	if (ret == SG_CMD_DONE) {
		cmd->pos += SOFTGPU_CMD_DWORDS(cmd->packet[0]) * sizeof(u32);
		cmd->loaded = false;
		ret = SG_CMD_MORE;
	}
	return ret;
}

void sg_cmd_waited(struct sg_exec_job *ejob, u64 ns)
{
	struct sg_cmd *cmd = &ejob->cmd;

	if (SOFTGPU_CMD_OPCODE(cmd->packet[0]) == SOFTGPU_CMD_BUSY)
		cmd->done += ns;
}

int sg_cmd_step(struct sg_exec_job *ejob, struct sg_fault *fault, u64 *wait_ns)
{
	struct cmd_ctx ctx = {
		.ejob = ejob,
		.cmd = &ejob->cmd,
		.fault = fault,
	};
	int ret;

	if (ejob->cmd.pos >= ejob->cmd.length)
		return SG_CMD_DONE;
	read_lock(&ejob->job.vm->pt_lock);
	ret = cmd_run(&ctx);
	read_unlock(&ejob->job.vm->pt_lock);
	*wait_ns = ctx.wait_ns;
	return ret;
}
