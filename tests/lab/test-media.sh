#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What changes behind a disk while a guest uses it: its size, both ways, under verified I/O; the medium
# of a cdrom and of a removable disk, by params as libxl rewrites them; eject from both sides.
# timeout: 60
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 2
daemon_start --workers 2
truncate -s 8M "$T/a.img" "$T/b.img"
head -c 3M /dev/urandom >"$T/one.iso"
head -c 5M /dev/urandom >"$T/two.iso"
be() { echo "/local/domain/0/backend/vbd/$1/$2"; }
key() { dom 0 xenstore-read "$(be "$1" "$2")/$3" 2>/dev/null; }
sees() { wait_for 10 grep -q "^$2 bytes" "$1" || { cat "$1"; fail "size $2 was not seen"; }; }
watch() { # DOMID DEV OUT: prints sizes until the device is closed
	dom "$1" xensplit-vbd watch "$2" >"$3" 2>&1 &
	watcher=$!
	wait_for 5 grep -q bytes "$3" || fail "watch: $(cat "$3")"
}

echo "== a disk grows and shrinks under I/O"
attach 1 51712 "$T/a.img"
load_begin 1 xvda --size 1M
attach 2 51712 "$T/b.img"
watch 2 xvda "$T/out"
sees "$T/out" 8388608
truncate -s 16M "$T/a.img" "$T/b.img"
sees "$T/out" 16777216
wait_for 5 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read $(be 1 51712)/sectors)\" = 32768 ]" || fail "a.img did not grow"
truncate -s 4M "$T/a.img" "$T/b.img"
sees "$T/out" 4194304
wait_for 5 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read $(be 1 51712)/sectors)\" = 8192 ]" || fail "a.img did not shrink"
[ "$(key 1 51712 state)" = 4 ] || fail "not connected any more"
load_end
exits 1 dom 1 xensplit-vbd write xvda 4194304 </dev/zero 2>&1 | grep "ends at 4194304" || fail "a write beyond the new end"
truncate -s 0 "$T/b.img"
sees "$T/out" 0
truncate -s 1M "$T/b.img"
sees "$T/out" 1048576
detach 2 51712
wait $watcher
[ $? = 3 ] || fail "watch did not end with the disk: $(cat "$T/out")"

echo "== by hand, both ways, with a write load that fills it to the end"
attach 2 51712 "$T/b.img"
wait_for 10 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read $(be 2 51712)/state)\" = 2 ]" || fail "b.img is not offered"
xs() { xensplit lab run --dir "$lab" 0 -- xensplit --socket "$lab/xensplitd.sock" "$@"; }
exits 0 xs resize vbd/2/51712 8M | grep "8388608 bytes, 1048576 before" || fail "resize while nobody uses it"
load_begin 2 xvda --size 4M
sleep 0.5
exits 0 xs resize vbd/2/51712 +8M --json | grep '"size_bytes":16777216' || fail "resize +8M"
exits 0 xs resize vbd/2/51712 4M || fail "resize 4M"
[ "$(stat -c %s "$T/b.img")" = 4194304 ] || fail "the image is $(stat -c %s "$T/b.img")"
exits 0 xs resize vbd/2/51712 | grep "4194304 bytes, as before" || fail "resize"
load_end
dom 2 xensplit-vbd verify xvda --size 4M --time 60 --quiet >"$T/out" 2>&1 &
load=$!
works 2 51712
exits 0 xs resize vbd/2/51712 1M
wait $load
[ $? = 1 ] || fail "verify went on beyond the end: $(cat "$T/out")"
[ "$(stat -c %s "$T/b.img")" = 1048576 ] || fail "written beyond the new end: $(stat -c %s "$T/b.img")"
exits 2 xs resize vbd/2/51712 1000 2>&1 | grep "no multiple" || fail "a size of parts of sectors"
exits 3 xs resize vbd/2/51728 2>/dev/null
exits 2 xs resize vbd/2/51712 many 2>/dev/null
detach 2 51712

echo "== a request on its way beyond the end: refused, not served"
attach 2 51728 "$T/b.img"
dom 2 xensplit-vbd verify xvdb --rw randread --size 1M --time 60 --quiet >"$T/out" 2>&1 &
load=$!
works 2 51728
truncate -s 512K "$T/b.img"
wait $load
[ $? = 1 ] || fail "verify went on beyond the end: $(cat "$T/out")"
[ "$(stat -c %s "$T/b.img")" = 524288 ] || fail "the image grew"
detach 2 51728

