#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes the rig's images from Debian packages; prints the directory they are in.
#
#   tests/xen/image.sh [--path]      (--path: only say where, build nothing)
#
# xen, vmlinux (unpacked, so that nobody has to unpack it under TCG), stage1.cpio (Dom0's first
# initramfs), dom0.ext4, guest.cpio. They are kept in ${XDG_CACHE_HOME:-~/.cache}/xensplit, keyed by
# the packages' versions and by the files that make them. Built beside, renamed at the end, under a
# lock. Needs no root: packages are unpacked, not installed. What this is not: it boots nothing.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/xensplit
mkdir -p "$cache/debs"
list=$here/packages.txt
packages=$(awk '!/^#/ && NF == 2 && $1 != "linux-image-amd64" { print $1 }' "$list")

say() { echo "image.sh: $*" >&2; }

# --- which packages ---------------------------------------------------------------------------

# The machine's own package lists first; when they are missing or stale, a private copy made from
# the machine's own sources. Neither needs root.
private=
apt_opts=(-o "Dir::Cache=$cache/apt" -o "Dir::Cache::archives=$cache/debs" -o Debug::NoLocking=1
	-o "APT::Sandbox::User=$(id -un)" -o APT::Get::List-Cleanup=0 -o Acquire::Retries=3)
apt_any() { # PROGRAM ARGS...
	local program=$1
	shift
	mkdir -p "$cache/apt"
	"$program" "${apt_opts[@]}" ${private:+-o "Dir::State::lists=$cache/lists"} "$@"
}
refresh() {
	say "fetching package lists"
	mkdir -p "$cache/lists/partial"
	private=yes
	apt_any apt-get -qq update >&2 || true
}
kernel_package() {
	apt_any apt-cache depends linux-image-amd64 2>/dev/null |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }'
}
versions() { # of everything, one "name=version" a line
	# shellcheck disable=SC2086
	apt_any apt-cache policy $packages "$(kernel_package)" 2>/dev/null |
		awk '/^[^ ]+:$/ { p = substr($1, 1, length($1) - 1) }
			/Candidate:/ && $2 != "(none)" { print p "=" $2 }' | sort
}
complete() { # does the list of versions cover every package?
	[ "$(echo "$1" | grep -c =)" = $(($(echo "$packages" | wc -w) + 1)) ]
}
recipe=$(cd "$here" && sha256sum image.sh packages.txt stage1 guest-init | sha256sum | cut -c1-12)
newest=$(cd "$cache" && ls -dt image-*-"$recipe" 2>/dev/null | head -n 1 || true)
vers=$(versions)
if ! complete "$vers" && [ -n "$newest" ]; then
	echo "$cache/$newest" # no package lists here: the images at hand are as good as any
	exit 0
fi
if ! complete "$vers"; then
	refresh
	vers=$(versions)
fi
if ! complete "$vers"; then
	say "apt doesn't know all packages of $list; is this Debian 12 with its main section enabled? Missing:"
	for p in $packages; do echo "$vers" | grep -q "^$p=" || echo "  $p" >&2; done
	exit 1
fi
key=$(echo "$vers" | sha256sum | cut -c1-12)
out=$cache/image-$key-$recipe
[ "${1:-}" = --path ] && { echo "$out"; exit 0; }
[ -d "$out" ] && { echo "$out"; exit 0; }

exec 9>"$cache/lock"
flock 9
[ -d "$out" ] && { echo "$out"; exit 0; }
rm -rf "$cache"/tmp.*
t=$(mktemp -d "$cache/tmp.XXXXXX")
trap 'rm -rf "$t"' EXIT

# --- fetch and unpack -------------------------------------------------------------------------

start=$SECONDS
fetch() {
	# shellcheck disable=SC2086
	(cd "$cache/debs" && apt_any apt-get -q download $(echo "$vers") >"$t/download.log" 2>&1)
}
say "fetching packages"
if ! fetch; then
	refresh
	vers=$(versions)
	fetch || { tail -n 5 "$t/download.log" >&2; say "can't fetch packages"; exit 1; }
fi
deb() { # PACKAGE -> its file
	local v
	v=$(echo "$vers" | sed -n "s/^$1=//p" | sed 's/:/%3a/')
	ls "$cache/debs/${1}_${v}"_*.deb
}
say "unpacking ($((SECONDS - start)) s)"
merged() { # a root with /bin, /sbin, /lib in /usr, as Debian has it
	mkdir -p "$1"/usr/{bin,sbin,lib,lib64}
	for d in bin sbin lib lib64; do ln -sfn usr/$d "$1/$d"; done
}
unpack() { # PACKAGE ROOT [tar args]
	local d
	d=$(deb "$1")
	shift
	dpkg-deb --fsys-tarfile "$d" | tar -x --keep-directory-symlink --no-same-owner -C "$@" 2>/dev/null || true
}
r=$t/dom0
g=$t/guest
merged "$r"
merged "$g"
docs=(--exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
	--exclude=./usr/share/info --exclude=./usr/share/bash-completion --exclude=./usr/lib/debug)
