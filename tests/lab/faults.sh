# SPDX-License-Identifier: MIT
# Sourced by the fault tests. The test's file runs twice: outside it brings a lab up, runs itself as a
# process of Dom0 in it, and takes the lab down; inside, daemon, guests and xenstored are children
# or neighbours whose pids, logs and exit codes the test sees.
#
#   . "${0%/*}/faults.sh"        goes on only inside the lab
#
# shellcheck shell=bash

if [ -z "${FAULTS_INSIDE:-}" ]; then
	lab=$B/bin/xensplit
	[ -x "$lab" ] || { echo "not built: $lab"; exit 1; }
	"$lab" lab up --dir "$T/lab" --no-daemon --guests "${GUESTS:-3}" || exit 1
	trap '"$lab" lab down --dir "$T/lab" >/dev/null' EXIT
	"$lab" lab run --dir "$T/lab" 0 -- env FAULTS_INSIDE=1 bash "$0" "$@"
	exit $?
fi

daemon_log=$T/xensplitd.log
sock=$XENSPLIT_LAB/xensplitd.sock
failures=0
: >"$daemon_log"

ok() { echo "ok    $*"; }
wrong() {
	echo "WRONG $*"
	failures=$((failures + 1))
}
fatal() {
	wrong "$*"
	close
}
check() { # TEXT COMMAND...: the command must succeed
	local text=$1
	shift
	if "$@"; then ok "$text"; else wrong "$text"; fi
}

# --- the daemon ----------------------------------------------------------------------------------

