/* SPDX-License-Identifier: MIT */
/*
 * What a policy is: a table of functions that look at one chunk at rest and
 * say where it should be. It changes nothing and has no memory of its own, so
 * it can be exchanged at any time.
 */
#ifndef XU_POLICY_H
#define XU_POLICY_H

#include "chunk.h"

enum policy_place { POLICY_STAY, POLICY_RAM, POLICY_VRAM };

struct policy {
	const char *name;
	enum policy_place (*place)(const struct mig *mig,
				   const struct chunk *chunk);
	bool evicts;		/* makes room for what was used later */
};

extern const struct policy policies[MIG_NR_POLICIES];

/* When a job may last have used the chunk, in the engine's count of EXECs. */
uint64_t policy_last_use(const struct mig *mig, const struct chunk *chunk);

#endif /* XU_POLICY_H */
