# SPDX-License-Identifier: MIT
# Run by check-all.

.PHONY: lint
lint:
	@tools/lint/lint
