# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For scenarios with the whole path: userptrd in dom0, the frontend in guests.

BACK_SYSFS='/sys/class/misc/xen!userptr-back'

# userptrd_start [OPTION...]: and wait until it answers.
userptrd_start() {
	daemon userptrd userptrd --debug "$@"
	until_true 20 userptrctl stat || fail "userptrd does not answer"
}

front_path() { echo "/local/domain/$(domid "$1")/device/userptr/${2:-0}"; }

connected() { [ "$(xenstore-read "$(front_path "$1" "$2")/state" 2>/dev/null)" = 4 ]; }
disconnected() { ! connected "$@"; }

# userptr_attach N [KEY=VALUE...]: give guest N a device and wait for both ends.
userptr_attach() {
	n=$1
	shift
	id=$(userptrctl attach "g$n" copy-ms=20000 "$@") || fail "userptrctl attach g$n $*"
	until_true 30 connected "$n" "$id" || fail "device $id of g$n did not connect"
	echo "$id"
}

softgpu_counter() { softgpu-counters | sed -n "s/^$1 //p"; }

nothing_mapped() { [ "$(cat "$BACK_SYSFS/host_mapped")" = 0 ]; }
expect_nothing_mapped() { until_true 20 nothing_mapped || fail "pages are still mapped"; }

# small_job N: 2 MiB of the main job in guest N, all results compared.
small_job() { guest "$1" 'ulimit -l unlimited; main-job --mib 2'; }

# vmstat N KEY: a counter of the guest's kernel.
vmstat() { guest "$1" "echo 1 >/proc/sys/vm/stat_refresh; sed -n 's/^$2 //p' /proc/vmstat"; }

# guest_pins N: pages that the guest's kernel holds pinned now.
guest_pins() { echo $(($(vmstat "$1" nr_foll_pin_acquired) - $(vmstat "$1" nr_foll_pin_released))); }

# One line of everything that must come back: seen by the guest's kernel, by the
# module in dom0, by the GPU's driver.
resources() {
	echo "pinned $(guest_pins "$1")," \
		"module pages $(cat "$BACK_SYSFS/host_mapped") objects $(cat "$BACK_SYSFS/objects")," \
		"gpu vms $(softgpu_counter vms) mappings $(softgpu_counter mappings)" \
		"imports $(softgpu_counter imports)," \
		"use after invalidate $(softgpu_counter use_after_invalidate)"
}

resources_back() { [ "$(resources "$1")" = "$2" ]; }

# expect_resources N WANT: release is asynchronous, so wait, but not for long.
expect_resources() {
	until_true 20 resources_back "$1" "$2" || expect "$2" "$(resources "$1")" "what is in use"
}

# Xen's own count. The disk maps and unmaps grants of its own at any time, so the
# number from before is the most that may be left, not the exact one.
grants_back() { [ "$(grants_mapped "$1")" -le "$2" ]; }
expect_grants() {
	until_true 20 grants_back "$1" "$2" || fail "grants in use: $(grants_mapped "$1"), before: $2"
}

# Guest 1 with quotas that the cases of userptr-test can reach. What is in use then
# is what nothing_left wants to see again.
userptr_attach_small() {
	userptr_attach 1 max-vms=8 max-objects=64 max-jobs=16 max-pages=40000
	resources 1 | tee /tmp/baseline
}

nothing_left() { expect_resources 1 "$(cat /tmp/baseline)"; }

# ut CASE: a case of userptr-test in guest 1.
ut() {
	code=0
	guest 1 "userptr-test $1" >/tmp/ut 2>&1 || code=$?
	cat /tmp/ut
	case $code in
	0) ;;
	77) skip "$(tail -n 1 /tmp/ut)" ;;
	99) error "$(tail -n 1 /tmp/ut)" ;;
	*) fail "$(tail -n 1 /tmp/ut) (exit code $code)" ;;
	esac
}

# ut_group GROUP: all cases of a group in one go; each is reported by its name.
ut_group() {
	code=0
	GUEST_LIMIT=100 guest 1 "userptr-test --group $1" >/tmp/group 2>&1 || code=$?
	cat /tmp/group
	grep -qE '^pass ' /tmp/group || fail "no case passed (exit code $code)"
	last=''
	while IFS= read -r line; do
		case $line in
		'pass '*) report pass "${line#pass }" 0 ;;
		'fail '* | 'skip '* | 'error '*) report "${line%% *}" "${line#* }" 0 "$last" ;;
		esac
		last=$line
	done </tmp/group
	expect 0 "$code" "exit code of the group $1"
	nothing_left
}
