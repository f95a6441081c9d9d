/** System calls that the helper does for an unprivileged container, and those that it must not do. */
import type { InstanceRecord } from "#daemon/instances/record.ts";
import assert from "node:assert/strict";
import { must } from "#tests/world/run.ts";
import { change, get, inside, launch, pidOf } from "./instance_actions.ts";
import { newWorld, type World } from "./instance_world.ts";

/** Run a shell line in the container as its root, through liblxc's own tool. */
async function sh(world: World, instance: InstanceRecord, line: string) {
  const args = ["-P", world.paths.at("containers"), "-n", instance.name];
  const config = `${world.paths.instanceLogs("default", instance.name)}/lxc.conf`;
  const { success, stderr } = await new Deno.Command("lxc-attach", {
    args: [...args, "-f", config, "--clear-env", "--", "/bin/sh", "-c", line],
    stdin: "null",
    stdout: "null",
  }).output();
  return { success, words: new TextDecoder().decode(stderr) };
}

/** A program that makes a process (0: itself) a real-time one. */
async function setPriority(path: string): Promise<void> {
  const source = `#include <errno.h>
    #include <sched.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    int main(int argc, char **argv) {
      struct sched_param p = { 7 };
      int pid = argc > 1 ? atoi(argv[1]) : 0;
      if (sched_setscheduler(pid, SCHED_FIFO, &p) != 0)
        return fprintf(stderr, "%s\\n", strerror(errno)), 1;
      return sched_getscheduler(pid) == SCHED_FIFO ? 0 : 2;
    }`;
  await must(["gcc", "-static", "-x", "c", "-o", path, "-"], { stdin: source });
}

/** Under cgroup v1 a group has no real-time at all unless it is given some of its parent's. */
function allowRealTime(pid: number): void {
  const groups = Deno.readTextFileSync(`/proc/${pid}/cgroup`);
  const path = /^\d+:(?:cpu|cpu,cpuacct):(.*)$/m.exec(groups)?.[1] ?? "";
  const file = `/sys/fs/cgroup/cpu${path}/cpu.rt_runtime_us`;
  if (path !== "") Deno.writeTextFileSync(file, "9000");
}

Deno.test("harmless nodes are made for a container that asks, others are not", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "call1", {
    config: { "security.syscalls.intercept.mknod": "true" },
  });
  const made = async (line: string) => (await sh(world, instance, line)).success;

  assert.ok(await made("mknod -m 666 /root/null c 1 3 && echo x > /root/null"));
  assert.equal(Deno.statSync(inside(world, instance, "/root/null")).isCharDevice, true);
  // A file system of the container's own would not let its nodes be opened.
  assert.ok(
    await made("mkdir /t && mount -t tmpfs t /t && mknod /t/zero c 1 5 && head -c 1 /t/zero"),
  );
  // Not on the root: an overlay keeps whiteouts for itself.
  assert.ok(await made("mknod /t/whiteout c 0 0"));
  for (
    const bad of ["mknod /root/mem c 1 1", "mknod /root/disk b 254 0", "mknod /root/tap c 10 200"]
  ) {
    assert.equal(await made(bad), false, bad);
  }
  assert.equal(await made("su nobody -s /bin/sh -c 'mknod /tmp/n c 1 3'"), false);
  assert.ok(await made("mkfifo /root/pipe"), "what is not intercepted goes on");
  assert.deepEqual(world.failures, []);
});

Deno.test("real-time priorities are set for a container that asks", async () => {
  await using world = await newWorld();
  const wish = { "security.syscalls.intercept.sched_setscheduler": "true" };
  const instance = await launch(world, "call1", { config: wish });

  await setPriority(inside(world, instance, "/bin/setpriority"));
  allowRealTime(pidOf(world, instance));

  assert.equal((await sh(world, instance, "setpriority 0")).words, "", "its own");
  assert.ok(
    (await sh(world, instance, "sleep 100 & setpriority $!; s=$?; kill $!; exit $s")).success,
  );
  assert.equal((await sh(world, instance, "setpriority 99999")).words, "No such process\n");
  const asNobody = "su nobody -s /bin/sh -c 'setpriority 0'";
  assert.equal((await sh(world, instance, asNobody)).success, false);
});

Deno.test("a program of the container mounts in place of the kernel", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "call1", {
    config: {
      "security.syscalls.intercept.mount": "true",
      "security.syscalls.intercept.mount.fuse": "ext4=standin,xfs=/bin/false",
    },
  });
  const script =
    `printf '%s\\n' '#!/bin/sh' 'mount -t tmpfs t "$2" && echo "$1 $4" > "$2/said" &&' \
    ' id -u > "$2/user" && cat /proc/self/cgroup > "$2/groups"' \
    > /bin/standin && chmod +x /bin/standin`;
  assert.ok((await sh(world, instance, script)).success);

  const line = "cat /proc/self/cgroup > /own; cd / && mount -t ext4 -o ro,nosuid /dev/x mnt";
  const mounted = await sh(world, instance, line);

  assert.ok(mounted.success, mounted.words);
  const said = async (line: string) => (await sh(world, instance, line)).success;
  assert.ok(await said("grep -qx '/dev/x ro,nosuid' /mnt/said"));
  assert.ok(await said("grep -qx 0 /mnt/user"), "as root of the container");
  assert.ok(await said("cmp /mnt/groups /own"), "in the caller's control groups");
  assert.equal(await said("mount -t xfs /dev/x /tmp"), false);
  assert.equal(await said("mount -t btrfs /dev/x /tmp"), false);
});

Deno.test("huge pages are mounted for a container that may, and are its own", async () => {
  await using world = await newWorld();
  const wish = {
    "security.syscalls.intercept.mount": "true",
    "security.syscalls.intercept.mount.allowed": "hugetlbfs",
  };
  const instance = await launch(world, "call1", { config: wish });
  const mounted = "mount -t hugetlbfs -o mode=0700,uid=5 none /mnt && stat -c %u:%g:%a /mnt >&2";

  const { words } = await sh(world, instance, mounted);

  assert.equal(words.trim(), "0:0:700");
  await change(world, await get(world, "call1"), {
    config: { "security.syscalls.intercept.mount.allowed": "ext4" },
  });
  assert.equal((await sh(world, instance, "umount /mnt && " + mounted)).success, false);
});

Deno.test("what may be mounted is in the policy of each container, and changes live", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "call1", {
    config: {
      "security.syscalls.intercept.setxattr": "true",
      "security.syscalls.intercept.mount": "true",
      "security.syscalls.intercept.mount.allowed": "ext4",
    },
  });
  const policy = () =>
    Deno.readTextFileSync(world.paths.at("security", "seccomp", "call1.calls")).split("\n");
  assert.deepEqual(policy(), ["setxattr", "mount:ext4", ""]);

  assert.ok((await sh(world, instance, "mkdir /t && mount -t tmpfs t /t")).success);
  assert.equal((await sh(world, instance, "mount -t ext4 /dev/vda /mnt")).success, false);
  await change(world, await get(world, "call1"), {
    config: { "security.syscalls.intercept.mount.allowed": "xfs, ext4" },
  });
  assert.deepEqual(policy(), ["setxattr", "mount:xfs", "mount:ext4", ""]);
  assert.ok(pidOf(world, instance) > 1);
  await world.actions.stop(instance, { isForced: true });

  assert.deepEqual([...Deno.readDirSync(world.paths.at("security", "seccomp"))], []);
  await assert.rejects(
    change(world, await get(world, "call1"), {
      config: { "security.syscalls.intercept.bpf": "true" },
    }),
    /does not intercept bpf/,
  );
});
