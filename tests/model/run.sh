#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks the Promela models: the right ones must hold, each variant with a
# known bug must be caught, and the one of migration takes the edges of the program's
# table, no more and no fewer. Usage: run.sh BUILD_DIRECTORY
set -u

for tool in spin gcc; do
	command -v $tool >/dev/null ||
		{ echo "check-model: error: install the package $tool"; exit 1; }
done
here=$(cd "$(dirname "$0")" && pwd)
build=$1
fail=0

# verify MODEL WHAT DEFINES PAN_ARGUMENTS: sets result to holds, caught, error
verify()
{
	local dir=$build/$1-$2

	mkdir -p "$dir"
	result=error
	# shellcheck disable=SC2086
	(cd "$dir" && spin $3 -a "$here/$1.pml" && gcc -O0 -w -DNFAIR=4 -o pan pan.c &&
		./pan -m100000 -w18 $4) >"$dir/log" 2>&1 || return
	grep -q 'max search depth too small' "$dir/log" && return
	# A mistake in the model, not what the variant is about.
	grep -q 'assertion violated (st==' "$dir/log" && return
	if grep -q 'errors: 0' "$dir/log"; then
		result=holds
	elif grep -q 'errors: [1-9]' "$dir/log"; then
		result=caught
	fi
}

# check MODEL WHAT EXPECTED DEFINES PAN_ARGUMENTS
check()
{
	verify "$1" "$2" "$4" "$5"
	if [ $result = "$3" ]; then
		echo "check-model: pass: $1 $2 ($result," \
			"$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$build/$1-$2/log") states)"
		[ $result = caught ] || sed -n 's/^took //p' "$build/$1-$2/log" >>"$build/took"
	else
		tail -20 "$build/$1-$2/log"
		echo "check-model: fail: $1 $2: expected $3, got $result"
		fail=1
	fi
}

# Changes of state that no list of edges would see.
unseen()
{
	grep -nE '(^|[^a-z_])st = ' "$here/migrate.pml" | grep -v 'TOOK(\|mtype st = HOME;'
}

omitted() { grep -v '^#' "$here/migrate.omitted"; }

# agrees TABLE: its edges are those that were taken and those that are omitted, none both.
agrees()
{
	diff <(sort -u "$1") <({ sort -u "$build/took"; omitted; } | sort)
}

table_make()
{
	gcc -std=gnu11 -Wall -Wextra -Werror -I"$here/../../backend/core" -I"$here/../../protocol" \
		-o "$build/edges" "$here/edges.c" "$here/../../backend/core/chunk-table.c" &&
		"$build/edges" >"$build/table"
}

# wrong_tables: names what would not be missed, or be one too many, in the table.
wrong_tables()
{
	local edge

	sort -u "$build/table" | while read -r edge; do
		grep -vx "$edge" "$build/table" >"$build/wrong"
		! agrees "$build/wrong" >/dev/null || echo "without: $edge"
	done
	for edge in "step HOME AWAY" "recover HOME LOST"; do
		{ cat "$build/table"; echo "$edge"; } >"$build/wrong"
		! agrees "$build/wrong" >/dev/null || echo "with: $edge"
	done
}

# After all variants that must hold.
table_check()
{
	if unseen || ! table_make || ! agrees "$build/table"; then
		echo "check-model: fail: the table of the program (<) is not what migrate.pml" \
			"did and migrate.omitted has (>)"
		fail=1
	elif wrong_tables | grep .; then
		echo "check-model: fail: these wrong tables are not caught"
		fail=1
	else
		echo "check-model: pass: migrate.pml is the table of the program" \
			"($(sort -u "$build/table" | wc -l) edges, $(omitted | wc -l) omitted)"
	fi
}

