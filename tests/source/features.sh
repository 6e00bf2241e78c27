#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs/features.md promises nothing that no test shows: the tests it names are there, and in each the
# words behind the colon; a "yes" has a test.
set -u
cd "$TOP"
python3 - docs/features.md <<'PY'
import re, sys

bad, rows, section = [], {}, ""
for line in open(sys.argv[1]):
    if line.startswith("## "):
        section = line[3:].strip()
    if not line.startswith("| ") or line.startswith("| feature |"):
        continue
    cells = [c.strip() for c in line.strip().strip("|").split("|")]
    rows[section] = rows.get(section, 0) + 1
    if len(cells) != 5:
        bad.append("%s: %d columns" % (cells[0], len(cells)))
        continue
    if "yes" in (cells[1][:3], cells[2][:3]) and not cells[3]:
        bad.append("%s: yes, but no test" % cells[0])
    for proof in re.finditer(r"`(tests/[^`]*)`(?:: ([^;`]*))?", cells[3]):
        try:
            text = open(proof.group(1)).read()
        except OSError:
            bad.append("%s: there is no %s" % (cells[0], proof.group(1)))
            continue
        words = (proof.group(2) or "").strip().rstrip(",")
        if words and words not in text:
            bad.append("%s: %s does not say '%s'" % (cells[0], proof.group(1), words))
print(", ".join("%s: %d rows" % r for r in rows.items()))
print("\n".join(bad))
sys.exit(bool(bad))
PY
