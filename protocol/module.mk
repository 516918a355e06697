# SPDX-License-Identifier: MIT
CHECK_TARGETS += check-abi

.PHONY: check-abi
check-abi:
	@protocol/abi-check.sh protocol/userptrif.md userptrif.h
	@protocol/abi-check.sh protocol/uapi.md xen_userptr_drm.h xen_userptr_back.h
	@protocol/abi-check-test.sh