mkdir -p "$build"
: >"$build/took"
check ring safe holds "" ""
check ring live holds -DLIVE "-a -f"
check ring lying holds -DLYING=1 ""
check ring BUG_TRUST_UNMAPPED caught "-DLYING=1 -DBUG_TRUST_UNMAPPED" ""
check ring BUG_TRUST_DEATH caught -DBUG_TRUST_DEATH ""
check ring BUG_ANSWER_EARLY caught -DBUG_ANSWER_EARLY ""
check ring BUG_NO_FENCE caught -DBUG_NO_FENCE ""
check ring BUG_REUSE_ID caught -DBUG_REUSE_ID ""
check ring BUG_TWO_STEPS caught "-DLYING=1 -DBUG_TWO_STEPS" ""
check ring BUG_GIVE_UP caught -DBUG_GIVE_UP ""
check fence safe holds "" ""
check fence live holds -DLIVE "-a -f"
check fence BUG_EVENTS_FIRST caught -DBUG_EVENTS_FIRST ""
check fence BUG_FENCE_FIRST caught -DBUG_FENCE_FIRST ""
check fence BUG_OUT_OF_ORDER caught -DBUG_OUT_OF_ORDER ""
check fence BUG_DROP caught -DBUG_DROP ""
check migrate safe holds "" ""
check migrate no-preempt holds -DPREEMPT=0 ""
check migrate deaf holds "-DPREEMPT=0 -DDEAF=1" ""
check migrate shared holds -DSHARED=1 ""
check migrate hang holds -DHANG=1 ""
check migrate live-hang holds "-DLIVE -DHANG=1" "-a -f"
check migrate live holds "-DLIVE -DPOLL=1" "-a -f"
check migrate live-kill holds "-DLIVE -DPOLL=1 -DPREEMPT=0" "-a -f"
check migrate live-deaf holds "-DLIVE -DPOLL=1 -DPREEMPT=0 -DDEAF=1" "-a -f"
check migrate live-gpu holds -DLIVE_GPU "-a -f"
check migrate live-gpu-shared holds "-DLIVE_GPU -DSHARED=1" "-a -f"
check migrate live-gone holds "-DLIVE -DGONE=1" "-a -f"
check migrate live-gpu-gone holds "-DLIVE_GPU -DGONE=1" "-a -f"
check migrate live-refuse holds "-DLIVE -DREFUSE=1" "-a -f"
check migrate BUG_NO_STOP caught -DBUG_NO_STOP ""
check migrate BUG_NO_REVOKE caught -DBUG_NO_REVOKE ""
check migrate BUG_RESTORE_FIRST caught -DBUG_RESTORE_FIRST ""
check migrate BUG_RESTORE_FIRST-shared caught "-DBUG_RESTORE_FIRST -DSHARED=1" ""
check migrate BUG_GO_ON_EARLY caught -DBUG_GO_ON_EARLY ""
check migrate BUG_LATE_TURN caught -DBUG_LATE_TURN ""
check migrate BUG_WAIT_JOB caught "-DLIVE -DPOLL=1 -DBUG_WAIT_JOB" "-a -f"
check migrate BUG_NO_DEADLINE caught "-DLIVE -DPOLL=1 -DPREEMPT=0 -DBUG_NO_DEADLINE" "-a -f"
check migrate BUG_JOURNAL_LATE caught -DBUG_JOURNAL_LATE ""
check migrate BUG_RECOVER_HOME caught -DBUG_RECOVER_HOME ""
check migrate BUG_LATE_COPY caught "-DHANG=1 -DBUG_LATE_COPY" ""
check migrate BUG_LEFT_COPY caught "-DHANG=1 -DBUG_LEFT_COPY" ""
check migrate BUG_NO_HOLD caught -DBUG_NO_HOLD ""
check migrate BUG_LOST_WANT caught "-DLIVE -DBUG_LOST_WANT" "-a -f"
check migrate BUG_LOST_HELD caught "-DLIVE_GPU -DGONE=1 -DBUG_LOST_HELD" "-a -f"
check migrate BUG_REFUSED caught "-DLIVE -DREFUSE=1 -DBUG_REFUSED" "-a -f"
table_check
exit $fail
