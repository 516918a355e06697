# SPDX-License-Identifier: MIT
# Programs that test the hypervisor series on the rig.
RIG_PROGRAMS += $(addprefix $(BUILD)/bin/,rv-guest rv-io rv-backend rv-ctl rv-page)

RV_COMMON := tests/hypervisor/rv.c tests/hypervisor/rv.h protocol/xen_revocable.h
RV_BACK := $(addprefix tests/hypervisor/,rv-backend.c rv-back.c rv-cycles.c rv-cases.c \
	rv-script.c)

RV_GRANT := $(addprefix tests/hypervisor/,rv-grant.c rv.c)

$(BUILD)/bin/rv-guest $(BUILD)/bin/rv-io: $(BUILD)/bin/%: tests/hypervisor/%.c $(RV_GRANT) \
		tests/hypervisor/rv-grant.h $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< $(RV_GRANT) -lpthread

$(BUILD)/bin/rv-backend: $(RV_BACK) $(addprefix tests/hypervisor/,rv-back.h rv-script.h) $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $(RV_BACK) tests/hypervisor/rv.c \
		-lxengnttab -lxenevtchn -lpthread

$(BUILD)/bin/rv-ctl: tests/hypervisor/rv-ctl.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c -lxenctrl

$(BUILD)/bin/rv-page: tests/hypervisor/rv-page.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c \
		-lxenctrl -lxenevtchn -lxenforeignmemory

# The scenarios of the series in the variants that CI takes; check-full also builds
# Xen after each patch.
.PHONY: check-hypervisor check-full
check-hypervisor:
	@tools/rig/check-xen credit2 revocable revocable-end revocable-rules revocable-refuse \
		revocable-io

check-full:
	@tests/hypervisor/check-series
