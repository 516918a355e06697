// SPDX-License-Identifier: MIT
/* The policies: where should a chunk at rest be? Read only. */
#include "policy.h"
#include "userptrif.h"

uint64_t policy_last_use(const struct mig *mig, const struct chunk *chunk)
{
	uint64_t vms = chunk->users;
	uint64_t last = 0;
	uint32_t vm;

	for_each_vm(vm, vms)
		if (mig->vm[vm].last_exec > last)
			last = mig->vm[vm].last_exec;
	return last;
}

static enum policy_place place_manual(const struct mig *mig,
				      const struct chunk *chunk)
{
	(void)mig;
	(void)chunk;
	return POLICY_STAY;
}

static enum policy_place place_hint(const struct mig *mig,
				    const struct chunk *chunk)
{
	(void)mig;
	switch (chunk->advice) {
	case XENUSERPTR_ADVICE_PREFER_VRAM:
	case XENUSERPTR_ADVICE_WILL_NEED:
		return POLICY_VRAM;
	case XENUSERPTR_ADVICE_READ_MOSTLY:
		return chunk->writers ? POLICY_STAY : POLICY_VRAM;
	case XENUSERPTR_ADVICE_PREFER_RAM:
		return POLICY_RAM;
	}
	return POLICY_STAY;
}

static enum policy_place place_first_use(const struct mig *mig,
					 const struct chunk *chunk)
{
	if (chunk->advice == XENUSERPTR_ADVICE_PREFER_RAM)
		return POLICY_RAM;
	return policy_last_use(mig, chunk) ? POLICY_VRAM : POLICY_STAY;
}

const struct policy policies[MIG_NR_POLICIES] = {
	[MIG_POLICY_MANUAL] = { "manual", place_manual, false },
	[MIG_POLICY_FIRST_USE] = { "first-use", place_first_use, false },
	[MIG_POLICY_HINT] = { "hint", place_hint, false },
	[MIG_POLICY_PRESSURE] = { "pressure", place_first_use, true },
};
