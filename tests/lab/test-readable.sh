#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A program that waits for events and for something else, and then reads: what is readable has an event, or
# one that waits inside that read, as xenstored does, stands still while others ask it. Meanwhile processes
# of the lab die, for whose sake the hub looks after everybody's handles.
# timeout: 60
# configs: release asan
. "$TOP/tests/lab/lab.sh"
check "up" lab up --guests 1 --no-daemon
cat >"$T/ask.py" <<'PY'
import select, subprocess, sys, threading, time
lab = sys.argv[1:]
server = subprocess.Popen(lab + ["1", "--", "world-storm", "serve", "0", "4"], stdin=-1, stdout=-1, bufsize=0)
ports = [p.decode() for p in server.stdout.readline().split()[:4]]
knockers = [subprocess.Popen(lab + ["0", "--", "world-storm", "knock", "1", p], stdin=-1, bufsize=0) for p in ports[:2]]
end, rounds, deaths = time.time() + 10, 0, 0
def die(port):
    global deaths
    while time.time() < end:
        subprocess.run(lab + ["0", "--", "world-storm", "knock", "1", port], stdin=subprocess.DEVNULL)
        deaths += 1
for p in ports[2:]:
    threading.Thread(target=die, args=(p,), daemon=True).start()
while time.time() < end:
    for k in knockers:
        k.stdin.write(b"k")
    server.stdin.write(b"s")
    if not select.select([server.stdout], [], [], 5)[0]:
        sys.exit("it stands still after %d rounds, %d deaths" % (rounds, deaths))
    server.stdout.read(1)
    rounds += 1
server.stdin.close()
in_vain = int(server.stdout.readline())
print("answered %d times beside %d deaths, woken for nothing %d times" % (rounds, deaths, in_vain))
sys.exit(in_vain > 0)
PY
check "asked between events, nobody wakes for nothing" python3 "$T/ask.py" "${LAB[@]}" run
[ $failures = 0 ]
