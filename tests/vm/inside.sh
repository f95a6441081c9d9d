#!/bin/busybox sh
# Process 1 of a test VM, in its root. It runs the command, whose output goes to the devices OUT and ERR,
# its exit status to STATUS, and reaps what the command leaves.
B=/run/vm/busybox
. /run/vm/machine
fail() {
  echo "vm: $*" >/dev/$STATUS
  $B poweroff -f
}

$B mkdir -p /dev/pts /dev/shm
$B mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
$B mount -t tmpfs -o mode=1777 tmpfs /dev/shm
for one in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
  $B ln -sf "${one#*:}" "/dev/${one%%:*}"
done
$B mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
for one in $($B cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$one" >/sys/fs/cgroup/cgroup.subtree_control
done
$B mount -t securityfs securityfs /sys/kernel/security 2>/dev/null

# Modules of this kernel where modprobe looks for them; the scratch disk.
release=$($B uname -r)
mkdir -p /lib/modules
[ -z "$MODULES" ] || $B ln -sfn "$MODULES" "/lib/modules/$release"
modprobe -a quota_v2 ipv6
mkfs.ext4 -q -F -O quota,project /dev/$DISK || fail "no scratch disk"
mount -t ext4 -o prjquota /dev/$DISK /var/tmp || fail "no scratch disk"
chmod 1777 /var/tmp
# Volume groups of the tests lie on loop devices: LVM looks nowhere else, and keeps no copies. No udev
# runs: it makes the nodes of its devices itself, for Debian's LXD too.
mkdir -p /etc/lvm
cat >/etc/lvm/lvmlocal.conf <<'END'
devices { filter=["a|^/dev/loop|", "r|.*|"] }
backup { backup=0 archive=0 }
activation { udev_sync=0 udev_rules=0 monitoring=0 }
END
# ZFS keeps what it knows of zpools there; where it can't, changes of its configuration wait for minutes.
mkdir -p /etc/zfs
$B hostname vm
$B ip link set lo up
for device in $OUT $ERR $STATUS; do $B stty raw -echo </dev/$device; done

/bin/bash /run/vm/command </dev/null >/dev/$OUT 2>/dev/$ERR
echo "exit $?" >/dev/$STATUS
$B sync
$B poweroff -f
