#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# nbd: against nbdkit and QEMU's servers. A server that is killed and started again under load costs
# the guest a pause and nothing else; one that hangs holds up nobody but its own disk.
# timeout: 150
# configs: release asan
. "${0%/*}/faults.sh"
for p in nbdkit qemu-nbd qemu-img; do
	command -v $p >/dev/null || { echo "no $p: install nbdkit and qemu-utils"; exit 77; }
done

vbd() { guest 1 timeout 60 "$B/bin/xensplit-vbd" "$@"; }
be() { xenstore-read "/local/domain/0/backend/vbd/1/51712/$1" 2>/dev/null; }
lines() { grep -cE "$1" "$daemon_log" || true; }
more_lines() { [ "$(lines "$1")" -gt "$2" ]; }
serve() { # NAME COMMAND...: a server in the background, with $T/NAME.sock when it stands
	local name=$1
	shift
	rm -f "$T/$name.sock"
	"$@" >>"$T/$name.log" 2>&1 &
	server=$!
	await 10 test -S "$T/$name.sock" || fatal "$name does not start: $(tail -n 2 "$T/$name.log")"
}
kit() { serve "$1" nbdkit -f --exit-with-parent -U "$T/$1.sock" "${@:2}"; }
gone() { # kill a server hard
	kill -9 "$server"
	wait "$server" 2>/dev/null
}
truncate -s 64M "$T/a.raw" "$T/b.raw"
daemon_start --workers 2 --drain-seconds 3

# --- what the server offers is what the guest gets -------------------------------------------------
kit a file "$T/a.raw"
attach_wait 1 "nbd:unix:$T/a.sock"
vbd info xvda --json >"$T/info" || wrong "no disk"
check "64 MiB" [ "$(be sectors)" = 131072 ]
check "flush, barrier and discard are offered" [ "$(be feature-flush-cache)$(be feature-barrier)$(be feature-discard)" = 111 ]
check "verified load" vbd verify xvda --size 16M --time 1 --flush-every 8 --quiet
head -c 3M /dev/urandom >"$T/data"
check "written with large requests" vbd write xvda 1M <"$T/data"
check "is in the server's file" cmp -n 3145728 "$T/data" "$T/a.raw" 0 1048576
vbd discard xvda 1M 3M || wrong "discard"
check "and discarded there" cmp -n 3145728 /dev/zero "$T/a.raw" 0 1048576

# --- the server dies and comes back under load, twice ---------------------------------------------
good_begin 1 1
for _ in 1 2; do
	good_works 1
	losses=$(lines 'nbd: lost the server') returns=$(lines 'nbd: .* is back after')
	gone
	await 5 more_lines 'nbd: lost the server' "$losses" || wrong "the log does not tell of the loss"
	sleep 0.5
	kit a file "$T/a.raw"
	await 10 more_lines 'nbd: .* is back after' "$returns" || wrong "the log does not tell of the return"
done
good_end 1 "though its server was killed twice"
check "with one line for each loss and return" [ "$(lines 'nbd: lost|nbd: .* is back')" = 4 ]
detach 1 || wrong "detach"
gone

# --- several connections --------------------------------------------------------------------------
kit m --filter=log file "$T/b.raw" logfile="$T/m.kit"
attach_wait 1 "nbd,conns=2:nbd+unix:///?socket=$T/m.sock"
good_begin 1 1 --queues 2 --ring-order 1
good_works 1
four() { [ "$(grep -c ' Connect ' "$T/m.kit")" = 4 ]; }
check "two workers with two connections each: $(grep -c 'connection=.* Connect' "$T/m.kit")" await 5 four
gone
kit m --filter=log file "$T/b.raw" logfile="$T/m.kit"
good_end 1 "with several connections, all of which were cut"
detach 1 || wrong "detach"
gone

# --- a server that allows one connection, and two workers -----------------------------------------
kit one --filter=log --filter=multi-conn file "$T/b.raw" multi-conn-mode=disable logfile="$T/one.kit"
attach_wait 1 "nbd,conns=4:unix:$T/one.sock"
good_begin 1 2 --queues 2
good_end 1 "with two workers on one connection"
check "one connection, the one of the opening" [ "$(grep -c ' Connect ' "$T/one.kit")" = 1 ]
detach 1 || wrong "detach"
gone

# --- blocks: 4 KiB at least, 64 KiB at most -------------------------------------------------------
kit big --filter=blocksize-policy file "$T/b.raw" blocksize-minimum=4096 blocksize-preferred=4096 \
	blocksize-maximum=64K blocksize-error-policy=error
