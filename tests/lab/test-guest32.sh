#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A 32-bit frontend process, its ring laid out by Xen's header under a 32-bit compiler: verified I/O
# with x86_32-abi, with no protocol key (which means the same) and with x86_64-abi; every way in which
# frontends write where their ring is; frontends that skip state 3.
# timeout: 60
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
for abi in 32 64; do
	# shellcheck disable=SC2046
	(cd "$TOP" && gcc -std=gnu11 -O1 -m32 $([ $abi = 32 ] || echo -malign-double) -D_FILE_OFFSET_BITS=64 \
		-I. tests/guest32/child.c -o "$T/child$abi") || { echo "no 32-bit compiler: apt install gcc-multilib"; exit 77; }
done
"$T/child32" </dev/null 3</dev/null 2>"$T/out"
grep -q "no setup" "$T/out" || { echo "this kernel runs no 32-bit programs"; exit 77; }
lab_up 1
daemon_start
truncate -s 1M "$T/a.img"
attach 1 51712 "$T/a.img"

guest() { # SLOT-BYTES CHILD PROTOCOL ORDER STYLE [skip3]
	local slot=$1
	shift
	dd if=/dev/zero of="$T/a.img" bs=1M count=1 conv=notrunc status=none # what the frontend begins with
	exits 0 dom 1 vbd-guest32 1 51712 "$T/$1" "${@:2}" >"$T/out" 2>&1
	grep "slot of $slot bytes" "$T/out" || fail "$*: another layout: $(cat "$T/out")"
}

echo "== protocols, orders"
for order in 0 2 4; do
	guest 108 child32 x86_32-abi $order plain
	guest 108 child32 none $order plain
	guest 112 child64 x86_64-abi $order plain
done
export PERSISTENT=1
guest 108 child32 x86_32-abi 1 plain
guest 112 child64 x86_64-abi 1 plain
unset PERSISTENT
echo "== the wrong layout is seen by the frontend"
dom 1 vbd-guest32 1 51712 "$T/child32" x86_64-abi 0 plain 2>"$T/out" && fail "x86_64-abi on a 32-bit ring works"
grep "child: " "$T/out" || fail "$(cat "$T/out")"
attach 1 51712 "$T/a.img"
echo "== how the ring's pages are told"
guest 108 child32 x86_32-abi 0 numbered
guest 108 child32 x86_32-abi 2 legacy
guest 112 child64 x86_64-abi 0 legacy
guest 108 child32 none 3 both
echo "== from 1 to 4 without 3"
guest 108 child32 none 0 plain skip3
guest 112 child64 x86_64-abi 2 plain skip3
exits 0 dom 1 xensplit-vbd verify xvda --size 256k --time 0.1 --quiet
daemon_stop || fail "the daemon ended with $?"
