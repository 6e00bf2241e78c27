# SPDX-License-Identifier: MIT
# For lab tests of who gets how much; sourced after vbd.sh. Figures come from the daemon, counts and
# clock in one answer, so that a busy machine doesn't matter.
loads=
load() { # DOM NAME OPTION...: reads for ever, until loads_end
	local d=$1 dev=$2
	shift 2
	(exec xensplit lab run --dir "$lab" "$d" -- xensplit-vbd verify "$dev" --rw randread --time 600 --quiet --json \
		"$@") >"$T/load-$d-$dev.json" 2>&1 &
	loads="$loads $!"
}
loads_end() {
	local p
	kill -INT $loads
	for p in $loads; do wait $p; done
	loads=
	for p in "$T"/load-*.json; do
		grep -q '"errors":0,"mismatches":0' "$p" || fail "a load: $(cat "$p")"
	done
	for p in "$T"/load-*.json; do # for who wants to know: $keep-DOM.json
		[ -z "${keep:-}" ] || cp "$p" "$T/$keep-$(basename "$p" | cut -d- -f2).json"
	done
	rm -f "$T"/load-*.json
}
cat >"$T/rpc.py" <<'PY'
import json, socket, time
def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    f = s.makefile("rw")
    def call(method, **params):
        f.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n")
        f.flush()
        r = json.loads(f.readline())
        assert "result" in r, r
        return r["result"]
    return call
def stat(call):
    """monotonic ns, and of each device: requests, bytes, counters"""
    r = call("vbd.stat", buckets=False)
    out = {}
    for v in r["vbds"]:
        c = v["counters"]
        out[v["device"]] = {"reqs": c["rd_req"] + c["wr_req"] + c["fl_req"] + c["ds_req"],
                            "bytes": 512 * (c["rd_sect"] + c["wr_sect"]), "c": c}
    return r["monotonic_ns"], out
def cpu_ns(call):
    return sum(w["cpu_ns"] for w in call("worker.list")["workers"])
def moving(call, names, seconds=20):
    """wait until each of them serves requests"""
    end = time.time() + seconds
    first = stat(call)[1]
    while time.time() < end:
        now = stat(call)[1]
        if all(n in now and now[n]["reqs"] > first.get(n, {"reqs": 0})["reqs"] for n in names):
            return
        time.sleep(0.05)
    raise SystemExit("not all of %s serve requests" % names)
PY
