# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The verbs of the lab's world, to be sourced on the host: the same names as tests/xen/world.sh, so
# that a scenario runs in both. A guest here is a domain of the lab; its disks are driven by our own
# userspace frontend. Needs B, TOP and T (tests/run.sh).

export PATH=$B/bin:$PATH
export XENSPLIT_LAB=${XENSPLIT_LAB:-$T/lab}
IMG=$T

guest_domid() { echo "$1"; }
in_dom0() { xensplit lab run 0 -- "$@"; }
in_guest() { # N CMD...: a shell text in guest N
	local n=$1
	shift
	xensplit lab run "$n" -- sh -c "$*"
}

# A guest's "kernel" is one nbdkit for each disk: it holds the frontend, and what the guest does to
# the disk goes through it.
_preload= # nbdkit itself is not instrumented
[ "${B##*/}" != asan ] || _preload=LD_PRELOAD=$(gcc -print-file-name=libasan.so)
_sock() { echo "$T/guest$1-$2.sock"; }

_plug() { # N DEV
	local sock i
	sock=$(_sock "$1" "$2")
	xensplit lab run "$1" -- env ${_preload:-_=} nbdkit -f -U "$sock" --pidfile "$sock.pid" "$B/lib/nbdkit-xensplit-plugin.so" dev="$2" \
		>"$sock.log" 2>&1 </dev/null &
	for i in $(seq 100); do
		[ -S "$sock" ] && return 0
		sleep 0.05
	done
	cat "$sock.log" >&2
	return 1
}

_unplug() { # N DEV
	local sock i
	sock=$(_sock "$1" "$2")
	[ -e "$sock.pid" ] || return 0
	in_guest "$1" "kill $(cat "$sock.pid")" 2>/dev/null
	for i in $(seq 100); do
		in_guest "$1" "kill -0 $(cat "$sock.pid")" 2>/dev/null || break
		sleep 0.05
	done
	rm -f "$sock" "$sock.pid"
}

guest_attach() { # N DEV[:ro]=TARGET
	local mode=rw dev=${2%%=*}
	case $dev in *:ro) mode=ro dev=${dev%:ro} ;; esac
	in_dom0 xensplit attach "$1" "${2#*=}" "$dev" "$mode" && _plug "$1" "$dev"
}
guest_detach() {
	in_dom0 xensplit detach "$1:$2" && _unplug "$1" "$2"
}

guest_start() { # N [DEV[:ro]=TARGET...]
	local n=$1 spec
	shift
	xensplit lab create "$n" >/dev/null || return
	for spec; do guest_attach "$n" "$spec" >/dev/null || return; done
}
guest_stop() {
	local sock
	for sock in "$T/guest$1"-*.sock; do
		[ -e "$sock" ] || continue
		sock=${sock##*-}
		_unplug "$1" "${sock%.sock}"
	done
	guest_destroy "$1"
}
guest_destroy() {
	xensplit lab destroy "$1" && rm -f "$T/guest$1"-*
}

daemon_start() {
	in_dom0 sh -c 'setsid xensplitd --socket "$XENSPLIT_LAB/xensplitd.sock" '"${XENSPLITD_ARGS:-}"' >>"$XENSPLIT_LAB/xensplitd.log" 2>&1 </dev/null & echo $!' >"$T/daemon.pid"
	local i
	for i in $(seq 200); do
		in_dom0 xensplit log >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "xensplitd did not start:" >&2
	tail -n 20 "$XENSPLIT_LAB/xensplitd.log" >&2
	return 1
}
daemon_stop() { # [SIGNAL]
	local pid i
	pid=$(cat "$T/daemon.pid" 2>/dev/null) || return 0
	in_dom0 kill -"${1:-TERM}" "$pid" 2>/dev/null || return 0
	for i in $(seq 600); do
		in_dom0 kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}

world_up() {
	xensplit lab up --guests 0 --no-daemon >/dev/null && daemon_start
}
world_down() {
	daemon_stop || true
	xensplit lab down >/dev/null
}

# --- a disk as its guest sees it (see tests/scenario/block.sh) -------------------------------------

_uri() { echo "nbd+unix:///?socket=$(_sock "$1" "$2")"; }

disk_size() { nbdinfo --size "$(_uri "$1" "$2")"; }
disk_put() {
	yes "$5" | head -c "$4" >"$T/put"
	qemu-io -f raw -c "write -s $T/put $3 $4" -c flush "$(_uri "$1" "$2")" >"$T/qemu-io" 2>&1
	local rc=$?
	cat "$T/qemu-io"
	[ $rc = 0 ] && ! grep -q failed "$T/qemu-io"
}
disk_sum() {
	rm -f "$T/got"
	qemu-img dd -f raw -O raw bs=4096 skip=$(($3 / 4096)) count=$((($3 + $4) / 4096)) "if=$(_uri "$1" "$2")" "of=$T/got" &&
		sha256sum <"$T/got" | cut -c1-16
}
disk_verify() {
	fio --name=v --ioengine=nbd --uri="$(_uri "$1" "$2")" --rw=randrw --bsrange=4k-64k --offset="$3" --size="$4" \
		--iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0 --verify_state_save=0
}
disk_gone() { ! nbdinfo --size "$(_uri "$1" "$2")"; }
