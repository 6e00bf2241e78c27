#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tools/setup/packages.txt is whole: every pkg-config name in the lists, every library that is linked
# by name and every command that a script calls comes from a package in it (or one it pulls in), and
# from a set that is installed where it is needed. Asks dpkg, so it needs a Debian with them installed.
set -eu
cd "$TOP"
command -v dpkg-query >/dev/null || { echo "no dpkg here"; exit 77; }
exec python3 - <<'PY'
import glob, os, re, shutil, subprocess, sys

ORDER = ["build", "run", "test", "xen"]
listed = {}
for line in open("tools/setup/packages.txt"):
    if line.strip() and not line.startswith("#"):
        m = re.match(r"(\S+)\s+(build|run|test|xen|bench)\s+-- \S", line)
        if not m:
            sys.exit(f"packages.txt: not '<package> <set> -- why': {line}")
        if m[1] in listed:
            sys.exit(f"packages.txt: {m[1]} is listed twice")
        if m[2] != "bench":  # peers of the benchmark, which does without those that aren't there
            listed[m[1]] = m[2]

status = {}
out = subprocess.run(["dpkg-query", "-W", "-f",
    "${Package}\t${db:Status-Status}\t${Essential}\t${Priority}\t${Depends}, ${Pre-Depends}\t${Provides}\n"],
    stdout=subprocess.PIPE, text=True, check=True).stdout
provides = {}
for line in out.splitlines():
    name, st, essential, prio, deps, prov = line.split("\t")
    if st != "installed":
        continue
    names = [re.sub(r"[ :(].*", "", alt.strip()) for d in deps.split(",") for alt in d.split("|")]
    status[name] = (essential == "yes" or prio == "required", [n for n in names if n])
    for p in prov.split(","):
        provides.setdefault(re.sub(r"[ :(].*", "", p.strip()), []).append(name)

missing = [p for p in listed if p not in status]
if missing:
    print("not installed, so nothing can be said:", *missing)
    sys.exit(77)

def closure(level):
    todo = [p for p, s in listed.items() if ORDER.index(s) <= ORDER.index(level)]
    todo += [p for p, (base, _) in status.items() if base]
    got = set()
    while todo:
        p = todo.pop()
        if p in got:
            continue
        if p not in status:
            todo += provides.get(p, [])
            continue
        got.add(p)
        todo += status[p][1]
    return got
have = {s: closure(s) for s in ORDER}

bad, asked = [], []
def check(what, path, level, where, itself=False):
    asked.append((what, path, level, where, itself))

def names_of(path):
    real = os.path.realpath(path)
    return {path, real, path.replace("/usr/", "/", 1), real.replace("/usr/", "/", 1)}

# One question to dpkg for all of them.
def answer():
    every = sorted({t for a in asked for t in names_of(a[1])})
    out = subprocess.run(["dpkg-query", "-S", *every], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    owner = {}
    for line in out.splitlines():
        if not line.startswith("diversion"):
            who, path = line.split(": ", 1)
            owner[path] = who.split(",")[0].split(":")[0]
    for what, path, level, where, itself in asked:
        p = next((owner[t] for t in names_of(path) if t in owner), None)
        if p is None:
            bad.append(f"{where}: {what} ({path}) belongs to no package")
        elif p not in have[level]:
            bad.append(f"{where}: {what} comes from {p}, which no package of set '{level}' brings")
        elif itself and p not in listed:
            bad.append(f"{where}: {what} comes from {p}, which is not listed itself")

# pkg-config names and -l libraries of the lists
pc_dirs = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], stdout=subprocess.PIPE, text=True).stdout.strip().split(":")
for mk in glob.glob("*/files.mk"):
    level = "test" if mk.startswith("tests/") else "build"
    for m in re.finditer(r"^\S+\.pkgs\s*[:+]?=\s*((?:[^\n\\]|\\\n)*)", open(mk).read(), re.M):
        for name in m[1].replace("\\\n", " ").split():
            if name.startswith("$"):
                continue
            pc = next((f"{d}/{name}.pc" for d in pc_dirs if os.path.exists(f"{d}/{name}.pc")), None)
            if pc:
                check(f"pkg-config {name}", pc, level, mk, itself=True)
            else:
                bad.append(f"{mk}: pkg-config does not know {name}")

# commands of the scripts: a word where a command stands, that is a program on this machine
files = subprocess.run(["git", "ls-files"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
word = re.compile(r"(?:^|[|;&(]|\$\(|`|\b(?:do|then|else|exec|command -v|sudo|xargs|env|timeout \d+|\\-\\- )\s)\s*(?:[A-Z_]+=\S*\s+)*([a-z][a-z0-9_.+-]*)(?=[\s;|&)]|$)")
for f in files:
    head = open(f, "rb").read(64) if os.path.isfile(f) else b""
    if not (f.endswith(".sh") or head.startswith((b"#!/bin/sh", b"#!/usr/bin/env bash", b"#!/bin/bash"))):
        continue
    if f.startswith("tests/xen/") and not f.endswith(".sh"):
        continue        # runs inside a guest, from an image of its own
    # Without Ceph, which `make test` installs, the test of rbd: says that it can't run.
    late = f.startswith(("tests/xen", "tools/bench/xen")) or f in ("tests/lab/ceph.sh", "tests/lab/test-rbd.sh")
    level = "xen" if late else "test" if f.startswith("tests/") else "run"
    text = open(f, errors="replace").read()
    own = set(re.findall(r"^\s*([A-Za-z_][A-Za-z0-9_]*)\s*\(\)", text, re.M))
    optional = set(re.findall(r"command -v ([a-z0-9-]+) *>", text)) # the script does without
    heredoc = None
    for line in text.splitlines():
        if heredoc:
            if line.strip() == heredoc:
                heredoc = None
            continue
        line = re.sub(r"(^|\s)#.*", "", line)
        m = re.search(r"<<-?\\?['\"]?([A-Z]\w*)", line)
        if m:
            heredoc = m[1]
        bare = re.sub(r"'[^']*'", "''", line)
        for w in word.findall(bare):
            if w in own or w in optional:
                continue
            path = shutil.which(w, path="/usr/sbin:/usr/bin:/sbin:/bin")
            if path:
                check(w, path, level, f)
answer()
print(len(asked), "names looked up")
if bad:
    print(*sorted(set(bad)), sep="\n")
sys.exit(bool(bad))
PY
