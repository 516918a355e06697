# SPDX-License-Identifier: MIT
# userptrd: broker and worker are one program.
DAEMON_DIRS := backend backend/broker backend/common backend/worker \
	backend/xen backend/gpu
DAEMON_SRCS := $(foreach dir,$(DAEMON_DIRS),$(wildcard $(dir)/*.c))
DAEMON_HDRS := $(foreach dir,$(DAEMON_DIRS),$(wildcard $(dir)/*.h)) \
	$(wildcard backend/core/*.h) $(wildcard protocol/*.h tests/softgpu/softgpu_*.h)
DAEMON_CFLAGS = -std=c11 $(WARN) -D_GNU_SOURCE -D__XEN_TOOLS__ -pthread \
	-DXU_VERSION='"$(VERSION)"' \
	$(addprefix -I,$(DAEMON_DIRS)) -Ibackend/core -Iprotocol \
	-Itests/softgpu $(DAEMON_DRM_CFLAGS)
DAEMON_DRM_CFLAGS = $(shell pkg-config --cflags libdrm)
DAEMON_LIBS := -lxenstore -lxengnttab -lxenevtchn -ldrm -lsystemd -lseccomp \
	-lcap-ng -ljson-c
DAEMON_BIN := $(BUILD)/bin/userptrd
DAEMON_OBJS := $(DAEMON_SRCS:%.c=$(BUILD)/obj/%.o)

# What the build needs, as HEADER:DEBIAN-PACKAGE; said at once and by name.
DAEMON_DEPS := xenstore.h:libxen-dev systemd/sd-event.h:libsystemd-dev \
	seccomp.h:libseccomp-dev cap-ng.h:libcap-ng-dev \
	json-c/json.h:libjson-c-dev xf86drm.h:libdrm-dev uthash.h:uthash-dev \
	sys/sdt.h:systemtap-sdt-dev

.PHONY: daemon-deps
daemon-deps:
	@missing= ; for dep in $(DAEMON_DEPS); do \
		echo "#include <$${dep%%:*}>" | $(CC) $(DAEMON_DRM_CFLAGS) -E -x c - \
			>/dev/null 2>&1 || missing="$$missing $${dep#*:}"; \
	done; if [ -n "$$missing" ]; then \
		echo "userptrd: error: install these packages:$$missing"; exit 1; \
	fi

$(BUILD)/obj/backend/%.o: backend/%.c $(DAEMON_HDRS) | daemon-deps
	@mkdir -p $(@D)
	@$(CC) $(DAEMON_CFLAGS) -O2 -g -c -o $@ $<

$(DAEMON_BIN): $(DAEMON_OBJS) $(BUILD)/core/libcore.a
	@mkdir -p $(@D)
	@$(CC) -pthread -o $@ $^ $(DAEMON_LIBS)

ALL_TARGETS += $(DAEMON_BIN)
RIG_PROGRAMS += $(DAEMON_BIN)
CHECK_TARGETS += $(DAEMON_BIN)
