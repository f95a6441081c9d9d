#!/bin/busybox sh
# Process 1 of a test VM, until it has a root. The host's own file system is its lower layer, read-only,
# so that the VM has the programs and the checkout of the host at the same paths; what the VM writes is
# in memory, or on its scratch disk below /var/tmp. /machine says where all is found (machine.ts).
B=/bin/busybox
$B mkdir -p /proc /sys /dev /lower /layer /over /new
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
. /machine
fail() {
  for device in /dev/$STATUS /new/dev/$STATUS; do [ ! -c $device ] || echo "vm: $*" >$device; done
  $B poweroff -f
}

while read -r module; do $B insmod "/modules/$module" || fail "no module $module"; done </modules/order
# shellcheck disable=SC2086
$B mount $ROOT /lower || fail "no file system of the host"
layers=/lower
if [ -n "$LAYER" ]; then
  # shellcheck disable=SC2086
  $B mount $LAYER /layer || fail "no layer above it"
  layers=/layer:/lower
fi
$B mount -t tmpfs -o size=75% tmpfs /over
$B mkdir /over/upper /over/work
$B mount -t overlay -o lowerdir=$layers,upperdir=/over/upper,workdir=/over/work root /new ||
  fail "no overlay"
for one in proc sys dev; do $B mount --move /$one /new/$one; done
$B mount -t tmpfs -o mode=755 tmpfs /new/run
$B mount -t tmpfs -o mode=1777 tmpfs /new/tmp
$B mount -t tmpfs -o mode=755 tmpfs /new/mnt
$B mkdir -p /new/run/vm /new/run/lock
$B cp /command /machine /inside.sh /bin/busybox /new/run/vm/
# The kernel's own threads see what process 1 sees: the files of zpools, and modprobe.
exec $B switch_root /new /run/vm/busybox sh /run/vm/inside.sh