while read -r p image; do
	case $p:$image in
	'#'* | linux-image-amd64:* | '':*) continue ;;
	xen-hypervisor-*) unpack "$p" "$t" ./boot ;;
	*:both)
		unpack "$p" "$r" "${docs[@]}"
		unpack "$p" "$g" "${docs[@]}"
		;;
	*) unpack "$p" "$r" "${docs[@]}" ;;
	esac
done <"$list"
k=$(kernel_package)
version=${k#linux-image-}
m=./lib/modules/$version
parts=()
for d in drivers/xen drivers/block drivers/virtio drivers/net/xen-netback drivers/net/xen-netfront.ko \
	drivers/net/tun.ko drivers/net/tap.ko drivers/net/veth.ko net/9p net/802 net/llc net/bridge fs/9p fs/ext4 fs/jbd2 \
	fs/mbcache.ko fs/configfs fs/fscache fs/netfs crypto lib arch/x86/crypto; do
	parts+=("$m/kernel/$d")
done
mkdir -p "$t/k"
unpack "$k" "$t/k" ./boot "$m/modules.order" "$m/modules.builtin" "$m/modules.builtin.modinfo" "${parts[@]}"
mv "$t/k/lib/modules" "$r/usr/lib/modules"
depmod -b "$r" "$version"

# --- kernels ----------------------------------------------------------------------------------

new=$t/new
mkdir -p "$new"
gunzip -c "$t"/boot/xen-4.17-amd64.gz >"$new/xen"
le() { od -An -tu"$3" -j "$2" -N "$3" "$1" | tr -d ' '; } # FILE OFFSET BYTES
bz=$(echo "$t"/k/boot/vmlinuz-*)
skip=$((($(le "$bz" 0x1f1 1) + 1) * 512 + $(le "$bz" 0x248 4)))
tail -c +$((skip + 1)) "$bz" | head -c "$(le "$bz" 0x24c 4)" | xz -dc --single-stream >"$new/vmlinux" 2>/dev/null || true
readelf -h "$new/vmlinux" >/dev/null || { say "can't unpack the kernel of $k"; exit 1; }

# --- fio: Debian's, without the libraries of its network engines --------------------------------

# fio is linked to Ceph, Gluster and RDMA libraries: 90 MB that no test here uses. Empty ones with
# the same names, symbols and versions take their place; calling one aborts.
stubs() { # DIRECTORY
	local lib out
	mkdir -p "$1"
	objdump -p "$r/usr/bin/fio" | awk '/required from/ { lib = $3; sub(":", "", lib) }
		/0x[0-9a-f]+ 0x/ { print lib, $4 }' >"$t/vers"
	objdump -T "$r/usr/bin/fio" | awk '/\*UND\*/ { v = $(NF - 1); gsub(/[()]/, "", v); print v, $NF }' >"$t/syms"
	for lib in $(objdump -p "$r/usr/bin/fio" | awk '/NEEDED/ { print $2 }'); do
		case $lib in
		libgfapi.* | libnbd.* | libibverbs.* | librdmacm.* | librados.* | librbd.* | libpmem*) ;;
		*) continue ;;
		esac
		out=$1/$lib
		awk -v lib="$lib" 'FNR == NR { if ($1 == lib) mine[$2] = 1; next }
			($1 in mine) || (lib ~ /rados/ && $2 ~ /^rados_/) || (lib ~ /rbd/ && $2 ~ /^rbd_/) {
				print "void " $2 "(void) { __builtin_trap(); }" }' "$t/vers" "$t/syms" >"$t/stub.c"
		awk -v lib="$lib" 'FNR == NR { if ($1 == lib) mine[$2] = 1; next }
			($1 in mine) { s[$1] = s[$1] $2 "; " }
			END { for (v in s) print v " { global: " s[v] "};" }' "$t/vers" "$t/syms" >"$t/stub.map"
		gcc -w -shared -fPIC -nostdlib -fno-builtin -Wl,-soname,"$lib" \
			$([ ! -s "$t/stub.map" ] || echo "-Wl,--version-script=$t/stub.map") -o "$out" "$t/stub.c"
	done
}
stubs "$t/stubs"
cp "$t"/stubs/* "$g/usr/lib/x86_64-linux-gnu/"
cp -n "$t"/stubs/* "$r/usr/lib/x86_64-linux-gnu/" # -n: xensplitd uses some, whose packages are there

# --- initramfs archives ------------------------------------------------------------------------

owner() { if [ "$(id -u)" != 0 ] && unshare -r true 2>/dev/null; then unshare -r "$@"; else "$@"; fi; }
pack() { (cd "$1" && find . -print0 | LC_ALL=C sort -z | owner cpio -0 -o -H newc -R 0:0 --quiet); }
modules() { # ROOT NAMES...: copies them with what they need; lists them in loading order
	local root=$1 line f
	shift
	mkdir -p "$root/modules"
	for name; do
		modprobe -d "$r" -S "$version" --show-depends "$name" || say "no module $name"
	done | while read -r how line; do
		[ "$how" = insmod ] || continue
		f=${line%% *}
		[ -e "$root/modules/${f##*/}" ] && continue
		cp "$f" "$root/modules/"
		echo "${f##*/}" >>"$root/modules/order"
	done
}
box() { # ROOT: busybox under its usual names
	mkdir -p "$1"/{bin,sbin,proc,sys,dev,run,tmp,mnt,etc}
	cp "$(command -v busybox)" "$1/bin/busybox"
}
box "$t/stage1"
cp "$here/stage1" "$t/stage1/init"
chmod 755 "$t/stage1/init"
modules "$t/stage1" virtio_pci virtio_blk ext4 9p 9pnet_virtio
pack "$t/stage1" >"$new/stage1.cpio"

