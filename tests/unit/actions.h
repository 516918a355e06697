/* SPDX-License-Identifier: MIT */
/*
 * One step of a random life of a core, chosen by numbers from a source: random
 * ones in a test, the input's octets in a fuzzer. Honest actions never make
 * core_step() say -EPROTO, and that is checked.
 */
#ifndef XU_ACTIONS_H
#define XU_ACTIONS_H

#include "fake.h"
#include "random.h"

struct source {
	struct rng *rng;	/* or, if NULL: */
	const uint8_t *data;
	size_t left;
};

/* 0 .. n - 1, n <= 65536; 0 when a fuzzer's input is used up. */
uint32_t source_below(struct source *src, uint32_t n);
bool source_empty(const struct source *src);

/* Limits for random lives: small, so that every quota is met. */
extern const struct core_limits actions_limits;

void action_honest(struct fake *fake, struct source *src);
/* A packet of any octets, or an event that may fit or not; as core_step(). */
int action_hostile(struct fake *fake, struct source *src);
/* Answer and destroy everything; nothing may be left. */
void actions_end(struct fake *fake);

#endif /* XU_ACTIONS_H */
