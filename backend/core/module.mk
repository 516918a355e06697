# SPDX-License-Identifier: MIT
# libcore.a: the pure core. CORE_SRCS and CORE_CFLAGS are for those who build
# it their own way (sanitizers, fuzzers).
CORE_DIR := backend/core
CORE_SRCS := $(sort $(wildcard $(CORE_DIR)/*.c))
CORE_HDRS := $(wildcard $(CORE_DIR)/*.h) protocol/userptrif.h
CORE_CFLAGS := -std=c11 -ffreestanding $(WARN) -I$(CORE_DIR) -Iprotocol
CORE_LIB := $(BUILD)/core/libcore.a
CORE_OBJS := $(CORE_SRCS:$(CORE_DIR)/%.c=$(BUILD)/core/%.o)

# For the unit tests and the fuzzers, which share their fake adapter.
UNIT_DIR := tests/unit
UNIT_HDRS := $(wildcard $(UNIT_DIR)/*.h)
UNIT_CFLAGS := -std=c11 -D_DEFAULT_SOURCE -g $(WARN) -I$(CORE_DIR) \
	-Iprotocol -I$(UNIT_DIR)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

$(BUILD)/core/%.o: $(CORE_DIR)/%.c $(CORE_HDRS)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -O2 -g -fPIC -c -o $@ $<

$(CORE_LIB): $(CORE_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

# Pure means: nothing but these four functions comes from outside. The checks
# of a hardened build (_FORTIFY_SOURCE, stack protector) are not calls of ours.
CORE_MAY_CALL := memcpy|memset|memmove|memcmp|__stack_chk_fail
.PHONY: check-core-pure
check-core-pure: $(CORE_LIB)
	@bad=$$(cd $(BUILD)/core && ld -r -o pure.o $(notdir $(CORE_OBJS)) && \
		nm -u pure.o | awk '{print $$2}' | \
		grep -vE '^($(CORE_MAY_CALL)|_GLOBAL_OFFSET_TABLE_)$$'); \
	if [ -n "$$bad" ]; then \
		echo "check-core-pure: FAIL: the core calls:" $$bad; exit 1; \
	fi; echo "check-core-pure: pass"

# Static analysis. Of cppcheck's style group only what the kernel's style does
# not ask for is left out, and knownConditionTrueFalse, which is wrong about
# conditions on values that come from a comparison with a constant.
CPPCHECK_FLAGS := -q --std=c11 --error-exitcode=1 --inline-suppr \
	--enable=warning,style,performance,portability \
	--suppress=variableScope --suppress=knownConditionTrueFalse \
	--suppress=missingIncludeSystem
CORE_ANALYZED := $(BUILD)/core/analyzed
$(CORE_ANALYZED): $(CORE_SRCS) $(CORE_HDRS)
	@for t in cppcheck clang; do command -v $$t >/dev/null || { \
		echo "check-core-analyze: error: install the package $$t"; \
		exit 1; }; done
	@mkdir -p $(@D)
	@cppcheck $(CPPCHECK_FLAGS) -I$(CORE_DIR) -Iprotocol $(CORE_SRCS)
	@for f in $(CORE_SRCS); do \
		clang --analyze -Xclang -analyzer-werror \
			-Xclang -analyzer-output=text $(CORE_CFLAGS) \
			-o $@.out $$f || exit 1; \
	done
	@touch $@

.PHONY: check-core-analyze
check-core-analyze: $(CORE_ANALYZED)
	@echo "check-core-analyze: pass"

# Figures, not a test: validated requests and VA tree operations per second.
CORE_BENCH := $(BUILD)/bench/core-bench
$(CORE_BENCH): tests/bench/core-bench.c $(CORE_LIB)
	@mkdir -p $(@D)
	@$(CC) -std=c11 -D_DEFAULT_SOURCE -O2 -g $(WARN) -I$(CORE_DIR) \
		-Iprotocol -o $@ $^

.PHONY: bench-core
bench-core: $(CORE_BENCH)
	@$(CORE_BENCH)

ALL_TARGETS += $(CORE_LIB)
CHECK_TARGETS += check-core-pure check-core-analyze
