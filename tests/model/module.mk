# SPDX-License-Identifier: MIT
.PHONY: check-model
check-model:
	@tests/model/run.sh $(BUILD)/model

CHECK_TARGETS += check-model
