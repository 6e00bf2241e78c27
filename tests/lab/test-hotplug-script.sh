#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# block-xensplit in every case, under dash, bash and busybox's sh, with a directory as the store.
# quick
# timeout: 60
set -u
S=$TOP/tools/scripts/block-xensplit
N=backend/vbd/1/51712
mkdir -p "$T/bin" "$T/store/$N"
cat >"$T/bin/xenstore-read" <<'E2'
#!/bin/sh
cat "$STORE/$1" 2>/dev/null
E2
cat >"$T/bin/xenstore-write" <<'E2'
#!/bin/sh
while [ $# -ge 2 ]; do printf %s "$2" >"$STORE/$1" || exit 1; shift 2; done
E2
printf '#!/bin/sh\necho >>"$STORE/slept"\n[ ! -x "$STORE/on-sleep" ] || "$STORE/on-sleep"\n' >"$T/bin/sleep"
chmod +x "$T"/bin/*
export STORE=$T/store PATH=$T/bin:$PATH
failed=0

put() { printf %s "$2" >"$STORE/$N/$1"; }
fresh() { rm -rf "$STORE"; mkdir -p "$STORE/$N"; put state "$1"; }
expect() { # TEXT WANTED-STATUS NODE VALUE
	local text=$1 want=$2 node=$3 value=$4 rc=0 got
	XENBUS_PATH=$N $shell "$S" "$verb" >"$T/out" 2>&1 || rc=$?
	got=$(cat "$STORE/$N/$node" 2>/dev/null)
	[ $rc = "$want" ] && case $got in $value) true ;; *) false ;; esac && return
	echo "FAIL [$shell] $text: exit $rc (wanted $want), $node='$got' (wanted '$value'): $(cat "$T/out")"
	failed=1
}
for shell in dash bash "busybox sh"; do
	command -v "${shell%% *}" >/dev/null || continue
	verb=add
	fresh 2
	expect "the daemon is ready" 0 hotplug-status connected
	fresh 2
	put xensplit-error "file:/a b.img: No such file or directory"
	expect "the target is bad" 1 hotplug-error "file:/a b.img: No such file or directory"
	expect "the target is bad" 1 hotplug-status error
	if [ "$shell" = "busybox sh" ]; then # its sleep is built in and real: only the short wait
		fresh 1
		(/bin/sleep 0.3; put state 2) &
		expect "the daemon is late" 0 hotplug-status connected
	else
		fresh 1
		expect "nobody is there" 1 hotplug-error "*xensplitd is not running*start it*"
		n=$(wc -l <"$STORE/slept")
		[ "$n" -ge 5 ] && [ "$n" -le 20 ] || { echo "FAIL [$shell] waited $n s"; failed=1; }
		fresh 1
		printf '#!/bin/sh\nprintf 2 >"$STORE/%s/state"\n' "$N" >"$STORE/on-sleep"
		chmod +x "$STORE/on-sleep"
		expect "the daemon is late" 0 hotplug-status connected
	fi
	fresh 6
	expect "the daemon has closed it" 1 hotplug-status error
	verb=remove
	fresh 6
	expect "remove changes nothing" 0 hotplug-status ""
	verb=sideways
	expect "an unknown verb" 2 hotplug-status ""
	verb=add
	if $shell "$S" add >"$T/out" 2>&1; then echo "FAIL [$shell] no XENBUS_PATH, no complaint"; failed=1; fi
done
[ $failed = 0 ] && echo "block-xensplit: every case, in each shell"
exit $failed
