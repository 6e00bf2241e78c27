#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every state of the backend with every state of the frontend, written by hand in any order: the
# outcome is defined, the daemon lives, the device is usable afterwards.
# timeout: 180
#
#   FAULTS_FULL=1    also 7 and 8, which only PCI devices use
# configs: release asan
. "${0%/*}/faults.sh"

daemon_start
states="0 1 2 3 4 5 6${FAULTS_FULL:+ 7 8}"
spec=$(image a.img)
attach_wait 2 "$(image good.img)" || fatal "the good guest's disk"

# What the backend must have come to rest in. Its own node blank: nothing is done before the toolstack
# writes it. The rest is the state machine's table (common/xenbus/fsm.c) seen from the store.
settled() { # ONLINE BACK FRONT
	local s
	s=$(be_state 1)
	case $1$2$3 in
	?0?) [[ $s == 0 ]] ;;
	1[12]1) [[ $s == 2 ]] ;;     # a frontend that starts: offered
	1[124]6 | 156) [[ $s == 6 ]] || [[ $s == 2 ]] ;;
	1[12][34]) [[ $s == 5 ]] ;;  # it says that its rings are out, and there are none
	14[34]) [[ $s == [45] ]] ;;  # left alone: there is nothing to take over
	1[124]5) [[ $s == 5 ]] ;;
	1[45]1) [[ $s == 2 ]] ;;     # a frontend that starts over: closed, and offered anew
	16[134]) [[ $s == [25] ]] ;;
	1*) [[ $s == [1-8] ]] ;;
	01?) [[ $s == 1 ]] ;;        # nodes half written look like this
	0[2-6][016]) [[ $s == 6 || -z $s ]] ;; # being removed, the frontend is not up
	0*) [[ $s == [5-6] || -z $s ]] ;;
	esac
}

matrix() { # ONLINE
	local online=$1 me peer be=/local/domain/0/backend/vbd/1/51712 fe=/local/domain/1/device/vbd/51712 bad=0
	for me in $states; do
		for peer in $states; do
			attach 1 "$spec"
			await 5 be_is 1 2 || { wrong "online=$online back=$me front=$peer: never offered ($(be_state 1))"; bad=1; }
			xenstore-write "$be/online" "$online" "$be/state" $me "$fe/state" $peer
			if ! await 2 settled "$online" $me $peer; then
				wrong "online=$online back=$me front=$peer: rests in $(be_state 1)"
				bad=1
			fi
			alive || fatal "online=$online back=$me front=$peer: the daemon is dead"
			forget 1
		done
	done
	[ $bad = 0 ] && ok "every pair of states ($states) with online=$online"
}

good_begin 2 1
matrix 1
matrix 0
attach_wait 1 "$spec"
check "the device is usable after all of them" guest 1 "$B/bin/xsp-evil" 51712 recover
good_end 2 "meanwhile"

# Closed for good, but its nodes are still there: the daemon has nothing to do with it any more.
attach_wait 1 "$spec"
xenstore-write /local/domain/0/backend/vbd/1/51712/online 0 /local/domain/0/backend/vbd/1/51712/state 5
await_be 1 6
cpu=$(cpu_ms "$daemon")
sleep 1
cpu=$(($(cpu_ms "$daemon") - cpu))
check "a device that is closed for good costs nothing ($cpu ms in a second)" [ $cpu -lt 100 ]
forget 1

# Removed and made anew under the same name, with another disk, before the daemon can look.
echo "I am a" | dd of="$T/a.img" conv=notrunc status=none
truncate -s 32M "$T/c.img"
echo "I am c" | dd of="$T/c.img" conv=notrunc status=none
anew() { # TEXT
	local got
	kill -STOP $daemon
	forget 1
	attach 1 "file:$T/c.img"
	kill -CONT $daemon
	await_be 1 2
	got=$(guest 1 timeout 20 "$B/bin/xensplit-vbd" read xvda 0 512 2>&1 | head -c 6)
	check "$1: the new disk is served (it says '$got')" [ "$got" = "I am c" ]
	detach 1
	attach_wait 1 "$spec"
}
anew "removed and made anew while offered"
guest_start 1 "$B/bin/xsp-evil" 51712 hold >"$T/hold.log"
await 5 grep -q holding "$T/hold.log"
kill -9 $started
wait $started 2>/dev/null
anew "removed and made anew while connected"
close
