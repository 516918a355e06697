# SPDX-License-Identifier: MIT
# Programs that test the hypervisor series on the rig.
RIG_PROGRAMS += $(addprefix $(BUILD)/bin/,rv-guest rv-io rv-backend rv-ctl rv-page \
	rv-ioreq rv-fault rv-micro rv-iommu.so)

RV_COMMON := tests/hypervisor/rv.c tests/hypervisor/rv.h protocol/xen_revocable.h
RV_BACK := $(addprefix tests/hypervisor/,rv-backend.c rv-back.c rv-cycles.c rv-cases.c \
	rv-race.c rv-arm.c rv-script.c)

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
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c \
		-lxenctrl -lxenforeignmemory

$(BUILD)/bin/rv-page: tests/hypervisor/rv-page.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c \
		-lxenctrl -lxenevtchn -lxenforeignmemory

$(BUILD)/bin/rv-ioreq: tests/hypervisor/rv-ioreq.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c \
		-lxenctrl -lxendevicemodel -lxenevtchn -lxenforeignmemory -lxengnttab

$(BUILD)/bin/rv-fault: tests/hypervisor/rv-fault.c $(RV_COMMON)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $< tests/hypervisor/rv.c

# A kernel: 32 bits, no libraries, at an address where a guest has memory.
$(BUILD)/bin/rv-micro: tests/hypervisor/rv-micro.c protocol/xen_revocable.h
	@mkdir -p $(@D)
	$(CC) -m32 -march=i686 -mno-sse -std=gnu11 -O2 -g $(WARN) -ffreestanding -fno-pic \
		-fno-stack-protector -nostdlib -static -Wl,--build-id=none \
		-Wl,-Ttext-segment=0x100000 -Wl,-z,noseparate-code -Wl,-e,start -o $@ $<

$(BUILD)/bin/rv-iommu.so: tests/hypervisor/rv-iommu.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -fPIC -shared -o $@ $<

# The scenarios of the series in the variants that CI takes. check-series boots after
# each patch, check-full all scenarios in all variants: hours, not part of CI.
.PHONY: check-hypervisor check-series check-full
check-hypervisor:
	@tools/rig/check-xen fixes credit2 revocable revocable-end revocable-rules revocable-refuse \
		revocable-io revocable-race back-revoke

check-series:
	@tests/hypervisor/check-series

check-full:
	@FULL=yes tools/rig/check-xen && tests/hypervisor/check-series
