# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Tracepoints of one system, in dom0 or in a guest.
TRACING=/sys/kernel/tracing

# trace_on SYSTEM: forget what was traced before, trace all of the system.
trace_on() {
	[ -e "$TRACING/trace" ] || mount -t tracefs tracefs "$TRACING"
	echo 8192 >"$TRACING/buffer_size_kb"
	echo >"$TRACING/trace"
	echo 1 >"$TRACING/events/$1/enable"
	echo 1 >"$TRACING/tracing_on"
}

trace_off() { echo 0 >"$TRACING/tracing_on"; }

# trace_counts SYSTEM: each tracepoint with how often it was hit, then off.
trace_counts() {
	awk '{ sub(":$", "", $5); print $5 }' "$TRACING/trace" >/tmp/trace.names
	for event in "$TRACING/events/$1"/*/; do
		event=$(basename "$event")
		echo "$event $(grep -cx "$event" /tmp/trace.names)"
	done
	rm /tmp/trace.names
	echo 0 >"$TRACING/events/$1/enable"
	echo >"$TRACING/trace"
	echo 1 >"$TRACING/buffer_size_kb"
}

# probes_on: count the hits of the daemon's static probes, of which one name may have several.
probes_on() {
	[ -e "$TRACING/trace" ] || mount -t tracefs tracefs "$TRACING"
	[ -e "$TRACING/uprobe_events" ] || skip "the kernel has no probes of programs"
	n=0
	while read -r name offset; do
		n=$((n + 1))
		echo "p:probes/${name}__$n /rig/bin/userptrd:$offset" >>"$TRACING/uprobe_events"
	done </rig/probes
	echo 1 >"$TRACING/events/probes/enable"
}

# probe_counts: each probe with how often it was hit, then off.
probe_counts() {
	awk '{ sub("__.*", "", $2); hits[$2] += $3 } END { for (name in hits) print name, hits[name] }' "$TRACING/uprobe_profile"
	echo 0 >"$TRACING/events/probes/enable"
	echo >"$TRACING/uprobe_events"
}
