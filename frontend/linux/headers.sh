#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Another kernel's headers to compile the guest modules against, without installing them: fetches the
# packages of the newest one that apt offers (or of RELEASE) and unpacks them; prints KDIR.
#
#   frontend/linux/headers.sh [RELEASE]     RELEASE like 6.12.117+deb12-amd64
#   make modules KDIR=$(frontend/linux/headers.sh)
#
# Debian's own packages depend on a kernel image and its initramfs, which nobody needs to compile.
# Exit 77: apt has no other headers than those that are installed, or can't fetch them.
set -euo pipefail
export LC_ALL=C
cache=${XDG_CACHE_HOME:-$HOME/.cache}/xensplit/headers
release=${1:-$(apt-cache pkgnames linux-headers- 2>/dev/null | grep -vE 'cloud|rt-amd64' |
	sed -n 's/^linux-headers-\([0-9]*\.[0-9]*\.[0-9].*-amd64\)$/\1/p' | sort -V | tail -n 1)}
if [ -z "$release" ]; then
	echo "apt offers no kernel headers" >&2
	exit 77
fi
common=${release%-amd64}
root=$cache/$release
kdir=$root/usr/src/linux-headers-$release
if [ ! -e "$root/done" ]; then
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
fi
if [ ! -e "$root/done" ]; then
	rm -rf "$root"
	mkdir -p "$root/debs"
	(cd "$root/debs" && apt-get -q -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1 download \
		"linux-headers-$release" "linux-headers-$common-common" "linux-kbuild-$common") >"$root/log" 2>&1 || {
		tail -n 3 "$root/log" >&2
		exit 77
	}
	for deb in "$root"/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
	rm -rf "$root/debs"
	# their Makefile knows only the place where they would be installed
	sed -i "s#/usr/src/#$root/usr/src/#" "$kdir/Makefile"
	# only there for BTF, which takes pahole
	rm -f "$kdir/vmlinux"
	touch "$root/done"
fi
echo "$kdir"
