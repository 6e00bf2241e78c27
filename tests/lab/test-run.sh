#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `make run` does what it says, fails when the data is wrong, cleans up after Ctrl-C, and works for
# a user who is not root.
# timeout: 480
set -u
export TMPDIR=$T B=${B#"$TOP"/}
cd "$TOP"
[ -e "$B/lib/nbdkit-xensplit-plugin.so" ] || { echo "no nbdkit plugin in $B"; exit 77; }

bad() { echo "FAIL $*"; grep FAILED "$T/out"; tail -n 30 "$T/out"; exit 1; }
clean() {
	! pgrep -af -- "$T/xensplit-run" || bad "$1: processes were left"
	! ls -d "$T"/xensplit-run.* 2>/dev/null || bad "$1: files were left"
}

tools/run/run.sh --seconds 6 >"$T/out" 2>&1 || bad "the run: exit $?"
for line in "three guests" "a new xensplitd serves all three" "the next xensplitd serves all three" "guest 1: .* every block right" \
	"guest 2: .* every block right" "guest 3: ext4 .* e2fsck clean" "a network interface each" \
	"fetched over HTTP from a neighbour" "Mb/s of TCP.* one connection across both" "All verified" "make xen-shell"; do
	grep -q "$line" "$T/out" || bad "the run does not say '$line'"
done
[ "$(grep -c 'guest[123] .*evt/req' "$T/out")" -ge 9 ] || bad "no plain lines of statistics"
! grep -q $'\e' "$T/out" || bad "escapes in a pipe"
clean "the run"

# Somebody else writes into guest 1's image: its verification must see that.
(
	for _ in $(seq 40); do
		sleep 0.25
		f=$(echo "$T"/xensplit-run.*/images/guest1.img)
		[ -e "$f" ] && dd if=/dev/zero of="$f" bs=1M count=64 conv=notrunc status=none
	done
) &
tools/run/run.sh --seconds 4 >"$T/out" 2>&1 && bad "wrong data went unnoticed"
kill %1 2>/dev/null
wait
grep -q "FAILED.* guest 1" "$T/out" || bad "wrong data: no message"
clean "wrong data"

# Ctrl-C, early and under load.
for after in 0.5 3; do
	setsid env --default-signal=INT tools/run/run.sh >"$T/out" 2>&1 &
	p=$!
	sleep $after
	kill -INT -- -$p
	wait $p
	rc=$?
	[ $rc = 130 ] || bad "Ctrl-C after $after s: exit $rc"
	clean "Ctrl-C after $after s"
done

# Nobody's files are root's; nothing in the run needs root.
if [ "$(id -u)" = 0 ]; then
	mkdir -m 0777 "$T/u"
	chmod 0755 "$T"
	setpriv --reuid=65534 --regid=65534 --clear-groups test -r tools/run/run.sh -a -x "$B/bin/xensplit" || {
		echo "the checkout is not readable for other users: not tried without root"
		exit 0
	}
	HOME=$T/u TMPDIR=$T/u setpriv --reuid=65534 --regid=65534 --clear-groups \
		tools/run/run.sh --seconds 4 >"$T/out" 2>&1 || bad "without root: exit $?"
	grep -q "All verified" "$T/out" || bad "without root: not verified"
	! ps -u 65534 -o stat=,args= | grep -v '^Z' | grep -F "$T/u" || bad "without root: processes were left"
fi
exit 0