attach_wait 1 "nbd:unix:$T/big.sock"
check "verified load" vbd verify xvda --size 16M --bs 256K --qd 8 --time 1 --quiet
check "4 KiB sectors are told" [ "$(be sector-size)" = 4096 ]
detach 1 || wrong "detach"
gone

# --- qcow2 in QEMU's server, which keeps metadata in its memory: fua ------------------------------
qemu-img create -q -f qcow2 "$T/q.qcow2" 64M
qnbd() { serve q qemu-nbd -f qcow2 -t -k "$T/q.sock" --discard=unmap "$T/q.qcow2"; }
qnbd
attach_wait 1 "nbd,fua:unix:$T/q.sock"
good_begin 1 1
good_works 1
gone
qnbd
good_works 1
good_end 1 "though qemu-nbd was killed"
detach 1 || wrong "detach"
kill "$server"
wait "$server"
# 3: clusters that were allocated for a write that did not come to its end; no more than that.
sound() { qemu-img check -q "$1" || [ $? = 3 ]; }
check "the image is sound" sound "$T/q.qcow2"

# --- TCP; a read-only export; a server that is not there ------------------------------------------
port=$((20000 + $$ % 20000))
ip link set lo up 2>/dev/null
nbdkit -f --exit-with-parent -i 127.0.0.1 -p $port -r pattern 16M >>"$T/tcp.log" 2>&1 &
server=$!
listening() { : 2>/dev/null <>"/dev/tcp/127.0.0.1/$port"; }
await 20 listening || wrong "nbdkit doesn't listen: $(cat "$T/tcp.log")"
attach_wait 1 "nbd://127.0.0.1:$port" r || wrong "TCP: $(be xensplit-error)"
vbd read xvda 8 8 >"$T/pattern" || wrong "read over TCP"
check "data over TCP" [ "$(od -An -tx1 "$T/pattern" | tr -d ' ')" = 0000000000000008 ]
detach 1 || wrong "detach"
attach 1 "nbd://127.0.0.1:$port"
says() { be xensplit-error | grep -q "$1"; }
check "a read-only export is refused for writing" await 5 says 'read-only'
forget 1
gone
attach 1 "nbd:unix:$T/none.sock"
check "a server that is not there is named" await 5 says 'none.sock.*is the server running'
forget 1

# --- a server that hangs --------------------------------------------------------------------------
attach_wait 2 "$(image good.img)"
kit h file "$T/a.raw"
attach_wait 1 "nbd,timeout=1,give-up=3:unix:$T/h.sock"
guest_start 1 "$B/bin/xsp-evil" 51712 hold >"$T/hold.log"
holder=$started
await 5 be_is 1 4
kill -STOP $server
good_begin 2 2
good_end 2 "beside a disk whose server hangs"
kill -9 $holder 2>/dev/null
wait $holder 2>/dev/null
forget 1
gone

# With a timeout the connection counts as lost; with give-up the requests fail in the end.
kit g file "$T/a.raw"
attach_wait 1 "nbd,timeout=1,give-up=2:unix:$T/g.sock"
kill -STOP $server
begin=$SECONDS errors=$(counter 1 io_errors)
vbd read xvda 0 4096 >/dev/null 2>&1 && wrong "a read from a hung server succeeded"
check "with timeout and give-up a hung server means an I/O error ($((SECONDS - begin)) s)" \
	[ "$(counter 1 io_errors)" -gt "${errors:-0}" ]
check "and the log says so" grep -q 'has been away for 2 s' "$daemon_log"
kill -CONT $server
check "when it goes on, the disk works again" vbd verify xvda --size 4M --time 1 --quiet
detach 1 || wrong "detach"

# Without them a hung server means waiting: the disk can't be detached, the daemon can be stopped.
attach_wait 1 "nbd:unix:$T/g.sock"
guest_start 1 "$B/bin/xensplit-vbd" verify xvda --size 4M --time 30 --quiet >/dev/null 2>&1
load=$started
await 5 be_is 1 4
sleep 0.5
kill -STOP $server
xenstore-write /local/domain/0/backend/vbd/1/51712/online 0 /local/domain/0/backend/vbd/1/51712/state 5
good_begin 2 1
good_end 2 "while the disk with the hung server is being detached"
begin=$SECONDS rc=0
kill -TERM "$daemon"
wait "$daemon" || rc=$?
check "SIGTERM ends after --drain-seconds ($((SECONDS - begin)) s, exit $rc)" [ $rc = 1 -a $((SECONDS - begin)) -le 30 ]
kill -9 $load $server 2>/dev/null
forget 1
daemon=
close
