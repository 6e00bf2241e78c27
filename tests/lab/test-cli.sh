#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit against a lab: every command, every exit code, text and JSON.
# quick
# timeout: 150
# configs: release asan tsan
set -u
export XENSPLIT_LAB=$T/lab PATH=$B/bin:$PATH:/usr/sbin
failed=0 n=0

xensplit lab up --guests 2 >"$T/up" 2>&1 || { cat "$T/up"; exit 1; }
trap 'xensplit lab down >/dev/null 2>&1' EXIT
dom0() { xensplit lab run 0 -- "$@"; }

# t WANTED-EXIT 'REGEX OF OUTPUT' ARGS...: run xensplit in Dom0, look at both
t() {
	local want=$1 regex=$2 rc
	shift 2
	n=$((n + 1))
	dom0 xensplit "$@" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
	cat "$T/out" "$T/err" >"$T/both"
	if [ $rc != "$want" ] || ! grep -qE -- "$regex" "$T/both"; then
		echo "FAIL xensplit $*: exit $rc (wanted $want), no '$regex' in:"
		cat "$T/both"
		failed=1
	fi
	case " $* " in *" --json "*)
		python3 - "$T/out" "$T/err" <<'PY' || { echo "FAIL xensplit $*: not the JSON promised"; cat "$T/both"; failed=1; }
import json, sys
lines = open(sys.argv[1]).read().splitlines()
assert lines and not open(sys.argv[2]).read()
for l in lines:
    assert json.loads(l)["schema"] == 1
PY
		;;
	esac
}
json() { # EXPRESSION over o: the last answer
	python3 -c "import json,sys; o=json.loads(open('$T/out').read().splitlines()[-1]); sys.exit(0 if ($1) else 1)" ||
		{ echo "FAIL '$1' is not so in:"; cat "$T/out"; failed=1; }
}

# wrong usage: 2, one line, what to try
t 2 'which command\?; try xensplit --help'
t 2 'did you mean attach\?' atach
t 2 'did you mean --watch\?.*try xensplit help stat' stat --wacth
t 2 'attach wants DOMAIN TARGET VDEV' attach 1
t 2 "'x' is one argument too many" version x
t 2 'is no device name' attach 1 null:1G foo
t 2 "neither ro nor rw" attach 1 null:1G xvda rx
t 2 'is no device: vbd/1/51712' detach nonsense
t 2 'no number of seconds' detach 1:xvda --timeout soon
t 2 'usage' --json atach
json "o['error']['code'] == 2 and o['error']['name'] == 'usage'"
for c in attach detach list stat top metrics show ring status doctor log lab version completion help; do
	t 0 '^(usage|Usage): xensplit' help $c
	t 0 '^(usage|Usage): xensplit' $c --help
done
t 0 'xensplit attach DOMAIN TARGET VDEV' help synopsis
dom0 xensplit completion bash >"$T/completion" && bash -n "$T/completion" || { echo "FAIL completion"; failed=1; }
got=$(bash -c '. "$1"; COMP_WORDS=(xensplit sta) COMP_CWORD=1; _xensplit; echo "${COMPREPLY[@]}"' sh "$T/completion")
[ "$got" = "stat status" ] || { echo "FAIL completion of 'sta': $got"; failed=1; }
got=$(bash -c '. "$1"; COMP_WORDS=(xensplit detach --f) COMP_CWORD=2; _xensplit; echo "${COMPREPLY[@]}"' sh "$T/completion")
[ "$got" = "--force" ] || { echo "FAIL completion of 'detach --f': $got"; failed=1; }

# nothing there: 3
t 3 "there is no domain 9" attach 9 null:1G xvda
t 3 "there is no domain 'guest11' \(did you mean guest1\?\)" attach guest11 null:1G xvda
t 3 'there is no vbd/1/51712' detach 1:xvda
t 3 'does not serve vbd/1/51712' show 1:xvda
t 3 'does not serve vbd/1/51712' ring vbd/1/51712
t 3 'No such file' attach 1 not-there.img xvda
t 0 'no disks' list

# a target that does not exist: the reason, and nothing stays
t 1 "vbd/1/51712: .*/nope.img: No such file.*taken away again" attach guest1 /nope.img xvda
t 0 'no disks' list
[ -z "$(dom0 xenstore-list /local/domain/1/device/vbd 2>/dev/null)" ] || { echo "FAIL nodes were left"; failed=1; }

# attach: what a toolstack writes, with its permissions; a relative file is made absolute
truncate -s 32M "$T/disk.img"
(cd "$T" && dom0 xensplit attach guest1 disk.img xvda ro) >"$T/out" 2>&1 || { cat "$T/out"; failed=1; }
dom0 xenstore-ls -fp /local/domain/0/backend/vbd/1/51712 >"$T/back"
dom0 xenstore-ls -fp /local/domain/1/device/vbd/51712 >"$T/front"
for want in "params = \"$T/disk.img\"  *\(n0,r1\)" 'mode = "r"' 'dev = "xvda"' 'online = "1"' 'frontend-id = "1"' \
	'frontend = "/local/domain/1/device/vbd/51712"' 'type = "phy"' 'device-type = "disk"'; do
	grep -qE "$want" "$T/back" || { echo "FAIL backend nodes lack $want"; cat "$T/back"; failed=1; }
