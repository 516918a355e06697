// SPDX-License-Identifier: MIT
/*
 * Directory chains against the walk, with an oracle that looks at the whole
 * chain at once. Input: number of entries, then changes of a right chain.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core.h"
#include "fake.h"

#define PAGES	5U
#define ENTRIES	XENUSERPTR_DIR_ENTRIES

/* Page g - 1 is the one that gref g names; other grefs name nothing. */
static struct xen_userptrif_dir dir[PAGES];
static uint32_t grefs[(PAGES + 1) * ENTRIES];

static void chain(uint32_t nr)
{
	uint32_t i;

	memset(dir, 0, sizeof(dir));
	for (i = 0; i < nr; i++) {
		dir[i / ENTRIES].gref[i % ENTRIES] = 1000 + i;
		if (i % ENTRIES == ENTRIES - 1 && i + 1 < nr)
			dir[i / ENTRIES].next = i / ENTRIES + 2;
	}
}

/* Would a reader who sees everything accept n entries from page first? */
static bool oracle(uint32_t first, uint32_t n)
{
	bool seen[PAGES + 1] = { false };
	uint32_t at = first, i;

	while (n) {
		const struct xen_userptrif_dir *d = &dir[at - 1];
		uint32_t here = n < ENTRIES ? n : ENTRIES;

		if (seen[at])
			return false;
		seen[at] = true;
		for (i = 0; i < ENTRIES; i++)
			if (!d->gref[i] != (i >= here))
				return false;
		n -= here;
		if (n && (!d->next || d->next > PAGES))
			return false;
		if (!n && d->next)
			return false;
		at = d->next;
	}
	return true;
}

/* The adapter's loop; false also if a page cannot be copied. */
static bool walk(uint32_t first, uint32_t nr)
{
	struct core_dir_walk w;
	uint32_t total = 0;
	int ret;

	if (core_dir_begin(&w, first, nr))
		return false;
	while (w.left) {
		uint32_t left = w.left;

		if (w.next > PAGES)
			return false;
		ret = core_dir_page(&w, &dir[w.next - 1], grefs + total);
		if (ret < 0)
			return false;
		FAKE_ASSERT((uint32_t)ret <= ENTRIES);
		FAKE_ASSERT(w.left == left - (uint32_t)ret);
		total += (uint32_t)ret;
	}
	return total == nr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t nr;

	if (size < 2)
		return 0;
	nr = 1 + (uint32_t)(data[0] | data[1] << 8) % (PAGES * ENTRIES);
	chain(nr);
	for (data += 2, size -= 2; size >= 4; data += 4, size -= 4) {
		uint32_t at = data[1] | (uint32_t)data[2] << 8;
		struct xen_userptrif_dir *d = &dir[data[0] % PAGES];

		if (at < ENTRIES)
			d->gref[at] = data[3];
		else
			d->next = data[3] % (PAGES + 2);
	}
	FAKE_ASSERT(walk(1, nr) == oracle(1, nr));
	return 0;
}
