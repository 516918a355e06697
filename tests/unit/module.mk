# SPDX-License-Identifier: MIT
# Unit tests of the core: each with gcc and clang, plain and with sanitizers.
UNIT_TESTS := $(patsubst $(UNIT_DIR)/test-%.c,%,$(wildcard $(UNIT_DIR)/test-*.c))
UNIT_BUILD := $(BUILD)/unit

# Needed by the tests, with the Debian package that has it.
.PHONY: check-unit-deps
check-unit-deps:
	@tools= ; \
	command -v gcc >/dev/null || tools="$$tools gcc"; \
	command -v clang >/dev/null || tools="$$tools clang"; \
	printf '#include <setjmp.h>\n#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <cmocka.h>\n' | \
		$(CC) -E -x c - >/dev/null 2>&1 || tools="$$tools libcmocka-dev"; \
	if [ -n "$$tools" ]; then \
		echo "check-unit: error: install these packages:$$tools"; \
		exit 1; \
	fi

# unit-variant(name, compiler, flags)
define unit-variant
$(UNIT_BUILD)/$(1)/lib/%.o: $(CORE_DIR)/%.c $(CORE_HDRS) | check-unit-deps
	@mkdir -p $$(@D)
	@$(2) $(CORE_CFLAGS) -g $(3) -c -o $$@ $$<

$(UNIT_BUILD)/$(1)/lib/%.o: $(UNIT_DIR)/%.c $(CORE_HDRS) $(UNIT_HDRS) | check-unit-deps
	@mkdir -p $$(@D)
	@$(2) $(UNIT_CFLAGS) $(3) -c -o $$@ $$<

$(UNIT_BUILD)/$(1)/test-%: $(UNIT_BUILD)/$(1)/lib/test-%.o \
		$(foreach o,fake fakereq vamodel actions migworld migrun migguest migactions,$(UNIT_BUILD)/$(1)/lib/$(o).o) \
		$(CORE_SRCS:$(CORE_DIR)/%.c=$(UNIT_BUILD)/$(1)/lib/%.o)
	@$(2) $(3) -o $$@ $$^ -lcmocka

.PRECIOUS: $(UNIT_BUILD)/$(1)/lib/%.o
UNIT_BINS += $(UNIT_TESTS:%=$(UNIT_BUILD)/$(1)/test-%)
endef

UNIT_BINS :=
$(eval $(call unit-variant,gcc,gcc,-O2))
$(eval $(call unit-variant,clang,clang,-O2))
$(eval $(call unit-variant,gcc-san,gcc,-O1 $(SANITIZE)))
$(eval $(call unit-variant,clang-san,clang,-O1 $(SANITIZE)))

# One line per test program; the full output only of one that fails.
.PHONY: check-unit
check-unit: $(UNIT_BINS)
	@fail=0; for t in $(UNIT_BINS); do \
		if $$t >$$t.log 2>&1; then \
			echo "check-unit: pass: $${t#$(UNIT_BUILD)/}"; \
		else \
			tail -25 $$t.log; fail=1; \
			echo "check-unit: fail: $${t#$(UNIT_BUILD)/}"; \
		fi; \
	done; exit $$fail

# The trace that test-chunk-trace replays, from a guest that runs on the rig.
.PHONY: record-trace
record-trace:
	tools/rig/run migrate --only attach,recorded
	@sed '1,/^trace-begin$$/d; /^trace-end$$/,$$d' \
		$(BUILD)/rig/logs/migrate-release-pvh-6.12/output.log | \
		base64 -d | gzip -d >$(UNIT_DIR)/data/migrate.trace

CHECK_TARGETS += check-unit
