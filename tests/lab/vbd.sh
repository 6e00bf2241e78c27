# SPDX-License-Identifier: MIT
# For the lab tests of frontends; to be sourced. A lab of its own in $T, its daemon in our hands, and
# devices made as a toolstack makes them.
set -o pipefail
export PATH=$B/bin:/usr/sbin:/sbin:$PATH
lab=$T/lab
mkdir -p "$lab"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=1}
daemon=

dom() { # DOMID COMMAND... in that domain
	local id=$1
	shift
	xensplit lab run --dir "$lab" "$id" -- "$@"
}

lab_up() { xensplit lab up --dir "$lab" --guests "${1:-2}" --no-daemon || exit 1; trap lab_down EXIT; }

lab_down() { # at the end of every test, whatever its outcome
	local rc=$?
	daemon_stop || rc=1
	if grep -hE 'ERROR: (Address|Leak)Sanitizer|ThreadSanitizer|runtime error:' "$T"/daemon.log "$lab"/*.log 2>/dev/null; then
		tail -n 60 "$T/daemon.log"
		rc=1
	fi
	xensplit lab down --dir "$lab" >/dev/null 2>&1
	exit $rc
}

daemon_start() { # [OPTION...]
	xensplit lab run --dir "$lab" 0 -- xensplitd --socket "$lab/xensplitd.sock" "$@" 2>>"$T/daemon.log" &
	daemon=$!
}

daemon_stop() {
	[ -n "$daemon" ] || return 0
	kill -TERM "$daemon" 2>/dev/null
	wait "$daemon"
	local rc=$?
	daemon=
	return $rc
}

attach() { # DOMID DEVID SPEC [MODE]: both directories in one go, as libxl does
	local be=/local/domain/0/backend/vbd/$1/$2 fe=/local/domain/$1/device/vbd/$2
	dom 0 sh -c "
		xenstore-rm $be 2>/dev/null; xenstore-rm $fe 2>/dev/null
		xenstore-write $fe/backend $be $fe/backend-id 0 $fe/virtual-device $2 $fe/state 1 &&
		xenstore-chmod -r $fe n$1 r0 &&
		xenstore-write $be/frontend $fe $be/frontend-id $1 $be/params '$3' $be/mode ${4:-w} \
			$be/dev xvda $be/type phy $be/device-type disk $be/online 1 $be/state 1 &&
		xenstore-chmod -r $be n0 r$1"
}

detach() { # DOMID DEVID: begins it, as libxl does
	local be=/local/domain/0/backend/vbd/$1/$2
	dom 0 xenstore-write "$be/online" 0 "$be/state" 5
}

backend_state() { dom 0 xenstore-read "/local/domain/0/backend/vbd/$1/$2/state"; }

wait_for() { # SECONDS COMMAND...: until it succeeds
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || { echo "waited in vain: $*"; return 1; }
		sleep 0.05
	done
}

fail() {
	echo "FAILED: $*"
	tail -n 20 "$T/daemon.log" 2>/dev/null
	exit 1
}

exits() { # CODE COMMAND...
	local want=$1 rc=0
	shift
	"$@" || rc=$?
	[ "$rc" = "$want" ] || fail "exit $rc instead of $want: $*"
}
