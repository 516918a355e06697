# SPDX-License-Identifier: MIT
# fake-back runs in dom0 of the rig; it needs Xen's libraries, as the rest there.
FAKE_BACK_SOURCES := $(addprefix tests/fakeback/,fake_back.c fake_link.c fake_op.c)
RIG_PROGRAMS += $(BUILD)/bin/fake-back

$(BUILD)/bin/fake-back: $(FAKE_BACK_SOURCES) tests/fakeback/fake.h protocol/userptrif.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -D__XEN_TOOLS__ -Iprotocol -o $@ \
		$(FAKE_BACK_SOURCES) -lxenstore -lxenevtchn -lxengnttab

# Its other end in the guest.
RIG_PROGRAMS += $(BUILD)/bin/front-guest
CHECK_TARGETS += $(BUILD)/bin/front-guest

$(BUILD)/bin/front-guest: tests/system/front_guest.c $(BUILD)/lib/libxenuserptr.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -Ifrontend/lib $(shell pkg-config --cflags libdrm) \
		-o $@ $^ $(shell pkg-config --libs libdrm)
