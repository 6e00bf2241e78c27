# SPDX-License-Identifier: MIT
"""TCP between two guests, for the lab tests of networks.

serve PORT FILE        take one connection, write what comes to FILE, then one line of JSON
send HOST PORT FILE    send FILE
beat PORT SECONDS      take one connection; a line of JSON with the longest time in which nothing came
stream HOST PORT SECONDS [FILE]  send small pieces, so long and until FILE is there; a line of JSON
"""
import json
import os
import socket
import sys
import time


def listen(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.listen(1)
    s.settimeout(30)
    c, _ = s.accept()
    c.settimeout(30)
    return c


def connect(host, port):
    for _ in range(100):
        try:
            s = socket.create_connection((host, port), timeout=30)
            return s
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("nobody listens")


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "serve":
        c, n = listen(int(args[0])), 0
        with open(args[1], "wb") as f:
            while data := c.recv(1 << 20):
                n += len(data)
                f.write(data)
        print(json.dumps({"bytes": n}))
    elif what == "send":
        s = connect(args[0], int(args[1]))
        with open(args[2], "rb") as f:
            s.sendfile(f)
        s.close()
    elif what == "beat":
        c, n, longest, last = listen(int(args[0])), 0, 0.0, time.monotonic()
        while data := c.recv(1 << 16):
            now = time.monotonic()
            longest, last, n = max(longest, now - last), now, n + len(data)
        print(json.dumps({"bytes": n, "gap": round(longest, 3)}))
    elif what == "stream":
        s, n, end = connect(args[0], int(args[1])), 0, time.monotonic() + float(args[2])
        while time.monotonic() < end or (args[3:] and not os.path.exists(args[3])):
            s.sendall(b"x" * 1000)
            n += 1000
            time.sleep(0.001)
        s.close()
        print(json.dumps({"sent": n}))


main()
