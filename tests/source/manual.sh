#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the programs say of themselves and what their manual pages say are the same.
set -eu
cd "$TOP"
bad=0
plain() { sed 's/\\-/-/g' "$1"; }

for o in $("$B/bin/xensplitd" --help | grep -oE -- '--[a-z-]+' | sort -u); do
	plain docs/man/xensplitd.8 | grep -qE -- "$o([^a-z-]|$)" || { echo "xensplitd.8 lacks $o"; bad=1; }
done
for k in $("$B/bin/xensplitd" --config /dev/null --check | sed -n 's/ = .*//p') pid-file; do
	grep -q "^\.B $k\$" docs/man/xensplitd.conf.5 || { echo "xensplitd.conf.5 lacks $k"; bad=1; }
done
for k in $(sed -n 's/^#\([a-z-]*\) = .*/\1/p' tools/setup/xensplitd.conf); do
	"$B/bin/xensplitd" --help | grep -q -- "--$k=" || { echo "xensplitd.conf: there is no $k"; bad=1; }
done
# Each method of the control socket is in the manual.
for m in $(grep -oE '^	\{ ?"[a-z]+\.[a-z]+"' backend/methods.c | grep -oE '[a-z]+\.[a-z]+'); do
	grep -q "$m" docs/man/xensplitd.8 || { echo "xensplitd.8 lacks the method $m"; bad=1; }
done
exit $bad