done
for want in 'backend = "/local/domain/0/backend/vbd/1/51712"  *\(n1,r0\)' 'backend-id = "0"' 'virtual-device = "51712"' \
	'state = "1"'; do
	grep -qE "$want" "$T/front" || { echo "FAIL frontend nodes lack $want"; cat "$T/front"; failed=1; }
done
t 0 'guest Initialising' show 1:xvda
grep -q '^/local/domain/1/device/vbd/51712' "$T/out" || { echo "FAIL show: no frontend nodes"; failed=1; }
t 0 x --socket /nowhere --json show 1:xvda
json "o['store']['backend']['online'] == '1' and 'no daemon' in o['daemon_says']"
t 1 'is there already' attach 1 null:1G xvda
t 0 'vbd/1/51712 +guest1 +xvda +0 +InitWait/Initialising +- +- +ro +32.0 MiB' list
t 0 devices list guest1 --json
json "o['daemon'] and o['devices'][0]['readonly'] and o['devices'][0]['size_bytes'] == 32 << 20"
t 0 '^$|no disks' list 2
t 0 detached detach guest1:xvda

# with a guest at the other end
t 0 '\(InitWait\)' attach 1 file:"$T/disk.img" xvdb
t 5 'guest in Initialising.*the device stays' attach 2 null:64M 51712 --wait 0.3
xensplit lab run 1 -- xensplit-vbd verify xvdb --size 8M --time 60 --quiet >"$T/guest1" 2>&1 &
guest=$!
for _ in $(seq 50); do
	dom0 xensplit --json show 1:xvdb 2>/dev/null | grep -q '"rd_req":[1-9]' && break
	sleep 0.1
done
t 0 'Connected, guest Connected' show 1:xvdb
t 0 x --json show 1:xvdb
json "o['connected'] and o['state'] == 4 and o['protocol'] == 'x86_64-abi' and o['ring_refs']"
t 0 'requests +produced [0-9]+, taken' ring 1:xvdb
t 0 x --json ring guest1:xvdb
json "o['size'] == 32 and len(o['in_flight']) <= 32 and 0 <= (o['req_prod'] - o['req_cons']) % 2**32 <= 32"
t 0 'vbd/1/51728 +guest1 .* r/s .* evt/req' stat --watch 0.2 --count 2
[ "$(grep -c vbd/1/51728 "$T/out")" = 2 ] || { echo "FAIL stat: not a line an interval"; failed=1; }
t 0 x stat --json 1:xvdb
json "o['devices'][0]['read_requests'] > 0 and o['devices'][0]['latency']['read']['p99_ns'] > 0"
t 0 x stat --watch 0.2 --count 1 --json vbd/1/51728
json "0.1 < o['interval_seconds'] < 2 and o['devices'][0]['evtchn_calls'] > 0"
t 0 'dom/1 +guest1 .* r/s' stat --watch 0.2 --count 1 --guests
t 2 'shows all guests' stat --guests 1:xvdb
t 0 'vbd/1/51728 +guest1 +[0-9]+' top -b -d 0.2 -n 2
[ "$(grep -c '^..:..:.. .*vbd/1/51728' "$T/out")" = 2 ] || { echo "FAIL top: not a line an interval"; failed=1; }
# A guest on a busy machine may do nothing for a while: an interval in which it did is waited for.
top_shows() { # VIEW ID
	for _ in $(seq 20); do
		dom0 xensplit top --json --by "$1" --sort ring -d 0.3 -n 1 >"$T/out" 2>&1 &&
			python3 -c "
import json
o = json.load(open('$T/out'))
assert any(l['id'] == '$2' and l['requests_per_second'] > 0 and l['p99_ns'] >= l['p50_ns'] > 0 and l['worker'] == 0 and
           0 <= l['notifies_suppressed'] <= 1 and 0 < l['ring_occupied'] <= 1 and l['worker_cpu'] > 0 for l in o['lines'])" 2>/dev/null && return
	done
	echo "FAIL top --by $1:"
	cat "$T/out"
	failed=1
}
top_shows device vbd/1/51728
top_shows guest dom/1
top_shows queue vbd/1/51728:0
t 2 'device, guest or queue' top --by disks
t 2 'requests, bytes' top --sort size
t 2 '0.1 to 60' top -d 0.01
t 0 'queue 0 of 1' ring --queue all 1:xvdb
t 0 rings ring --queue all --json 1:xvdb
json "len(o['rings']) == 1 and o['rings'][0]['queue'] == 0 and o['rings'][0]['size'] == 32"
t 3 'has no queue 1 now' ring --queue 1 1:xvdb
t 2 'neither' ring --queue x 1:xvdb
t 3 'does not serve vbd/1/51744' stat 1:xvdc
t 0 'vbds_connected|disks +2, 1 connected' status
t 0 x --json status
json "o['vbds'] == 2 and o['vbds_connected'] == 1 and o['counters']['rd_req'] > 0"
t 0 'ok +daemon' doctor
t 0 x doctor --json
json "o['ok'] and any(c['check'] == 'world' and 'lab' in c['text'] for c in o['checks'])"
kill -TERM $guest
wait $guest
! grep -i 'wrong data\|mismatch' "$T/guest1" || failed=1
t 0 detached detach 1:xvdb
t 0 detached detach 2:51712 --force

