#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see fronts.sh): the jobs through Linux's xen-blkfront and through xensplit-blk.ko, in
# one guest that stays up, on one disk of xensplitd, a null block device, into /out/bench.
# dom0-fronts.sh JOB...
set -u
. /src/tools/bench/xen/front.sh

front_jobs() { # NAME JOB...
	local name=$1
	shift
	run_jobs "$name" xvdb "$@"
}

step "a guest without a driver for its disk"
modprobe null_blk gb=1 bs=512 irqmode=0 nr_devices=1 || { echo "no null_blk"; exit 1; }
polled=
others=
for j; do case $j in ur1 | pr1) polled="$polled $j" ;; *) others="$others $j" ;; esac; done
if [ -n "$polled" ]; then
	export XENSPLITD_ARGS="--workers 2" # a ring for each: one is to be polled
	export GUEST_XL='cpus = "1"'        # Dom0 has the first to itself
fi
check "xensplitd starts" world_up || { closing; exit 1; }
GUEST_FILES=$B/guest/xensplit-blk.ko GUEST_ARGS="xsp.without=xen-blkfront" \
	check "the guest boots" guest_start 1 xvdb=file,direct:/dev/nullb0 || { closing; exit 1; }
guest_domid 1 >$out/guest

# shellcheck disable=SC2086
if [ -n "$others" ]; then
	front xen-blkfront xen_blkfront "insmod /modules/xen-blkfront.ko" $others
	front xensplit-blk xensplit_blk "insmod /opt/xensplit-blk.ko" $others
	front xensplit-blk-grants xensplit_blk "insmod /opt/xensplit-blk.ko persistent=N" $others
fi
# shellcheck disable=SC2086
[ -z "$polled" ] ||
	front xensplit-blk-poll xensplit_blk "insmod /opt/xensplit-blk.ko poll_queues=1" $polled
guest_stop 1
daemon_stop
closing
