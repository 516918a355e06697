# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shared by the scripts of the rig: where things live, how steps are printed,
# how finished work is recognised.

RIG_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$RIG_DIR/../.." && pwd)
XU_CACHE=${XU_CACHE:-$HOME/.cache/xen-userptr}
XU_SUITE=trixie
ROOT=$XU_CACHE/root
LOGS=$XU_CACHE/logs
STAMPS=$XU_CACHE/stamps
BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$TOP/$BUILD
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

say() { printf 'rig: %s\n' "$*"; }
die() { printf 'rig: error: %s\n' "$*" >&2; exit 1; }

need_root() {
	[[ $(id -u) = 0 ]] || die "root is needed (packages, chroot, QEMU's files)"
}

# step TITLE LOGFILE COMMAND...: run a long command with its output in a log.
# Never call it where errexit is off (in a condition).
step() {
	local title=$1 log=$2 start=$SECONDS rc
	shift 2
	mkdir -p "$(dirname "$log")"
	printf 'rig: %s ...\n' "$title"
	set +e
	(set -e; "$@") >"$log" 2>&1
	rc=$?
	set -e
	if ((rc)); then
		tail -n 15 "$log" | sed 's/^/  | /' >&2
		die "$title failed (exit code $rc, log $log)"
	fi
	printf 'rig: %s: done in %d s\n' "$title" $((SECONDS - start))
}

# The key of finished work is the content that it was made from.
content_key() { cat "$@" /dev/null | sha256sum | cut -c1-16; }
stamp_is() { [[ -f $STAMPS/$1 && $(<"$STAMPS/$1") = "$2" ]]; }
stamp_set() { mkdir -p "$STAMPS"; printf '%s\n' "$2" >"$STAMPS/$1"; }

# package_list FILE: the names in it, without comments.
package_list() { sed -e 's/#.*//' -e '/^\s*$/d' "$1"; }

# with_lock NAME COMMAND...: one process at a time on this cache.
with_lock() {
	local name=$1 fd rc=0
	shift
	mkdir -p "$XU_CACHE"
	exec {fd}>"$XU_CACHE/$name.lock"
	flock -n "$fd" || { say "waiting for another process ($name)"; flock "$fd"; }
	"$@"
	rc=$?
	exec {fd}>&-
	return $rc
}

# in_root [-b HOSTDIR:ROOTDIR]... COMMAND...: run in the trixie root, in a mount
# namespace of its own, so that no mount can stay behind.
in_root() {
	local binds=()
	while [[ ${1-} = -b ]]; do binds+=("$2"); shift 2; done
	unshare --mount --fork --kill-child -- bash -c '
		set -eu
		root=$1 n=$2; shift 2
		mount --make-rprivate /
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		for ((; n; n--)); do
			mkdir -p "$root${1#*:}"
			mount --bind "${1%%:*}" "$root${1#*:}"
			shift
		done
		exec chroot "$root" "$@"' in_root \
		"$ROOT" "${#binds[@]}" "${binds[@]}" "$@"
}

# in_namespace COMMAND...: with mounts that end with it.
in_namespace() {
	need_root
	exec unshare --mount --fork --kill-child -- "$@"
}

# overlay_root DIR: from here on $ROOT is a copy of the root that may be changed. To
# be called in a mount namespace; what was changed stays in DIR.
overlay_root() {
	rm -rf "$1/upper" "$1/work"
	mkdir -p "$1"/{upper,work,root}
	mount --make-rprivate /
	mount -t overlay overlay -o "lowerdir=$ROOT,upperdir=$1/upper,workdir=$1/work" "$1/root"
	ROOT=$1/root
}

# kernel_version 6.12|current: the release name of that kernel in the root.
kernel_version() {
	[[ -f $XU_CACHE/kernels/$1 ]] || die "no kernel '$1': use 6.12 or current after tools/rig/setup"
	cat "$XU_CACHE/kernels/$1"
}
