// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The floating-point work of the engines. The only object built with the FPU
 * enabled (see Kbuild); each function is called between kernel_fpu_begin() and
 * kernel_fpu_end() and touches no other FPU state. SSE, round to nearest, the
 * product and the sum rounded one after the other: the result of plain C on
 * any x86-64 CPU built without FMA.
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
