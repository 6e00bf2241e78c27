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

# Not `run`, which then ends: what it began would outlive it for a moment and meet its successor.
daemon_kill() {
	pkill -KILL -P "$daemon"
	wait "$daemon" 2>/dev/null
	daemon=
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

# Verified load in the background for as long as it takes: a busy machine needs longer for the rest of a test.
load_begin() { # DOMID DEVICE OPTION...
	local d=$1 dev=$2
	shift 2
	(exec xensplit lab run --dir "$lab" "$d" -- xensplit-vbd verify "$dev" --time 600 --quiet --json "$@") \
		>"$T/verify.json" 2>"$T/verify.err" &
	load=$!
	wait_for 30 load_runs || fail "no load on $dev: $(cat "$T/verify.err")"
}
load_runs() { # from then on it catches SIGINT, which `run` hands on to it
	local caught
	caught=$(sed -n 's/^SigCgt:\t//p' /proc/"$(pgrep -P $load)"/status 2>/dev/null)
	(((0x${caught:-0} >> 1) & 1))
}
load_end() {
	kill -INT $load 2>/dev/null
	wait $load
	good || fail "the load: $(cat "$T/verify.err")"
}
answered() { # DOMID DEVID: how many requests the daemon has; asked without the store
	python3 - "$lab/xensplitd.sock" "vbd/$1/$2" 2>/dev/null <<'PY'
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "vbd.stat",
                      "params": {"device": sys.argv[2], "buckets": False}}).encode() + b"\n")
c = json.loads(s.makefile().readline())["result"]["vbds"][0]["counters"]
print(c["rd_req"] + c["wr_req"])
PY
}
works() { # DOMID DEVID [REQUESTS]: until it is served so many more, which tells that a load is under way
	local from
	connected() { [ "$(backend_state "$1" "$2")" = 4 ] && from=$(answered "$1" "$2"); }
	more() { [ "$(answered "$1" "$2" || echo 0)" -ge "$3" ]; }
	wait_for 30 connected "$1" "$2" && wait_for 60 more "$1" "$2" $((from + ${3:-1})) || fail "no load on vbd/$1/$2"
}
verify() { # DOMID DEVICE OPTION...: --time is among them
	local d=$1 dev=$2
	shift 2
	dom "$d" xensplit-vbd verify "$dev" --quiet --json "$@" >"$T/verify.json" || fail "verify $*: exit $?"
	good || fail "verify $*"
}
good() { # what `xensplit-vbd verify --json` left in $T/verify.json
	python3 - "$T/verify.json" <<'PY'
import json, sys
r = json.load(open(sys.argv[1]))
print("  %(mode)s bs %(bs)d qd %(qd)d: %(iops).0f IOPS, %(verified_bytes)d bytes verified, longest %(longest_ms).0f ms" % r)
assert r["errors"] == 0 and r["mismatches"] == 0 and (r["verified_bytes"] or r["mode"] == "randread"), r
PY
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
