#!/bin/bash
# Process 1 of a suite's own pid, mount, net, ipc and uts namespaces: whatever the suite leaves
# behind dies with it. Started by tests/world/own_net.sh; sandbox.ts sets WORK (bin/ and test/),
# SUITE, LIMIT, TERMINAL, HIDDEN_TOOLS.
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
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
