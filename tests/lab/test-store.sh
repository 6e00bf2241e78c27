#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Debian's own xenstore programs, unchanged, in Dom0 and through a guest's ring: data, permissions,
# transactions, watches, and what becomes of them when a process or a domain dies.
# quick
# timeout: 120
# configs: release asan
. "$TOP/tests/lab/lab.sh"
check "up" lab up --guests 2 --no-daemon

dom 0 test-xenstore >"$T/out" 2>&1 || { fail "test-xenstore in Dom0"; cat "$T/out"; }
same "test-xenstore ran its 12 tests" "$(grep -c ' ns$' "$T/out")" 12

# a guest's own nodes
check "a guest writes its data" dom 1 xenstore-write data/a/b hello
same "and reads it" "$(dom 1 xenstore-read data/a/b)" hello
same "Dom0 sees it" "$(dom 0 xenstore-read /local/domain/1/data/a/b)" hello
same "a guest's list" "$(dom 1 xenstore-list data | tr '\n' ' ')" "a "
same "a guest's name" "$(dom 1 xenstore-read name)" guest1
check "exists" dom 1 xenstore-exists data/a/b
check "rm" dom 1 xenstore-rm data/a
check "is gone" eval '! dom 1 xenstore-exists data/a/b'
head -c 2000 /dev/zero | tr '\0' x >"$T/long"
check "a value longer than the ring" dom 1 xenstore-write data/long "$(cat "$T/long")"
same "comes back whole" "$(dom 1 xenstore-read data/long | wc -c)" 2001

# permissions are real
denied() { # COMMAND...: fails, and says why (strace would see EACCES; the tools print the errno or not)
	! "$@" >"$T/denied" 2>&1
}
check "a guest cannot write its name" denied dom 1 xenstore-write name other
check "nor another guest's data" denied dom 1 xenstore-write /local/domain/2/data/x 1
check "nor read it" denied dom 1 xenstore-read /local/domain/2/data
check "nor make devices" denied dom 1 xenstore-write device/vbd/1/state 1
check "guest 2 shares a node with 1" dom 2 xenstore-write data/shared yes
check "by chmod" dom 2 xenstore-chmod data/shared n2 r1
same "and 1 reads it" "$(dom 1 xenstore-read /local/domain/2/data/shared)" yes
check "but cannot write it" denied dom 1 xenstore-write /local/domain/2/data/shared no
dom 1 world-store eacces /local/domain/2/data/x || fail "the error is not EACCES"

# watches, in a guest
dom 1 xenstore-watch -n 3 data/w >"$T/watch" &
w=$!
until_true 20 grep -q . "$T/watch" || fail "no first event"
dom 0 xenstore-write /local/domain/1/data/w/x 1
dom 1 xenstore-write data/w/y 2
wait $w
same "a guest's watch" "$(tr '\n' ' ' <"$T/watch")" "data/w data/w/x data/w/y "

# many processes on one ring, each its own ids, transactions and tokens
dom 1 world-store many >"$T/many" 2>&1 || { fail "many processes on a ring"; cat "$T/many"; }
# a killed process's transactions and watches end with it
dom 1 world-store killed || fail "what a killed process left"

# a store that is stopped for a while: what asks it waits, the rest of the lab does not
xenstored=$(dom 0 pgrep -x xenstored)
dom 0 kill -STOP "$xenstored"
dom 1 xenstore-read name >"$T/late" &
late=$!
dom 0 timeout 10 xenstore-read /local/domain/1/name >"$T/late0" &
late0=$!
check "status answers" timeout 5 "${LAB[@]}" status
check "handles open" timeout 5 "${LAB[@]}" run 0 -- world-domains
same "the guest's request waits" "$(cat "$T/late")" ""
dom 0 kill -CONT "$xenstored"
wait $late $late0
same "and is answered then" "$(cat "$T/late" "$T/late0" | tr '\n' ' ')" "guest1 guest1 "

# death of a domain
dom 0 xenstore-watch -n 2 @releaseDomain >"$T/release" &
w=$!
until_true 20 grep -q . "$T/release"
check "destroy" lab destroy 2
wait $w
same "@releaseDomain" "$(grep -c @releaseDomain "$T/release")" 2
check "its nodes are gone" eval '! dom 0 xenstore-exists /local/domain/2'
check "made again" lab create 2 --name again
same "with a new name" "$(dom 2 xenstore-read name)" again
check "and an empty data" eval '[ -z "$(dom 2 xenstore-list data)" ]'
dom 0 lsevtchn 1 >"$T/lsevtchn"
check "lsevtchn knows the guest's store port" grep -q "Interdomain" "$T/lsevtchn"
[ $failures = 0 ]
