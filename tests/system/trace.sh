# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Tracepoints of one system, in dom0 or in a guest.
TRACING=/sys/kernel/tracing

trace_mount() { [ -e "$TRACING/trace" ] || mount -t tracefs tracefs "$TRACING"; }

# trace_on SYSTEM: forget what was traced before, trace all of the system.
trace_on() {
	trace_mount
	echo 8192 >"$TRACING/buffer_size_kb"
	echo >"$TRACING/trace"
	echo 1 >"$TRACING/events/$1/enable"
	echo 1 >"$TRACING/tracing_on"
}

trace_off() { echo 0 >"$TRACING/tracing_on"; }

# trace_end SYSTEM: nothing more of it, and no memory for it.
trace_end() {
	echo 0 >"$TRACING/events/$1/enable"
	echo >"$TRACING/trace"
	echo 1 >"$TRACING/buffer_size_kb"
}

# trace_counts SYSTEM: each tracepoint with how often it was hit, then off.
trace_counts() {
	awk '{ sub(":$", "", $5); print $5 }' "$TRACING/trace" >/tmp/trace.names
	for event in "$TRACING/events/$1"/*/; do
		event=$(basename "$event")
		echo "$event $(grep -cx "$event" /tmp/trace.names)"
	done
	rm /tmp/trace.names
	trace_end "$1"
}

# needs_probes: the debug kernel has none of programs.
needs_probes() {
	trace_mount
	[ -e "$TRACING/uprobe_events" ] || skip "the kernel has no probes of programs"
}

# probes_on: count the hits of the daemon's static probes, of which one name may have several
# places, and take down their arguments.
probes_on() {
	n=0
	while read -r name where; do
		n=$((n + 1))
		echo "p:probes/${name}__$n /rig/bin/userptrd:$where" >>"$TRACING/uprobe_events"
	done </rig/probes
	trace_on probes
}

# probes_off: what was seen stays in files.
probes_off() {
	trace_off
	cp "$TRACING/trace" /tmp/probes.trace
	cp "$TRACING/uprobe_profile" /tmp/probes.profile
	trace_end probes
	echo >"$TRACING/uprobe_events"
}

# probe_counts: each probe with how often it was hit, whatever room the trace had.
probe_counts() {
	awk '{ sub("__.*", "", $2); hits[$2] += $3 } END { for (name in hits) print name, hits[name] }' /tmp/probes.profile | sort
}

# probe_values NAME N [M=VALUE]: argument N of each hit, in order; with M, of those whose
# argument M has that value.
probe_values() {
	sed -n "/ $1__[0-9]*: /{s/\$/ /;/ ${3:+arg$3 }/s/.* arg$2=\([-0-9]*\) .*/\1/p}" /tmp/probes.trace
}

# documented_probes: those of the manual.
documented_probes() {
	awk '/^\.SH/ { on = $0 == ".SH PROBES OF THE DAEMON" } on && head { print $2 } { head = $0 == ".TP" }' /rig/xen-userptr-tracing.7 | sort
}
