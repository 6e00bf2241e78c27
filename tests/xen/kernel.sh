#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-blk.ko in guests with another kernel than Debian 12's. Not part of `make test`.
#
#   kernel.sh newest [RELOADS [SAVES [STEPS]]]   the newest kernel that apt has (6.12)
#
# The arguments after the first are dom0-module-life.sh's (8 2, and all steps that need no root
# disk). Needs zstd. Everything is kept in ${XDG_CACHE_HOME:-~/.cache}/xensplit/kernels.
# timeout: 7200
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export B=${B:-$top/build/release}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/xensplit/kernels
mkdir -p "$cache"
fetch() { # PACKAGE -> its file
	(cd "$cache" && apt-get -q -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1 download "$1" >&2)
	ls -t "$cache/$1"_*.deb | head -n 1
}

newest() { # -> $kernel, $kdir, $blkfront
	local release bz skip deb
	kdir=$("$top/frontend/linux/headers.sh")
	release=$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' "$kdir/include/generated/utsrelease.h")
	kernel=$cache/$release/vmlinux
	blkfront=$cache/$release/xen-blkfront.ko
	[ -s "$kernel" ] && return
	mkdir -p "$cache/$release/root"
	deb=$(fetch "linux-image-$release")
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$cache/$release/root" --wildcards './boot/vmlinuz-*' '*/xen-blkfront.ko*'
	rm "$deb"
	find "$cache/$release/root" -name 'xen-blkfront.ko.xz' -exec unxz {} +
	find "$cache/$release/root" -name 'xen-blkfront.ko' -exec mv {} "$blkfront" \;
	bz=$(echo "$cache/$release"/root/boot/vmlinuz-*)
	le() { od -An -tu"$2" -j "$1" -N "$2" "$bz" | tr -d ' '; }
	skip=$((($(le 497 1) + 1) * 512 + $(le 584 4)))
	# its size follows the data, which both programs take for rubbish
	tail -c +$((skip + 1)) "$bz" | head -c "$(le 588 4)" >"$kernel.z"
	if [ "$(head -c 4 "$kernel.z" | od -An -tx1 | tr -d ' ')" = 28b52ffd ]; then
		zstd -dcq "$kernel.z" >"$kernel" 2>/dev/null || true
	else
		xz -dc --single-stream "$kernel.z" >"$kernel" 2>/dev/null || true
	fi
	readelf -h "$kernel" >/dev/null || { rm -f "$kernel"; echo "kernel.sh: can't unpack $bz" >&2; exit 1; }
	rm -rf "$cache/$release/root" "$kernel.z"
}

case ${1:-} in
newest) "$1" ;;
*) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
which=$1
shift
[ $# -gt 0 ] || set -- 8 2
[ $# -gt 2 ] || set -- "$1" "${2:-2}" lies polled coming saved
at=$B/guest/$which
mkdir -p "$at"
cp -u "$kernel" "$at/vmlinux"
strip --strip-debug -o "$at/xen-blkfront.ko" "$blkfront"
ko=$(KDIR=$kdir "$top/frontend/linux/build.sh" modules | grep /xensplit-blk.ko)
strip --strip-debug -o "$at/xensplit-blk.ko" "$ko"
exec "$here/rig.sh" run "$here/dom0-kernel.sh" $which "$@"
