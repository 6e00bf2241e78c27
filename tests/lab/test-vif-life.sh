#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A network device's life without any packet: network-attach, its TAP, list, show, stat, rate, refusals,
# a restart of the daemon, network-detach.
# configs: release asan
# timeout: 60
set -u
. "${0%/*}/vbd.sh"
export LC_ALL=C

x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
has_tap() { dom 0 test -e "/proc/sys/net/ipv4/conf/$1"; }
no_tap() { ! has_tap "$1"; }
state() { dom 0 xenstore-read /local/domain/0/backend/vif/1/0/state; }
state_is() { [ "$(state)" = "$1" ]; }

lab_up 2
daemon_start
wait_for 10 x status >/dev/null 2>&1 || fail "the daemon does not answer"
dom 0 sh -c 'exec 3<>/dev/net/tun' 2>/dev/null || { echo "no /dev/net/tun here"; exit 77; }

x network-attach 1 mac=00:16:3e:aa:bb:cc,rate=8Mb/s@20ms mtu=1400 >"$T/attach" || fail "network-attach: $(cat "$T/attach")"
grep -q 'vif/1/0 attached: 00:16:3e:aa:bb:cc (InitWait)' "$T/attach" || fail "it says: $(cat "$T/attach")"
has_tap vif1.0 || fail "no TAP vif1.0"
[ "$(dom 0 xenstore-read /local/domain/0/backend/vif/1/0/rate)" = 20000,20000 ] || fail "the rate"
for key in feature-sg feature-gso-tcpv4 feature-gso-tcpv6 feature-ipv6-csum-offload feature-rx-copy \
	feature-split-event-channels; do
	[ "$(dom 0 xenstore-read "/local/domain/0/backend/vif/1/0/$key")" = 1 ] || fail "$key is not 1"
done
x network-list | grep -q 'vif/1/0.*00:16:3e:aa:bb:cc.*InitWait' || fail "network-list: $(x network-list)"
x --json network-list 1 | grep -q '"device":"vif/1/0"' || fail "network-list --json"
x --json list | grep -q '"networks":\[{"device":"vif/1/0"' || fail "list --json: $(x --json list)"
x show vif/1/0 | grep -q 'rate.*20000 bytes in 20000 us' || fail "show: $(x show vif/1/0)"
x --json show vif/1/0 | grep -q '"ifname":"vif1.0"' || fail "show --json"
x stat | grep -q '^vif/1/0' || fail "stat"
dom 0 xenstore-write /local/domain/0/backend/vif/1/0/rate 5000,1000
wait_for 5 eval 'x show vif/1/0 | grep -q "5000 bytes in 1000 us"' || fail "a changed rate is not taken"

x throttle vif/1/0 bytes=2MB/s@10ms | grep -q "vif/1/0: 20000 bytes in 10000 us" || fail "throttle"
wait_for 5 eval 'x show vif/1/0 | grep -q "20000 bytes in 10000 us"' || fail "throttle is not in force"
x throttle vif/1/0 bytes=none | grep -q "no limit" || fail "throttle none"
wait_for 5 eval 'x --json show vif/1/0 | grep -q "\"rate_bytes\":0,"' || fail "the limit stays"
exits 2 x throttle vif/1/0 iops=5/s 2>/dev/null

# the daemon goes and comes: the TAP stays
daemon_stop || fail "SIGTERM"
has_tap vif1.0 || fail "the TAP went with the daemon"
daemon_start
wait_for 10 eval 'x show vif/1/0 2>/dev/null | grep -q vif1.0' || fail "not found again"

# what must be refused
exits 2 x network-attach 1 colour=blue 2>/dev/null
exits 2 x network-attach 1 rate=fast 2>/dev/null
exits 2 x network-attach 1 mac=00:16 2>/dev/null
exits 1 x network-attach 1 bridge=nosuch0 2>"$T/refused"
grep -q "can't join bridge nosuch0" "$T/refused" || fail "the reason: $(cat "$T/refused")"
exits 1 x network-attach 1 port=teapot: 2>"$T/refused"
grep -q "known: tap:\[NAME\], null:, switch:NAME" "$T/refused" || fail "the reason: $(cat "$T/refused")"
no_tap vif1.1 || fail "a refused interface left its TAP"

# a second one, on nothing; a script that somebody else has to run is waited for
x network-attach 1 port=null: >/dev/null || fail "a second interface"
[ "$(dom 0 xenstore-read /local/domain/0/backend/vif/1/1/hotplug-status)" = connected ] || fail "hotplug-status"
x network-attach 2 script=/etc/xen/scripts/vif-bridge >/dev/null || fail "with a script"
[ -z "$(dom 0 xenstore-read /local/domain/0/backend/vif/2/0/hotplug-status)" ] || fail "hotplug-status is not ours"
has_tap vif2.0 || fail "no TAP for the script to see"

x network-detach 1 00:16:3e:aa:bb:cc --force >/dev/null || fail "network-detach by MAC"
wait_for 5 no_tap vif1.0 || fail "the TAP stays"
x network-detach 1 1 --force >/dev/null || fail "network-detach by number"
x network-detach vif/2/0 --force >/dev/null || fail "network-detach by id"
exits 3 x network-detach 1 7 2>/dev/null
wait_for 5 no_tap vif2.0 || fail "the second TAP stays"
daemon_stop || fail "SIGTERM at the end"
echo ok
