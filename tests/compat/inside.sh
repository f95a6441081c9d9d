#!/bin/bash
# Process 1 of a suite's own pid, mount, net, ipc and uts namespaces: whatever the suite leaves
# behind dies with it. Set by sandbox.ts: WORK (bin/ and the suites), SUITE, LIMIT, TERMINAL.
set -eu
mount --make-rprivate /
# sysfs shows the interfaces of the network namespace that mounted it; the cgroups stay.
mkdir "$WORK/cgroup"
mount --rbind /sys/fs/cgroup "$WORK/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$WORK/cgroup" /sys/fs/cgroup
umount -l "$WORK/cgroup"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
ip link set lo up
hostname testhost

# The suites take a backend for usable when its tool is there, and CRIU for working. newuidmap
# refuses host ids outside of /etc/subuid; without it liblxc writes the maps itself.
for tool in $HIDDEN_TOOLS; do
  path=$(command -v "$tool") && mount --bind /dev/null "$(readlink -f "$path")"
done

cd "$WORK/test"
export PATH="$WORK/bin:$PATH"
# No exec: process 1 must be one that reaps orphans, as bash does while it waits.
status=0
if [ -n "$TERMINAL" ]; then
  timeout -k 20 "$LIMIT" script -qefc "./main.sh $SUITE" /dev/null || status=$?
else
  timeout -k 20 "$LIMIT" ./main.sh "$SUITE" </dev/null || status=$?
fi
exit "$status"
