#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Xen's own toolstack, unmodified, on the lab and our daemon: xl attaches, lists and detaches a disk with
# our hotplug script, and prints why one does not open. What libxl expects of a backend shows here.
# timeout: 60
set -u
xl=/usr/lib/xen-4.17/bin/xl # not the wrapper, which looks for the Xen that runs
[ -x $xl ] || { echo "no xl: install xen-utils-4.17"; exit 77; }
. "$TOP/tests/lab/vbd.sh"
lab_up 1
daemon_start
truncate -s 64M "$T/a.img"
uuid=$(dom 0 xenstore-read /local/domain/1/vm)
uuid=${uuid#/vm/}
cat >"$T/xl" <<-EOS
	# what libxl keeps of each domain that it has made; this one it has not
	mount -t tmpfs none /var/lib/xen && mkdir -p /run/lock || exit 77
	echo '{"c_info": {"type": "pv", "name": "guest1", "uuid": "$uuid"}, "b_info": {"type.pv": {}}}' \
		>/var/lib/xen/userdata-d.1.$uuid.libxl-json
	xenstore-write /libxl/1/dm-version qemu_xen /libxl/1/type pv
	exec $xl "\$@"
EOS
# in a mount namespace of its own: /var/lib/xen is the host's
xl() { dom 0 unshare -m sh "$T/xl" "$@" 2> >(grep -v "hypercall .* is not modelled" >&2); }
disk="format=raw,vdev=xvdb,access=rw,backendtype=phy,script=$TOP/tools/scripts/block-xensplit,target=file:"

xl list >"$T/list" || { cat "$T/list"; echo "no mount namespace here"; exit 77; }
grep -q '^guest1 .* 1 ' "$T/list" || fail "xl list: $(cat "$T/list")"

echo "== attached, used, listed"
exits 0 xl block-attach 1 "$disk$T/a.img"
load_begin 1 xvdb --size 16M
works 1 51728 1000
xl block-list 1 >"$T/list" || fail "xl block-list"
grep -qE '^51728 +0 +1 +4 .* /local/domain/0/backend/vbd/1/51728' "$T/list" || fail "not connected: $(cat "$T/list")"
load_end

echo "== detached: nothing is left"
exits 0 xl block-detach 1 xvdb
! dom 0 xenstore-exists /local/domain/0/backend/vbd/1/51728 || fail "the backend's directory is still there"
! dom 0 xenstore-exists /local/domain/1/device/vbd/51728 || fail "the frontend's directory is still there"
xl block-list 1 | grep 51728 && fail "still listed"

echo "== one that does not open: xl says why; it stays listed, as libxl leaves it, until it is detached"
exits 1 xl block-attach 1 "$disk$T/absent.img" 2>"$T/err"
grep -q "absent.img.*No such file" "$T/err" || fail "no reason: $(cat "$T/err")"
exits 0 xl block-detach 1 xvdb
! dom 0 xenstore-exists /local/domain/0/backend/vbd/1/51728 || fail "the backend's directory is still there"

echo "== and again"
exits 0 xl block-attach 1 "$disk$T/a.img"
exits 0 dom 1 xensplit-vbd verify xvdb --time 0.5 --size 4M --quiet
exits 0 xl block-detach 1 51728
daemon_stop || fail "the daemon ended with $?"
