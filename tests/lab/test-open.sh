#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Disks whose targets take long to open: the others connect meanwhile, the toolstack is told in time,
# and a change of mind does not wait for it.
# timeout: 60
# configs: release asan tsan
. "${0%/*}/faults.sh"

# A server that takes connections and says nothing: python3, because no NBD server is that bad.
python3 - "$T/mute.sock" <<-'P' &
	import socket, sys, time
	s = socket.socket(socket.AF_UNIX)
	s.bind(sys.argv[1])
	s.listen(64)
	time.sleep(60)
P
mute=$!
await 10 test -S "$T/mute.sock" || fatal "python3 does not listen"
be() { xenstore-read "/local/domain/0/backend/vbd/$1/51712/$2" 2>/dev/null; }

daemon_start --drain-seconds 3
begin=$SECONDS
attach 1 "nbd:unix:$T/mute.sock"
sleep 0.3
attach_wait 2 "$(image good.img)" || wrong "another disk is not offered meanwhile"
good_begin 2 1
good_end 2 "while the target of another is being opened"
check "state of the slow one is 1 still" be_is 1 1
check "others were served at once ($((SECONDS - begin)) s)" [ $((SECONDS - begin)) -le 6 ]

# The toolstack's mind changes: another target in the same place, then the mute one is given up.
xenstore-write /local/domain/0/backend/vbd/1/51712/params null:64M
check "another target in the same place opens at once" await 3 be_is 1 2
forget 1
attach 3 "nbd:unix:$T/mute.sock"
sleep 0.3
forget 3
attach_wait 3 null:64M || wrong "a new device in the place of one that was being opened"
forget 3
check "nobody waited for the mute server ($((SECONDS - begin)) s)" [ $((SECONDS - begin)) -le 7 ]

# Left alone, it is told in less than the toolstack's 10 s.
begin=$SECONDS
attach 1 "nbd:unix:$T/mute.sock"
says() { be 1 xensplit-error | grep -q "$1"; }
check "the toolstack hears in time that the server says nothing" await 9 says 'took the connection and says nothing'
forget 1

# What is opened inside a library that never gives up is told of as well: here, a file of a hung disk.
mkfifo "$T/pipe"
begin=$SECONDS
attach 1 "log,file=$T/pipe:null:64M"
check "the toolstack hears in time that a target is still being opened" await 12 says 'still being opened'
cat "$T/pipe" >/dev/null &
check "and when it is open, it is offered" await 3 be_is 1 2
check "and the complaint is gone" [ -z "$(be 1 xensplit-error)" ]
forget 1

# SIGTERM does not wait for it either.
attach 1 "nbd:unix:$T/mute.sock"
sleep 0.3
begin=$SECONDS
daemon_stop
check "SIGTERM while a target is being opened ($((SECONDS - begin)) s)" [ $((SECONDS - begin)) -le 3 ]
kill $mute
forget 1
close
