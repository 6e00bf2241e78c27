#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `make install` into a directory: what is installed works from there, and nothing is forgotten.
# timeout: 90
set -u
D=$T/dest
cd "$TOP"
install() { B=${B#"$TOP"/} DESTDIR=$D PREFIX=$1 tools/setup/install-files.sh; }
bad() { echo "FAIL $*"; failed=1; }
failed=0

install /usr >"$T/list" || exit 1
multi=usr/lib/$(gcc -print-multiarch)
for f in usr/bin/xensplitd usr/bin/xensplit usr/bin/xensplit-vbd usr/bin/xensplit-vif usr/bin/xensplit-bench \
	"$multi/libxensplit-front.so" usr/include/xensplit-front.h usr/include/xensplit-nic.h \
	etc/xen/scripts/block-xensplit etc/xen/xensplitd.conf lib/systemd/system/xensplitd.service \
	usr/share/man/man1/xensplit.1 usr/share/man/man1/xensplit-vbd.1 usr/share/man/man1/xensplit-vif.1 \
	usr/share/man/man1/xensplit-bench.1 usr/share/man/man5/xensplitd.conf.5 usr/share/man/man8/xensplitd.8 \
	usr/share/bash-completion/completions/xensplit usr/lib/xensplit/lab/libxengnttab.so.1; do
	[ -s "$D/$f" ] || bad "$f is not there"
done
[ -e "$D$(pkg-config --variable=plugindir nbdkit)/nbdkit-xensplit-plugin.so" ] || bad "the nbdkit plugin is not there"
[ -x "$D/etc/xen/scripts/block-xensplit" ] || bad "the hotplug script is not executable"
! grep -r '@[A-Z]*@' "$D/usr/share" "$D/lib" "$D/etc" || bad "a placeholder was left"
! find "$D" -name '*.a' -o -name 'test-*' -o -name 'world-*' | grep . || bad "files that nobody needs"

# The installed files' own words.
"$D/usr/bin/xensplitd" --config "$D/etc/xen/xensplitd.conf" --group none --check >"$T/conf" || bad "the example configuration is wrong"
if command -v man >/dev/null; then
	for m in "$D"/usr/share/man/man*/*; do
		w=$(MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -l "$m" 2>&1 >/dev/null)
		[ -z "$w" ] || bad "${m##*/}: $w"
	done
fi
if command -v systemd-analyze >/dev/null; then
	systemd-analyze verify "$D/lib/systemd/system/xensplitd.service" 2>&1 | grep -i 'unknown\|invalid' && bad "the unit"
fi

# A changed configuration stays.
echo 'workers = 3' >>"$D/etc/xen/xensplitd.conf"
install /usr >/dev/null || bad "the second install"
grep -q 'workers = 3' "$D/etc/xen/xensplitd.conf" || bad "the changed configuration was overwritten"

# A program against the installed library, as pkg-config says.
cat >"$T/use.c" <<'C'
#include <stdio.h>
#include <xensplit-front.h>
int main(void)
{
	char why[XSP_DISK_WHY_BYTES];
	struct xsp_disk *disk;
	int rc = xsp_disk_open("xvda", NULL, &disk, why);

	puts(rc ? why : "open");
	if (!rc)
		xsp_disk_close(disk);
	return rc ? 1 : 0;
}
C
export PKG_CONFIG_PATH=$D/$multi/pkgconfig PKG_CONFIG_SYSROOT_DIR=$D
flags=$(pkg-config --cflags --libs xensplit-front) && gcc -Wall -o "$T/use" "$T/use.c" $flags \
	-L"/$multi" -lxenevtchn -lxengnttab -lxenstore || bad "a program with the installed library does not build"

# The lab and the daemon from the installed place.
export XENSPLIT_LAB=$T/lab PATH=$D/usr/bin:$PATH
if xensplit lab up --guests 1 >"$T/up" 2>&1; then
	trap 'xensplit lab down >/dev/null' EXIT
	truncate -s 16M "$T/d.img"
	xensplit lab run 0 -- xensplit attach 1 "$T/d.img" xvda || bad "attach"
	xensplit lab run 1 -- xensplit-vbd verify xvda --time 1 --quiet || bad "verify"
	xensplit lab run 1 -- xensplit-vif list >"$T/vifs" || bad "xensplit-vif list"
	xensplit lab run 1 -- sh -c 'LD_LIBRARY_PATH=$1:$LD_LIBRARY_PATH exec "$2"' sh "$D/$multi" "$T/use" || bad "the program of one's own"
	p=$D$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=plugindir nbdkit)/nbdkit-xensplit-plugin.so
	xensplit lab run 1 -- nbdkit -U - "$p" dev=xvda --run 'nbdinfo --size "$uri"' >"$T/size" || bad "nbdkit"
	[ "$(cat "$T/size")" = 16777216 ] || bad "nbdkit says $(cat "$T/size")"
	daemon=$(xensplit lab run 0 -- xensplit --json status | grep -o '"pid":[0-9]*' | cut -d: -f2)
	[ "$(xensplit lab run 0 -- readlink "/proc/$daemon/exe")" = "$D/usr/bin/xensplitd" ] || bad "another xensplitd ran"
else
	bad "the installed lab does not come up: $(cat "$T/up")"
fi

# Another prefix.
D=$T/local
install /usr/local >/dev/null || bad "PREFIX=/usr/local"
[ -x "$D/usr/local/bin/xensplit" ] && grep -q 'ExecStart=/usr/local/bin/xensplitd' "$D/etc/systemd/system/xensplitd.service" ||
	bad "PREFIX=/usr/local: the unit"
exit $failed
