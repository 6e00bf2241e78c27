#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real Xen 4.17 under QEMU's TCG, with a Debian Dom0 and stock Linux guests.
#
#   rig.sh build                 makes the images (cached; a few minutes the first time)
#   rig.sh run SCRIPT [ARGS...]  boots, runs SCRIPT in Dom0, powers off; its output, its exit code
#   rig.sh shell                 boots and gives you a prompt in Dom0 (`make xen-shell`)
#   rig.sh up | exec CMD... | down | log     the same in steps, for a session that stays
#
# A SCRIPT is a path inside the checkout, which Dom0 sees read-only under /src (build products
# too); /out is a directory of the host where Dom0 may write.
#
# Environment:
#   XSP_RIG_CLOCK    mttcg (default): wall clock; icount: one CPU, time counts instructions
#   XSP_RIG_CPUS     of the machine (default: 1; with mttcg 2 on a host of 4 or more CPUs)
#   XSP_RIG_TIMEOUT  seconds until `run` gives up and kills the machine (default 900)
#   XSP_RIG_DIR      the session's directory (default build/xen/session; `run` uses one of its own)
#   XSP_RIG_MEM      MiB of the machine (default 3072);  XSP_RIG_QEMU  more arguments for QEMU
#   B                the build directory (default build/release)
#
# What this is not: it knows nothing about what is tested; see world.sh for guests.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
B=${B:-$top/build/release}
case $B in /*) ;; *) B=$top/$B ;; esac
dir=${XSP_RIG_DIR:-$top/build/xen/session}
limit=${XSP_RIG_TIMEOUT:-900}

die() { echo "rig.sh: $*" >&2; exit 1; }
alive() { [ -s "$dir/qemu.pid" ] && kill -0 "$(cat "$dir/qemu.pid")" 2>/dev/null; }

# One line of progress on a terminal, nothing in a pipe.
tty=
if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then tty=yes; fi
progress() { [ -z "$tty" ] || printf '\r\e[K%s' "$*" >&2; }

in_src() { # a host path as Dom0 sees it
	case $1 in
	"$top"/*) echo "/src/${1#"$top"/}" ;;
	*) die "$1 is outside the checkout, Dom0 can't see it" ;;
	esac
}

qemu_args() { # MODE -> array `qemu`
	local images clock console size
	images=$("$here/image.sh")
	case ${XSP_RIG_CLOCK:-mttcg} in
	mttcg)
		# An emulated CPU that waits for one that the host doesn't run waits long: on two busy
		# cores one CPU is four times as fast as two.
		smp=${XSP_RIG_CPUS:-$(($(nproc) >= 4 ? 2 : 1))}
		clock=(-accel tcg,thread=multi,tb-size=512)
		;;
	icount)
		clock=(-accel tcg,thread=single,tb-size=512 -icount "${XSP_RIG_ICOUNT:-shift=2,sleep=off}")
		smp=${XSP_RIG_CPUS:-1} # more run in turns, on one clock
		;;
	*) die "XSP_RIG_CLOCK is mttcg or icount" ;;
	esac
	if [ "$1" = shell ]; then
		size=$(stty size 2>/dev/null || echo 24 80)
		size="xsp.tty=rows:${size% *}:cols:${size#* }"
		console=(-chardev "stdio,id=con,signal=off,mux=on,logfile=$dir/console.log" -mon con)
	else
		console=(-chardev "file,id=con,path=$dir/console.log")
	fi
	qemu=(qemu-system-x86_64 -machine pc "${clock[@]}" -smp "$smp" -m "${XSP_RIG_MEM:-3072}"
		-cpu qemu64,+npt,+nrip-save,+ssse3,+sse4.1,+sse4.2,+popcnt
		-nodefaults -no-reboot -display none "${console[@]}" -serial chardev:con
		-kernel "$images/xen"
		-append "console=com1 com1=115200,8n1 dom0_mem=1024M,max:1024M loglvl=warning guest_loglvl=warning xpti=off spec-ctrl=off ${XSP_RIG_XEN:-}"
		-initrd "$images/vmlinux console=hvc0 loglevel=4 panic=1 mitigations=off xsp.build=$(in_src "$B") xsp.mode=$1 ${size:-},$images/stage1.cpio"
		-drive "file=$images/dom0.ext4,if=virtio,format=raw,snapshot=on,cache=unsafe"
		-virtfs "local,path=$top,mount_tag=src,security_model=none,readonly=on"
		-virtfs "local,path=$dir/out,mount_tag=out,security_model=none")
	# shellcheck disable=SC2206
	qemu+=(${XSP_RIG_QEMU:-})
}

prepare() {
	if alive; then die "a session runs already in $dir: rig.sh down"; fi
	mkdir -p "$dir/out/cmd"
	rm -f "$dir"/out/cmd/* "$dir/out/ready" "$dir/console.log" "$dir/qemu.pid"
	: >"$dir/console.log"
}

up() { # [SECONDS the machine may live]
	local start smp launched
	prepare
	qemu_args batch
	start=$SECONDS
	# the bound is for the day when this script itself is killed and can't clean up
	${1:+timeout -k 5 "$1"} "${qemu[@]}" -pidfile "$dir/qemu.pid" </dev/null >"$dir/qemu.log" 2>&1 9>&- &
	launched=$! # QEMU's own pid file may be a while in coming
	disown
	while [ ! -e "$dir/out/ready" ]; do
		sleep 0.2
		if ! kill -0 "$launched" 2>/dev/null; then
			tail -n 30 "$dir/qemu.log" "$dir/console.log" >&2
			die "the machine went away while booting"
		fi
		progress "booting Xen ($((SECONDS - start)) s) $(tail -n 1 "$dir/console.log" | tr -d '\r' | cut -c1-60)"
		if [ $((SECONDS - start)) -gt 400 ]; then
			tail -n 30 "$dir/console.log" >&2
			down
			die "Dom0 not up after 400 s"
		fi
	done
	progress ""
	echo "rig: Dom0 up after $((SECONDS - start)) s (${XSP_RIG_CLOCK:-mttcg}, $smp CPU)" >&2
}

run_in_dom0() { # SHELL TEXT: its output, its exit status (125: the machine died or time is over)
	local id start=$SECONDS off=1 size c=$dir/out/cmd last=
	alive || die "no session in $dir: rig.sh up"
	id=$$-$RANDOM
	printf '%s\n' "$1" >"$c/$id.tmp"
	mv "$c/$id.tmp" "$c/$id.sh"
	while :; do
		[ -e "$c/$id.rc" ] && last=yes
		size=$(stat -c %s "$c/$id.out" 2>/dev/null || echo 0)
		if [ "$size" -ge "$off" ]; then
			progress ""
			tail -c +"$off" "$c/$id.out" | head -c $((size - off + 1))
			off=$((size + 1))
		fi
		[ -z "$last" ] || break
		if ! alive; then
			tail -n 30 "$dir/console.log" >&2
			echo "rig.sh: the machine died" >&2
			return 125
		fi
		if [ $((SECONDS - start)) -gt "$limit" ]; then
			tail -n 30 "$dir/console.log" >&2
			echo "rig.sh: not done after $limit s" >&2
			return 125
		fi
		progress "in Dom0: $((SECONDS - start)) s"
		sleep 0.2
	done
	progress ""
	return "$(cat "$c/$id.rc")"
}

down() {
	local pid n=0
	alive || return 0
	pid=$(cat "$dir/qemu.pid")
	kill "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
	kill -9 "$pid" 2>/dev/null || true
	rm -f "$dir/qemu.pid"
}

case ${1:-help} in
build) "$here/image.sh" ;;
up) up ;;
down) down ;;
log) cat "$dir/console.log" ;;
exec)
	shift
	run_in_dom0 "$*"
	;;
run)
	shift
	[ $# -gt 0 ] || die "run what?"
	script=$(in_src "$(realpath "$1")")
	shift
	dir=${XSP_RIG_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/xsp-rig.XXXXXX")}
	cleanup() {
		down
		[ -n "${XSP_RIG_DIR:-}" ] || rm -rf "$dir"
	}
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	# More emulated machines than processors only make each other's time-outs run out.
	for ((i = $(nproc); i > 0; i--)); do
		exec 9>"${TMPDIR:-/tmp}/xsp-rig-$(id -u)-$i.lock"
		flock -n 9 && break
	done
	[ $i -gt 0 ] || { echo "rig: another run on this machine goes first" >&2; flock 9; }
	up $((limit + 500))
	rc=0
	run_in_dom0 "exec $script $(printf '%q ' "$@")" || rc=$?
	alive && echo "rig: done after $SECONDS s, the emulator ran for $(ps -o times= -p "$(cat "$dir/qemu.pid")" | tr -d ' ') s of them" >&2
	# whoever reads a failure's log wants Xen's side too
	[ $rc = 0 ] || { echo "--- console (last 12 lines)"; tail -n 12 "$dir/console.log"; }
	exit $rc
	;;
shell)
	prepare
	qemu_args shell
	trap 'stty sane 2>/dev/null || true' EXIT
	"${qemu[@]}" -pidfile "$dir/qemu.pid"
	;;
*) sed -n '3,20s/^# \{0,1\}//p' "$0" ;;
esac
