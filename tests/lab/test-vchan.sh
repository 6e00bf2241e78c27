#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A Xen program that nobody here wrote: two vchan-socket-proxies (libxenvchan: gntshr with unmap
# notification, event channels, store), one in a guest, one in Dom0, and bytes through both.
# quick
. "$TOP/tests/lab/lab.sh"
proxy=$(ls /usr/lib/xen-*/bin/vchan-socket-proxy 2>/dev/null | tail -n 1)
[ -n "$proxy" ] || { echo "no vchan-socket-proxy: install xen-utils-4.17"; exit 77; }
check "up" lab up --guests 1 --no-daemon

cat >"$T/talk.py" <<'PY'
import os, socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(1)
server.settimeout(10)
for _ in range(200):
    try:
        b = socket.socket(socket.AF_UNIX)
        b.connect(sys.argv[2])
        break
    except OSError:
        time.sleep(0.05)
a, _ = server.accept()
a.settimeout(10)
b.settimeout(10)
def through(x, y, data):
    got, sent = b"", 0
    while len(got) < len(data):
        sent += x.send(data[sent:sent + 4096]) if sent < len(data) else 0
        got += y.recv(65536)
    assert got == data, "bytes changed on the way"
through(b, a, b"hello")
through(a, b, b"and back")
through(b, a, os.urandom(1 << 20))
through(a, b, os.urandom(1 << 20))
for i in range(200):
    through(b, a, b"x" * 64)
    through(a, b, b"y")
print("2 MiB and 200 round trips went through")
PY
python3 "$T/talk.py" "$T/guest.sock" "$T/dom0.sock" >"$T/talk" 2>&1 &
talk=$!
until_true 20 [ -S "$T/guest.sock" ]
"${LAB[@]}" run 1 -- "$proxy" --mode=server 0 data/vchan "$T/guest.sock" >/dev/null 2>&1 &
until_true 20 dom 0 xenstore-exists /local/domain/1/data/vchan/event-channel || fail "no server"
"${LAB[@]}" run 0 -- "$proxy" --mode=client 1 /local/domain/1/data/vchan "$T/dom0.sock" >/dev/null 2>&1 &
wait $talk || fail "vchan"
cat "$T/talk"
[ $failures = 0 ]
