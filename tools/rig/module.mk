# SPDX-License-Identifier: MIT
RIG_PROGRAMS += $(BUILD)/bin/rig-agent

$(BUILD)/bin/rig-agent: tools/rig/agent.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< -lxenstore
