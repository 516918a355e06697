# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154,SC2086,SC2016
# Shared by the scenarios of revocable grants. Two sides: in the guest rv-guest,
# which works on pages all the time, or the module rv_pages, which does what it
# is told; in dom0 rv-backend.

# work_start PAGES SECONDS [SEED] [FLAGS]: the guest's program; sets $grefs, and lists
# them in /tmp/rv.grefs.
work_start() {
	guest 1 "rm -f /tmp/rv.*
		rv-guest 0 $1 $2 ${3:-1} ${4-} >/tmp/rv.out 2>&1 </dev/null & echo \$! >/tmp/rv.pid
		for i in 1 2 3 4 5 6 7 8 9 10; do grep -q grefs: /tmp/rv.out && break; sleep 0.5; done
		cat /tmp/rv.out" >/tmp/rv.start
	cat /tmp/rv.start
	grefs=$(sed -n 's/^grefs: //p' /tmp/rv.start)
	[ -n "$grefs" ] || fail "the guest's program did not start"
	echo "$grefs" | tr ' ' '\n' >/tmp/rv.grefs
}

# work_stop: it checks its memory when it ends; work_intact: that was all right.
work_stop() {
	guest 1 'kill -TERM $(cat /tmp/rv.pid); while [ -d /proc/$(cat /tmp/rv.pid) ]; do sleep 0.2; done; tail -n +2 /tmp/rv.out' >/tmp/rv.end
	cat /tmp/rv.end
	grep -q '^guest: rounds' /tmp/rv.end || fail "the guest's program died"
}
work_intact() { grep -q 'mismatches 0$' /tmp/rv.end || fail "the guest's memory did not hold what was written"; }
work_end() {
	work_stop
	work_intact
}

# backend TEST...: rv-backend with the options $opts on the grants $grefs.
opts=
backend() { rv-backend $opts "$(domid ${g:-1})" "$@" -- $grefs || fail "backend: $*"; }
steps() { backend script "$@"; }

# rv COMMAND: the module of guest $g.
g=1
rv() { guest $g "echo '$1' >/dev/rv-pages && cat /dev/rv-pages"; }

# pages N [FLAGS]: have the guest grant pages and opt them in; sets $grefs.
pages() {
	# What a case that failed left behind.
	rv end >/dev/null
	rv lost >/dev/null
	grefs=$(rv "grant 0 $1")
	[ -n "$grefs" ] || fail "the guest granted nothing"
	[ "${2:-0}" = 0 ] || expect 0 "$(rv "allow $2")" "status of the opt-in"
}

# pages_end: all grants of the guest's pages have ended in Xen.
pages_end() { until_true 10 pages_gone || fail "pages of the guest are still in use"; }
pages_gone() { [ "$(rv end)" = 0 ]; }

# holder STEP...: a backend process that maps the pages, does the steps and stays;
# sets $holder. holder_kill ends it as a crash would.
holder() {
	: >/tmp/holder.out
	rv-backend $opts "$(domid $g)" script "$@" hold -- $grefs >>/tmp/holder.out 2>&1 &
	holder=$!
	until_true 10 grep -qE '^(held|fail)' /tmp/holder.out || fail "the backend did not get there"
	grep -q '^held' /tmp/holder.out || fail "backend: $(tail -n 1 /tmp/holder.out)"
}
holder_kill() {
	kill -KILL $holder
	wait $holder 2>/dev/null || true
	until_true 10 holder_unmapped || fail "grants stay mapped after the backend's end"
}
holder_unmapped() { rv-backend -n "$(domid $g)" script query:0=-3 -- $grefs >/dev/null; }

# later COMMAND: a command of the module in the background; its result by result,
# which may run in a subshell and so cannot wait for the process.
later() {
	rm -f /tmp/later
	{ rv "$1" >/tmp/later.new 2>&1 || true; mv /tmp/later.new /tmp/later; } &
}
result() {
	until_true 60 test -e /tmp/later || fail "no result"
	cat /tmp/later
}

# interrupts_off: a vCPU of guest $g waits for a page with interrupts off.
interrupts_off() {
	pages 1 2
	holder open arm:0 put:0:41 revoke:0
	later 'irqsoff 0'
	opts=-n
	steps want:0 waiters:0=1 sleep:1000 restore:0
	[ "$(result)" -gt 900000 ] || fail "did not wait"
	expect 42 "$(rv 'peek 0')" "the guest's word"
	holder_kill
	pages_end
}

# bar: the directory of the device whose memory stands for VRAM.
bar() {
	for bar_dir in /sys/bus/pci/devices/*; do
		[ "$(cat "$bar_dir/device")" != 0x1110 ] || { echo "$bar_dir"; return; }
	done
	error "no device with memory"
}

# xen_as_before [PAGES]: once the guests are gone nothing tells that there were any,
# but for so many pages. The scenario's prepare wrote /run/free-start.
xen_as_before() {
	spare=${1:-16}
	xen_key k | tee /tmp/k
	grep -q '(0 armed pages)' /tmp/k || fail "armed pages are left"
	for n in 1 2; do
		! xl domid g$n >/dev/null 2>&1 || guest_destroy $n || fail "Xen keeps guest $n"
	done
	until_true 10 memory_back || fail "free pages: $(cat /run/free-start) before the guests, $(rv-ctl free) now"
	xen_key q | grep -c 'General information for domain' | grep -qx 1 || fail "domains are left"
}
memory_back() { [ "$(rv-ctl free)" -ge "$(($(cat /run/free-start) - spare))" ]; }

# micro_start TEST: a guest that is the kernel rv-micro; sets $micro, its number.
micro_start() {
	cat >/run/micro.cfg <<-END
		name="micro"
		type="pvh"
		kernel="/rig/bin/rv-micro"
		cmdline="$1"
		memory=32
		on_poweroff="preserve"
		on_crash="preserve"
	END
	xl create -p /run/micro.cfg || fail "no micro guest"
	micro=$(xl domid micro)
	xl unpause micro
}

# micro_said PATTERN: whether it printed such a line; /tmp/micro has all.
micro_said() {
	xl dmesg | sed -n "s/.*(d$micro) micro: //p" >/tmp/micro
	grep -q "$1" /tmp/micro
}

micro_end() {
	xl destroy micro
	rig-agent gone "$micro" $((30 * SLOWNESS)) || fail "Xen keeps the micro guest"
}
