# SPDX-License-Identifier: MIT
# userptrctl. It shares the strict parsers of the daemon.
CTL_DIR := tools/userptrctl
CTL_SRCS := $(wildcard $(CTL_DIR)/*.c) backend/common/number.c \
	backend/common/ipc.c backend/common/log.c backend/common/rundir.c backend/xen/store.c backend/broker/config.c
CTL_CFLAGS = $(DAEMON_CFLAGS) -I$(CTL_DIR)
CTL_LIBS := -lxenstore -ljson-c
CTL_BIN := $(BUILD)/bin/userptrctl
CTL_OBJS := $(CTL_SRCS:%.c=$(BUILD)/obj/%.o)

$(BUILD)/obj/$(CTL_DIR)/%.o: $(CTL_DIR)/%.c $(DAEMON_HDRS) $(wildcard $(CTL_DIR)/*.h) | daemon-deps
	@mkdir -p $(@D)
	@$(CC) $(CTL_CFLAGS) -O2 -g -c -o $@ $<

$(CTL_BIN): $(CTL_OBJS) $(BUILD)/core/libcore.a
	@mkdir -p $(@D)
	@$(CC) -o $@ $^ $(CTL_LIBS)

ALL_TARGETS += $(CTL_BIN)
RIG_PROGRAMS += $(CTL_BIN)
CHECK_TARGETS += $(CTL_BIN)
