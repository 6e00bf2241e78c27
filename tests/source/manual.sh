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
# The modes of the benchmark, and the options of those it has to itself.
for m in $("$B/bin/xensplit-bench" --help | sed -n '/^examples/q; s/^  \([a-z]*\)  .*/\1/p'); do
	grep -q "^\.B $m\$" docs/man/xensplit-bench.1 || { echo "xensplit-bench.1 lacks the mode $m"; bad=1; }
done
for m in ring wake grant; do
	for o in $("$B/bin/xensplit-bench" $m --help | grep -oE '^ +--[a-z]+' | sort -u); do
		plain docs/man/xensplit-bench.1 | grep -qE -- "$o([^a-z-]|$)" || { echo "xensplit-bench.1 lacks $o"; bad=1; }
	done
done
exit $bad
