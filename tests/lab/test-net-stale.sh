#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Guests that post no pages, or one where two are needed, for more than ten seconds while packets come
# (XSA-392): what waited is dropped as stale and counted, what comes then is fresh, memory is bounded. Both
# at once, each on a cable to a good guest.
# timeout: 60
. "${0%/*}/vbd.sh"
. "${0%/*}/vif.sh"
export LC_ALL=C
x() { dom 0 xensplit --socket "$lab/xensplitd.sock" "$@"; }
counter() { # DOMID NAME of the daemon's
	x show "vif/$1/0" --json >"$T/show" && field "$T/show" "d['counters']['$2']"
}
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
lab_up 4
daemon_start --workers 2
for pair in 1:2 3:4; do
	evil=${pair%:*} good=${pair#*:}
	vif_attach $evil 0 00:16:3e:ee:ee:ee port=pair:cable$evil
	vif_attach $good 0 00:16:3e:00:00:0$good port=pair:cable$evil
	vif_up $good 10.8.0.1/24 || fail "up $good"
	dom $good sh -c 'ip link set xn0 mtu 9000 && ip neigh add 10.8.0.2 lladdr 00:16:3e:ee:ee:ee dev xn0 nud permanent' || fail "network of $good"
done
pid=$(pgrep -f "xensplitd --socket $lab/xensplitd.sock" | tail -n 1)
before=$(rss_kib "$pid")
dom 1 xsp-evilnet 0 rx-stale >"$T/none" 2>&1 &
none=$!
dom 3 xsp-evilnet 0 rx-stale-one >"$T/one" 2>&1 &
one=$!
wait $none || fail "no pages: $(cat "$T/none")"
wait $one || fail "one page: $(cat "$T/one")"
cat "$T/none" "$T/one"
after=$(rss_kib "$pid")
for d in 1 3; do
	stale=$(counter $d rx_stale)
	echo "guest $d: $stale packets dropped as stale"
	[ "$stale" -gt 50 ] || fail "none or few"
done
for d in 2 4; do
	[ "$(counter $d rx_stale)" = 0 ] || fail "guest $d lost packets, too"
done
echo "RSS $before -> $after KiB"
[ "$after" -lt $((before + 8192)) ] || fail "memory grows with a guest that takes nothing"
for d in 2 4; do dom $d xensplit-vif down 0; done
daemon_stop || fail "SIGTERM"
echo ok
