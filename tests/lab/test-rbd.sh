#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rbd: a guest's disk in a Ceph cluster of one monitor and one OSD, which is killed and started again under
# verified load.
# timeout: 240
. "${0%/*}/ceph.sh"
missing=$(ceph_missing)
[ -z "$missing" ] || { echo "$missing"; exit 77; }
. "${0%/*}/faults.sh"

vbd() { guest 1 timeout 100 "$B/bin/xensplit-vbd" "$@"; }
be() { xenstore-read "/local/domain/0/backend/vbd/1/51712/$1" 2>/dev/null; }
says() { be xensplit-error | grep -q "$1"; }
rbd_() { timeout 30 rbd --conf "$CEPH_CONF" "$@"; }
offered() { be_is 1 2; }

trap ceph_down EXIT
ip link set lo up
port=$((16000 + $$ % 16000))
daemon_start --workers 2
ceph_up $port || { tail -n 5 "$ceph"/*.out; fatal "the cluster does not come up"; }
echo "      a cluster after $SECONDS s"
timeout 30 ceph --conf "$CEPH_CONF" osd pool create rbd 8 2>/dev/null || fatal "no pool"
rbd_ create --image-feature layering,exclusive-lock rbd/a --size 64M || fatal "no image"

# --- a disk ---------------------------------------------------------------------------------------
attach 1 "rbd,conf=$CEPH_CONF:rbd/a"
check "the image is offered" await 20 offered || be xensplit-error
check "verified load, two queues" vbd verify xvda --queues 2 --size 8M --time 2 --flush-every 32 --quiet
head -c 3M /dev/urandom >"$T/data"
check "written with large requests" vbd write xvda 8M <"$T/data"
rbd_ export rbd/a - 2>/dev/null | cmp -n 3145728 - "$T/data" 8388608 0 && ok "and it is in the image" || wrong "not in the image"
check "a discard" vbd discard xvda 8M 3M
vbd read xvda 8M 3M 2>/dev/null | cmp -n 3145728 - /dev/zero && ok "reads zeros then" || wrong "no zeros"

# --- the OSD dies and comes back ------------------------------------------------------------------
good_begin 1 1 --size 4M --qd 8
good_works 1
kill -9 "$ceph_osd"
wait "$ceph_osd" 2>/dev/null
sleep 1
ceph_osd
good_end 1 "though the OSD was killed and started again"

# --- resize ---------------------------------------------------------------------------------------
guest_start 1 "$B/bin/xensplit-vbd" verify xvda --size 2M --qd 4 --time 12 --quiet >"$T/resize.log" 2>&1
load=$started
await 10 be_is 1 4
rbd_ resize rbd/a --size 96M >/dev/null 2>&1 || wrong "rbd resize"
larger() { [ "$(be sectors)" = 196608 ]; }
check "a larger image is a larger disk, under a guest" await 15 larger
rc=0
wait $load || rc=$?
check "whose load goes on ($rc)" [ $rc = 0 ]
detach 1 || wrong "detach"

# --- as QEMU writes it; snapshots; refusals --------------------------------------------------------
rbd_ snap create rbd/a@s 2>/dev/null || wrong "snap create"
attach 1 "rbd:rbd/a@s:conf=$CEPH_CONF:id=admin" r
check "a snapshot, in QEMU's words, read-only" await 20 offered
check "is read" vbd read xvda 0 1M >/dev/null
detach 1 || wrong "detach"
attach 1 "rbd,conf=$CEPH_CONF:rbd/a@s"
check "a snapshot is refused for writing" await 20 says 'attach it read-only'
forget 1
attach 1 "rbd,conf=$CEPH_CONF:rbd/none"
check "an image that is not there" await 20 says 'rbd/none: can.t open the image: No such file'
forget 1
attach 1 "rbd,conf=$CEPH_CONF:none/a"
check "a pool that is not there" await 20 says 'no such pool'
forget 1
attach 1 "rbd,conf=$T/none.conf:rbd/a"
check "a configuration that is not there" await 20 says 'none.conf: No such file'
forget 1

# --- a cluster that is away -----------------------------------------------------------------------
attach_wait 2 "$(image good.img)"
kill -STOP "$ceph_mon" "$ceph_osd"
attach 1 "rbd,conf=$CEPH_CONF:rbd/a"
good_begin 2 1
good_end 2 "while a disk's cluster does not answer"
check "and the toolstack is told in time" await 12 says "can't reach the cluster"
forget 1
kill -CONT "$ceph_mon" "$ceph_osd"
daemon_stop
daemon=
close
