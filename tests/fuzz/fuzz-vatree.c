// SPDX-License-Identifier: MIT
/* Octets are operations on the VA tree; the naive model predicts each one. */
#include <stddef.h>
#include <stdint.h>

#include "actions.h"
#include "vamodel.h"

static void one_action(struct vamodel *m, struct source *src)
{
	uint32_t kind = source_below(src, 8);
	uint32_t space = source_below(src, VAMODEL_SPACES);
	uint32_t page, nr, owner;

	if (kind == 0) {
		vamodel_rollback(m, space);
		return;
	}
	if (kind == 1) {
		vamodel_commit(m, space);
		return;
	}
	page = source_below(src, VAMODEL_PAGES);
	nr = source_below(src, 64);
	if (page + nr > VAMODEL_PAGES)
		nr = VAMODEL_PAGES - page;
	if (kind < 4) {
		vamodel_unmap(m, space, page, nr);
		return;
	}
	owner = source_below(src, VAMODEL_OWNERS + 1);
	vamodel_map(m, space, page, nr,
		    owner == VAMODEL_OWNERS ? VA_NO_OWNER : owner,
		    source_below(src, 256), (uint16_t)source_below(src, 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t base[] = {
		0, 4096, UINT64_MAX - VAMODEL_PAGES * 4096, UINT64_C(1) << 63,
	};
	struct source src = { .data = data, .left = size };
	struct vamodel *m;
	uint32_t i;

	m = vamodel_new(1 + source_below(&src, 256) * 4,
			base[source_below(&src, 4)], 4096);
	while (!source_empty(&src)) {
		one_action(m, &src);
		vamodel_compare(m);
	}
	for (i = 0; i < VAMODEL_SPACES; i++)
		vamodel_clear(m, i);
	FAKE_ASSERT(!m->pool.free.used && !m->pool.nodes.pool.used);
	vamodel_free(m);
	return 0;
}
