// SPDX-License-Identifier: MIT
/*
 * Packets against the validator, with an oracle: the field tables of
 * userptrif.md section 5, written down a second time as data. Validator and
 * oracle must agree on every packet.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fake.h"
#include "internal.h"

/* Octets of the packet that may be anything; all others are judged. */
struct field {
	uint8_t operation;
	uint8_t offset;
	uint8_t size;
	uint64_t min;
	uint64_t max;
	uint64_t zero_bits;
};

#define ANY 0, UINT64_MAX, 0
#define FLAGS(mask) 0, UINT64_MAX, ~(uint64_t)(mask)

static const struct field fields[] = {
	{ 1, 8, 4, ANY },	{ 1, 12, 4, FLAGS(0) },
	{ 1, 16, 4, ANY },
	{ 2, 8, 4, ANY },	{ 2, 12, 4, FLAGS(0) },
	{ 3, 8, 4, ANY },	{ 3, 12, 4, FLAGS(1) },
	{ 3, 16, 4, 1, 1 << 22, 0 }, { 3, 20, 4, 1, UINT32_MAX, 0 },
	{ 4, 8, 4, ANY },	{ 4, 12, 4, FLAGS(1) },
	{ 6, 8, 4, ANY },	{ 6, 12, 4, ANY },	{ 6, 16, 8, ANY },
	{ 6, 24, 4, ANY },	{ 6, 28, 4, 0, 511, 0 }, { 6, 32, 8, ANY },
	{ 6, 40, 4, FLAGS(1) },	{ 6, 44, 4, FLAGS(0) },
	{ 7, 8, 4, ANY },	{ 7, 12, 4, ANY },	{ 7, 16, 8, ANY },
	{ 7, 24, 8, ANY },
	{ 8, 8, 4, ANY },	{ 8, 12, 4, ANY },
	{ 9, 8, 4, FLAGS(0) },	{ 9, 12, 4, FLAGS(0) },
	{ 10, 8, 4, ANY },	{ 10, 12, 4, FLAGS(1) },
	{ 10, 16, 4, ANY },	{ 10, 20, 4, 1, UINT32_MAX, 0 },
	/* VM_BIND by what it is: 101 inline map, 102 other, 103 indirect */
	{ 101, 8, 4, ANY },	{ 101, 16, 4, 1, 1, 0 },
	{ 101, 24, 4, 1, 1, 0 },	{ 101, 28, 4, FLAGS(1) },
	{ 101, 32, 4, ANY },	{ 101, 40, 8, ANY },	{ 101, 48, 8, ANY },
	{ 101, 56, 8, ANY },
	{ 102, 8, 4, ANY },	{ 102, 16, 4, 1, 1, 0 },
	{ 102, 24, 4, 2, 3, 0 },	{ 102, 48, 8, ANY },	{ 102, 56, 8, ANY },
	{ 103, 8, 4, ANY },	{ 103, 12, 4, 1, 1, 0 },
	{ 103, 16, 4, 1, 65536, 0 }, { 103, 20, 4, 1, UINT32_MAX, 0 },
};

static uint64_t number(const uint8_t *octet, unsigned int size)
{
	uint64_t x = 0;

	while (size--)
		x = x << 8 | octet[size];
	return x;
}

static uint8_t shape_of(const uint8_t *packet)
{
	if (packet[2] != 5)
		return packet[2] >= 1 && packet[2] <= 10 ? packet[2] : 0;
	if (number(packet + 12, 4) == 1)
		return 103;
	return number(packet + 24, 4) == 1 ? 101 : 102;
}

static bool oracle(const uint8_t *packet)
{
	uint8_t shape = shape_of(packet);
	bool used[64] = { true, true, true };
	size_t i, j;

	if (!shape)
		return false;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		uint64_t x;

		if (f->operation != shape)
			continue;
		x = number(packet + f->offset, f->size);
		if (x < f->min || x > f->max || x & f->zero_bits)
			return false;
		for (j = 0; j < f->size; j++)
			used[f->offset + j] = true;
	}
	for (i = 0; i < 64; i++)
		if (!used[i] && packet[i])
			return false;
	/* A query of nothing in particular names no object. */
	return !(shape == 8 && number(packet + 8, 4) >= 1 &&
		 number(packet + 8, 4) <= 4 && number(packet + 12, 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xen_userptrif_req untrusted_req, req;
	int ret;

	for (; size >= sizeof(req); data += sizeof(req), size -= sizeof(req)) {
		memcpy(&untrusted_req, data, sizeof(req));
		memset(&req, 0xa5, sizeof(req));
		ret = request_validate(&untrusted_req, &req);
		FAKE_ASSERT((ret == 0) == oracle(data));
		FAKE_ASSERT(ret || !memcmp(&req, data, sizeof(req)));
	}
	return 0;
}
