# SPDX-License-Identifier: MIT
# Sourced by the lab tests: `lab` is `xensplit lab`, in this test's own directory; whatever happens,
# the lab is down at the end.
set -u
[ -x "$B/bin/xensplit-lab-hub" ] || { echo "not built: $B/bin/xensplit-lab-hub"; exit 1; }
ls /usr/lib/xen-*/bin/xenstored >/dev/null 2>&1 || { echo "no xenstored: install xen-utils-4.17"; exit 77; }
export XENSPLIT_LAB=$T/lab

LAB=("$B/bin/xensplit" lab)
lab() { "${LAB[@]}" "$@"; }
dom() { # DOMID COMMAND...: a process of that domain
	local id=$1
	shift
	lab run "$id" -- "$@"
}

failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }
check() { # WHAT COMMAND...: must succeed
	local what=$1
	shift
	if "$@"; then echo "ok: $what"; else fail "$what ($*)"; fi
}
same() { # WHAT IS SHOULD
	if [ "$2" = "$3" ]; then echo "ok: $1"; else fail "$1: is '$2', should be '$3'"; fi
}
until_true() { # SECONDS COMMAND...: true within that time
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

lab_end() {
	local rc=$?
	mkdir -p "$T/logs"
	ln -f "$XENSPLIT_LAB"/*.log "$T/logs" 2>/dev/null # what they say at the very end counts too
	lab down >/dev/null
	if grep -qE 'ERROR: AddressSanitizer|runtime error:|LeakSanitizer|ThreadSanitizer' \
		"$T"/logs/* 2>/dev/null; then
		fail "a sanitizer complains"
	fi
	if [ $rc != 0 ] || [ $failures != 0 ]; then
		rc=1
		tail -n 30 "$T"/logs/* /dev/null 2>/dev/null
	fi
	exit $rc
}
trap lab_end EXIT