mkdir -p "$g"/{proc,sys,dev,run,tmp,mnt,root}
rm -rf "$g"/usr/{share,include} "$g"/usr/lib/x86_64-linux-gnu/{gconv,audit} "$g"/etc/{init.d,xen} \
	"$g"/usr/bin/{genfio,fio-btrace2fio,fio-dedupe,fio-genzipf,fio2gnuplot,fio_*,fiologparser*} \
	"$g"/usr/lib/systemd "$g"/usr/lib/udev
cp "$(command -v busybox)" "$g/usr/bin/busybox"
cp "$r/usr/bin/flock" "$g/usr/bin/"
cp "$here/guest-init" "$g/init"
chmod 755 "$g/init"
modules "$g" xen-blkfront ext4 crc32c-intel xen-gntdev xen-gntalloc xen-evtchn xen-privcmd xenfs xen-netfront
pack "$g" >"$new/guest.cpio"

# --- Dom0 --------------------------------------------------------------------------------------

cp "$(command -v busybox)" "$r/usr/bin/busybox"
for a in $(busybox --list); do # small tools whose packages are not here
	[ -e "$r/usr/bin/$a" ] || [ -e "$r/usr/sbin/$a" ] || ln -s /usr/bin/busybox "$r/usr/bin/$a"
done
mkdir -p "$r"/{proc,sys,dev,run,tmp,root,src,out,images,var/lib/xen,var/log/xen/console,etc/xen/scripts} "$r/var/lib/xenstored"
ln -sfn /run "$r/var/run"
[ -e "$r/usr/bin/awk" ] || ln -s mawk "$r/usr/bin/awk"
[ -e "$r/usr/bin/sh" ] || ln -s bash "$r/usr/bin/sh"
ln -sfn /src/tools/scripts/block-xensplit "$r/etc/xen/scripts/block-xensplit"
printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$r/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$r/etc/group"
echo dom0 >"$r/etc/hostname"
echo "127.0.0.1 localhost dom0" >"$r/etc/hosts"
ln -sfn /proc/mounts "$r/etc/mtab"
cp "$new/vmlinux" "$new/guest.cpio" "$r/images/"
# Every program that tests call must find its libraries here.
for f in "$r"/usr/bin/{fio,bash,strace,xenstore,ps,find,awk} "$r"/usr/sbin/{mke2fs,e2fsck} \
	"$r"/usr/lib/xen-4.17/bin/{xl,xenstored,xenconsoled,xen-init-dom0,xentrace,test-xenstore} "$g"/usr/bin/fio \
	"$r"/usr/libexec/xen-qemu-system-i386 "$r"/usr/bin/{iperf3,ping,tcpdump} {"$r","$g"}/usr/sbin/ethtool; do
	case $f in "$g"/*) root=$g ;; *) root=$r ;; esac
	"$r/lib64/ld-linux-x86-64.so.2" --inhibit-cache --library-path \
		"$root/usr/lib/x86_64-linux-gnu" --list "$f" 2>&1 | grep 'not found' >"$t/missing" || continue
	say "${f#"$root"} lacks libraries: $(cat "$t/missing")"
	exit 1
done
say "making Dom0's file system ($((SECONDS - start)) s)"
owner chown -hR 0:0 "$r" 2>/dev/null || true
truncate -s 4G "$new/dom0.ext4"
owner mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1,root_owner=0:0 -m 0 -L dom0 \
	-d "$r" "$new/dom0.ext4"
echo "$vers" >"$new/versions"
echo "$version" >"$new/kernel-version"
mv "$new" "$out"
for old in $(ls -dt "$cache"/image-* | tail -n +4); do rm -rf "$old"; done
say "done in $((SECONDS - start)) s: $(du -sh "$out" | cut -f1)"
echo "$out"
