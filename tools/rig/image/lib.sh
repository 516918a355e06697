# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the cases of a scenario may use in dom0. tools/rig/README.md explains it.
# shellcheck disable=SC2154  # variables come from /rig/config

# shellcheck disable=SC2034  # used by services
COMPLAINTS='BUG:|WARNING:|Oops|general protection|Call Trace:|Bad page|Bad rss-counter|refcount_t:'

# report KIND WORDS...: one line to the host.
report() { printf '%s\n' "$*" | rig-agent report; }
report_lines() { sed 's/^/| /' "$1" | rig-agent report; }

# ---- results of a case ----
fail() { echo "$*" >/tmp/reason; echo "fail: $*"; exit 1; }
skip() { echo "$*" >/tmp/reason; echo "skip: $*"; exit 77; }
error() { echo "$*" >/tmp/reason; echo "error: $*"; exit 99; }

# expect WANT GOT WHAT
expect() { [ "$1" = "$2" ] || fail "$3: want '$1', got '$2'"; }
# expect_fail CODE COMMAND...: the command must end with this exit code.
expect_fail() {
	want=$1
	shift
	got=0
	"$@" || got=$?
	expect "$want" "$got" "exit code of $*"
}

# A case that provokes a warning of dom0's kernel on purpose says so.
allow_complaints() { : >/tmp/allow-complaints; }

# until_true SECONDS COMMAND...: for conditions that no event announces.
until_true() {
	tries=$(($1 * SLOWNESS * 5))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.2
	done
}

# daemon NAME COMMAND...: start something that outlives the case. Its output goes
# to /var/log/NAME.log and, with the name in front, to the serial log.
daemon() {
	name=$1
	shift
	# shellcheck disable=SC2016  # expanded by the new shell
	setsid sh -c '"$@" & echo $! >"/run/$0.pid"; wait $!; echo "$0: ended with code $?"' \
		"$name" "$@" >>"/var/log/$name.log" 2>&1 </dev/null &
	log_follow "$name" "/var/log/$name.log"
}

log_follow() {
	: >>"$2"
	# shellcheck disable=SC2016  # expanded by the new shell
	setsid sh -c 'tail -n +1 -F "$2" 2>/dev/null | awk -v p="($1) " "{ print p \$0; fflush() }" >/dev/console' \
		follow "$1" "$2" >/dev/null 2>&1 </dev/null &
}

# ---- guests: named g1, g2, ... ----
domid() { cat "/run/domid-g$1"; }

# guest N COMMAND: run it by the guest's shell; its output, its exit code. 124: it
# did not end in GUEST_LIMIT seconds. 125: the guest is gone.
guest() { rig-agent run "$(domid "$1")" "$((${GUEST_LIMIT:-60} * SLOWNESS))" "$2"; }

# The initcall on the list reads a register of AMD's chipset, of which a PV guest dies.
guest_config() {
	cat <<-END
		name="g$1"
		type="pvh"
		kernel="/guest/vmlinux"
		ramdisk="/guest/initrd"
		memory=$GUEST_MEM
		vcpus=$GUEST_VCPUS
		tsc_mode="native"
		cmdline="console=hvc0 loglevel=4 panic=1 mitigations=off nokaslr randomize_kstack_offset=off initcall_blacklist=print_s5_reset_status_mmio rdinit=/rig/init-guest rig.modules=$(guest_modules) rig.addr=$(guest_addr "$1") $GUEST_CMDLINE"
		on_poweroff="destroy"
		on_reboot="destroy"
		on_crash="destroy"
	END
	[ "$GUEST_DISK" != yes ] || printf 'disk=["phy:%s,xvda,w"]\n' "$(guest_disk "$1")"
	[ "$GUEST_NET" != yes ] ||
		printf 'vif=["bridge=xenbr0,mac=00:16:3e:00:00:%02x,script=vif-bridge"]\n' "$1"
	printf '%s\n' "$GUEST_XL"
}

guest_modules() {
	list=xenfs
	[ "$GUEST_DISK" != yes ] || list=$list,xen-blkfront,ext4
	[ "$GUEST_NET" != yes ] || list=$list,xen-netfront
	for m in $GUEST_MODULES; do list=$list,$m; done
	echo "$list"
}

guest_addr() { [ "$GUEST_NET" != yes ] || echo "10.0.0.$((10 + $1))"; }

# A loop device on a copy of the disk image: an ext4 with the file vmlinuz.
guest_disk() {
	if [ ! -e "/run/disk-g$1" ]; then
		cp /guest/disk.img "/guest/disk-g$1.img"
		losetup -f >"/run/disk-g$1"
		losetup "$(cat "/run/disk-g$1")" "/guest/disk-g$1.img"
	fi
	cat "/run/disk-g$1"
}

# guest_create N: start it and do not wait.
guest_create() {
	guest_config "$1" >"/run/g$1.cfg"
	log_follow "g$1" "/var/log/xen/guest-g$1.log"
	xl -f create "/run/g$1.cfg" || { echo "xl create g$1" >/tmp/reason; return 1; }
	xl domid "g$1" >"/run/domid-g$1"
}

# guest_start N: and wait until it takes commands.
guest_start() {
	guest_create "$1" || return 1
	rig-agent node "/local/domain/$(domid "$1")/data/rig-ready" $((60 * SLOWNESS)) ||
		{ echo "g$1 did not come up" >/tmp/reason; return 1; }
}

# guest_gone N [SECONDS]: wait until Xen released the domain.
guest_gone() { rig-agent gone "$(domid "$1")" "$((${2:-30} * SLOWNESS))"; }

guest_stop() {
	guest "$1" 'poweroff -f' >/dev/null 2>&1
	guest_gone "$1" 30
}

guest_destroy() {
	xl destroy "g$1"
	guest_gone "$1" 30
}

# ---- Xen ----
# xen_key KEY: what Xen prints for this debug key.
xen_key() {
	xl dmesg -c >/dev/null
	xl debug-keys "$1"
	xl dmesg
}

# grants_mapped N: grants of guest N that some domain has mapped now, as Xen counts.
grants_mapped() {
	xen_key g | awk -v d="$(domid "$1")" '
		/grant-table for remote/ { on = ($0 ~ "remote d" d " ") }
		on && /\[0x[0-9a-f]+\]/ { n++ }
		END { print n + 0 }'
}

# The last case on a kernel that looks for its own faults: it found none, in dom0 or in
# a guest that still runs.
test_kernel_is_clean() {
	sh /rig/kernel-faults >/tmp/faults 2>&1
	n=1
	while [ $n -le "$GUESTS" ]; do
		if xl domid "g$n" >/dev/null 2>&1; then
			guest $n 'sh /rig/kernel-faults' | sed "s/^/g$n: /" >>/tmp/faults
		fi
		n=$((n + 1))
	done
	cat /tmp/faults
	[ ! -s /tmp/faults ] || fail "a kernel found faults"
}

# Overridden by scenarios that need something before the guests start.
prepare() { :; }
