#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make install` does: the built files into DESTDIR and PREFIX. Nothing is overwritten in
# DESTDIR/etc that a person may have changed: a changed xensplitd.conf stays.
#
#   B=build/release DESTDIR=/tmp/x PREFIX=/usr tools/setup/install-files.sh [--list]
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build/release}
D=${DESTDIR:-}
PREFIX=${PREFIX:-/usr}
case $PREFIX in /*) ;; *) echo "install: PREFIX=$PREFIX is not an absolute path" >&2; exit 2 ;; esac
[ -x "$B/bin/xensplitd" ] || { echo "install: $B is not built (make)" >&2; exit 1; }

bindir=$PREFIX/bin
if [ "$PREFIX" = /usr ]; then # where this distribution keeps them
	libdir=$PREFIX/lib/$(${CC:-gcc} -print-multiarch)
	plugindir=$(pkg-config --variable=plugindir nbdkit)
	sysconfdir=/etc unitdir=/lib/systemd/system
else
	libdir=$PREFIX/lib plugindir=$PREFIX/lib/nbdkit/plugins
	sysconfdir=/etc unitdir=/etc/systemd/system
fi
version=$(sed -n 's/^VERSION *:= *//p' Makefile)

put() { # MODE FILE TARGET
	install -D -m "$1" "$2" "$D$3"
	echo "  $D$3"
}
generated=$(mktemp)
trap 'rm -f "$generated"' EXIT

for p in xensplit xensplitd xensplit-vbd xensplit-vif xensplit-lab-hub xensplit-bench; do put 0755 "$B/bin/$p" "$bindir/$p"; done

so=$(readlink "$B/lib/libxensplit-front.so")
put 0644 "$B/lib/$so" "$libdir/$so"
ln -sf "$so" "$D$libdir/libxensplit-front.so"
put 0644 frontend/user/xensplit-front.h "$PREFIX/include/xensplit-front.h"
put 0644 frontend/user/xensplit-nic.h "$PREFIX/include/xensplit-nic.h"
cat >"$generated" <<END
prefix=$PREFIX
libdir=$libdir
includedir=\${prefix}/include

Name: xensplit-front
Description: Xen PV disks and network interfaces of this domain for a process
Version: $version
Libs: -L\${libdir} -lxensplit-front
Cflags: -I\${includedir}
Requires.private: xenevtchn xengnttab xenstore
END
put 0644 "$generated" "$libdir/pkgconfig/xensplit-front.pc"
put 0755 "$B/lib/nbdkit-xensplit-plugin.so" "$plugindir/nbdkit-xensplit-plugin.so"
for l in "$B"/lab/*.so*; do put 0644 "$l" "$PREFIX/lib/xensplit/lab/${l##*/}"; done

put 0755 tools/scripts/block-xensplit "$sysconfdir/xen/scripts/block-xensplit"
if [ -e "$D$sysconfdir/xen/xensplitd.conf" ]; then
	echo "  $D$sysconfdir/xen/xensplitd.conf (kept)"
else
	put 0644 tools/setup/xensplitd.conf "$sysconfdir/xen/xensplitd.conf"
fi
sed "s|@BINDIR@|$bindir|" tools/setup/xensplitd.service.in >"$generated"
put 0644 "$generated" "$unitdir/xensplitd.service"

"$B/bin/xensplit" help roff >"$generated.roff"
sed -e "/^@COMMANDS@/{r $generated.roff" -e 'd}' docs/man/xensplit.1.in >"$generated"
rm -f "$generated.roff"
put 0644 "$generated" "$PREFIX/share/man/man1/xensplit.1"
for s in tools/bpftrace/*.bt; do put 0755 "$s" "$PREFIX/share/xensplit/bpftrace/${s##*/}"; done
for m in docs/man/*.[0-9]; do put 0644 "$m" "$PREFIX/share/man/man${m##*.}/${m##*/}"; done
"$B/bin/xensplit" completion bash >"$generated"
put 0644 "$generated" "$PREFIX/share/bash-completion/completions/xensplit"
[ -n "$D" ] || echo "Next: systemctl enable --now xensplitd; xensplit doctor"
