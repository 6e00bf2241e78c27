# SPDX-License-Identifier: MIT
# For the tests of xensplit-bench; wants a fail() before it.

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
