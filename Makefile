# SPDX-License-Identifier: MIT
# One entry point. Every directory owns a module.mk that adds to the variables
# below; this file only collects them.

SHELL := /bin/bash
VERSION := 0.1.0
PREFIX ?= /usr/local
BUILD ?= build
CC ?= gcc
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings

# Targets that `make check` runs: no root, no Xen, under two minutes in all.
CHECK_TARGETS :=
# Programs that the rig builds inside its root: $(BUILD)/bin/NAME.
RIG_PROGRAMS :=
# Targets that `make all` builds for the machine it runs on.
ALL_TARGETS :=

.DEFAULT_GOAL := all

include $(sort $(wildcard */module.mk */*/module.mk))

.PHONY: all check clean help rig-programs
rig-programs: $(RIG_PROGRAMS)

all: $(ALL_TARGETS)

check: $(CHECK_TARGETS)
	@echo "check: done"

clean:
	rm -rf $(BUILD)

help:
	@echo "make all         daemon, tool and library, for this machine"
	@echo "make demo        run the main job on real Xen in QEMU"
	@echo "make check       unit tests, fuzzers, models: no root, no Xen. Each alone:"
	@echo "$(sort $(filter-out $(BUILD)/%,$(CHECK_TARGETS)))" | fmt -w 72 | sed 's/^/                   /'
	@echo "make lint        house rules that a machine can check"
	@echo "make check-sparse  the modules through sparse, in the rig's root"
	@echo "make check-xen   system tests on the rig"
	@echo "make check-all   all that CI runs: check, lint, check-sparse, check-install, check-xen"
	@echo "make check-debug-kernel  the rig on a kernel with KASAN and lockdep (builds it)"
	@echo "make check-long  scenarios of moving memory that CI has no time for"
	@echo "make soak        memory moves at random for HOURS=1, each time with a new seed"
	@echo "make check-hypervisor  the part of check-xen that is about xen-patches/"
	@echo "make check-series      boot Xen after each patch of xen-patches/ (an hour)"
	@echo "make check-full  every variant of check-xen, then check-series (hours)"
	@echo "make check-install     install in the rig's root, build the modules with DKMS"
	@echo "make install     what to install where: install-frontend, -backend, -tools"
	@echo "make modules     both kernel modules for one kernel (KDIR=)"
	@echo "make bench       figures as ratios to a baseline of the same boot"
	@echo "make bench-core  the part of it that needs no Xen"
	@echo "make record-trace  a new trace of moving memory for the unit test that replays one"
	@echo "make clean       remove $(BUILD)/"
