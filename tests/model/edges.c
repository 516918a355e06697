// SPDX-License-Identifier: MIT
/*
 * Prints which state of a chunk may follow on which, by the table of the program, in the
 * words of migrate.pml: "step FROM TO", and "recover FROM TO" for what a new worker
 * begins with. States that the model leaves out are walked through, and belong to the one
 * before; DEVICE and SHARED are its AWAY. MAPPED and HOST have no way in: if they get one,
 * the model has to know them.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "chunk.h"

static const bool is_left_out[CHUNK_NR_STATES] = {
	[CHUNK_ALLOCATING] = true,
	[CHUNK_ARMING] = true,
	[CHUNK_DRAINING] = true,
	[CHUNK_DRAIN_WAIT] = true,
	[CHUNK_COPYING_CPU] = true,
	[CHUNK_LOST_UNBINDING] = true,
};

static const char *name_of(uint32_t state)
{
	if (state == CHUNK_DEVICE || state == CHUNK_SHARED)
		return "AWAY";
	return chunk_facts[state].name;
}

static void edge(const char *kind, uint32_t from, uint32_t to)
{
	const char *a = name_of(from), *b = name_of(to);

	if (strcmp(a, b))
		printf("%s %s %s\n", kind, a, b);
}

/* What follows on @from by way of @at. @seen: states that were walked through. */
static void walk(uint32_t from, uint32_t at, bool *seen)
{
	uint32_t event;

	seen[at] = true;
	edge("recover", from, chunk_facts[at].recover);
	for (event = 0; event < CHUNK_NR_EVENTS; event++) {
		const struct chunk_step *step = &chunk_steps[at][event];

		if (step->action == CHUNK_REFUSE)
			continue;
		if (!is_left_out[step->next])
			edge("step", from, step->next);
		else if (!seen[step->next])
			walk(from, step->next, seen);
	}
}

int main(void)
{
	uint32_t state;

	for (state = 0; state < CHUNK_NR_STATES; state++) {
		bool seen[CHUNK_NR_STATES] = { false };

		if (!is_left_out[state])
			walk(state, state, seen);
	}
	return 0;
}
