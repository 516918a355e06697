# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For scenarios in which memory moves.

need_series() { [ "$(cat "$BACK_SYSFS/revocable")" = 1 ] || skip "the hypervisor lacks the series"; }

# counter NAME [N]: of the worker, summed over all devices, or those of guest N.
counter() {
	userptrctl stat ${2:+"g$2"} --json | tr -d ' ,"' | awk -F: -v n="$1" '$1 == n { s += $2 } END { print s + 0 }'
}

# guest_program N PROGRAM ARGUMENTS: start it, wait until it is ready. What a case
# that failed left behind ends first.
guest_program() {
	out_before=$(counter mig_out)
	n=$1
	shift
	guest "$n" "kill -9 \$(cat /tmp/job.pid 2>/dev/null) 2>/dev/null; $* >/tmp/job 2>&1 </dev/null & echo \$! >/tmp/job.pid"
	until_true 60 guest "$n" 'grep -q ready /tmp/job || ! kill -0 $(cat /tmp/job.pid) 2>/dev/null' || true
	said ready "$n" || no_program "$(guest "$n" 'cat /tmp/job')"
}
no_program() {
	case $1 in
	*': no huge pages'* | *MAP_HUGETLB*) skip "$1" ;;
	*) fail "not ready: $1" ;;
	esac
}

# time_count NAME: how often a step of moving was timed.
time_count() {
	userptrctl stat --json | tr -d ' ,"' |
		awk -F: -v n="$1" 'on && $1 == "count" { s += $2 } { on = $1 == n && $2 == "{" } END { print s + 0 }'
}

# guest_job N MODE SEED MIB [PAUSE-MS]: start migrate-guest, wait until its first job ran.
guest_job() { guest_program "$1" migrate-guest "$2" "$3" "$4" "$5"; }

# said TEXT [N]: a line of the guest's program begins so.
said() { guest "${2:-1}" "grep -q '^$1' /tmp/job"; }

guest_go() { guest "$1" 'kill -USR1 $(cat /tmp/job.pid)'; }

guest_job_gone() { guest "$1" '! kill -0 $(cat /tmp/job.pid) 2>/dev/null'; }

# guest_job_ended N: wait for it; all its data must be right.
guest_job_ended() {
	until_true 100 guest_job_gone "$1" || fail "the program does not end: $(guest "$1" 'cat /tmp/job')"
	guest "$1" 'cat /tmp/job' | tail -n 12
	guest "$1" 'grep -q "wrong 0$" /tmp/job' || fail "data is wrong"
}

# Since the last guest_job.
moved_since() {
	out=$(($(counter mig_out) - out_before))
	echo "pages out: $out, wants ever: $(counter mig_wants)"
}

largest_object() { userptrctl map "g$1" | awk 'NR > 1 && $2 > m { m = $2; o = $1 } END { print o }'; }
# chunks_in N OBJECT STATE: pages of the object in chunks with that state.
chunks_in() {
	userptrctl map "g$1" "$2" --json | tr '{' '\n' | sed -n "s/.*\"pages\":\([0-9]*\),\"state\":\"$3\".*/\1/p" |
		awk '{ s += $1 } END { print s + 0 }'
}
in_vram() { userptrctl map "g$1" | awk -v o="$2" '$1 == o { print $3 }'; }

# some_in_vram [N]: anything of guest N, or of any, is in VRAM.
some_in_vram() { [ "$(counter mig_vram_now "${1-}")" -gt 0 ]; }

# moves_at_random N SEED: of 8 MiB less a page, until the program or the guest has ended; one
# of two moves is of small chunks, which are at the end. What is touched meanwhile turns
# back: that is no failure.
moves_at_random() {
	object=$(largest_object "$1")
	: >>/tmp/moves
	awk -v seed="$2" 'BEGIN { srand(seed); for (;;) { print int(rand() < 0.5 ? rand() * 1536 : 1536 + rand() * 460), 1 + int(rand() * 47), rand() < 0.8 ? "vram" : "ram" } }' |
		while read -r first nr place; do
			guest "$1" 'kill -0 $(cat /tmp/job.pid)' >/dev/null 2>&1 || break
			userptrctl migrate "g$1" "$object" "$first+$nr" to "$place" >>/tmp/moves 2>&1 || true
		done
	grep -c 'pages in VRAM' /tmp/moves || true
}

# guest_round N: the guest's program goes on until it is ready again. Nobody looks while it
# measures: whoever does takes the emulator's time, and dom0's processor.
guest_round() {
	guest "$1" 'n=$(grep -c ready /tmp/job); kill -USR1 $(cat /tmp/job.pid); i=0
		while sleep 1; [ $(grep -c ready /tmp/job) = $n ]; do
			i=$((i + 1)); [ $i -lt 50 ] || exit 1
		done' || fail "the program is not ready again: $(guest "$1" 'cat /tmp/job')"
}

# nothing_armed: what Xen counts against all guests: pages that are armed, records of lost ones.
nothing_armed() { xen_key k | grep -q '(0 armed pages)'; }

# vram_used: octets of all GPUs' memory, by their driver.
vram_used() {
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	cat /sys/kernel/debug/dri/*/vram | awk '/^used/ { s += $2 } END { print s + 0 }'
}
no_vram() { [ "$(vram_used)" = 0 ]; }
