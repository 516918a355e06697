#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Compares the octet tables of the specification with the headers.
#
# usage: abi-check.sh SPEC HEADER [HEADER...]
#
# Each table under a line "`struct NAME`: SIZE octets" becomes assertions on
# sizeof and offsetof; they are compiled as ANSI C, C99 and C++, for 64 and 32
# bit. A struct of a header without a table is an error, and so is a table that
# does not cover its struct without a gap.
set -euo pipefail

spec=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Prints "NAME SIZE" and "NAME OFFSET SIZE FIELD" lines, and checks for gaps.
tables() {
	awk -F'|' '
	function finish() {
		if (name != "" && pos != size) {
			printf "%s: table ends at %d of %d\n", name, pos, size > "/dev/stderr"
			bad = 1
		}
		name = ""
	}
	match($0, /^`struct [a-z_]+`: [0-9]+ octets/) {
		finish()
		split($0, w, /[` ]+/)
		name = w[3]; size = w[4]; sub(/^:/, "", size)
		for (i = 4; i in w; i++) if (w[i] ~ /^[0-9]+$/) size = w[i]
		pos = 0
		print name, size
	}
	name != "" && $2 ~ /^ *[0-9]+ *$/ {
		gsub(/ /, "", $2); gsub(/ /, "", $3); gsub(/ /, "", $4)
		if ($2 != pos) {
			printf "%s.%s: offset %d, expected %d\n", name, $4, $2, pos > "/dev/stderr"
			bad = 1
		}
		pos = $2 + $3
		print name, $2, $3, $4
	}
	/^#/ { finish() }
	END { finish(); exit bad }' "$spec"
}

headers() {
	local h

	for h; do
		printf '#include "%s"\n' "$h"
	done
}

# One negative array size per broken assertion, so that ANSI C takes it too.
assertions() {
	local n=0 name a b field

	while read -r name a b field; do
		n=$((n + 1))
		if [ -z "$field" ]; then
			echo "typedef char abi_${n}[sizeof(struct $name) == $a ? 1 : -1];"
		else
			echo "typedef char abi_${n}[offsetof(struct $name, $field) == $a &&" \
				"sizeof(((struct $name *)0)->$field) == $b ? 1 : -1];"
		fi
	done
}

compile() {
	local compiler=$1

	shift
	"$compiler" "$@" -Wall -Wextra -Werror -Wpadded -fsyntax-only \
		-I"$(dirname "$spec")" -isystem /usr/include/libdrm "$dir/abi.c"
}

tables >"$dir/tables"
{
	echo '#include <stddef.h>'
	headers "$@"
	assertions <"$dir/tables"
	echo 'int main(void) { return 0; }'
} >"$dir/abi.c"

status=0
for header; do
	for s in $(sed -n 's/^struct \([a-z_]*\) {$/\1/p' "$(dirname "$spec")/$header"); do
		grep -q "^$s [0-9]*$" "$dir/tables" || {
			echo "$header: struct $s has no table in $spec" >&2
			status=1
		}
	done
done
[ -s "$dir/tables" ] || { echo "$spec: no tables found" >&2; status=1; }

for bits in -m64 -m32; do
	compile gcc $bits -x c -ansi
	compile gcc $bits -x c -std=c99 -pedantic
	compile g++ $bits -x c++ -std=c++11 -pedantic
done
[ $status = 0 ] && echo "abi-check: $(wc -l <"$dir/tables") assertions hold ($*)"
exit $status
