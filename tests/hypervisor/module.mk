# SPDX-License-Identifier: MIT
# Programs that test the hypervisor series on the rig.
RIG_PROGRAMS += $(BUILD)/bin/rv-guest $(BUILD)/bin/rv-backend

RV_COMMON := tests/hypervisor/rv.c tests/hypervisor/rv.h protocol/xen_revocable.h

$(BUILD)/bin/rv-guest: tests/hypervisor/rv-guest.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c -lpthread

$(BUILD)/bin/rv-backend: tests/hypervisor/rv-backend.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c \
		-lxengnttab -lxenevtchn -lpthread
