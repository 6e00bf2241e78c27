#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The lab's command line: up, run, status, down; exit codes, signals, a killed hub, no leftovers, and
# all of it as an unprivileged user.
# timeout: 120
# configs: release asan
. "$TOP/tests/lab/lab.sh"

code() { # WHAT CODE COMMAND...
	local what=$1 want=$2 rc
	shift 2
	"$@" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
	[ $rc = "$want" ] && echo "ok: $what" || { fail "$what: exit $rc, not $want"; cat "$T/out" "$T/err"; }
}
# Processes of this lab, by what they were started with. A lab's own pid namespace shows here too.
ours() { grep -lzs "^XENSPLIT_LAB=$XENSPLIT_LAB\$" /proc/[0-9]*/environ | grep -v "/proc/$$/" | wc -l; }
before=$(ours)

code "help" 0 lab --help
check "help has examples" grep -q Examples "$T/out"
code "no command" 2 lab
code "unknown command" 2 lab fly
code "run without a lab" 125 lab run 1 -- true
check "says what to do" grep -q "lab up" "$T/err"
code "status without a lab" 1 lab status
code "down without a lab" 0 lab down
code "a directory too long" 2 lab up --dir "/tmp/$(printf 'x%.0s' {1..90})"

exec 7>"$T/open"
code "up" 0 lab up --guests 1
exec 7>&-
check "says what is up" grep -q "Dom0 and 1 guest" "$T/out"
check "the hub keeps no file of its caller" eval '! readlink "/proc/$(lab status --json |
	grep -o "\"pid\":[0-9]*" | grep -o "[0-9]*")"/fd/* | grep -q "$T/open"'
code "up twice" 1 lab up
check "says that it is up" grep -q "already" "$T/err"

code "a command's exit code" 7 lab run 1 -- sh -c 'exit 7'
code "a command that is killed" 137 lab run 1 -- sh -c 'kill -9 $$'
code "no such command" 127 lab run 1 -- no-such-command
code "a file that is no command" 126 lab run 1 -- /etc/passwd
code "a missing command" 2 lab run 1
code "a bad domid" 2 lab run 256 -- true
code "a bad domid" 2 lab run x -- true
same "stdin and stdout" "$(echo hello | lab run 1 -- tr a-z A-Z)" HELLO
same "the directory stays" "$(cd /usr/lib && lab run 1 -- pwd)" /usr/lib
same "options after the command are its own" "$(lab run 1 -- echo --json --dir x)" "--json --dir x"
same "identity" "$(lab run 1 -- sh -c 'echo $XENSPLIT_DOM $XENSPLIT_LAB')" "1 $XENSPLIT_LAB"
same "run in a run" "$(lab run 0 -- "${LAB[@]}" run 1 -- xenstore-read name)" guest1
same "a domain is made by its first run" "$(lab run 5 --name five -- xenstore-read name)" five
"${LAB[@]}" run 1 -- sh -c 'trap "echo got; exit 3" TERM; echo up; while :; do sleep 0.05; done' >"$T/trap" &
pid=$!
until_true 20 grep -q up "$T/trap"
kill -TERM $pid
wait $pid
same "SIGTERM goes on to the command, its code comes back" "$? $(tail -n 1 "$T/trap")" "3 got"
"${LAB[@]}" run 1 -- sleep 1000 &
pid=$!
until_true 20 eval 'lab run 0 -- pgrep -x sleep >/dev/null'
kill -9 $pid
check "with a killed run its command goes" until_true 20 eval '! lab run 0 -- pgrep -x sleep >/dev/null'
"${LAB[@]}" run 5 -- sh -c 'sleep 1000 & setsid sleep 1000 & wait' &
pid=$!
until_true 20 eval '[ "$(lab run 0 -- pgrep -cx sleep)" = 2 ]'
code "destroy" 0 lab destroy 5
wait $pid
same "destroy ends the domain's processes" "$?" 137
check "all of them" eval '! lab run 0 -- pgrep -x sleep'
code "destroy twice" 1 lab destroy 5

code "status" 0 lab status
check "is a table" grep -q "guest1 *running" "$T/out"
code "status --json" 0 lab status --json
check "is JSON" eval 'python3 -c "import json,sys; json.load(sys.stdin)" <"$T/out"'