echo "== a cdrom: empty, one, the other, one that can't be opened, ejected by the guest"
cd=51760 # xvdd
cdrom() { # PARAMS: as libxl makes it
	local be=$(be 1 $cd) fe=/local/domain/1/device/vbd/$cd
	dom 0 sh -c "
		xenstore-rm $be 2>/dev/null; xenstore-rm $fe 2>/dev/null
		xenstore-write $fe/backend $be $fe/backend-id 0 $fe/virtual-device $cd $fe/device-type cdrom $fe/state 1 &&
		xenstore-chmod -r $fe n1 r0 &&
		xenstore-write $be/frontend $fe $be/frontend-id 1 $be/params '$1' $be/mode r $be/dev xvdd \
			$be/type phy $be/device-type cdrom $be/removable 1 $be/online 1 $be/state 1 &&
		xenstore-chmod -r $be n0 r1"
}
cdrom ""
watch 1 xvdd "$T/cd"
sees "$T/cd" 0
[ "$(key 1 $cd info)" = 7 ] || fail "info $(key 1 $cd info): not a removable read-only cdrom"
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/one.iso"
sees "$T/cd" 3145728
dom 0 xenstore-write "$(be 1 $cd)/params" ""
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/two.iso"
sees "$T/cd" 5242880
[ "$(key 1 $cd state)" = 4 ] || fail "not connected any more"
: >"$T/cd.old"; cp "$T/cd" "$T/cd.old"
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/none.iso"
wait_for 5 sh -c "[ \"\$(tail -n 1 $T/cd | cut -d' ' -f1)\" = 0 ]" || fail "a missing medium: $(cat "$T/cd")"
key 1 $cd xensplit-error | grep "none.iso" || fail "no reason given"
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/one.iso"
wait_for 5 sh -c "[ \"\$(tail -n 1 $T/cd | cut -d' ' -f1)\" = 3145728 ]" || fail "the next medium: $(cat "$T/cd")"
[ -z "$(key 1 $cd xensplit-error)" ] || fail "the reason is still there"
dom 1 xenstore-write device/vbd/$cd/eject eject
wait_for 5 sh -c "[ \"\$(tail -n 1 $T/cd | cut -d' ' -f1)\" = 0 ]" || fail "the guest's eject: $(cat "$T/cd")"
[ -z "$(key 1 $cd params)" ] || fail "it would be back after a restart: $(key 1 $cd params)"
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/two.iso" # eject is still written: it counts once
wait_for 5 sh -c "[ \"\$(tail -n 1 $T/cd | cut -d' ' -f1)\" = 5242880 ]" || fail "not inserted again: $(cat "$T/cd")"
detach 1 $cd
wait $watcher

echo "== read through changes of the medium: every byte is of one or of the other"
cdrom "$T/one.iso"
exits 0 dom 1 xensplit-vbd read xvdd 0 3145728 | cmp - "$T/one.iso" || fail "one.iso"
load_begin 1 xvdd --rw randread --size 2M
for i in 1 2 3 4 5; do
	sleep 0.3
	dom 0 xenstore-write "$(be 1 $cd)/params" "$T/two.iso"
	sleep 0.2
	dom 0 xenstore-write "$(be 1 $cd)/params" "$T/one.iso"
done
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/two.iso"
in_drive() { [ "$(key 1 $cd sectors)" = "$1" ]; }
wait_for 10 in_drive $((5 << 20 >> 9)) || fail "two.iso is not in the drive: $(key 1 $cd sectors) sectors"
load_end
exits 0 dom 1 xensplit-vbd read xvdd 0 5242880 | cmp - "$T/two.iso" || fail "two.iso"
detach 1 $cd

echo "== our frontend ejects; the daemon is restarted: it stays out"
cdrom "$T/one.iso"
exits 0 dom 1 xensplit-vbd eject xvdd
[ -z "$(key 1 $cd params)" ] || fail "params after eject"
watch 1 xvdd "$T/cd"
daemon_stop || fail "the daemon ended with $?"
daemon_start --workers 2
dom 0 xenstore-write "$(be 1 $cd)/params" "$T/two.iso"
sees "$T/cd" 5242880
detach 1 $cd
wait $watcher

echo "== a disk that is not removable keeps what it has"
load_begin 1 xvda --size 1M
sleep 0.3
dom 0 xenstore-write "$(be 1 51712)/params" "$T/two.iso"
wait_for 5 grep -q "it is not removable" "$T/daemon.log" || fail "nothing said"
load_end
daemon_stop || fail "the daemon ended with $?"
