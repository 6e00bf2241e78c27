#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The daemon's threads under ThreadSanitizer: guests connect and disconnect with requests under way,
# break their rings and storm while the control socket reads statistics and dumps rings without a
# pause, and the daemon is restarted under all of it (XSA-522 and its like).
# timeout: 120
# configs: tsan
. "${0%/*}/faults.sh"

dose=${FAULTS_DOSE:-100}
reader() { # ask everything that can be asked, as fast as answers come, until the file $T/stop is there
	python3 - "$sock" "$T" <<-'P'
		import json, os, socket, sys, time
		sock, tmp = sys.argv[1:]
		asked = 0
		while not os.path.exists(tmp + "/stop"):
		    try:
		        s = socket.socket(socket.AF_UNIX)
		        s.settimeout(10)
		        s.connect(sock)
		        lines = s.makefile()
		        while not os.path.exists(tmp + "/stop"):
		            for dom in 1, 2:
		                for method in "vbd.stat", "vbd.ring", "vbd.show", "vbd.list", "daemon.status":
		                    params = {"device": "vbd/%d/51712" % dom} if method not in ("vbd.list", "daemon.status") else {}
		                    s.sendall(json.dumps({"jsonrpc": "2.0", "id": asked, "method": method, "params": params}).encode() + b"\n")
		                    if json.loads(lines.readline())["id"] != asked:
		                        sys.exit("an answer to something else")
		                    asked += 1
		    except (OSError, ValueError):
		        time.sleep(0.05)  # the daemon is being restarted
		print(asked)
	P
}

daemon_start --workers 3
attach_wait 1 "$(image evil.img)" || fatal "the hostile guest's disk"
attach_wait 2 "$(image good.img)" || fatal "the good guest's disk"
reader >"$T/asked" &
asking=$!
good_begin 2 1
for a in "toggles" "toggles --persistent" "ring-flip" "pages-vanish" "port" "state-storm" "nodes-vanish" "grants --persistent"; do
	set -- $a
	guest 1 timeout 100 "$B/bin/xsp-evil" --dose $((dose / 4)) --peer 3 ${2:+$2} 51712 "$1" || wrong "$a"
done
for i in 1 2 3; do
	guest_start 1 timeout 60 "$B/bin/xsp-evil" --dose $((dose / 2)) 51712 toggles >"$T/toggles" 2>&1
	toggling=$started
	sleep 0.4
	daemon_stop
	daemon_start --workers 3
	wait $toggling || wrong "toggles over a restart: $(tail -n 3 "$T/toggles")"
done
touch "$T/stop"
wait $asking
check "the control socket gave $(cat "$T/asked") answers meanwhile" [ "$(cat "$T/asked")" -gt 500 ]
good_end 2 "meanwhile"
close
