#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mem: takes memory for what is written and gives it back for what is discarded. log: has a line for each
# request, and the guest never waits for it.
# timeout: 60
# configs: release asan tsan
. "${0%/*}/faults.sh"

vbd() { guest 1 timeout 60 "$B/bin/xensplit-vbd" "$@"; }
daemon_start

# --- mem ------------------------------------------------------------------------------------------
attach_wait 1 mem:256M
check "verified load" vbd verify xvda --size 16M --time 1 --quiet
before=$(rss_kib)
head -c 96M /dev/urandom >"$T/data"
vbd write xvda 64M <"$T/data" || wrong "write"
full=$(rss_kib)
check "96 MiB written take memory: $(((full - before) >> 10)) MiB" [ $((full - before)) -gt 90000 ]
vbd read xvda 64M 96M 2>/dev/null | cmp - "$T/data" && ok "and are there" || wrong "data differs"
vbd discard xvda 64M 96M || wrong "discard"
after=$(rss_kib)
check "a discard gives it back: $(((full - after) >> 10)) MiB" [ $((full - after)) -gt 90000 ]
vbd read xvda 64M 96M 2>/dev/null | cmp -n 100663296 - /dev/zero && ok "and zeros are read there" || wrong "no zeros"
vbd discard xvda 512 1024 && vbd verify xvda --size 1M --time 0.2 --quiet || wrong "after an odd discard"
detach 1 || wrong "detach"

# --- mem and another daemon -----------------------------------------------------------------------
attach_wait 1 mem:64M
guest_start 1 "$B/bin/xsp-evil" 51712 hold >"$T/hold.log"
holder=$started
await 5 grep -q holding "$T/hold.log" || wrong "it does not connect"
daemon_stop
daemon_start
says() { xenstore-read /local/domain/0/backend/vbd/1/51712/xensplit-error 2>/dev/null | grep -q "$1"; }
check "a guest does not go on with an empty disk under another daemon" await 5 says "in the former daemon's memory"
kill -9 $holder
wait $holder 2>/dev/null
forget 1

# --- log ------------------------------------------------------------------------------------------
attach_wait 1 "log,file=$T/io.log:error,op=write,every=2:mem:64M"
vbd read xvda 4096 8192 >/dev/null || wrong "read"
head -c 4096 "$T/data" | vbd write xvda 1M || wrong "the first write"
head -c 4096 "$T/data" | vbd write xvda 2M 2>/dev/null && wrong "the second write did not fail"
vbd discard xvda 4M 1M || wrong "discard"
detach 1 || wrong "detach"
await 5 grep -q discard "$T/io.log" # written beside the detaching
cat "$T/io.log"
logged() { grep -qE "^20[0-9-]+T[0-9:.]+Z $1 [0-9.]+ $2\$" "$T/io.log"; }
check "a read" logged 'read 4096 8192' ok
check "a write" logged 'write 1048576 4096' ok
check "a write that failed" logged 'write 2097152 4096' EIO
check "a flush" logged 'flush [0-9]+ 0' ok
check "a discard" logged 'discard 4194304 1048576' ok
check "the log is not for everybody" [ "$(stat -c %a "$T/io.log")" = 600 ]

# --- a log that can't be written in time ----------------------------------------------------------
mkfifo "$T/fifo"
exec 7<>"$T/fifo"
attach_wait 1 "log,file=$T/fifo:null:64M"
check "a guest whose log hangs" vbd verify xvda --rw randread --size 16M --time 2 --quiet
cat <&7 >"$T/fifo.log" &
reader=$!
dropped() { grep -qE '^# [0-9]+ requests are not in this log' "$T/fifo.log"; }
check "what it lost is counted" await 10 dropped
begin=$SECONDS
detach 1 || wrong "detach"
kill $reader
exec 7>&-
lines=$(grep -vc '^#' "$T/fifo.log") lost=$(awk '/^# [0-9]+ requests/ { n += $2 } END { print n }' "$T/fifo.log")
echo "      $lines lines, $lost lost"

attach_wait 1 "log,file=/dev/full:null:64M"
check "a guest whose log's disk is full" vbd verify xvda --rw randread --size 16M --time 0.5 --quiet
check "the daemon says so" grep -q "log: can't write /dev/full: No space left" "$daemon_log"
detach 1 || wrong "detach"
close
