#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The drop-in libraries export exactly the names and versions of Debian's.
# quick
set -u
rc=0
names() { nm -D --defined-only --with-symbol-versions "$1" | awk '{ print $2, $3 }' | sort; }
for lib in libxengnttab.so.1 libxenevtchn.so.1 libxencall.so.1 libxenforeignmemory.so.1; do
	real=$(ldconfig -p | awk -v l="$lib" '$1 == l { print $NF; exit }')
	[ -n "$real" ] || { echo "$lib is not installed: install libxen-dev"; exit 77; }
	diff <(names "$real") <(names "$B/lab/$lib") || { echo "$lib differs from $real"; rc=1; }
	soname=$(objdump -p "$B/lab/$lib" | awk '$1 == "SONAME" { print $2 }')
	[ "$soname" = "$lib" ] || { echo "$lib has the soname $soname"; rc=1; }
done
exit $rc
