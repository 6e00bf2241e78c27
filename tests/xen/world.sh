# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The verbs of the real-Xen world, to be sourced in Dom0 (bash). A scenario file that uses only
# these also runs in the lab, whose world.sh has the same names:
#
#   guest_start N [DEV[:ro]=TARGET...]   boots guest N with these disks (xvda=file:/root/a.img)
#   guest_stop N                         shuts it down in order
#   in_dom0 CMD...                       runs CMD in Dom0
#   in_guest N CMD...                    runs CMD (a shell text) in guest N: its output, its status
#
# and beside the four:
#   world_up / world_down                start and stop xensplitd;  daemon_start / daemon_stop
#   dom0_weight N                        Dom0's share of the processor, a guest's is 256
#   guest_destroy N                      xl destroy: no warning for the guest
#   guest_attach N DEV[:ro]=TARGET       hot-plugs a disk;  guest_detach N DEV
#   guest_domid N, guest_log N           its domid; what its kernel warned of
#
# Environment of guest_start: GUEST_TYPE pv (default) or pvh, GUEST_VCPUS, GUEST_MEM (MiB),
# GUEST_FILES (files put into the guest's /opt), GUEST_ARGS (kernel command line; xsp.without=MODULE
# leaves a module out: without xen-blkfront a program may drive the disks; MODULE.PARAM=VALUE works
# for every module), GUEST_KERNEL (another vmlinux; the modules of the ramdisk are not its own),
# GUEST_XL (more of xl's configuration, like a vif = [...]), GUEST_LOADER (a kernel that finds all the
# rest on the guest's disk, like pvgrub: no ramdisk, no command line).
# in_guest talks to guest-init's agent through the guest's console (see there); several calls may
# run at once. IN_GUEST_TIMEOUT (default 300 s) ends a call with status 124; 125: the guest is gone.

XSP_WORLD=${XSP_WORLD:-/run/world}
XSP_DAEMON_LOG=${XSP_DAEMON_LOG:-/run/world/xensplitd.log}
mkdir -p "$XSP_WORLD"
[ -p "$XSP_WORLD/never" ] || mkfifo "$XSP_WORLD/never" # nobody writes there
# a sleep that starts no process: each takes an emulated Dom0 a tenth of a second
pause() { IFS= read -r -t "$1" <>"$XSP_WORLD/never" || true; }

XSP_CONSOLE=/var/log/xen/console/guest-guest # N.log
_console() { echo "$XSP_CONSOLE$1.log"; }

guest_domid() { # prints it if guest N was started
	local id
	{ read -r id <"$XSP_WORLD/guest$1/domid"; } 2>/dev/null && echo "$id"
}

_disk() { # DEV[:ro]=TARGET, or xl:LINE -> a line for xl
	local dev=${1%%=*} mode=rw
	case $1 in
	xl:*)
		echo "${1#xl:}"
		return
		;;
	esac
	case $dev in *:ro) mode=ro dev=${dev%:ro} ;; esac
	echo "vdev=$dev,backendtype=phy,format=raw,access=$mode,script=block-xensplit,target=${1#*=}"
}

guest_cmdline() { echo "console=hvc0 loglevel=4 mitigations=off xsp.name=guest$1 ${GUEST_ARGS:-}"; }

guest_ramdisk() { # FILE
	cp /images/guest.cpio "$1"
	[ -n "${GUEST_FILES:-}" ] || return 0
	mkdir -p "$1.d/opt"
	# shellcheck disable=SC2086
	cp -L $GUEST_FILES "$1.d/opt/"
	(cd "$1.d" && find . | busybox cpio -o -H newc 2>/dev/null) >>"$1"
	rm -rf "$1.d"
}

guest_start() {
	local n=$1 d=$XSP_WORLD/guest$1 spec disks=
	shift
	mkdir -p "$d"
	for spec; do disks="$disks'$(_disk "$spec")', "; done
	cat >"$d/xl.cfg" <<-EOF
		name = "guest$n"
		type = "${GUEST_TYPE:-pv}"
		memory = ${GUEST_MEM:-192}
		vcpus = ${GUEST_VCPUS:-1}
		disk = [ $disks ]
		on_crash = "destroy"
		on_reboot = "destroy"
		${GUEST_XL:-}
	EOF
	if [ -n "${GUEST_LOADER:-}" ]; then
		echo "kernel = \"$GUEST_LOADER\"" >>"$d/xl.cfg"
	else
		guest_ramdisk "$d/ramdisk"
		cat >>"$d/xl.cfg" <<-EOF
			kernel = "${GUEST_KERNEL:-/images/vmlinux}"
			ramdisk = "$d/ramdisk"
			extra = "$(guest_cmdline "$n")"
		EOF
	fi
	rm -f "$(_console "$n")" "$d/domid"
	xl create "$d/xl.cfg" >"$d/xl.log" 2>&1 || {
		local rc=$?
		rm -f "$d/ramdisk"
		cat "$d/xl.log" >&2
		return $rc
	}
	rm -f "$d/ramdisk"
	xl domid "guest$n" >"$d/domid"
	xenstore-read "/local/domain/$(cat "$d/domid")/console/tty" >"$d/tty"
	guest_ready "$n" "${GUEST_BOOT_TIMEOUT:-300}" || {
		echo "guest$n did not come up; its console:" >&2
		tail -n 40 "$(_console "$n")" >&2
		return 1
	}
}

