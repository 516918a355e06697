/* SPDX-License-Identifier: MIT */
/*
 * The command stream of softgpu: what EXEC runs. Included by softgpu_drm.h;
 * may also be used alone, by programs that only build command streams.
 *
 * A stream is a sequence of packets, back to back, from EXEC.va for
 * EXEC.length bytes. A packet is a sequence of little-endian dwords (32 bit);
 * 64-bit operands take two dwords, low dword first. Packets need only 4-byte
 * alignment. Every address is a GPU virtual address of the EXEC's VM.
 *
 * dword 0 of each packet (the header):
 *   bits  0..7   opcode, SOFTGPU_CMD_*
 *   bits  8..15  zero
 *   bits 16..31  length of the packet in dwords, header included
 *
 * A length that does not fit the opcode, non-zero reserved bits, an unknown
 * opcode, a misaligned operand, an address range that wraps around, or a
 * packet that reaches beyond the stream ends the job with -EINVAL. Packets run
 * in order; each sees all effects of those before it. All memory effects are
 * visible to the CPU when the out-fence signals, and those of earlier packets
 * when a STORE is visible. A count or byte size of zero does nothing.
 *
 * Packets (E: engines; 0 compute, 1 copy):
 *
 *  opcode     dwords  E    dword: content
 *  NOP        1..max  0 1  1..: ignored
 *  FILL       6       0 1  1: value  2-3: dst  4-5: bytes
 *  COPY       8       0 1  1: zero  2-3: dst  4-5: src  6-7: bytes
 *  VADD       10      0    1: zero  2-3: dst  4-5: a  6-7: b  8-9: count
 *  SAXPY      8       0    1: a (bits of a float)  2-3: y  4-5: x  6-7: count
 *  CRC32C     8       0    1: crc so far  2-3: dst  4-5: src  6-7: bytes
 *  HISTOGRAM  8       0    1: zero  2-3: dst  4-5: src  6-7: bytes
 *  POLL       6       0 1  1: zero  2-3: addr  4: value  5: mask
 *  BUSY       4       0 1  1: zero  2-3: nanoseconds
 *  STORE      6       0 1  1: zero  2-3: addr  4-5: value
 *  INC        6       0    1: value  2-3: dst  4-5: count
 *  ATOMIC_ADD 6       0 1  1: zero  2-3: addr  4-5: value
 *
 *  FILL: 32-bit value to bytes / 4 words; dst and bytes multiples of 4.
 *  COPY: any alignment. The ranges must not overlap (-EINVAL).
 *  VADD: dst[i] = a[i] + b[i], unsigned 32 bit, modulo 2^32; dst may be a or b.
 *        All addresses multiples of 4.
 *  SAXPY: y[i] = a * x[i] + y[i], IEEE single, product and sum rounded to
 *        nearest even one after the other (no fused multiply-add), NaNs as x86
 *        SSE gives them. Addresses multiples of 4. y may be x.
 *  CRC32C: Castagnoli, reflected; start with 0; pass the result of one packet
 *        as "crc so far" of the next to go on. 32-bit result to dst (multiple
 *        of 4).
 *  HISTOGRAM: counts byte values; writes 256 32-bit counts to dst (multiple of
 *        4) when all of src was read.
 *  POLL: reads the 32-bit word at addr (multiple of 4) again and again until
 *        (word & mask) == value.
 *  BUSY: keeps the engine busy for that long; time while stopped is not
 *        counted.
 *  STORE: 64-bit store to addr (multiple of 8).
 *  INC: dst[i] += value, unsigned 32 bit, atomically with respect to the
 *        CPU, each element exactly once (also when the job was preempted or
 *        stalled); dst multiple of 4.
 *  ATOMIC_ADD: 64-bit add to addr (multiple of 8), atomic with respect to the
 *        CPU.
 */
#ifndef SOFTGPU_CMD_H
#define SOFTGPU_CMD_H

#define SOFTGPU_CMD_NOP		0x00
#define SOFTGPU_CMD_FILL	0x01
#define SOFTGPU_CMD_COPY	0x02
#define SOFTGPU_CMD_VADD	0x03
#define SOFTGPU_CMD_SAXPY	0x04
#define SOFTGPU_CMD_CRC32C	0x05
#define SOFTGPU_CMD_HISTOGRAM	0x06
#define SOFTGPU_CMD_POLL	0x07
#define SOFTGPU_CMD_BUSY	0x08
#define SOFTGPU_CMD_STORE	0x09
#define SOFTGPU_CMD_INC		0x0a
#define SOFTGPU_CMD_ATOMIC_ADD	0x0b
#define SOFTGPU_CMD_COUNT	0x0c

#define SOFTGPU_CMD_HDR(opcode, dwords) \
	((__u32)(opcode) | (__u32)(dwords) << 16)
#define SOFTGPU_CMD_OPCODE(hdr)		((hdr) & 0xffu)
#define SOFTGPU_CMD_RESERVED(hdr)	((hdr) & 0xff00u)
#define SOFTGPU_CMD_DWORDS(hdr)		((__u32)(hdr) >> 16)

/* Packet lengths in dwords; NOP is the only one of free length. */
#define SOFTGPU_CMD_FILL_DWORDS		6
#define SOFTGPU_CMD_COPY_DWORDS		8
#define SOFTGPU_CMD_VADD_DWORDS		10
#define SOFTGPU_CMD_SAXPY_DWORDS	8
#define SOFTGPU_CMD_CRC32C_DWORDS	8
#define SOFTGPU_CMD_HISTOGRAM_DWORDS	8
#define SOFTGPU_CMD_POLL_DWORDS		6
#define SOFTGPU_CMD_BUSY_DWORDS		4
#define SOFTGPU_CMD_STORE_DWORDS	6
#define SOFTGPU_CMD_INC_DWORDS		6
#define SOFTGPU_CMD_ATOMIC_ADD_DWORDS	6
#define SOFTGPU_CMD_MAX_OPERANDS	10

#endif /* SOFTGPU_CMD_H */
