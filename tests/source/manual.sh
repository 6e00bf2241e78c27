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
for o in $(plain docs/man/xensplitd.8 | grep '^\.B' | grep -oE -- '--[a-z-]+' | sort -u); do
	"$B/bin/xensplitd" --help | grep -qE -- "$o([^a-z-]|$)" || { echo "xensplitd.8: there is no $o"; bad=1; }
done
for k in $("$B/bin/xensplitd" --config /dev/null --check | sed -n 's/ = .*//p') pid-file; do
	grep -q "^\.B $k\$" docs/man/xensplitd.conf.5 || { echo "xensplitd.conf.5 lacks $k"; bad=1; }
done
for k in $(sed -n 's/^#\([a-z-]*\) = .*/\1/p' tools/setup/xensplitd.conf); do
	"$B/bin/xensplitd" --help | grep -q -- "--$k=" || { echo "xensplitd.conf: there is no $k"; bad=1; }
done
# Each option and each command of the guest's programs, both ways.
for p in xensplit-vbd xensplit-vif; do
	said=" $("$B/bin/$p" --help | grep -oE -- '--[a-z-]+' | sort -u | xargs) "
	manual=" $(plain docs/man/$p.1 | grep -oE -- '--[a-z-]+' | sort -u | xargs) "
	[ "$said" = "$manual" ] || { echo "$p --help has$said"; echo "$p.1 has$manual"; bad=1; }
	for c in $("$B/bin/$p" --help | sed -n '/^  --json/q; s/^  \([a-z]*\) .*/\1/p'); do
		grep -qE "^\.BI? \"?$c\b" docs/man/$p.1 || { echo "$p.1 lacks $c"; bad=1; }
	done
done
# Each method of the control socket is in the manual.
for m in $(grep -oE '^	\{ ?"[a-z]+\.[a-z]+"' backend/methods.c | grep -oE '[a-z]+\.[a-z]+'); do
	grep -q "$m" docs/man/xensplitd.8 || { echo "xensplitd.8 lacks the method $m"; bad=1; }
done
# The modes of the benchmark and their options; and each option that is in the manual, in one of them.
modes=$("$B/bin/xensplit-bench" --help | sed -n '/^examples/q; s/^  \([a-z]*\)  .*/\1/p')
said=" $(for m in $modes; do "$B/bin/xensplit-bench" $m --help | grep -oE '^ +--[a-z-]+'; done | xargs) --json --help "
manual=" $(plain docs/man/xensplit-bench.1 | grep -oE -- '--[a-z-]+' | sort -u | xargs) "
for m in $modes; do
	grep -q "^\.B $m\$" docs/man/xensplit-bench.1 || { echo "xensplit-bench.1 lacks the mode $m"; bad=1; }
done
for o in $said; do
	[[ $manual == *" $o "* ]] || { echo "xensplit-bench.1 lacks $o"; bad=1; }
done
for o in $manual; do
	[[ $said == *" $o "* ]] || { echo "xensplit-bench.1: there is no $o"; bad=1; }
done
exit $bad
