# SPDX-License-Identifier: MIT
# Fuzzers of the core: libFuzzer, clang, with address and undefined-behaviour
# sanitizers. FUZZ_SECONDS is for all of them together:
#   make check-fuzz FUZZ_SECONDS=3600
FUZZ_SECONDS ?= 20
FUZZ_DIR := tests/fuzz
FUZZERS := request dir step vatree chunk
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_FLAGS := -O1 -g $(SANITIZE)
FUZZ_OBJS := $(CORE_SRCS:$(CORE_DIR)/%.c=$(FUZZ_BUILD)/lib/%.o) \
	$(addprefix $(FUZZ_BUILD)/lib/,fake.o fakereq.o actions.o vamodel.o \
		migworld.o migrun.o migguest.o migactions.o)

# Coverage guides the fuzzer; that of the oracles would only slow it down.
FUZZ_COV = -fsanitize=fuzzer-no-link
$(addprefix $(FUZZ_BUILD)/lib/,check.o fake.o vamodel.o migrate-check.o \
	migworld.o migrun.o): FUZZ_COV =

$(FUZZ_BUILD)/lib/%.o: $(CORE_DIR)/%.c $(CORE_HDRS) | check-unit-deps
	@mkdir -p $(@D)
	@clang $(CORE_CFLAGS) $(FUZZ_FLAGS) $(FUZZ_COV) -c -o $@ $<

$(FUZZ_BUILD)/lib/%.o: $(UNIT_DIR)/%.c $(CORE_HDRS) $(UNIT_HDRS) | check-unit-deps
	@mkdir -p $(@D)
	@clang $(UNIT_CFLAGS) $(FUZZ_FLAGS) $(FUZZ_COV) -c -o $@ $<

$(FUZZ_BUILD)/fuzz-%: $(FUZZ_DIR)/fuzz-%.c $(FUZZ_OBJS) $(UNIT_HDRS)
	@clang $(UNIT_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJS)

.PRECIOUS: $(FUZZ_BUILD)/lib/%.o

# What a run finds stays in build/; a crash has to be copied to the corpus.
.PHONY: check-fuzz
check-fuzz: $(FUZZERS:%=$(FUZZ_BUILD)/fuzz-%)
	@fail=0; for f in $(FUZZERS); do \
		mkdir -p $(FUZZ_BUILD)/new-$$f $(FUZZ_DIR)/corpus/$$f; \
		log=$(FUZZ_BUILD)/fuzz-$$f.log; \
		if $(FUZZ_BUILD)/fuzz-$$f -max_len=2048 -timeout=10 \
			-max_total_time=$$(( ($(FUZZ_SECONDS) + 4) / 5 )) \
			-print_final_stats=1 \
			-artifact_prefix=$(FUZZ_BUILD)/$$f- \
			$(FUZZ_BUILD)/new-$$f $(FUZZ_DIR)/corpus/$$f \
			>$$log 2>&1; then \
			echo "check-fuzz: pass: $$f," \
				"$$(sed -n 's/^stat::number_of_executed_units: *//p' $$log) runs," \
				"$$(sed -n 's/^INFO: Seed: /seed /p' $$log)"; \
		else \
			tail -40 $$log; fail=1; \
			echo "check-fuzz: fail: $$f (copy the crash to" \
				"$(FUZZ_DIR)/corpus/$$f)"; \
		fi; \
	done; exit $$fail

CHECK_TARGETS += check-fuzz
