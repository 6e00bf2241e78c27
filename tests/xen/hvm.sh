#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# xensplit-blk.ko and xensplit-net.ko in a fully virtualized guest. Not part of `make test`: without
# hardware for it the guest takes minutes to boot.
#
#   hvm.sh          the steps are in dom0-hvm.sh
#
# Without PV drivers there is nothing but emulated ones to load the kernel with. Loading it directly
# (`kernel =`) takes SeaBIOS an hour of port I/O, an IDE CD likewise its time; so it boots from a CD of
# AHCI, which is read by DMA. Packages: grub-pc-bin xorriso mtools seabios zstd (tools/setup/packages.txt).
# timeout: 3600
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export B=${B:-$top/build/release}
for tool in grub-mkrescue xorriso mformat zstd; do
	command -v $tool >/dev/null || { echo "hvm.sh: no $tool: see tools/setup/packages.txt" >&2; exit 77; }
done
images=$("$here/image.sh")
version=$(cat "$images/kernel-version")
at=$B/guest/hvm
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
rm -rf "$at"
mkdir -p "$at" "$t/iso/boot/grub" "$t/more/opt" "$t/more/modules"

# the very package that the images were made from
deb=$(ls "${XDG_CACHE_HOME:-$HOME/.cache}/xensplit/debs/linux-image-${version}_$(
	sed -n "s/^linux-image-$version=//p" "$images/versions")"_*.deb)
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$t" --wildcards './boot/vmlinuz-*'
mv "$t"/boot/vmlinuz-* "$t/iso/vmlinuz"
for ko in $("$top/frontend/linux/build.sh"); do strip --strip-debug -o "$t/more/opt/${ko##*/}" "$ko"; done
(cd "$t" && cpio -i --quiet --to-stdout modules/order ./modules/order <"$images/guest.cpio") |
	grep -vxE 'xen-(blk|net)front.ko' >"$t/more/modules/order"
{
	cat "$images/guest.cpio"
	(cd "$t/more" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --quiet)
} | zstd -q -12 >"$t/iso/initrd"
cat >"$t/iso/boot/grub/grub.cfg" <<-EOS
	set timeout=0
	linux /vmlinuz console=hvc0 loglevel=4 mitigations=off nokaslr xsp.name=hvm
	initrd /initrd
	boot
EOS
grub-mkrescue -o "$at/cd.iso" "$t/iso" --fonts= --locales= --themes= >"$t/log" 2>&1 || { cat "$t/log" >&2; exit 1; }
cp /usr/share/seabios/bios-256k.bin "$at/bios.bin"
# time counts instructions: a busy host makes it slower, and nothing times out for that
export XSP_RIG_CLOCK=${XSP_RIG_CLOCK:-icount} XSP_RIG_TIMEOUT=${XSP_RIG_TIMEOUT:-3000}
"$here/rig.sh" run "$here/dom0-hvm.sh" "$@"
