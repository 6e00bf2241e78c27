#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `make run`: the whole kit at work on this machine, in under a minute.
#
# Brings the lab up with Dom0 and three guests, each with a disk image of its own on one file
# system and a network interface on one bridge. Two guests write, read back and compare under load;
# the third sends a real ext4 file system through its PV disk and back over NBD; all three fetch a
# file from each other over HTTP. In the middle the daemon is stopped and started, and killed.
# Ends with what was verified; exit 0 only if all of it was. Leaves nothing behind.
#
#   B=build/release tools/run/run.sh [--keep] [--seconds N]
#     --keep: leave the lab up at the end       --seconds: of load in each guest (10)
set -u
cd "$(dirname "$0")/../.." || exit 1
TOP=$PWD
B=$TOP/${B:-build/release}
PATH=$B/bin:$PATH:/usr/sbin:/sbin
size_mib=128
seconds=10 # of load in each guest
keep=
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=1 ;;
	--seconds) seconds=${2:-0}; shift ;;
	-h | --help) sed -n '3,14s/^# \{0,1\}//p' "tools/run/run.sh"; exit 0 ;;
	*) echo "run.sh: unknown option '$1' (--keep, --seconds N)" >&2; exit 2 ;;
	esac
	shift
done
[ "$seconds" -ge 2 ] 2>/dev/null || { echo "run.sh: --seconds is a number from 2" >&2; exit 2; }

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	tty=1 bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' dim=$'\e[2m' off=$'\e[0m'
else
	tty= bold= red= green= dim= off=
fi

# --- one directory for everything, one way out -----------------------------------------------------

base=${TMPDIR:-/tmp}
[ ${#base} -le 50 ] || base=/tmp # names of sockets are short
D=$(mktemp -d "$base/xensplit-run.XXXXXX") || exit 1
export XENSPLIT_LAB=$D/lab
up= jobs_running=()

say() { printf '%s\n' "$*"; }
step() { printf '%s==%s %s\n' "$bold" "$off" "$*"; }
good() { printf '   %sok%s %s\n' "$green" "$off" "$*"; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f s", b - a }'; }

fail() {
	printf '%sFAILED%s %s\n' "$red" "$off" "$*" >&2
	for f in "$D"/lab/*.log "$D"/*.log; do
		[ -s "$f" ] || continue
		echo "--- ${f##*/}:" >&2
		tail -n 12 "$f" >&2
	done
	exit 1
}

stop_all() {
	local p
	for p in ${jobs_running[@]+"${jobs_running[@]}"}; do kill "$p" 2>/dev/null; done
	[ -z "$up" ] || xensplit lab down >/dev/null 2>&1
	for p in ${jobs_running[@]+"${jobs_running[@]}"}; do wait "$p" 2>/dev/null; done
	jobs_running=() up=
}

# What still runs or lies around is our fault: say so and fail.
finish() {
	local rc=$? left
	trap '' INT TERM
	stop_all 2>/dev/null # bash tells of every job that was killed
	rm -rf "$D"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		left=$(pgrep -f -- "$D" | grep -vx $$)
		[ -z "$left" ] && break
		sleep 0.2
	done
	if [ -n "$left" ]; then
		printf '%sFAILED%s processes were left behind:\n' "$red" "$off" >&2
		pgrep -af -- "$D" >&2
		rc=1
	fi
	exit $rc
}
trap finish EXIT
trap 'printf "\n%sinterrupted%s, cleaning up\n" "$red" "$off" >&2; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

dom0() { xensplit lab run 0 -- "$@"; }
in_background() { # LOGFILE COMMAND...
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null &
	jobs_running+=($!)
}

# --- the pieces ------------------------------------------------------------------------------------

need() {
	local c missing=
	for c in xensplitd xensplit xensplit-vbd xensplit-vif ip ping iperf3 python3 mke2fs e2fsck debugfs nbdkit nbdcopy sha256sum awk pgrep; do
		command -v "$c" >/dev/null || missing="$missing $c"
	done
	[ -z "$missing" ] || fail "missing:$missing (tools/setup/install.sh run)"
	[ -e "$B/lib/nbdkit-xensplit-plugin.so" ] || fail "$B/lib/nbdkit-xensplit-plugin.so is not built (make)"
	[ "$(df -Pm "$D" | awk 'NR == 2 { print $4 }')" -ge $((size_mib * 6)) ] ||
		fail "$D has less than $((size_mib * 6)) MiB free (TMPDIR= chooses another place)"
}

# An ext4 image with real files in it, and the list of their checksums.
make_ext4() {
	mkdir "$D/files"
	cp -r --no-preserve=ownership backend common docs frontend ring tests tools Makefile LICENSE* "$D/files/" || return 1
	mkdir "$D/files/bin"
	cp "$B"/bin/* "$D/files/bin/" || return 1
	(cd "$D/files" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$D/sums" || return 1
	truncate -s ${size_mib}M "$D/real.img"
	mke2fs -q -t ext4 -L xensplit -d "$D/files" "$D/real.img" >"$D/mke2fs.log" 2>&1
}

# Guest 3: through the disk and back, again and again, until told to stop.
ext4_rounds() {
	local uri="nbd+unix:///?socket=$D/nbd3.sock" n=0
	until [ -e "$D/enough" ] && [ $n -ge 2 ]; do
		nbdcopy --flush "$D/real.img" "$uri" && nbdcopy "$uri" "$D/back.img" || return 1
		cmp "$D/real.img" "$D/back.img" || return 1
		n=$((n + 1))
		echo $n >"$D/rounds"
	done
}

check_ext4() {
	e2fsck -fn "$D/back.img" >"$D/e2fsck.log" 2>&1 || return 1
	mkdir "$D/out"
	debugfs -R "rdump / $D/out" "$D/back.img" >"$D/debugfs.log" 2>&1
	(cd "$D/out" && sha256sum --quiet -c "$D/sums") >"$D/sha256.log" 2>&1
}

field() { grep -o "\"$2\":[0-9]*" "$1" | head -n 1 | cut -d: -f2; } # FILE NAME

# A bridge in Dom0, an interface on it in each guest, in a network of the guest's own.
lan_up() {
	dom0 ip link add br0 type bridge mcast_snooping 0 2>"$D/lan.log" && dom0 ip link set br0 up || return 77
	for g in 1 2 3; do
		dom0 xensplit -q network-attach $g bridge=br0 >>"$D/lan.log" 2>&1 &&
			xensplit lab run $g -- xensplit-vif up 0 >>"$D/lan.log" 2>&1 &&
			xensplit lab run $g -- ip addr add 10.0.0.$g/24 dev xn0 >>"$D/lan.log" 2>&1 || return 1
	done
	for g in 1 2 3; do
		for to in 1 2 3; do
			[ $g = $to ] && continue
			for s in 56 1472 9000 65507; do
				xensplit lab run $g -- ping -q -n -c 2 -i 0.2 -W 10 -s $s 10.0.0.$to >"$D/ping.log" || return 1
			done
		done
		in_background "$D/http$g.log" xensplit lab run $g -- \
			python3 -m http.server --directory "$D/files/bin" --bind 10.0.0.$g 80
	done
	for g in 1 2 3; do
		for _ in $(seq 200); do
			xensplit lab run $g -- bash -c ": </dev/tcp/10.0.0.$g/80" 2>/dev/null && continue 2
			sleep 0.05
		done
		echo "guest $g: its web server does not answer" >>"$D/lan.log"
		return 1
	done
}

# Guest G: its neighbour's file, again and again, until told to stop.
fetch_rounds() { # G
	local n=0 to=$(($1 % 3 + 1))
	until [ -e "$D/enough" ] && [ $n -ge 1 ]; do
		xensplit lab run "$1" -- python3 -c 'import shutil, sys, urllib.request as u
shutil.copyfileobj(u.urlopen(sys.argv[1], timeout=30), open(sys.argv[2], "wb"))' \
			http://10.0.0.$to/xensplitd "$D/fetched$1" || return 1
		cmp "$D/files/bin/xensplitd" "$D/fetched$1" || return 1
		n=$((n + 1))
		echo $n >"$D/fetches$1"
	done
}

# Wait for its end, start the next one; pause: how long until it served all again.
restart_daemon() { # SIGNAL
	local t0 pid answer
	t0=$(now)
	dom0 xensplit --json status >"$D/status" && pid=$(field "$D/status" pid) && [ -n "$pid" ] || return 1
	dom0 sh -c 'kill -"$2" "$1" && while kill -0 "$1" 2>/dev/null; do sleep 0.01; done' sh "$pid" "$1" || return 1
	in_background "$D/xensplitd-after-$1.log" dom0 xensplitd --socket "$XENSPLIT_LAB/xensplitd.sock"
	for _ in $(seq 200); do
		answer=$(dom0 xensplit --json status 2>/dev/null) &&
			case $answer in *'"vbds_connected":3,'*) pause=$(since "$t0") && return ;; esac
		sleep 0.05
	done
	return 1
}

# --- the run ---------------------------------------------------------------------------------------

started=$(now)
need
step "lab: an embedded Xen; domains are processes, ${bold}no hypervisor${off}"
t=$(now)
up=1
xensplit lab up --guests 3 >"$D/up.log" 2>&1 || fail "xensplit lab up: $(tail -n 1 "$D/up.log")"
good "Dom0 with xenstored and xensplitd, three guests ($(since "$t"))"

mkdir "$D/images"
for g in 1 2 3; do
	truncate -s ${size_mib}M "$D/images/guest$g.img" || fail "cannot make an image"
	dom0 xensplit attach $g "$D/images/guest$g.img" xvda >>"$D/attach.log" 2>&1 ||
		fail "attach: $(tail -n 1 "$D/attach.log")"
done
make_ext4 || fail "mke2fs: $(tail -n 1 "$D/mke2fs.log")"
files=$(wc -l <"$D/sums")
good "three disks of $size_mib MiB attached; an ext4 image with $files real files made"

lan_up
case $? in
0) lan=1; good "a network interface each, on one bridge: pings of 56 to 65507 bytes, all to all, none lost" ;;
77) lan=; say "   -- no network: this machine has no bridge to give ($(tail -n 1 "$D/lan.log"))" ;;
*) fail "the network: $(tail -n 1 "$D/lan.log")" ;;
esac

step "guests 1, 2: write, read back, compare; guest 3: ext4 through its disk and back"
guests=()
for g in 1 2; do
	in_background "$D/guest$g.log" xensplit lab run $g -- \
		xensplit-vbd verify xvda --size ${size_mib}M --time $seconds --seed $g --flush-every 512 --quiet --json
	guests+=($!)
done
in_background "$D/nbdkit.log" xensplit lab run 3 -- \
	nbdkit -f -U "$D/nbd3.sock" "$B/lib/nbdkit-xensplit-plugin.so" dev=xvda
for _ in $(seq 100); do [ -S "$D/nbd3.sock" ] && break; sleep 0.05; done
[ -S "$D/nbd3.sock" ] || fail "guest 3: nbdkit did not come up"
in_background "$D/guest3.log" ext4_rounds
guest3=$!
fetchers=()
if [ -n "$lan" ]; then
	for g in 1 2 3; do
		in_background "$D/fetch$g.log" fetch_rounds $g
		fetchers+=($!)
	done
	in_background "$D/iperf-server.log" xensplit lab run 2 -- iperf3 -s -1
	in_background "$D/iperf.log" xensplit lab run 1 -- \
		sh -c 'sleep 0.5; exec iperf3 -c 10.0.0.2 -b 500M -t "$1" -J' sh $((seconds - 1))
	iperf=$!
fi

dom0 xensplit stat --watch 1 --count $((seconds / 3)) || fail "no statistics"
step "the daemon is stopped and started under the guests' load"
restart_daemon TERM || fail "the daemon did not come back"
good "a new xensplitd serves all three; $pause from SIGTERM to its first answer"
dom0 xensplit stat --watch 1 --count $((seconds / 3)) || fail "no statistics"
step "the daemon is killed (kill -9) under the guests' load"
restart_daemon KILL || fail "the daemon did not come back"
again=$(sed -n 's/.* \([0-9]*\) are done again/\1/p' "$D/xensplitd-after-KILL.log" | awk '{ n += $1 } END { print n + 0 }')
good "the next xensplitd serves all three; $again requests that were in flight are done again; $pause in all"
dom0 xensplit stat --watch 1 --count $((seconds / 3)) || fail "no statistics"
touch "$D/enough"

step "checking"
for g in 1 2; do
	wait "${guests[g - 1]}" || fail "guest $g: $(tail -n 1 "$D/guest$g.log")"
done
wait "$guest3" || fail "guest 3: $(tail -n 1 "$D/guest3.log")"
for g in ${lan:+1 2 3}; do
	wait "${fetchers[g - 1]}" || fail "guest $g, over HTTP: $(tail -n 1 "$D/fetch$g.log")"
done
[ -z "$lan" ] || wait "$iperf" || fail "iperf3: $(tail -n 3 "$D/iperf.log")"
for g in 1 2 3; do
	dom0 xensplit --json show $g:xvda >"$D/show$g" || fail "guest $g: no disk at the end"
	[ "$(field "$D/show$g" adopted)" -ge 1 ] 2>/dev/null || fail "guest $g: its ring was not taken over"
	[ "$(field "$D/show$g" io_errors)$(field "$D/show$g" bad_req)$(field "$D/show$g" bad_gref)" = 000 ] ||
		fail "guest $g: the daemon counted errors"
done
check_ext4 || fail "guest 3: $(tail -n 1 "$D/e2fsck.log"), $(tail -n 1 "$D/sha256.log")"
for g in 1 2; do
	good "guest $g: $(field "$D/guest$g.log" verified_bytes | awk '{ printf "%.0f", $1 / 1048576 }') MiB read back, every block right"
done
good "guest 3: ext4 $(cat "$D/rounds") times through the disk and back: e2fsck clean, $files files with their sha256"
if [ -n "$lan" ]; then
	good "guests 1, 2, 3: $(cat "$D"/fetches?| paste -sd, | sed 's/,/, /g') files of $(du -h --apparent-size "$D/files/bin/xensplitd" | cut -f1) fetched over HTTP from a neighbour, each as it was sent"
	good "guest 1 to guest 2: $(python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))["end"]
print("%.0f Mb/s of TCP, held at 500, %d retransmitted" % (d["sum_received"]["bits_per_second"] / 1e6, d["sum_sent"]["retransmits"]))' "$D/iperf.log"), one connection across both"
fi
good "no error in any guest across both; all three rings were taken over"
if [ -n "$keep" ]; then
	trap - EXIT
	say "The lab is still up: XENSPLIT_LAB=$XENSPLIT_LAB; xensplit lab down, then rm -rf $D"
fi
say
say "${bold}All verified${off} in $(since "$started"). ${dim}(lab: no hypervisor; figures say nothing about real Xen)${off}"
say "Next:"
say "  make xen-shell                          the same daemon on a real Xen 4.17, booted in QEMU"
say "  ${B#"$TOP"/}/bin/xensplit lab up            a lab of your own; then: xensplit lab shell 1"
say "  ${B#"$TOP"/}/bin/xensplit help attach       what may stand behind a disk"
