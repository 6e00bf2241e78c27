#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Identity is taken when a handle is opened: one process is 64 guests and Dom0 at once.
# configs: release asan tsan
. "$TOP/tests/lab/lab.sh"
check "up with 64 guests" lab up --guests 64 --no-daemon
dom 0 world-many 64 || fail "world-many"
dom 0 world-many 64 || fail "world-many, again"
same "nothing is left" "$(lab status --json | python3 -c 'import json,sys
d = json.load(sys.stdin)["domains"]
print(len(d), sum(x["pages_granted"] for x in d), sum(x["pages_mapped"] for x in d),
      sum(x["ports"] for x in d if x["domid"]))')" "65 0 64 64"
# a domain dies under a process that is others too
"${LAB[@]}" run 0 -- bash -c 'exec world-many 64 >/dev/null' &
check "destroy while its handles work" lab destroy 7
kill $! 2>/dev/null
wait $! 2>/dev/null
check "the others live" dom 8 xenstore-read name
[ $failures = 0 ]
