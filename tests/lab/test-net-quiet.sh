#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A NIC that is open has heard all that the store said while it connected: its packets flow though
# xenstored stands still from the first one on.
# quick
# timeout: 60
. "${0%/*}/vbd.sh"
. "${0%/*}/vif.sh"
lab_up 1
daemon_start
vif_attach 1 0 00:16:3e:00:00:01 port=null:
store=$(cat "$lab/xenstored.pid")
coproc load { dom 0 xensplit-bench load-nic "$lab" guest-null 0 1 480 static 2>"$T/load.err"; }
read -r -t 30 line <&"${load[0]}" && [ "$line" = ready ] || fail "no NIC: $line $(cat "$T/load.err")"
dom 0 kill -STOP "$store"
echo "go 0.05 64 128 32 sleep" >&"${load[1]}"
read -r -t 20 line <&"${load[0]}" || line="nothing for 20 s"
dom 0 kill -CONT "$store"
echo "$line" >"$T/go"
sent=$(field "$T/go" "d['sent']") && [ "$sent" -ge 128 ] || fail "with xenstored stopped: $line"
echo "$sent frames sent while xenstored stood still"
eval "exec ${load[1]}>&-"
wait "$load_PID" || fail "it can't be closed"
daemon_stop || fail "SIGTERM"
echo ok
