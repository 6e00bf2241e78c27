#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every call that the frontend of a NIC makes of Xen's libraries fails once, through connect, packets and
# close: an error that is said, or no harm at all; the next one works and nothing is left granted.
# timeout: 150
# configs: asan
set -u
. "$TOP/tests/lab/vbd.sh"
. "$TOP/tests/lab/vif.sh"
lab_up 1
daemon_start
vif_attach 1 0 00:16:3e:00:00:01 port=null:
life='xensplit-vif up 0 --timeout 5 --queues 2 && {
	ip addr add 10.0.0.1/24 dev xn0 && ping -b -q -c 3 -i 0.02 -W 0.1 10.0.0.255 >/dev/null 2>&1
	xensplit-vif down 0
}'

granted() { xensplit lab status --dir "$lab" | awk '$1 == 1 { print $(NF - 1) }'; }
before=$(granted)
exits 0 dom 1 env XENSPLIT_FAULT_LOG="$T/log" sh -c "$life" >/dev/null
calls=$(wc -l <"$T/log")
echo "$calls calls: $(awk '{ print $3 }' "$T/log" | sort | uniq -c | sort -rn | xargs)"
[ "$calls" -gt 20 ] || fail "so few calls can't be a whole life"

said=0 harmless=0
# connect call by call, of the rest a sample
for n in $(seq 1 20) $(seq 22 3 "$calls") $((calls - 1)) "$calls"; do
	rc=0
	dom 1 env XENSPLIT_FAULT=any:"$n" timeout 20 sh -c "$life" >"$T/out" 2>&1 || rc=$?
	case $rc in
	0) harmless=$((harmless + 1)) ;;
	1 | 3 | 4 | 5)
		said=$((said + 1))
		grep -q "^xensplit-vif: " "$T/out" || { cat "$T/out"; fail "call $n: exit $rc without a word"; }
		;;
	*) cat "$T/out"; fail "call $n: exit $rc" ;;
	esac
	if grep -E "AddressSanitizer|runtime error" "$T/out"; then cat "$T/out"; fail "call $n"; fi
	exits 0 dom 1 xensplit-vif info 0 >/dev/null
done
echo "$said faults were said, $harmless did no harm"
[ $said -ge 4 ] && [ $harmless -ge 4 ] || fail "that can't be"
[ "$(granted)" = "$before" ] || { xensplit lab status --dir "$lab"; fail "pages stay granted: $before before"; }
