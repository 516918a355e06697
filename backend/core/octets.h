/* SPDX-License-Identifier: MIT */
/* Little-endian numbers of 1 to 8 octets in records. */
#ifndef XU_OCTETS_H
#define XU_OCTETS_H

#include <stdint.h>

static inline void put_le(uint8_t *at, unsigned int octets, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < octets; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t get_le(const uint8_t *at, unsigned int octets)
{
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < octets; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

#endif /* XU_OCTETS_H */
