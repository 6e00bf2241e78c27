#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see bench.sh): the jobs against each backend, measured and traced, into /out/bench.
# dom0.sh [tsc=MODE] JOB...
#
# All backends have the same device, a null block device of Dom0, and the same guest, which stays up
# all the time. QEMU's jobs leave some of the device in Dom0's page cache, which direct I/O then has to keep
# in order, and blkback, which makes its own bios, needn't: the cache is emptied before each.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
. /src/tools/bench/xen/jobs.sh

case ${1:-} in
tsc=*)
	# shellcheck disable=SC2034 # guest_start's
	GUEST_XL="tsc_mode = \"${1#tsc=}\""
	shift
	;;
esac

step "one guest; its first disk is QEMU's, so that xl starts a QEMU for it"
modprobe null_blk gb=1 bs=512 irqmode=0 nr_devices=1 || { echo "no null_blk"; exit 1; }
check "xensplitd starts" world_up || { closing; exit 1; }
check "the guest boots" guest_start 1 "xl:vdev=xvda,backendtype=qdisk,format=raw,access=rw,target=/dev/nullb0" ||
	{ closing; exit 1; }
xl dmesg -c >/dev/null
xl list -v >$out/domains

step "QEMU"
check "the jobs" run_jobs qdisk xvda "$@"
cat /tmp/check.out

step "xensplitd"
check "the page cache is emptied" blockdev --flushbufs /dev/nullb0
check "attach" guest_attach 1 xvdb=file,direct:/dev/nullb0
check "the jobs" run_jobs xensplitd xvdb "$@"
cat /tmp/check.out
xensplit --json show guest1:xvdb >$out/xensplitd.json
check "detach" guest_detach 1 xvdb
check "xensplitd stops" daemon_stop

step "xen-blkback"
check "xen-blkback is loaded" modprobe xen-blkback
check "the page cache is emptied" blockdev --flushbufs /dev/nullb0
check "attach" xl block-attach guest1 vdev=xvdc,format=raw,access=rw,target=/dev/nullb0
check "the jobs" run_jobs blkback xvdc "$@"
cat /tmp/check.out
guest_domid 1 >$out/guest
guest_stop 1
closing
