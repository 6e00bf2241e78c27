#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The lab behaves as Xen where the kit relies on it: tests/world, and what only the lab can show
# within a test: death of a process and of a domain.
# quick
# timeout: 120
# configs: release asan
. "$TOP/tests/lab/lab.sh"
check "up" lab up --guests 2 --no-daemon

dom 1 world-test guest 0 one >"$T/guest" 2>&1 &
dom 0 world-test dom0 1 one || fail "world-test in Dom0"
wait $! || { fail "world-test in the guest"; cat "$T/guest"; }

touch "$T/hold-guest" "$T/hold-dom0" "$T/hold-guest2" "$T/hold-dom02"
# A killed process: its ports are free again, its pages too, what it had mapped is unmapped.
"${LAB[@]}" run 2 -- world-hold guest 0 >"$T/hold-guest" &
guest=$!
until_true 20 grep -q holds "$T/hold-guest" || fail "the guest holds nothing"
"${LAB[@]}" run 0 -- world-hold dom0 2 $(sed 's/holds//' "$T/hold-guest") >"$T/hold-dom0" &
dom0=$!
until_true 20 grep -q holds "$T/hold-dom0" || fail "Dom0 holds nothing"
status() { lab status --json | python3 -c 'import json,sys
d = {x["domid"]: x for x in json.load(sys.stdin)["domains"]}
print(d.get(int(sys.argv[1]), {}).get(sys.argv[2], "gone"))' "$@"; }
is() { [ "$(status "$1" "$2")" = "$3" ]; } # DOMID KEY VALUE
base=$(status 0 ports)
same "two pages are mapped, and the store's" "$(status 2 pages_mapped)" 3
same "four pages are granted" "$(status 2 pages_granted)" 4
kill -9 $guest
wait $guest 2>/dev/null
check "the mapped pages stay granted while mapped" until_true 20 is 2 pages_granted 2
same "Dom0's port stays, unbound" "$(status 0 ports)" "$base"
kill -9 $dom0
wait $dom0 2>/dev/null
check "a killed process's maps are undone" until_true 20 is 2 pages_mapped 1
check "a killed process's port is closed" until_true 20 is 0 ports $((base - 1))

# A domain that dies is dying while somebody has its pages.
"${LAB[@]}" run 2 -- world-hold guest 0 >"$T/hold-guest2" &
until_true 20 grep -q holds "$T/hold-guest2" || fail "the guest holds nothing"
"${LAB[@]}" run 0 -- world-hold dom0 2 $(sed 's/holds//' "$T/hold-guest2") >"$T/hold-dom02" &
dom0=$!
until_true 20 grep -q holds "$T/hold-dom02" || fail "Dom0 holds nothing"
check "destroy" lab destroy 2
same "the domain is dying" "$(status 2 state)" dying
dom 0 world-domains >"$T/list"
check "xc_domain_getinfo says so" grep -qx "2 dying" "$T/list"
check "it cannot be made again yet" eval '! lab create 2 2>/dev/null'
kill -9 $dom0
wait $dom0 2>/dev/null
check "with the last map it is gone" until_true 20 is 2 state gone
dom 0 world-domains >"$T/list"
check "xc_domain_getinfo does not know it" eval '! grep -q "^2 " "$T/list"'
check "and its domid is free" lab create 2
[ $failures = 0 ]
