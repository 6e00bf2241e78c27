#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What ways.sh needs besides the rig's images, into DIR: drivers of real and emulated hardware for the
# guests and Dom0, and a CD that a fully virtualized guest boots from (loading a kernel the direct way
# takes SeaBIOS an hour of emulated port I/O).
#
#   ways-images.sh DIR
#
# hvm.iso      GRUB, the kernel, the guests' initramfs with IDE and e1000 drivers
# direct.cpio  to be appended to the guests' initramfs: NVMe, xen-pcifront, msix-off
# dom0/        Dom0's NVMe drivers, `order` lists them;  bios.bin  SeaBIOS;  virtual-function
# Packages: grub-pc-bin xorriso mtools seabios zstd (tools/setup/packages.txt).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
images=$("$here/../../../tests/xen/image.sh")
version=$(cat "$images/kernel-version")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/xensplit
for tool in grub-mkrescue xorriso mformat zstd; do
	command -v $tool >/dev/null || { echo "ways-images.sh: no $tool: see tools/setup/packages.txt" >&2; exit 1; }
done
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT

# The very package that the images were made from.
deb=$(ls "$cache"/debs/linux-image-"$version"_"$(sed -n "s/^linux-image-$version=//p" "$images/versions")"_*.deb)
rm -rf "$out/dom0"
mkdir -p "$t/k" "$out/dom0"
k=./lib/modules/$version
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$t/k" --wildcards ./boot/vmlinuz-* "$k/modules.*" \
	"$k/kernel/drivers/"{ata,scsi,nvme,cdrom,pci,net/ethernet/intel/e1000,xen} "$k/kernel/"{block,crypto,lib,arch/x86/crypto}
depmod -b "$t/k" "$version"

copy() { # DIRECTORY MODULE...: with what they need; their order on stdout
	local dir=$1 how line f
	shift
	mkdir -p "$dir"
	for name; do modprobe -d "$t/k" -S "$version" --show-depends "$name"; done | while read -r how line; do
		f=${line%% *}
		[ "$how" = insmod ] && [ ! -e "$dir/${f##*/}" ] || continue
		cp "$f" "$dir/"
		echo "${f##*/}"
	done
}
extend() { # NAME MODULE...: an archive to append to the guests', whose list of modules it replaces
	local root=$t/$1
	shift
	mkdir -p "$root/modules"
	copy "$root/modules" "$@" >"$t/order"
	cat "$t/guest-order" "$t/order" >"$root/modules/order"
	(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --quiet)
}
(cd "$t" && cpio -i --quiet --to-stdout modules/order ./modules/order <"$images/guest.cpio" >guest-order)
kdir=/lib/modules/$version/build
[ -d "$kdir" ] || kdir=$("$here/../../../frontend/linux/headers.sh" "$version")
mkdir -p "$t/msix" "$t/direct/modules"
cp "$here/msix-off.c" "$t/msix/"
echo "obj-m := msix-off.o" >"$t/msix/Kbuild"
make -C "$kdir" M="$t/msix" modules >"$t/log" 2>&1 || { tail -n 20 "$t/log" >&2; exit 1; }
strip --strip-debug -o "$t/direct/modules/msix-off.ko" "$t/msix/msix-off.ko"
extend direct xen-pcifront nvme >"$out/direct.cpio"
copy "$out/dom0" nvme >"$out/dom0/order"
cp /usr/share/seabios/bios-256k.bin "$out/bios.bin"
cc -O2 -o "$out/virtual-function" "$here/virtual-function.c"

mkdir -p "$t/iso/boot/grub"
cp "$t"/k/boot/vmlinuz-* "$t/iso/vmlinuz"
{ cat "$images/guest.cpio"; extend hvm sd_mod ata_piix e1000; } | zstd -q -12 >"$t/iso/initrd"
# `unnecessary`: emulated devices stay, and PV ones come beside them
cat >"$t/iso/boot/grub/grub.cfg" <<-EOF
	set timeout=0
	linux /vmlinuz console=hvc0 loglevel=4 mitigations=off nokaslr xsp.name=hvm xen_emul_unplug=unnecessary
	initrd /initrd
	boot
EOF
grub-mkrescue -o "$out/hvm.iso" "$t/iso" --fonts= --locales= --themes= >"$t/log" 2>&1 || { cat "$t/log" >&2; exit 1; }
