#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every call that the userspace frontend makes of Xen's libraries fails once, through connect, I/O and
# close: an error that is said, or no harm at all; the next open works and nothing is left granted.
# timeout: 240
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 1
daemon_start
truncate -s 4M "$T/a.img"
attach 1 51712 "$T/a.img"
verify="xensplit-vbd verify xvda --size 64k --time 0.1 --qd 4 --quiet --timeout 5"

# shellcheck disable=SC2086
exits 0 dom 1 env XENSPLIT_FAULT_LOG="$T/log" $verify >/dev/null
calls=$(wc -l <"$T/log")
echo "$calls calls: $(awk '{ print $3 }' "$T/log" | sort | uniq -c | sort -rn | xargs)"
[ "$calls" -gt 20 ] || fail "so few calls can't be a whole life"
granted() { xensplit lab status --dir "$lab" | awk '$1 == 1 { print $(NF - 1) }'; }
before=$(granted)

# connect and close call by call; of the load in the middle a sample
said=0 harmless=0
for n in $(seq 1 20) $(seq 24 $((calls / 10 + 1)) "$calls") $(seq $((calls - 8)) "$calls"); do
	rc=0
	# shellcheck disable=SC2086
	dom 1 env XENSPLIT_FAULT=any:"$n" $verify >"$T/out" 2>&1 || rc=$?
	case $rc in
	0) harmless=$((harmless + 1)) ;;
	1 | 4 | 5)
		said=$((said + 1))
		grep -q "^xensplit-vbd: " "$T/out" || { cat "$T/out"; fail "call $n: exit $rc without a word"; }
		;;
	*) cat "$T/out"; fail "call $n: exit $rc" ;;
	esac
	if grep -E "AddressSanitizer|runtime error|wrong data" "$T/out"; then cat "$T/out"; fail "call $n"; fi
	exits 0 dom 1 xensplit-vbd info xvda >/dev/null
done
echo "$said faults were said, $harmless did no harm"
[ $said -ge 4 ] && [ $harmless -ge 4 ] || fail "that can't be"
[ "$(granted)" = "$before" ] || { xensplit lab status --dir "$lab"; fail "pages stay granted: $before before"; }
