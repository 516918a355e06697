# SPDX-License-Identifier: MIT
RIG_PROGRAMS += $(BUILD)/bin/rig-agent

$(BUILD)/bin/rig-agent: tools/rig/agent.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< -lxenstore

.PHONY: demo check-sparse check-xen check-all check-debug-kernel check-long bench soak
demo:
	@tools/rig/demo

check-xen:
	@tools/rig/check-xen

# The kernel modules through sparse, in the rig's root.
check-sparse:
	@tools/rig/check-sparse

# Lockdep, kmemleak and the like: builds a kernel, takes half an hour, not part of CI.
check-debug-kernel:
	@tools/rig/check-debug-kernel

# What an administrator installs, installed.
.PHONY: check-install
check-install:
	@tools/rig/check-install

# Scenarios of moving memory that CI has no time for.
check-long:
	@tools/rig/check-long

# Another target's variable: known when every module.mk has been read.
check-all:
	@tools/rig/check-all $(CHECK_TARGETS) lint check-sparse check-install

# Figures as ratios to a baseline of the same boot, and counts.
bench: bench-core
	@tools/rig/bench

# Memory moves at random for HOURS, with a new seed each time (SEED=N: the first one).
soak:
	@tools/rig/soak
