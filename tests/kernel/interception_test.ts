/** System calls that the helper does for an unprivileged container, and those that it must not do. */
import type { InstanceRecord } from "#daemon/instances/record.ts";
import assert from "node:assert/strict";
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
