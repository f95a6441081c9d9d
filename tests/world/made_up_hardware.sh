# Sourced by own_net.sh: lay the made-up hardware below $LXD_TEST_HARDWARE over the host's. What is mounted
# below those directories is lost, but for what a daemon needs.
made_up=$LXD_TEST_HARDWARE
needed="sys/fs/cgroup sys/kernel/security dev/pts dev/shm"
kept=$(mktemp -d /var/tmp/kept.XXXXXX)
for path in $needed; do
  mkdir -p "$kept/$path"
  mount --rbind "/$path" "$kept/$path"
done
for path in sys dev run usr/share/misc usr/local/bin; do
  mount -t overlay made-up -o "lowerdir=$made_up/$path:/$path" "/$path"
done
for path in $needed; do
  if [ -d "/$path" ]; then mount --rbind "$kept/$path" "/$path"; fi
  umount -l "$kept/$path"
done
find "$kept" -depth -type d -exec rmdir {} +
for path in driver cpuinfo meminfo; do mount --bind "$made_up/proc/$path" "/proc/$path"; done
# Drivers are asked by the name of the interface.
for path in "$made_up"/sys/class/net/*; do
  name=$(basename "$path")
  ip link add "$name" type veth peer name "${name}p"
  ip link set "$name" up
done
ip link set hwether0p up
