# SPDX-License-Identifier: MIT
# Sourced by the tests of rbd: a Ceph cluster of one monitor and one OSD on the loopback, in $T/ceph, with
# no authentication; $CEPH_CONF is its configuration. The OSD keeps its data in a file (bluestore), so
# that it can be killed and started again.
# shellcheck shell=bash

ceph_missing() { # prints what is missing, if anything
	local p
	for p in ceph-mon ceph-osd ceph rbd monmaptool ceph-authtool; do
		command -v $p >/dev/null || { echo "no $p: install ceph-mon, ceph-osd and ceph-common"; return; }
	done
	ldconfig -p | grep -q 'librbd\.so\.1' || echo "no librbd.so.1: install librbd1"
}

ceph_mon() { ceph-mon -f -i a --conf "$CEPH_CONF" >>"$ceph/mon.out" 2>&1 & ceph_mon=$!; }
ceph_osd() { ceph-osd -f -i 0 --conf "$CEPH_CONF" >>"$ceph/osd.out" 2>&1 & ceph_osd=$!; }
ceph_osd_up() { timeout 5 ceph --conf "$CEPH_CONF" osd stat 2>/dev/null | grep -q '1 up'; }

ceph_up() { # PORT: returns 1 and leaves the reason in $ceph/*.out when it does not come up
	local fsid uuid i
	ceph=$T/ceph
	export CEPH_CONF=$ceph/ceph.conf
	mkdir -p "$ceph/mon" "$ceph/osd0"
	fsid=$(cat /proc/sys/kernel/random/uuid) uuid=$(cat /proc/sys/kernel/random/uuid)
	cat >"$CEPH_CONF" <<-C
		[global]
		fsid = $fsid
		mon host = [v1:127.0.0.1:$1]
		auth cluster required = none
		auth service required = none
		auth client required = none
		run dir = $ceph
		admin socket = $ceph/\$name.\$pid.asok
		log file =
		log to stderr = false
		mon cluster log file =
		pid file =
		keyring = $ceph/keyring
		ms bind ipv6 = false
		ms type = async+posix
		osd pool default size = 1
		osd pool default min size = 1
		osd pool default pg autoscale mode = off
		osd pool default pg num = 8
		mon allow pool size one = true
		mon warn on pool no redundancy = false
		osd crush chooseleaf type = 0
		mon data avail crit = 0
		mon data avail warn = 0
		[mon.a]
		mon data = $ceph/mon
		public addr = 127.0.0.1
		[osd]
		osd data = $ceph/osd\$id
		osd objectstore = bluestore
		bluestore block size = 1073741824
		bluestore cache autotune = false
		bluestore cache size = 33554432
		osd memory target = 536870912
		osd heartbeat grace = 5
		public addr = 127.0.0.1
		cluster addr = 127.0.0.1
	C
	{
		ceph-authtool --create-keyring "$ceph/keyring" --gen-key -n mon. --cap mon 'allow *' &&
			monmaptool --create --addv a "[v1:127.0.0.1:$1]" --fsid "$fsid" "$ceph/monmap" &&
			ceph-mon --mkfs -i a --conf "$CEPH_CONF" --monmap "$ceph/monmap" --keyring "$ceph/keyring"
	} >"$ceph/mkfs.out" 2>&1 || return 1
	ceph_mon
	timeout 20 ceph --conf "$CEPH_CONF" osd new "$uuid" >>"$ceph/mkfs.out" 2>&1 || return 1
	ceph-osd --mkfs -i 0 --conf "$CEPH_CONF" --osd-uuid "$uuid" >>"$ceph/mkfs.out" 2>&1 || return 1
	ceph_osd
	for ((i = 0; i < 60; i++)); do
		ceph_osd_up && return 0
		# On a busy machine it may ask the monitor before it knows its map, and give up.
		kill -0 "$ceph_osd" 2>/dev/null || ceph_osd
		sleep 0.5
	done
	return 1
}

ceph_down() {
	[ -z "${ceph_osd:-}" ] || kill -9 "$ceph_osd" 2>/dev/null
	[ -z "${ceph_mon:-}" ] || kill -9 "$ceph_mon" 2>/dev/null
	wait "${ceph_osd:-}" "${ceph_mon:-}" 2>/dev/null
	return 0
}
