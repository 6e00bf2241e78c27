#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# libxensplit-front and xensplit-vbd against xensplitd: data, restarts of the daemon, a killed
# frontend, detach in the middle, exit codes.
# timeout: 120
# configs: release asan tsan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 2
daemon_start
truncate -s 32M "$T/a.img" "$T/b.img"
head -c 1M /dev/urandom | dd of="$T/a.img" conv=notrunc status=none
attach 1 51712 "$T/a.img"

echo "== the example: first megabyte, summed up"
sum=$(head -c 1M "$T/a.img" | od -An -v -tu1 | awk '{ for (i = 1; i <= NF; i++) s += $i } END { print s }')
exits 0 dom 1 xensplit-front-example xvda | tee "$T/out"
grep -q "1048576 bytes read, sum of all bytes $sum\$" "$T/out" || fail "wrong sum, want $sum"

echo "== plain transfers, odd lengths"
exits 0 dom 1 xensplit-vbd info 51712
exits 0 dom 1 xensplit-vbd list | grep -E "xvda +51712 +0 +Closed +(Closed|InitWait)" || fail "list"
exits 0 dom 1 xensplit-vbd list --json | python3 -c 'import json, sys; (d,) = json.load(sys.stdin); assert d["sectors"] == 65536, d' ||
	fail "list --json"
exits 0 dom 1 xensplit-vbd read xvda 1000 100001 | cmp - <(tail -c +1001 "$T/a.img" | head -c 100001) || fail "read"
head -c 300003 /dev/urandom >"$T/in"
cp "$T/a.img" "$T/want"
dd if="$T/in" of="$T/want" bs=512 seek=77 conv=notrunc status=none
exits 0 dom 1 xensplit-vbd write xvda $((77 * 512)) <"$T/in"
cmp "$T/a.img" "$T/want" || fail "write"
exits 2 dom 1 xensplit-vbd write xvda 100 </dev/null
exits 1 dom 1 xensplit-vbd write xvda 33553920 <"$T/in"
exits 0 dom 1 xensplit-vbd flush xvda

echo "== every order of the ring, every size of request"
for o in 0 1 2 3 4; do
	exits 0 dom 1 xensplit-vbd verify xvda --size 4M --ring-order $o --qd 16 --bs 44k --time 0.2 --quiet
done
for bs in 512 1536 8k; do
	exits 0 dom 1 xensplit-vbd verify xvda --size 1M --bs $bs --time 0.2 --flush-every 20 --json
done

echo "== verified load through three restarts of the daemon"
load_begin 1 xvda
for _ in 1 2 3; do
	sleep 1
	daemon_stop || fail "the daemon ended with $?"
	sleep 0.3
	daemon_start
done
works 1 51712 20000 # of which half are reads
load_end
python3 - "$T/verify.json" <<'PY' || fail "figures"
import json, sys
r = json.load(open(sys.argv[1]))
assert r["verified_bytes"] >= 32 << 20 and r["reads"] > 8192 and r["longest_ms"] > 250, r
PY

echo "== wrong data is found"
dom 1 xensplit-vbd verify xvda --time 30 --quiet >"$T/out" 2>&1 &
load=$!
works 1 51712 10000 # it is filled
dd if=/dev/urandom of="$T/a.img" bs=1M count=8 conv=notrunc status=none
wait_for 60 grep -q "wrong data" "$T/out" || fail "verify did not see that the image was changed under it"
dom 1 sh -c 'kill -INT $(xenstore-read device/vbd/51712/owner | cut -d" " -f1)'
wait $load
[ $? = 1 ] || fail "wrong data, and another exit code than 1"
grep -m 1 "wrong data, read of 4096 bytes at .*: foreign data\|torn" "$T/out" || fail "$(cat "$T/out")"

echo "== the store stands still for two seconds: data does not mind"
load_begin 1 xvda --rw randrw
works 1 51712
store=$(cat "$lab/xenstored.pid")
dom 0 kill -STOP "$store"
sleep 2
before=$(answered 1 51712)
wait_for 20 eval '[ "$(answered 1 51712)" -gt $((before + 1000)) ]' || fail "the store's pause is felt"
dom 0 kill -CONT "$store"
load_end

echo "== one process at a time; a killed one leaves the device free"
dom 1 xensplit-vbd verify xvda --time 30 --quiet >"$T/out" 2>&1 &
load=$!
wait_for 20 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/1/device/vbd/51712/state)\" = 4 ]"
exits 1 dom 1 xensplit-vbd info xvda 2>&1 | grep "in use by process" || fail "not refused"
dom 1 sh -c 'kill -9 $(xenstore-read device/vbd/51712/owner | cut -d" " -f1)'
wait $load
[ $? = 137 ] || fail "the load was not killed"
exits 0 dom 1 xensplit-vbd verify xvda --size 1M --time 0.1 --quiet

echo "== detach in the middle"
dom 1 xensplit-vbd verify xvda --time 30 --quiet >"$T/out" 2>&1 &
load=$!
works 1 51712
detach 1 51712
wait $load
[ $? = 3 ] || fail "the load did not end with 3: $(cat "$T/out")"
grep "the backend closes" "$T/out" || fail "no reason given"
grep -q " 0 errors, 0 wrong" "$T/out" || fail "requests under way failed"
wait_for 5 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/1/51712/state)\" = 6 ]"
exits 3 dom 1 xensplit-vbd info xvda

echo "== read-only, another guest"
attach 2 51728 "$T/b.img" r
before=$(sha256sum <"$T/b.img")
exits 0 dom 2 xensplit-vbd info xvdb | grep "read-only" || fail "not read-only"
exits 1 dom 2 xensplit-vbd write xvdb 0 <"$T/in"
exits 1 dom 2 xensplit-vbd verify xvdb
exits 0 dom 2 xensplit-vbd verify xvdb --rw randread --time 0.2 --quiet
[ "$before" = "$(sha256sum <"$T/b.img")" ] || fail "a read-only image changed"

echo "== one process opens a disk again, but not twice at a time"
case $B in *release) dom 2 python3 - "$B/lib/libxensplit-front.so" <<'PY' || fail "open, open, close, open" ;; esac
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
def opened():
    disk, why = ctypes.c_void_p(), ctypes.create_string_buffer(256)
    return lib.xsp_disk_open(b"xvdb", None, ctypes.byref(disk), why), disk, why.value.decode()
for _ in range(3):
    error, disk, why = opened()
    assert error == 0, why
    error, _, why = opened()
    assert error == -16 and "in use by process" in why, (error, why)
    assert lib.xsp_disk_close(disk) == 0
PY

echo "== what can't work says so"
exits 3 dom 1 xensplit-vbd info xvdz
exits 2 dom 1 xensplit-vbd info nonsense
exits 2 dom 1 xensplit-vbd explode xvda
exits 2 dom 2 xensplit-vbd verify xvdb --bs 1000
exits 4 env -u XENSTORED_PATH XENSTORED_RUNDIR="$T" xensplit-vbd info xvda
daemon_stop
attach 1 51744 "$T/b.img"
exits 5 dom 1 xensplit-vbd info xvdc --timeout 0.5

echo "== nothing is left"
xensplit lab status --dir "$lab"
