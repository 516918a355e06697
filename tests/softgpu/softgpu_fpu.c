// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The work of the engines that needs vector registers. The only object built
 * with the FPU enabled (see Kbuild); each function is called between
 * kernel_fpu_begin() and kernel_fpu_end() and touches no other FPU state.
 *
 * Floating point: SSE, round to nearest, the product and the sum rounded one after
 * the other: the result of plain C on any x86-64 CPU built without FMA.
 */
#include "softgpu.h"

void sg_fpu_saxpy(void *y, const void *x, u32 a_bits, unsigned int count)
{
	const float *fx = x;
	float *fy = y;
	unsigned int i;
	union {
		u32 bits;
		float f;
	} a = { .bits = a_bits };

	for (i = 0; i < count; i++)
		fy[i] = a.f * fx[i] + fy[i];
}

struct sg_wide {
	u64 word[2];
} __packed;

/*
 * As wide as a program's memcpy(). The compiler makes "rep movsq" of the kernel's
 * where the size is not known, which an emulated CPU does word by word.
 */
void sg_fpu_copy(void *dst, const void *src, unsigned int octets)
{
	const struct sg_wide *from = src;
	struct sg_wide *to = dst;
	unsigned int i, n = octets / sizeof(*to) / 4 * 4;

	for (i = 0; i < n; i += 4) {
		struct sg_wide a = from[i], b = from[i + 1];
		struct sg_wide c = from[i + 2], d = from[i + 3];

		to[i] = a;
		to[i + 1] = b;
		to[i + 2] = c;
		to[i + 3] = d;
	}
	memcpy(to + n, from + n, octets - n * sizeof(*to));
}

/* The value is hidden, or the compiler makes memset(), i.e. "rep stosq", of it. */
void sg_fpu_clear(void *dst, unsigned int octets)
{
	unsigned int i, n = octets / sizeof(struct sg_wide) / 4 * 4;
	const struct sg_wide zero = {};
	const struct sg_wide *hidden = &zero;
	struct sg_wide *to = dst, value;

	OPTIMIZER_HIDE_VAR(hidden);
	value = *hidden;
	for (i = 0; i < n; i += 4) {
		to[i] = value;
		to[i + 1] = value;
		to[i + 2] = value;
		to[i + 3] = value;
	}
	memset(to + n, 0, octets - n * sizeof(*to));
}
