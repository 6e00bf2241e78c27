#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-user.sh).
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh
bin=$B/bin

state_of() { # DOMID: alive, dying or gone, as libxenctrl sees it
	world-domains | awk -v d="$1" '$1 == d { s = $2 } END { print s ? s : "gone" }'
}
is() { [ "$(state_of "$1")" = "$2" ]; }

step "a guest without a block driver, and a stock one"
for i in a b; do truncate -s 64M /root/$i.img; done
check "xensplitd starts" world_up || { closing; exit 1; }
guest_start 2 xvda=file:/root/b.img &
guest2=$!
check "guest 1 boots" eval "GUEST_ARGS=xsp.without=xen-blkfront \
	GUEST_FILES='$bin/world-test $bin/world-hold $bin/xensplit-vbd $bin/xensplit-front-example' \
	guest_start 1 xvda=file:/root/a.img" || { closing; exit 1; }
check "guest 2 boots" wait $guest2
one=$(guest_domid 1)

step "event channels, grants, the store: the same program in the lab and here"
in_guest 1 /opt/world-test guest 0 one >/tmp/world.guest 2>&1 &
guest=$!
world-test dom0 "$one" one >/tmp/world.dom0 2>&1
check "world-test in Dom0" [ $? = 0 ] || cat /tmp/world.dom0
check "world-test in the guest" wait $guest || cat /tmp/world.guest
sed 's/^/      | /' /tmp/world.dom0

step "our own frontend in a real guest"
check "xensplit-vbd info" in_guest 1 "/opt/xensplit-vbd info xvda"
check "xensplit-vbd verify: 16 MiB, 32 requests under way" in_guest 1 "/opt/xensplit-vbd verify xvda --timeout 90 --size 16M --time 5 --quiet"
check "the example of the library" in_guest 1 "/opt/xensplit-front-example xvda"
in_guest 1 "head -c 1000000 /dev/urandom >/tmp/data; sha256sum </tmp/data
	{ cat /tmp/data; head -c 448 /dev/zero; } | /opt/xensplit-vbd write xvda 65536" >/tmp/written 2>&1
arrived() { [ "$(tail -c +65537 /root/a.img | head -c 1000000 | sha256sum)" = "$(head -n 1 /tmp/written)" ]; }
check "what it writes is in the image" arrived || cat /tmp/written
in_guest 1 "/opt/xensplit-vbd verify xvda --size 16M --time 60 --timeout 60 --quiet & sleep 6; kill -9 \$!" >/dev/null 2>&1
check "after kill -9 in mid-I/O it connects again" in_guest 1 "/opt/xensplit-vbd verify xvda --timeout 90 --size 8M --time 2 --quiet"

step "the xensplit command"
check "doctor finds nothing to mend" xensplit doctor
check "list shows both guests" eval "xensplit list --json | tee /tmp/list | grep -q vbd/$one/51712 && grep -q vbd/$(guest_domid 2)/51712 /tmp/list" ||
	cat /tmp/list
check "attach" xensplit attach "$(guest_domid 2)" null:64M xvdc
check "the stock frontend has it" eventually 20 in_guest 2 '[ -b /dev/xvdc ]'
check "and reads it" in_guest 2 'dd if=/dev/xvdc of=/dev/null bs=64k count=64 iflag=direct'
check "stat" xensplit stat
check "ring" xensplit ring "vbd/$(guest_domid 2)/51744"
check "detach" xensplit detach "vbd/$(guest_domid 2)/51744"
check "it is gone from the guest" eventually 20 in_guest 2 '[ ! -e /dev/xvdc ]'

step "a domain that dies while Dom0 has its pages"
IN_GUEST_TIMEOUT=60 in_guest 1 "/opt/world-hold guest 0 >/tmp/hold 2>&1 &
	for i in $(seq 100); do grep -q holds /tmp/hold && break; sleep 0.2; done; cat /tmp/hold" >/tmp/hold 2>&1
check "the guest holds a port and pages" grep -q '^holds' /tmp/hold || cat /tmp/hold
# shellcheck disable=SC2046
world-hold dom0 "$one" $(sed -n 's/^holds//p' /tmp/hold) >/tmp/hold.dom0 2>&1 &
holder=$!
check "Dom0 maps two of them" eventually 10 grep -q holds /tmp/hold.dom0
xl destroy guest1
check "destroyed, it is dying" is "$one" dying || xl list
check "its disk is let go all the same" eventually 20 eval "! xenstore-exists /local/domain/0/backend/vbd/$one"
kill -9 $holder
check "with the last map it is gone" eventually 20 is "$one" gone
rm -f "$XSP_WORLD/guest1/domid"

step "the end"
check "guest 2 stops in order" guest_stop 2
check "xensplitd stops with exit 0" daemon_stop
if [ $broken != 0 ]; then
	echo "--- the daemon's log (last 40 lines)"
	tail -n 40 "$XSP_DAEMON_LOG"
fi
closing
