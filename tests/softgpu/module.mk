# SPDX-License-Identifier: MIT
# The software GPU. Its kernel module (Kbuild) and its test program are built
# and run by tools/rig; here only what needs no kernel tree.

SOFTGPU_DIR := tests/softgpu
SOFTGPU_DRM_CFLAGS = $(shell pkg-config --cflags libdrm)
SOFTGPU_TEST_SRC := $(addprefix $(SOFTGPU_DIR)/, softgpu-test.c sgt.c \
	test_cmd.c test_bind.c test_sync.c test_mem.c test_control.c \
	test_userptr.c test_unplug.c)
SOFTGPU_TEST_HDR := $(addprefix $(SOFTGPU_DIR)/, sgt.h test.h softgpu_drm.h \
	softgpu_cmd.h) tests/system/drm_node.h

RIG_PROGRAMS += $(BUILD)/bin/softgpu-test

$(BUILD)/bin/softgpu-test: $(SOFTGPU_TEST_SRC) $(SOFTGPU_TEST_HDR)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -ffp-contract=off -Itests/system \
		$(SOFTGPU_DRM_CFLAGS) -o $@ $(SOFTGPU_TEST_SRC) -ldrm

.PHONY: check-softgpu-abi
check-softgpu-abi:
	$(CC) $(WARN) -std=c11 $(SOFTGPU_DRM_CFLAGS) -fsyntax-only \
		$(SOFTGPU_DIR)/softgpu_abi.c
	$(CC) -Wall -Wextra -Werror -x c++ -std=c++11 $(SOFTGPU_DRM_CFLAGS) \
		-fsyntax-only $(SOFTGPU_DIR)/softgpu_abi.c

CHECK_TARGETS += check-softgpu-abi