# Prints what ID says from here on in the console log (on fd 8), returns its status. The log is read to
# its end and again a little later: of what arrives within `read -t` bash loses a newline that comes as
# its time runs out, and the line is never seen as one.
_await() { # N ID SECONDS
	local n=$1 id=$2 until=$((SECONDS + $3)) line part='' turn=0 rc=124
	while [ $SECONDS -lt $until ]; do
		if ! IFS= read -r line <&8; then
			part=$part$line # of a line that is not complete yet
			turn=$((turn + 1))
			if [ $((turn % 30)) = 0 ] && ! xenstore-exists "/local/domain/$(guest_domid "$n")" 2>/dev/null; then
				rc=125
				break
			fi
			pause 0.1
			continue
		fi
		line=$part${line%$'\r'}
		part=
		case $line in
		"@$id|"*) printf '%s\n' "${line#"@$id|"}" ;;
		"@$id="*)
			rc=${line#"@$id="}
			break
			;;
		esac
	done
	return "$rc"
}

guest_ready() { # N SECONDS: until its agent is there
	local until=$((SECONDS + $2))
	until [ -e "$XSP_CONSOLE$1.log" ]; do
		[ $SECONDS -lt $until ] || return 124
		pause 0.1
	done
	_await "$1" ready "$2" >/dev/null 8<"$XSP_CONSOLE$1.log"
}

_tell() { # ID TEXT: in lines that a terminal takes; see guest-init
	local line
	while IFS= read -r line; do
		while [ ${#line} -gt 800 ]; do
			printf '+%s %s\n' "$1" "${line:0:800}"
			line=${line:800}
		done
		printf '=%s %s\n' "$1" "$line"
	done <<<"$2"
	printf '!%s\n' "$1"
}

in_guest() {
	local n=$1 id=$BASHPID.$RANDOM d=$XSP_WORLD/guest$1 tty
	shift
	[ -s "$d/domid" ] || { echo "in_guest: guest $n was not started" >&2; return 125; }
	read -r tty <"$d/tty"
	{
		tail -c 1 >/dev/null <&8 # to its end, before the command is told
		_tell "$id" "$*" >"$tty"
		_await "$n" "$id" "${IN_GUEST_TIMEOUT:-300}"
	} 8<"$XSP_CONSOLE$n.log"
}

in_dom0() { "$@"; }

_gone() { # N SECONDS: waits until its domain is no more
	local until=$((SECONDS + $2))
	while xl domid "guest$1" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || return 1
		pause 0.2
	done
	rm -f "$XSP_WORLD/guest$1/domid"
}

guest_stop() {
	IN_GUEST_TIMEOUT=60 in_guest "$1" 'sync; (sleep 0.2; poweroff -f) >/dev/null 2>&1 &'
	_gone "$1" 60 || {
		echo "guest$1 does not go; destroying it" >&2
		guest_destroy "$1"
		return 1
	}
}

guest_destroy() {
	xl destroy "guest$1" && _gone "$1" 30
}

guest_attach() {
	xl block-attach "guest$1" "$(_disk "$2")"
}

guest_detach() {
	xl block-detach "guest$1" "$2"
}

guest_log() { sed -n 's/^@kernel|//p' "$(_console "$1")"; }

# The daemon's parent is a subshell that keeps its exit status; also from an interactive shell.
daemon_start() {
	local i sockets
	if daemon_pid >/dev/null; then return 0; fi
	mkdir -p /run/xensplit
	rm -f "$XSP_WORLD/daemon.exit"
	(
		# shellcheck disable=SC2086
		setsid xensplitd ${XENSPLITD_ARGS:-} >>"$XSP_DAEMON_LOG" 2>&1 </dev/null &
		echo $! >"$XSP_WORLD/daemon.pid"
		wait $!
		echo $? >"$XSP_WORLD/daemon.exit"
	) >/dev/null 2>&1 &
	disown
	for ((i = 0; i < 200; i++)); do
		if [ -e "$XSP_WORLD/daemon.exit" ]; then break; fi
		# the socket of a killed predecessor may still lie there: only a listening one counts
		mapfile -t sockets </proc/net/unix
		if [[ "${sockets[*]}" == */run/xensplit/xensplitd.sock* ]]; then return 0; fi
		pause 0.1
	done
	echo "xensplitd did not start:" >&2
	tail -n 20 "$XSP_DAEMON_LOG" >&2
	return 1
}

daemon_pid() { # prints it if the daemon runs
	local pid
	[ ! -e "$XSP_WORLD/daemon.exit" ] && { read -r pid <"$XSP_WORLD/daemon.pid"; } 2>/dev/null && echo "$pid"
}

daemon_stop() { # [SIGNAL]: returns the daemon's exit status
	local pid i
	pid=$(daemon_pid) || return 0
	kill -"${1:-TERM}" "$pid" 2>/dev/null
	for ((i = 0; i < 300; i++)); do
		if [ -s "$XSP_WORLD/daemon.exit" ]; then return "$(<"$XSP_WORLD/daemon.exit")"; fi
		pause 0.1
	done
	echo "xensplitd (pid $pid) does not stop" >&2
	return 1
}

world_up() { daemon_start; }

# On one CPU at equal shares (256) a daemon restarts in 12 s while two guests compute, with 1024 in 4;
# but then guests that have work of their own wait for Dom0.
dom0_weight() { xl sched-credit2 -d Domain-0 -w "$1"; }

world_down() {
	local d n
	for d in "$XSP_WORLD"/guest*/domid; do
		[ -e "$d" ] || continue
		n=${d%/domid} n=${n##*/guest}
		guest_stop "$n" || true
	done
	daemon_stop
}
