# SPDX-License-Identifier: MIT
# Unit tests of the daemon, with the fakes of tests/fake instead of Xen, the
# kernel module and the GPU. Each test names the sources that it is about.
DT_DIR := tests/daemon
DT_BUILD := $(BUILD)/daemon-test
DT_FAKES := $(wildcard tests/fake/*.c)
DT_CFLAGS = $(DAEMON_CFLAGS) -I$(DT_DIR) -Itests/fake \
	-Itools/userptrctl -g
DT_WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray
DT_CORE := backend/common/log.c backend/common/number.c

DT_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

DT_TESTS := number config ring events decide ipc helper route sandbox grefs space mover batch spare times top recorder \
	journal rescue rescuer gate module attach ctl spawn control broker serve gpu
DT_SRCS_number :=
DT_SRCS_config := backend/broker/config.c backend/xen/store.c $(CORE_SRCS)
DT_SRCS_ring := backend/xen/ring.c
DT_SRCS_events := backend/xen/events.c
DT_SRCS_decide := backend/broker/decide.c
DT_SRCS_ipc := backend/common/ipc.c
DT_SRCS_helper := backend/worker/helper.c
DT_SRCS_sandbox := backend/worker/sandbox.c backend/worker/helper.c
DT_SRCS_route := backend/worker/route.c backend/worker/work.c \
	backend/worker/helper.c backend/worker/migrator.c backend/worker/migrator-ops.c backend/worker/migrator-recover.c backend/worker/alive.c \
	backend/worker/gate.c backend/worker/mover.c \
	backend/worker/mover-place.c backend/worker/mover-copy.c backend/worker/space.c \
	backend/worker/mover-ops.c backend/worker/mover-armed.c backend/worker/mover-spare.c backend/worker/grefs.c \
	backend/worker/recorder.c backend/worker/journal.c \
	backend/worker/jobs.c backend/xen/ring.c backend/xen/events.c \
	backend/xen/grant.c backend/common/ipc.c $(CORE_SRCS)

# Sanitizers make system calls of their own: what the filter does is tested plain.
DT_SRCS_space := backend/worker/space.c
DT_SRCS_grefs := backend/worker/grefs.c
DT_SRCS_mover := tests/daemon/moverworld.c backend/worker/mover.c backend/worker/helper.c backend/worker/mover-ops.c \
	backend/worker/mover-armed.c backend/worker/mover-spare.c \
	backend/worker/mover-place.c backend/worker/mover-copy.c backend/worker/space.c \
	backend/worker/journal.c \
	backend/worker/work.c backend/xen/grant.c backend/common/ipc.c \
	$(CORE_SRCS)
DT_SRCS_batch := $(DT_SRCS_mover)
DT_SRCS_spare := $(DT_SRCS_mover)
DT_SRCS_journal := backend/worker/journal.c $(CORE_SRCS)
# The test has fences of its own.
DT_SRCS_rescue := tests/daemon/process.c $(filter-out backend/worker/jobs.c,$(DT_SRCS_route))
DT_SRCS_rescuer := $(DT_SRCS_rescue) backend/worker/rescue.c

# The test has jobs of its own.
DT_SRCS_serve := $(filter-out backend/worker/jobs.c,$(DT_SRCS_route)) \
	backend/worker/serve.c backend/worker/control.c

DT_SRCS_gate = $(DT_SRCS_route)

DT_SRCS_spawn := backend/broker/spawn.c backend/broker/gpus.c backend/broker/config.c \
	backend/xen/store.c backend/common/ipc.c $(CORE_SRCS)

DT_SRCS_control := backend/broker/control.c backend/common/ipc.c

DT_SRCS_broker := tests/daemon/brokerworld.c $(addprefix backend/broker/,broker.c device.c decide.c config.c) \
	backend/xen/store.c $(CORE_SRCS)

DT_SRCS_gpu := $(wildcard backend/gpu/*.c)

DT_SRCS_times := tools/userptrctl/times.c

DT_SRCS_top := tools/userptrctl/top-table.c tools/userptrctl/top-show.c \
	tools/userptrctl/times.c

DT_SRCS_attach := tools/userptrctl/attach.c tools/userptrctl/ctl.c \
	backend/broker/config.c backend/xen/store.c $(CORE_SRCS)

DT_SRCS_ctl := $(addprefix tools/userptrctl/,answer.c ctl.c list.c migrate.c map.c) \
	backend/broker/config.c backend/xen/store.c $(CORE_SRCS)

DT_SRCS_recorder := backend/worker/recorder.c $(CORE_SRCS)

DT_LIBS_times := -ljson-c
DT_LIBS_top := -ljson-c
DT_LIBS_ctl := -ljson-c
DT_LIBS_route := -lsystemd
DT_LIBS_rescue := -lsystemd
DT_LIBS_rescuer := -lsystemd
DT_LIBS_gate := -lsystemd
DT_LIBS_serve := -lsystemd
DT_LIBS_spawn := -lsystemd
DT_LIBS_control := -lsystemd
DT_LIBS_broker := -lsystemd
DT_LIBS_gpu := -ldrm
DT_LIBS_sandbox := -lsystemd -lseccomp -lcap-ng

# dt-variant(name, compiler, flags)
define dt-variant
$(DT_BUILD)/$(1)/test-%: $(DT_DIR)/test-%.c $(DT_FAKES) $(DAEMON_HDRS) \
		$(wildcard tests/fake/*.h tools/userptrctl/*.[ch]) $(DT_DIR)/cm.h $(wildcard $(DT_DIR)/moverworld.* $(DT_DIR)/brokerworld.* $(DT_DIR)/process.* $(DT_DIR)/moverdrain.h) $(DAEMON_SRCS) \
		$(CORE_SRCS) $(CORE_HDRS) | check-unit-deps daemon-deps
	@mkdir -p $$(@D)
	@$(2) $$(DT_CFLAGS) $(3) -o $$@ $$< $$(DT_SRCS_$$*) $$(DT_FAKES) \
		$$(DT_CORE) $(DT_WRAP) -lcmocka $$(DT_LIBS_$$*)

DT_BINS += $(patsubst %,$(DT_BUILD)/$(1)/test-%,$(filter-out $(4),$(DT_TESTS)))
endef

DT_BINS :=
$(eval $(call dt-variant,gcc,gcc,-O2,))
$(eval $(call dt-variant,clang-san,clang,-O1 $(DT_SANITIZE),sandbox))

.PHONY: check-daemon
check-daemon: $(DT_BINS)
	@fail=0; for t in $(DT_BINS); do \
		if timeout 60 $$t >$$t.log 2>&1; then \
			echo "check-daemon: pass: $${t#$(DT_BUILD)/}"; \
		else \
			cat $$t.log; fail=1; \
			echo "check-daemon: fail: $${t#$(DT_BUILD)/}"; \
		fi; \
	done; exit $$fail

CHECK_TARGETS += check-daemon

# Also that the compiler has left the probes in.
.PHONY: check-probes
check-probes: $(DAEMON_BIN)
	@tests/daemon/check-probes $(DAEMON_BIN)

# What is no trace is refused, and one that was recorded is understood.
.PHONY: check-replay
check-replay: $(BUILD)/bin/userptrctl
	@mkdir -p $(DT_BUILD)
	@trace=tests/unit/data/migrate.trace; bad=$(DT_BUILD)/bad.trace; \
	fails() { ! $(CTL_BIN) replay $$bad >/dev/null 2>&1 || { \
		echo "check-replay: fail: $$1 is taken for a trace"; exit 1; }; }; \
	$(CTL_BIN) replay $$trace >$(DT_BUILD)/replay.log && \
		grep -q '^ .* WANT ' $(DT_BUILD)/replay.log && \
		grep -q '^ .*-> COPY ' $(DT_BUILD)/replay.log && \
		tail -n 1 $(DT_BUILD)/replay.log | grep -q 'the same as' || { \
		tail -n 3 $(DT_BUILD)/replay.log; echo "check-replay: fail"; exit 1; }; \
	head -c 20000 $$trace >$$bad; fails "one that is cut"; \
	{ head -c 19840 $$trace; tail -c +20001 $$trace; } >$$bad; fails "one that lacks an event"; \
	tail -c +2 $$trace >$$bad; fails "what has no head"; \
	: >$$bad; fails "an empty file"; \
	echo "check-replay: pass"

CHECK_TARGETS += check-probes check-replay
