# SPDX-License-Identifier: MIT
# For the tests of xensplit-bench; wants a fail() before it.

: >"$T/begun"
# Directories of runs that began since then and are over; others' come and go meanwhile.
left() {
	local d
	for d in $(find /tmp -maxdepth 1 -name 'xensplit-bench.*' -type d -newer "$T/begun"); do
		pgrep -f "$d" >/dev/null || [ ! -d "$d" ] || echo "$d"
	done
}
nothing_left() {
	local n
	for n in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(left)" ] || return 0
		sleep 1
	done
	fail "$(left) is left behind"
}

# sound FILE: what every file of the tool must have
sound() {
	python3 - "$@" <<'PY' || fail "$1 is not as promised"
import json, sys
o = json.load(open(sys.argv[1]))
assert o["schema"] == 1 and o["tool"] == "xensplit-bench" and o["world"] == "lab: no hypervisor", o
assert o["command"].startswith("xensplit-bench ") and o["machine"]["kernel"] and o["groups"]
for g in o["groups"]:
    assert g["title"] and g["unit"] and g["axes"] and g["placement"]["label"] in ("FAST", "SLOW", "BUSY", "ONE")
    names = [s["name"] for s in g["series"]]
    assert len(set(names)) == len(names)
    for s in g["series"]:
        assert 0 < s["min"] <= s["median"] <= s["max"] and s["samples"], s
        for to, r in s["ratio_to"].items():
            assert to in names and 0 < r["lower_quartile"] <= r["median"] * 1.000001, (s["name"], to, r)
for want in sys.argv[2:]:
    assert any(s["name"] == want for g in o["groups"] for s in g["series"]), want
for s in o["skipped"]:
    assert s["name"] and s["why"]
PY
}
