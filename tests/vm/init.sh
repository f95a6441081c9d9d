#!/bin/busybox sh
# Process 1 of a test VM. The host's own file system is the lower layer of the root, read-only, so that
# the VM has the programs and the checkout of the host at the same paths; what the VM writes is in
# memory, or on its scratch disk below /var/tmp. The command is in /command; its output goes to the
# consoles tty1 (standard output) and tty2 (standard error), its exit status to tty3.
B=/bin/busybox
$B mkdir -p /proc /sys /dev /lower /over /new
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
fail() { echo "vm: $*" >/dev/tty3 2>/dev/null || echo "vm: $*" >/new/dev/tty3; $B poweroff -f; }

while read -r module; do $B insmod "/modules/$module" || fail "no module $module"; done </modules/order
$B mount -t hostfs -o ro,/ none /lower || fail "no file system of the host"
$B mount -t tmpfs -o size=75% tmpfs /over
$B mkdir /over/upper /over/work
$B mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work root /new ||
  fail "no overlay"
for one in proc sys dev; do $B mount --move /$one /new/$one; done
$B mount -t tmpfs -o mode=755 tmpfs /new/run
$B mount -t tmpfs -o mode=1777 tmpfs /new/tmp
$B mount -t tmpfs -o mode=755 tmpfs /new/mnt
$B mkdir -p /new/run/vm /new/run/lock /new/dev/pts /new/dev/shm
$B cp /command /new/run/vm/command
$B cp /bin/busybox /new/run/vm/busybox
$B mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /new/dev/pts
$B mount -t tmpfs -o mode=1777 tmpfs /new/dev/shm
for one in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
  $B ln -sf "${one#*:}" "/new/dev/${one%%:*}"
done
$B mount -t cgroup2 -o nsdelegate cgroup2 /new/sys/fs/cgroup
for one in $($B cat /new/sys/fs/cgroup/cgroup.controllers); do
  echo "+$one" >/new/sys/fs/cgroup/cgroup.subtree_control
done
$B mount -t securityfs securityfs /new/sys/kernel/security 2>/dev/null

# Modules of this kernel where modprobe looks for them; the scratch disk.
release=$($B uname -r)
$B mkdir -p /new/lib/modules
$B ln -sfn "/usr/lib/uml/modules/$release" "/new/lib/modules/$release"
$B chroot /new modprobe quota_v2
$B chroot /new mkfs.ext4 -q -F -O quota,project /dev/ubda || fail "no scratch disk"
$B mount -t ext4 -o prjquota /new/dev/ubda /new/var/tmp || fail "no scratch disk"
$B chmod 1777 /new/var/tmp
$B hostname vm
$B ip link set lo up
for console in 1 2 3; do $B stty raw -echo </dev/tty$console 2>/dev/null; done
for console in 1 2 3; do $B stty raw -echo </new/dev/tty$console; done

# Process 1 stays and reaps what the command leaves.
$B chroot /new /bin/bash /run/vm/command </dev/null >/new/dev/tty1 2>/new/dev/tty2
echo "exit $?" >/new/dev/tty3
$B sync
$B poweroff -f