daemon_start() { # [NAME=VALUE...] [OPTION...]
	local e=()
	while [[ ${1:-} == *=* && ${1:-} != -* ]]; do
		e+=("$1")
		shift
	done
	env "${e[@]}" "$B/bin/xensplitd" --socket "$sock" --log info ${FAULTS_DAEMON:-} "$@" >>"$daemon_log" 2>&1 &
	daemon=$!
}
alive() { kill -0 "$daemon" 2>/dev/null && [ "$(state_of "$daemon")" != Z ]; }
state_of() { sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
daemon_stop() { # SIGTERM; fails unless it drains and exits with 0
	local rc=0
	kill -TERM "$daemon"
	wait "$daemon" || rc=$?
	[ $rc = 0 ] || wrong "xensplitd left with $rc"
	return $rc
}
fds() { find "/proc/$daemon/fd" -mindepth 1 2>/dev/null | wc -l; }
threads() { find "/proc/$daemon/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }
# Our own memory only: a guest's pages that the lab has mapped here count as shared.
rss_kib() { sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon/status"; }
cpu_ms() { # processor time of process $1 so far
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$1/stat"
}
rpc() { # METHOD [PARAMS]: the result as JSON
	python3 - "$sock" "$@" <<-'P'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(10)
		s.connect(sys.argv[1])
		params = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
		s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": sys.argv[2], "params": params}).encode() + b"\n")
		answer = json.loads(s.makefile().readline())
		if "result" not in answer:
		    sys.exit(answer["error"]["message"])
		print(json.dumps(answer["result"]))
	P
}
counter() { # DOM NAME: a counter of its disk
	rpc vbd.stat "{\"device\":\"vbd/$1/51712\",\"buckets\":false}" |
		python3 -c 'import json,sys; print(json.load(sys.stdin)["vbds"][0]["counters"][sys.argv[1]])' "$2"
}
lab_number() { # FIELD DOM: of the lab's own status
	"$B/bin/xensplit" lab status --json --dir "$XENSPLIT_LAB" |
		python3 -c 'import json,sys; print(next(d[sys.argv[1]] for d in json.load(sys.stdin)["domains"] if d["domid"] == int(sys.argv[2])))' "$@"
}

# --- the toolstack and guests --------------------------------------------------------------------

image() { truncate -s "${2:-64M}" "$T/$1" && echo "file:$T/$1"; }
attach() { # DOM SPEC [MODE]
	local fe=/local/domain/$1/device/vbd/51712 be=/local/domain/0/backend/vbd/$1/51712
	xenstore-write "$fe" "" "$be" "" || return
	xenstore-chmod "$fe" "n$1" r0
	xenstore-chmod "$be" n0 "r$1"
	xenstore-write "$fe/backend" "$be" "$fe/backend-id" 0 "$fe/virtual-device" 51712 "$fe/device-type" disk \
		"$fe/state" 1 "$be/frontend" "$fe" "$be/frontend-id" "$1" "$be/params" "$2" "$be/mode" "${3:-w}" \
		"$be/dev" xvda "$be/removable" 1 "$be/online" 1 "$be/state" 1
}
attach_wait() { attach "$@" && await_be "$1" 2; }
detach() { # DOM: as the toolstack, without force
	local be=/local/domain/0/backend/vbd/$1/51712
	xenstore-write "$be/online" 0 "$be/state" 5
	await 10 be_is "$1" "6|" || return 1
	forget "$1"
}
forget() { # DOM: the nodes go, whatever the state
	xenstore-rm "/local/domain/$1/device/vbd/51712" 2>/dev/null
	xenstore-rm "/local/domain/0/backend/vbd/$1/51712" 2>/dev/null
}
guest() { # DOM COMMAND...
	local dom=$1
	shift
	XENSPLIT_DOM=$dom XENSTORED_PATH=$XENSPLIT_LAB/$dom.xs "$@"
}
guest_start() { # DOM COMMAND...: in the background; $started is its pid
	local dom=$1
	shift
	XENSPLIT_DOM=$dom XENSTORED_PATH=$XENSPLIT_LAB/$dom.xs "$@" &
	started=$!
}
be_state() { xenstore-read "/local/domain/0/backend/vbd/$1/51712/state" 2>/dev/null; }
be_is() { [[ $(be_state "$1") =~ ^($2)$ ]]; }
await() { # SECONDS COMMAND...: until it succeeds
	local until=$((SECONDS + $1 + 1))
	shift
	while ! "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.02
	done
}
await_be() { # DOM STATES
	await 10 be_is "$1" "$2" || { wrong "backend of domain $1 is in state '$(be_state "$1")', not $2"; return 1; }
}

# A guest that does verified I/O meanwhile, however long that takes here, and must see no error. What it
# wrote is read back at the end.
good_begin() { # DOM SECONDS [OPTION...]: so long at least
	local dom=$1 seconds=$2
	shift 2
	guest_start "$dom" "$B/bin/xensplit-vbd" verify xvda --size 16M --time 3600 --quiet --json "$@" \
		>"$T/good$dom.json" 2>"$T/good$dom.err"
	good[dom]=$started good_until[dom]=$((SECONDS + seconds))
}
good_works() { # DOM: until the daemon has served it
	local from
	await 10 be_is "$1" 4 && from=$(counter "$1" wr_req) || { wrong "guest $1 does not connect"; return; }
	good_wrote() { [ "$(counter "$1" wr_req)" -gt "$2" ]; }
	await 30 good_wrote "$1" "$from" || wrong "guest $1 does no I/O"
}
good_over() { # DOM: its time is over, and SIGUSR1 only ends its load; or it has left already
	local caught
	caught=$(sed -n 's/^SigCgt:\t//p' "/proc/${good[$1]}/status" 2>/dev/null)
	[ -z "$caught" ] || [ "$(state_of "${good[$1]}")" = Z ] ||
		{ [ "$SECONDS" -ge "${good_until[$1]}" ] && (((0x$caught >> 9) & 1)); }
}
good_end() { # DOM TEXT
	local rc=0
	await 60 good_over "$1" || wrong "guest $1 does no I/O $2"
	kill -USR1 "${good[$1]}" 2>/dev/null
	wait "${good[$1]}" || rc=$?
	[ $rc = 0 ] && { ok "guest $1 saw no error $2"; return; }
	wrong "guest $1 failed ($rc) $2: $(tail -n 3 "$T/good$1.err" "$T/good$1.json")"
}
declare -a good good_until

close() {
	if [ -n "${daemon:-}" ] && alive; then
		kill -CONT "$daemon"
		daemon_stop || true
	fi
	if grep -aE 'AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error|Assertion' "$daemon_log" | head -n 5 | grep .; then
		wrong "a sanitizer or an assertion spoke"
		failures=$((failures + 1))
	fi
	if [ $failures != 0 ]; then
		echo "--- last lines of the daemon's log:"
		grep -aA 25 -m 1 -E 'AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error' "$daemon_log"
		tail -n 25 "$daemon_log"
	fi
	exit $((failures > 0))
}
