#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# qcow2: and its like: a qemu-storage-daemon of the daemon's own serves the image. It ends with its disk
# and with the daemon, however that ends; when it dies it is started again, unless that would lose data.
# timeout: 120
# configs: release asan
. "${0%/*}/faults.sh"
for p in qemu-storage-daemon qemu-img; do
	command -v $p >/dev/null || { echo "no $p: install qemu-system-common and qemu-utils"; exit 77; }
done

export TMPDIR=$T
vbd() { guest 1 timeout 60 "$B/bin/xensplit-vbd" "$@"; }
be() { xenstore-read "/local/domain/0/backend/vbd/1/51712/$1" 2>/dev/null; }
says() { be xensplit-error | grep -q "$1"; }
servers() { pgrep -P "$daemon"; }
no_server() { ! pgrep -f "[q]emu-storage-daemon.*$T/" >/dev/null; }
# 3: clusters that were allocated for a write that did not come to its end; no more than that.
sound() { qemu-img check -q "$1" || [ $? = 3 ]; }

head -c 24M /dev/urandom >"$T/data"
daemon_start --workers 2 --drain-seconds 3

# --- formats --------------------------------------------------------------------------------------
for f in qcow2 vmdk vhdx vpc qed; do
	qemu-img create -q -f $f "$T/i.$f" 64M || fatal "qemu-img can't make $f"
	spec=$f:$T/i.$f
	[ $f = vmdk ] && spec=file,format=vmdk:$T/i.vmdk
	attach_wait 1 "$spec" || { be xensplit-error; continue; }
	vbd write xvda 1M <"$T/data" || wrong "write to $f"
	detach 1 || wrong "detach of $f"
	await 5 no_server || wrong "the server of $f is still there"
	qemu-img convert -f $f -O raw "$T/i.$f" "$T/raw"
	check "what was written to $f is in it" cmp -n 25165824 "$T/data" "$T/raw" 0 1048576
	rm -f "$T/i.$f" "$T/raw"
done

# --- refusals, in words ---------------------------------------------------------------------------
attach 1 "qcow2:$T/none.qcow2"
check "an image that is not there" await 5 says "none.qcow2: No such file"
forget 1
attach 1 "qcow2:$T/data"
check "an image that is none" await 5 says "data: Image is not in qcow2 format"
forget 1
attach 1 "file,format=qcow3:$T/data"
check "a format that is none" await 5 says "known are raw, qcow2"
forget 1
await 5 no_server || wrong "a server is left"

# --- the server dies ------------------------------------------------------------------------------
qemu-img create -q -f qcow2 "$T/a.qcow2" 64M
attach_wait 1 "qcow2,writethrough:$T/a.qcow2"
good_begin 1 1
for _ in 1 2; do
	good_works 1
	kill -9 $(servers)
done
good_works 1
good_end 1 "though the server of its qcow2 was killed twice"
detach 1 || wrong "detach"
await 5 no_server || wrong "the server is still there"
check "the image is sound" sound "$T/a.qcow2"

attach_wait 1 "qcow2:$T/a.qcow2"
good_begin 1 1
good_end 1 "with write-back"
kill -9 $(servers)
check "with everything flushed a death is only a pause" vbd read xvda 0 1M >/dev/null
guest_start 1 "$B/bin/xensplit-vbd" verify xvda --size 4M --time 20 --quiet >/dev/null 2>&1
load=$started
good_works 1
kill -9 $(servers)
failed() { grep -q 'died with .* writes not yet flushed' "$daemon_log"; }
check "with unflushed writes the disk fails instead of showing old data" await 5 failed
check "and the guest is told" [ "$(counter 1 io_errors)" -gt 0 ]
kill -9 $load
wait $load 2>/dev/null
xenstore-write /local/domain/1/device/vbd/51712/state 6
detach 1 || wrong "detach of the failed disk"
await 5 no_server || wrong "the server is still there"
check "the image is sound all the same" sound "$T/a.qcow2"

# --- the daemon dies ------------------------------------------------------------------------------
attach_wait 1 "qcow2:$T/a.qcow2"
vbd write xvda 0 <"$T/data" || wrong "write"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
check "the server ends with a killed daemon" await 5 no_server
rm -r "$T"/xensplit.* # that daemon's: nobody was left to remove it
forget 1
daemon_start
attach_wait 1 "qcow2:$T/a.qcow2"
vbd read xvda 0 24M 2>/dev/null | cmp - "$T/data" && ok "and the next daemon finds what was written" || wrong "data differs"
detach 1 || wrong "detach"
check "nothing is left in the directory for sockets" [ -z "$(ls -d "$T"/xensplit.* 2>/dev/null)" ]
close
