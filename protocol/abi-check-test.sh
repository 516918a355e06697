#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Shows that abi-check.sh can fail: every mutation below must be caught.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# expect_caught NAME FILE SED-EXPRESSION
expect_caught() {
	cp "$here"/userptrif.md "$here"/userptrif.h "$dir"
	sed -i "$3" "$dir/$2"
	if cmp -s "$here/$2" "$dir/$2"; then
		echo "abi-check-test: $1: the mutation changed nothing" >&2
		exit 1
	fi
	if "$here/abi-check.sh" "$dir/userptrif.md" userptrif.h >/dev/null 2>&1; then
		echo "abi-check-test: $1 was not caught" >&2
		exit 1
	fi
}

expect_caught "a wider field" userptrif.h 's/uint32_t obj_id;/uint64_t obj_id;/'
expect_caught "two fields changed over" userptrif.md 's/^| 8 | 4 | nr_pages/| 8 | 4 | gref_directory/'
expect_caught "a wrong size" userptrif.md 's/^\(`struct xen_userptrif_req`\): 64/\1: 60/'
expect_caught "a gap in a table" userptrif.md '/^| 3 | 5 | reserved/d'
expect_caught "a struct without a table" userptrif.md 's/^`struct xen_userptrif_quiesce`.*//'
echo "abi-check-test: 5 mutations caught"
