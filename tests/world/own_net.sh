#!/bin/bash
# Run a command with a network of its own: own_net.sh COMMAND... To be started in new net and mount
# namespaces. Interfaces, addresses and firewall rules of the command stay in there.
set -eu
mount --make-rprivate /
# sysfs shows the interfaces of the network namespace that mounted it; the cgroups stay.
keep=$(mktemp -d /var/tmp/cgroup.XXXXXX)
mount --rbind /sys/fs/cgroup "$keep"
mount -t sysfs sysfs /sys
mount --rbind "$keep" /sys/fs/cgroup
# AppArmor is found in there.
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null || true
umount -l "$keep"
rmdir "$keep"
ip link set lo up
if [ -n "${LXD_TEST_HARDWARE:-}" ]; then . "$(dirname "$0")/made_up_hardware.sh"; fi
exec "$@"
