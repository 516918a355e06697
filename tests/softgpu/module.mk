# SPDX-License-Identifier: MIT
# The software GPU. Its kernel module (Kbuild) and its test program are built
# and run by tools/rig; here only what needs no kernel tree.

SOFTGPU_DIR := tests/softgpu
SOFTGPU_DRM_CFLAGS := $(shell pkg-config --cflags libdrm)

.PHONY: check-softgpu-abi
check-softgpu-abi:
	$(CC) $(WARN) -std=c11 $(SOFTGPU_DRM_CFLAGS) -fsyntax-only \
		$(SOFTGPU_DIR)/softgpu_abi.c
	$(CC) -Wall -Wextra -Werror -x c++ -std=c++11 $(SOFTGPU_DRM_CFLAGS) \
		-fsyntax-only $(SOFTGPU_DIR)/softgpu_abi.c

CHECK_TARGETS += check-softgpu-abi
