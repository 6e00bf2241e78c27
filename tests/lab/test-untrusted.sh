#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A backend that is not trusted (XSA-403) sees nothing but the data of requests: every page that is
# granted to it holds zeros elsewhere, and everywhere when no request has it. Sectors of 4096 bytes in
# every dialect. A size that changes while the disk is open.
# timeout: 60
# configs: release asan
set -u
. "$TOP/tests/lab/vbd.sh"
lab_up 1
fe=/local/domain/1/device/vbd/51712

backend() { # MODE: in the background
	timeout 40 xensplit lab run --dir "$lab" 0 -- test-backend 1 51712 "$1" >"$T/backend" 2>&1 &
	b=$!
}

scan() { # EXIT-OF-BACKEND OPTION...
	local want=$1 rc
	shift
	attach 1 51712 none
	[ -z "${key:-}" ] || dom 0 xenstore-write "$fe/trusted" "$key"
	backend scan
	exits 0 dom 1 xensplit-vbd verify xvda --time 0.3 --quiet "$@" >"$T/out"
	wait $b
	rc=$?
	cat "$T/backend"
	[ $rc = "$want" ] || fail "scan $*: the backend ended with $rc, not $want"
}

echo "== trusted: pages are used again as they are, and the backend can see it"
scan 2 --bs 1536
key=1 scan 2 --bs 1536
echo "== not trusted, by option and by key: parts of pages, whole ones, indirect requests"
scan 0 --bs 1536 --untrusted
key=0 scan 0 --bs 512
key=0 scan 0 --bs 4096 --ring-order 2
key=0 scan 0 --bs 66048 --qd 8
grep -q "scanned [1-9][0-9]* requests, [1-9][0-9]* pages" "$T/backend" || fail "nothing was scanned"

echo "== and with our backend, which keeps pages mapped"
daemon_start
truncate -s 4M "$T/a.img"
attach 1 51712 "$T/a.img"
dom 0 xenstore-write "$fe/trusted" 0
exits 0 dom 1 xensplit-vbd info xvda | grep "backend is not trusted" || fail "info does not say so"
exits 0 dom 1 xensplit-vbd verify xvda --time 0.5 --bs 64k --quiet
detach 1 51712
daemon_stop

echo "== sectors of 4096 bytes, as each backend counts them"
for d in xen freebsd qemu mini-os; do
	attach 1 51712 none
	backend "dialect-$d"
	exits 0 dom 1 xensplit-vbd verify xvda --dialect "$d" --bs 8k --time 0.1 --quiet
	wait $b || fail "$d: the backend ended with $?"
	attach 1 51712 none
	dom 0 xenstore-write "$fe/xensplit-dialect" "$d"
	backend "dialect-$d"
	exits 0 dom 1 xensplit-vbd verify xvda --bs 64k --qd 4 --time 0.1 --quiet # indirect
	wait $b || fail "$d: the backend ended with $?"
done
attach 1 51712 none
dom 0 xenstore-write "$fe/xensplit-dialect" klingon
exits 1 dom 1 xensplit-vbd info xvda 2>&1 | grep "klingon" || fail "a dialect that there is not"
exits 1 dom 1 xensplit-vbd info xvda --dialect elvish 2>&1 | grep "not a dialect" || fail "nor this"
attach 1 51712 none
backend dialect-freebsd
exits 0 dom 1 xensplit-vbd info xvda --dialect xen --json | grep '"size_bytes":131072,' || fail "the wrong dialect is not seen"
wait $b

echo "== the size changes: the user is told"
attach 1 51712 none
backend resize
exits 0 dom 1 xensplit-vbd watch xvda --time 2 | tee "$T/out"
wait $b
for s in 1048576 524288 2097152 4096 0; do grep -q "^$s bytes" "$T/out" || fail "$s was not seen"; done