# a guest that does not let go: 5, then --force
t 0 attached attach 1 null:64M xvdc
xensplit lab run 1 -- xensplit-vbd verify xvdc --size 8M --time 20 --quiet >"$T/guest1" 2>&1 &
guest=$!
for _ in $(seq 50); do
	dom0 xensplit --json show 1:xvdc 2>/dev/null | grep -q '"connected":true' && break
	sleep 0.1
done
pkill -STOP -P $guest
t 5 'was not let go in 0.5 s.*detach --force vbd/1/51744' detach 1:xvdc --timeout 0.5
t 0 'detached' detach 1:xvdc --force
t 0 'no disks' list
pkill -KILL -P $guest
kill $guest 2>/dev/null
wait $guest 2>/dev/null

# five at once for the same device: one wins
for i in 1 2 3 4 5; do
	(dom0 xensplit attach 1 null:64M xvdd >"$T/race$i" 2>&1; echo $? >"$T/race$i.rc") &
done
wait
[ "$(sort "$T"/race?.rc | tr -d '\n')" = 01111 ] || { echo "FAIL five attaches at once:"; cat "$T"/race?; failed=1; }
t 0 detached detach 1:xvdd

# a terminal gets colour and a table in place, a pipe neither
t 0 attached attach 1 null:64M xvda
if command -v script >/dev/null; then
	TERM=xterm script -qec "xensplit lab run 0 -- xensplit stat --watch 0.2 --count 3" /dev/null >"$T/out" 2>&1 </dev/null
	[ "$(grep -c $'\e\\[[0-9]*A' "$T/out")" = 2 ] && grep -q $'\e\\[36mguest1' "$T/out" || { echo "FAIL stat on a terminal:"; cat -v "$T/out"; failed=1; }
	(sleep 0.7; printf g; sleep 0.3; printf u; sleep 0.3; printf l; sleep 0.3; printf q) |
		TERM=xterm timeout 20 script -qec "stty rows 24 cols 110; xensplit lab run 0 -- xensplit top -d 0.2" /dev/null >"$T/out" 2>&1
	rc=$?
	[ $rc = 0 ] && grep -q 'vbd/1/51712' "$T/out" && grep -q 'dom/1' "$T/out" && grep -q 'sort: i requests' "$T/out" ||
		{ echo "FAIL top on a terminal: $rc"; cat -v "$T/out" | tail -c 3000; failed=1; }
	TERM=xterm NO_COLOR=1 script -qec "xensplit lab run 0 -- xensplit list" /dev/null >"$T/out" 2>&1 </dev/null
	grep -q $'\e\\[[0-9]*m' "$T/out" && { echo "FAIL NO_COLOR:"; cat -v "$T/out"; failed=1; }
fi
t 0 'guest1' list
grep -q $'\e' "$T/out" && { echo "FAIL escapes in a pipe"; failed=1; }
t 0 detached detach 1:xvda

# the log level, and a daemon that is away: 4
t 0 'debug \(was info\)' log debug
t 0 '^debug$' log
t 2 'err, warn, info or debug' log loud
t 4 'no daemon answers at /nowhere' --socket /nowhere stat
t 4 x --json --socket /nowhere/x stat
json "o['error']['name'] == 'unreachable'"
t 0 'no daemon answers at /nowhere' --socket /nowhere list
t 1 'fail +daemon' --socket /nowhere doctor
XENSTORED_PATH=/nowhere/store xensplit --backend 0 list >"$T/out" 2>&1
[ $? = 4 ] && grep -q 'XenStore does not answer' "$T/out" || { echo "FAIL list without a store:"; cat "$T/out"; failed=1; }

# who may not: 6
if [ "$(id -u)" = 0 ]; then
	chmod 0755 "$T" "$T/lab"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$B/bin/xensplit" --socket "$T/lab/xensplitd.sock" status >"$T/out" 2>&1
	[ $? = 6 ] || { echo "FAIL a stranger got exit $?:"; cat "$T/out"; failed=1; }
fi
echo "$n calls"
exit $failed
