#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing of packages.txt for a set: install.sh build|run|test|xen|bench [--list|--check]
# As root directly; else with sudo when it asks no password or a terminal is there; else it prints
# the exact apt line and exits 2. Nothing is touched when nothing is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
want=${1:-run}
mode=${2:-}

case $want in
build) sets="build" ;;
run) sets="build run" ;;
test) sets="build run test" ;;
xen) sets="build run test xen" ;;
bench) sets="build run bench" ;;
*) echo "install.sh: unknown set '$want' (build, run, test, xen or bench)" >&2; exit 2 ;;
esac

all=$(awk -v sets=" $sets " '!/^#/ && NF >= 2 && index(sets, " " $2 " ") { print $1 }' "$here/packages.txt")
if [ "$mode" = --list ]; then
	echo "$all"
	exit 0
fi

if ! command -v dpkg-query >/dev/null; then
	echo "install.sh: this is not Debian; install what tools/setup/packages.txt lists by hand" >&2
	exit 0
fi

missing=
for p in $all; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true) in
	installed) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

line="apt-get install -y --no-install-recommends$missing"
if [ "$mode" = --check ]; then
	echo "missing:$missing"
	exit 1
fi
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	sudo=sudo
else
	echo "Packages are missing. Run this as root, then try again:" >&2
	echo "  apt-get update && $line" >&2
	exit 2
fi
echo "installing:$missing"
log=$(mktemp)
if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive $line; } >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "install.sh: apt-get failed (whole log: $log)" >&2
	exit 1
fi
rm -f "$log"
