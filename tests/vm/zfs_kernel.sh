#!/bin/bash
# Make what the VM with ZFS boots, out of Debian's packages, in the folder that is given: vmlinuz, and
# root/ with the kernel's modules, those of ZFS and ZFS's tools. The modules are built from zfs-dkms,
# which takes ten minutes or more; a folder that is whole is left as it is. Nothing is installed: the
# lists of packages (with contrib, where ZFS is) are its own.
# usage: zfs_kernel.sh FOLDER
set -euo pipefail
export LC_ALL=C
FOLDER=$(realpath -m "$1")
if [ -e "$FOLDER/ready" ]; then exit; fi
say() { echo "zfs_kernel: $*" >&2; }

WORK=$FOLDER.new
rm -rf "$WORK"
mkdir -p "$WORK"/{lists/partial,archives/partial,debs,root/usr}

say "fetching packages"
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) main contrib' \
  'Created-By: Packages' 'Component: main' 'Origin: Debian' | sort -u >"$WORK/sources.list"
[ -s "$WORK/sources.list" ] || { say "apt knows no source of Debian's packages"; exit 1; }
OPTIONS=(-qq -o Dir::Etc::sourcelist="$WORK/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::State::lists="$WORK/lists" -o Dir::Cache="$WORK" -o Dir::Cache::archives="$WORK/archives"
  -o APT::Sandbox::User=root -o Acquire::Retries=3)
apt-get "${OPTIONS[@]}" update >&2
depends() { apt-cache "${OPTIONS[@]}" depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p" | sort -Vu; }
IMAGE=$(depends linux-image-amd64 'linux-image-[0-9].*-amd64' | tail -n 1)
RELEASE=${IMAGE#linux-image-}
HEADERS=linux-headers-$RELEASE
COMMON=linux-headers-${RELEASE%-amd64}-common
KBUILD=$(depends "$HEADERS" 'linux-kbuild-.*')
# shellcheck disable=SC2046
(cd "$WORK/debs" && apt-get "${OPTIONS[@]}" download "$IMAGE" "$HEADERS" "$COMMON" "$KBUILD" \
  zfs-dkms zfsutils-linux $(depends zfsutils-linux 'lib\(nvpair\|uutil\|zfs\|zpool\).*linux') >&2)

say "building the modules for $RELEASE"
for deb in "$WORK"/debs/*.deb; do dpkg-deb -x "$deb" "$WORK/tree"; done
SOURCES=$WORK/tree/usr/src
sed -i "s|/usr/src/|$SOURCES/|" "$SOURCES/$HEADERS/Makefile"
(
  cd "$SOURCES"/zfs-*/
  ./configure --with-config=kernel --with-linux="$SOURCES/$COMMON" --with-linux-obj="$SOURCES/$HEADERS"
  make -j"$(nproc)"
) >"$WORK/build.log" 2>&1 || { tail -n 20 "$WORK/build.log" >&2; exit 1; }

# All in /usr, as on the host: this folder becomes a layer above the host's root.
for part in bin sbin lib; do
  mkdir -p "$WORK/root/usr/$part"
  for from in "$WORK/tree/$part" "$WORK/tree/usr/$part"; do
    if [ -d "$from" ]; then cp -a "$from/." "$WORK/root/usr/$part/"; fi
  done
done
ln -s usr/lib "$WORK/root/lib"
rm -rf "$WORK"/root/usr/lib/linux-kbuild-* "$WORK/root/usr/lib/systemd"
MODULES=$WORK/root/usr/lib/modules/$RELEASE
mkdir "$MODULES/extra"
find "$SOURCES"/zfs-*/module -name '*.ko' -exec cp {} "$MODULES/extra/" \;
strip -g "$MODULES"/extra/*.ko
depmod -b "$WORK/root" "$RELEASE"
modprobe -d "$WORK/root" -S "$RELEASE" --show-depends zfs >/dev/null
cp "$WORK/tree/boot/vmlinuz-$RELEASE" "$WORK/vmlinuz"
rm -rf "$WORK"/{tree,debs,lists,archives,sources.list,pkgcache.bin,srcpkgcache.bin}
touch "$WORK/ready"
rm -rf "$FOLDER"
mv "$WORK" "$FOLDER"
