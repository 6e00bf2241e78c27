#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A PV disk as an NBD export: the clients are nbdinfo, nbdcopy, qemu-img and fio; the daemon is
# restarted under one of them.
# timeout: 180
# configs: release asan
set -u
for c in nbdkit nbdinfo nbdcopy qemu-img fio; do
	command -v $c >/dev/null || { echo "$c is not installed"; exit 77; }
done
. "$TOP/tests/lab/vbd.sh"
plugin=$B/lib/nbdkit-xensplit-plugin.so
if [ "${B##*/}" = asan ]; then # nbdkit itself is not instrumented
	preload="LD_PRELOAD=$(gcc -print-file-name=libasan.so)"
	export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1
fi
nbd() { # DOMID [PARAMETER...] COMMAND, with the shell's $uri
	local id=$1
	shift
	dom "$id" env ${preload:-A=} nbdkit -U - "$plugin" "${@:1:$#-1}" --run "export uri; env -u LD_PRELOAD sh -ec '${*: -1}'"
}

lab_up 2
daemon_start
truncate -s 64M "$T/a.img" "$T/b.img"
head -c 64M /dev/urandom >"$T/src.img"
attach 1 51712 "$T/a.img"
cd "$T" || exit 1

echo "== what it is"
exits 0 nbd 1 dev=xvda 'nbdinfo --json "$uri"' >info.json
python3 - <<'PY' || fail "nbdinfo"
import json
e = json.load(open("info.json"))["exports"][0]
assert e["export-size"] == 64 << 20 and e["block_size_minimum"] == 512, e
assert e["can_flush"] and e["can_fua"] and e["can_multi_conn"] and not e["is_read_only"], e
PY

echo "== nbdcopy in and out"
exits 0 nbd 1 xvda 'nbdcopy --flush src.img "$uri"; nbdcopy "$uri" back.img'
cmp src.img a.img || fail "what was copied in is not on the disk"
cmp src.img back.img || fail "what was copied out is not what was copied in"

echo "== qemu-img"
exits 0 nbd 1 xvda ring-order=2 'qemu-img info "$uri"; qemu-img convert -f raw -O qcow2 "$uri" q.qcow2'
qemu-img compare -f raw -F qcow2 src.img q.qcow2 || fail "qemu-img convert"
head -c 64M /dev/urandom >src.img
exits 0 nbd 1 xvda 'qemu-img convert -n -f raw -O raw src.img "$uri"'
cmp src.img a.img || fail "qemu-img convert to the disk"

echo "== fio with verify, while the daemon is restarted twice"
cat >job.fio <<'JOB'
[verify]
ioengine=nbd
uri=${uri}
rw=randrw
bs=4k
iodepth=32
size=64M
io_size=512M
verify=crc32c
verify_fatal=1
verify_backlog=512
time_based=1
runtime=4
JOB
nbd 1 xvda 'fio --output-format=json --output=fio.json job.fio' &
fio=$!
for _ in 1 2; do
	sleep 1
	daemon_stop || fail "the daemon ended with $?"
	sleep 0.2
	daemon_start
done
wait $fio || fail "fio: exit $?"
python3 - <<'PY' || fail "fio's figures"
import json
j = json.load(open("fio.json"))["jobs"][0]
assert j["error"] == 0 and j["write"]["total_ios"] > 1000 and j["read"]["total_ios"] > 1000, j["error"]
print("fio: %.0f reads/s, %.0f writes/s" % (j["read"]["iops"], j["write"]["iops"]))
PY

echo "== read-only; what can't work says so"
attach 2 51728 "$T/b.img" r
exits 0 nbd 2 xvdb 'nbdinfo --is readonly "$uri"'
# nbdkit's exit code is that of whichever ends first, the server or the command
{ nbd 2 dev=xvdq 'sleep 1' 2>&1 || true; } | grep "no such device" || fail "xvdq"
exits 1 nbd 2 ring-order=9 xvdb 'true' 2>&1 | grep "ring-order=9: 0..4" || fail "ring-order"
exits 1 nbd 2 dev=spoon 'true' 2>&1 | grep "not a device" || fail "spoon"

# nbdkit, not instrumented itself, never gets out of freelocale() at exit after such an error when
# libasan is preloaded
[ "${B##*/}" != asan ] || exit 0
echo "== the device goes away under it"
exits 0 nbd 1 xvda 'nbdinfo --size "$uri"; touch up; while ! [ -e gone ]; do sleep 0.1; done; ! nbdcopy "$uri" null: 2>err' &
n=$!
wait_for 5 test -e up
detach 1 51712
wait_for 8 sh -c "[ \"\$(xensplit lab run --dir $lab 0 -- xenstore-read /local/domain/0/backend/vbd/1/51712/state)\" = 6 ]"
touch gone
wait $n || fail "nbdkit ended with $?"
[ -s err ] || fail "nbdcopy did not complain"
