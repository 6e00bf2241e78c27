#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Our modules in guests with another kernel than Debian 12's. Not part of `make test`.
#
#   kernel.sh newest [disk|nic ARGS...]     the newest kernel that apt has (6.12)
#   kernel.sh checked [both|disk|nic ARGS...]   Debian's 6.1 with KASAN, lockdep and DEBUG_ATOMIC_SLEEP, in a PVH guest
#
# ARGS are dom0-module-life.sh's (8 2, and all steps that need no root disk) or dom0-netmodule.sh's; of `both`
# (what checked does if it isn't told) dom0-checked.sh's, each thing once, as such a kernel is slow. The second
# kernel is built first (checked.config), which takes a processor half an hour: a PV guest with KASAN dies at
# its start, as its shadow memory is prepared by the entry of PVH and bare metal, and nowhere in the PV entry.
# Needs zstd, for the second flex, bison, bc, libelf-dev. All is kept in ${XDG_CACHE_HOME:-~/.cache}/xensplit/kernels.
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

checked() { # -> $kernel, $kdir, no $blkfront
	local tree=$cache/checked/linux-source-6.1
	kdir=$tree kernel=$tree/vmlinux blkfront=
	[ ! -e "$tree/Module.symvers" ] || return 0
	mkdir -p "$cache/checked"
	dpkg-deb --fsys-tarfile "$(fetch linux-source-6.1)" | tar -xO ./usr/src/linux-source-6.1.tar.xz | tar -xJ -C "$cache/checked"
	(
		cd "$tree"
		# what runs at PVH's entry, before there is shadow memory; 6.1 has these built with KASAN
		echo 'KASAN_SANITIZE := n' >>arch/x86/platform/pvh/Makefile
		echo 'KASAN_SANITIZE_enlighten_pvh.o := n' >>arch/x86/xen/Makefile
		echo 'KASAN_SANITIZE_string.o := n' >>lib/Makefile
		make -s tinyconfig
		sed -i '/CONFIG_CC_OPTIMIZE/d' .config # a choice that merging doesn't change
		scripts/kconfig/merge_config.sh -m .config "$here/checked.config"
		make -s olddefconfig
		nice -n 19 make vmlinux modules_prepare
		cp vmlinux.symvers Module.symvers
	) >"$cache/checked/log" 2>&1 || { tail -n 20 "$cache/checked/log" >&2; exit 1; }
}

case ${1:-} in
newest | checked) which=$1 ;;
*) sed -n '3,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
what=${2:-$([ $which = newest ] && echo disk || echo both)}
shift $(($# < 2 ? $# : 2))
$which
if [ "$what" = disk ]; then
	[ $# -gt 0 ] || set -- 8 2
	[ $# -gt 2 ] || set -- "$1" "${2:-2}" lies polled ${blkfront:+coming} saved
fi
at=$B/guest/$which
mkdir -p "$at"
strip --strip-debug -o "$at/vmlinux" "$kernel"
[ -z "$blkfront" ] || strip --strip-debug -o "$at/xen-blkfront.ko" "$blkfront"
for ko in $(KDIR=$kdir "$top/frontend/linux/build.sh" modules); do strip --strip-debug -o "$at/${ko##*/}" "$ko"; done
# such a kernel is slow, and a busy host would have every time-out run out: time counts instructions
[ $which != checked ] || export XSP_RIG_CLOCK=${XSP_RIG_CLOCK:-icount} XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-3000}
exec "$here/rig.sh" run "$here/dom0-kernel.sh" "$which" "$what" "$@"
