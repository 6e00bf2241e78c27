#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the guest modules: build.sh [modules|install|sources DIR]
#
#   modules   into build/kmod/RELEASE/ (default), from a copy of the sources in sources.txt
#   install   into INSTALL_MOD_PATH (default /), as the kernel's own modules_install
#   sources   only copies what is needed to build, for example for DKMS
#
# Environment: KDIR  the kernel's headers (default: of the running kernel, else the newest there are)
#              W     1: the kernel's further warnings;  WERROR  1: a warning is an error
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
version=$(sed -n 's/^VERSION *:= *//p' Makefile)

sources() { # DIR
	mkdir -p "$1"
	# shellcheck disable=SC2046
	cp -u --parents -t "$1" $(ls $(grep -v "^#" frontend/linux/sources.txt))
	cp frontend/linux/Kbuild "$1/"
	cp LICENSES/* "$1/"
	sed "s/@VERSION@/$version/" frontend/linux/dkms.conf >"$1/dkms.conf"
}
if [ "${1:-}" = sources ]; then
	sources "$2"
	exit
fi

if [ -z "${KDIR:-}" ]; then
	KDIR=/lib/modules/$(uname -r)/build
	[ -d "$KDIR" ] || KDIR=$(ls -d /lib/modules/*/build 2>/dev/null | sort -V | tail -n 1)
	[ -d "${KDIR:-/nonexistent}" ] || {
		echo "no kernel headers: install linux-headers-amd64, or say KDIR=..." >&2
		exit 1
	}
fi
release=$(sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' "$KDIR/include/generated/utsrelease.h")
out=$top/build/kmod/$release
sources "$out"
log=$out/build.log
case ${1:-modules} in
modules) set -- modules ;;
install) set -- modules_install INSTALL_MOD_STRIP=1 ;;
*) sed -n '3,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
if ! make -C "$KDIR" M="$out" ${W:+W=$W} "$@" >"$log" 2>&1; then
	tail -n 30 "$log" >&2
	exit 1
fi
[ "$1" = modules ] || exit 0
if grep -E 'warning:' "$log" >&2 && [ -n "${WERROR:-}" ]; then exit 1; fi
ls "$out"/*.ko
