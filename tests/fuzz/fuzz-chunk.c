// SPDX-License-Identifier: MIT
/*
 * Lives of the migration engine from the input's octets: events in any order,
 * failures, stray events, workers that die. mig_check() runs after each step
 * (as core_check() runs it), the fake world follows where the newest data is.
 */
#include <stddef.h>
#include <stdint.h>

#include "migworld.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source src = { .data = data, .left = size };
	struct world *w = world_new(NULL);

	w->losses = source_below(&src, 2);
	while (!source_empty(&src))
		world_action(w, &src);
	world_end(w);
	world_free(w);
	return 0;
}
