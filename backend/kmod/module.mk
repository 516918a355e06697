# SPDX-License-Identifier: MIT
# The module itself (Kbuild) is built by tools/rig; here its test programs.
RIG_PROGRAMS += $(BUILD)/bin/back-test $(BUILD)/bin/back-guest

$(BUILD)/bin/back-test: tests/system/back-test.c tests/system/back-lib.c \
		tests/system/back-revoke.c tests/system/back-pages.c \
		tests/system/back-fences.c protocol/xen_revocable.h \
		tests/system/back-lib.h tests/system/back-pattern.h tests/importer/xu_importer.h \
		protocol/xen_userptr_back.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -Iprotocol -Itests/importer -o $@ \
		$(filter %.c,$^)

$(BUILD)/bin/back-guest: tests/system/back-guest.c tests/system/back-pattern.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -o $@ $<