# the hub is killed: everything goes with it, and the next lab starts clean
hub=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])' <"$T/out")
"${LAB[@]}" run 1 -- sleep 1000 &
pid=$!
until_true 20 eval 'lab run 0 -- pgrep -x sleep >/dev/null'
kill -9 "$hub"
wait $pid
same "run ends with the lab" "$?" 137
check "no process is left" until_true 20 eval '[ "$(ours)" -le "$before" ]'
code "status after a crash" 1 lab status
code "up after a crash" 0 lab up --guests 1
same "with a working store" "$(lab run 1 -- xenstore-read name)" guest1
code "down" 0 lab down
check "the directory is gone" [ ! -e "$XENSPLIT_LAB" ]
check "no process is left" until_true 20 eval '[ "$(ours)" -le "$before" ]'

# each guest has a network of its own, the same for all its processes, with a loopback
if [ "$(readlink /proc/self/ns/net)" ]; then
	code "up for networks" 0 lab up --guests 2 --no-daemon
	net() { dom "$@" readlink /proc/self/ns/net; }
	if [ "$(net 0)" != "$(readlink /proc/self/ns/net)" ]; then
		check "guests' networks differ" [ "$(net 1)" != "$(net 2)" ]
		check "and from Dom0's" [ "$(net 1)" != "$(net 0)" ]
		same "a guest has one network" "$(net 1)" "$(net 1)"
		same "Dom0's on request" "$(lab run --dom0-net 1 -- readlink /proc/self/ns/net)" "$(net 0)"
		check "loopback is up" dom 1 sh -c 'grep -q "lo:" /proc/net/dev && ip link show lo | grep -q UP'
	fi
	code "down" 0 lab down
fi

# where a machine allows fewer namespaces, or none
for which in umn- ----; do
	export XENSPLIT_LAB_NAMESPACES=$which
	code "up with namespaces $which" 0 lab up --guests 2 --no-daemon
	"${LAB[@]}" run 1 -- world-test guest 0 "s$which" >"$T/g" &
	dom 0 world-test dom0 1 "s$which" >"$T/d" || { fail "world-test with $which"; cat "$T/d"; }
	wait $! || { fail "world-test with $which, guest"; cat "$T/g"; }
	rm -f "$T/begun"
	"${LAB[@]}" run 2 -- sh -c "sleep 1000 & setsid sleep 1000 & touch '$T/begun'; wait" &
	pid=$!
	until_true 20 [ -e "$T/begun" ]
	code "destroy" 0 lab destroy 2
	wait $pid
	same "destroy ends the domain's processes" "$?" 137
	"${LAB[@]}" run 1 -- sh -c "echo >$T/started$which; exec sleep 1000" &
	pid=$!
	until_true 20 [ -e "$T/started$which" ]
	kill -9 "$(lab status --json | grep -o '"pid":[0-9]*' | grep -o '[0-9]*')"
	wait $pid
	same "run ends with the lab" "$?" 137
	check "no process is left" until_true 20 eval '[ "$(ours)" -le "$before" ]'
	code "up again" 0 lab up --guests 1
	code "down" 0 lab down
	check "no process is left" until_true 20 eval '[ "$(ours)" -le "$before" ]'
done
unset XENSPLIT_LAB_NAMESPACES

# as anybody
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	home=$(mktemp -d /tmp/xsp-any.XXXXXX)
	chown 65534:65534 "$home"
	any() { env XENSPLIT_LAB="$home/lab" setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	if any test -x "$B/bin/xensplit-lab-hub"; then
		code "up as nobody" 0 any "${LAB[@]}" up --guests 1 --no-daemon
		same "run as nobody" "$(any "${LAB[@]}" run 1 -- xenstore-read name)" guest1
		check "world-test as nobody, Dom0" eval \
			'any "${LAB[@]}" run 1 -- world-test guest 0 n >"$T/g" & any "${LAB[@]}" run 0 -- world-test dom0 1 n'
		code "down as nobody" 0 any "${LAB[@]}" down
	else
		echo "skipped: this checkout is not readable for others"
	fi
	rm -rf "$home"
fi
[ $failures = 0 ]
