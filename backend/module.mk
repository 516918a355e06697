# SPDX-License-Identifier: MIT
# userptrd: broker and worker are one program.
DAEMON_DIRS := backend backend/broker backend/common backend/worker \
	backend/xen backend/gpu
DAEMON_SRCS := $(foreach dir,$(DAEMON_DIRS),$(wildcard $(dir)/*.c))
DAEMON_HDRS := $(foreach dir,$(DAEMON_DIRS),$(wildcard $(dir)/*.h)) \
	backend/core/core.h $(wildcard protocol/*.h tests/softgpu/softgpu_*.h)
DAEMON_CFLAGS = -std=c11 $(WARN) -D_GNU_SOURCE -D__XEN_TOOLS__ -pthread \
	$(addprefix -I,$(DAEMON_DIRS)) -Ibackend/core -Iprotocol \
	-Itests/softgpu $(DAEMON_DRM_CFLAGS)
DAEMON_DRM_CFLAGS := $(shell pkg-config --cflags libdrm)
DAEMON_LIBS := -lxenstore -lxengnttab -lxenevtchn -ldrm -lsystemd -lseccomp \
	-lcap-ng -ljson-c
DAEMON_BIN := $(BUILD)/bin/userptrd
DAEMON_OBJS := $(DAEMON_SRCS:%.c=$(BUILD)/obj/%.o)

$(BUILD)/obj/backend/%.o: backend/%.c $(DAEMON_HDRS)
	@mkdir -p $(@D)
	@$(CC) $(DAEMON_CFLAGS) -O2 -g -c -o $@ $<

$(DAEMON_BIN): $(DAEMON_OBJS) $(BUILD)/core/libcore.a
	@mkdir -p $(@D)
	@$(CC) -pthread -o $@ $^ $(DAEMON_LIBS)

ALL_TARGETS += $(DAEMON_BIN)
RIG_PROGRAMS += $(DAEMON_BIN)
CHECK_TARGETS += $(DAEMON_BIN)
