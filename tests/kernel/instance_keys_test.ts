/** What keys do to a container, at its start and while it runs. One container for all that can share it. */
import type { InstanceRecord } from "#daemon/instances/record.ts";
import assert from "node:assert/strict";
import { change, get, inside, launch, make, pidOf } from "./instance_actions.ts";
import { newWorld, type World } from "./instance_world.ts";

/** A file of the container's cgroup. */
function cgroup(world: World, instance: InstanceRecord, controller: string, file: string): string {
  const text = Deno.readTextFileSync(`/proc/${pidOf(world, instance)}/cgroup`);
  const path = new RegExp(`^\\d+:(?:[\\w,]+,)?${controller}(?:,[\\w,]+)?:(.*)$`, "m").exec(text);
  return Deno.readTextFileSync(`/sys/fs/cgroup/${controller}${path?.[1]}/${file}`).trim();
}

/** /proc/sys/net shows the network namespace of who reads. */
async function ipForward(pid: number): Promise<string> {
  const args = ["-t", String(pid), "-n", "cat", "/proc/sys/net/ipv4/ip_forward"];
  const { stdout } = await new Deno.Command("nsenter", { args }).output();
  return new TextDecoder().decode(stdout).trim();
}

/** Those of the kernel that a process and its children can't have. */
function lostCapabilities(pid: number): bigint {
  const last = BigInt(Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap").trim());
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const bounding = BigInt(`0x${/^CapBnd:\s+(\w+)$/m.exec(status)?.[1]}`);
  return (1n << (last + 1n)) - 1n - bounding;
}

Deno.test("limits, environment and kernel keys hold from the start and change live", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "keys1", {
    config: {
      "environment.GREETING": "hello world",
      "limits.cpu.allowance": "50%",
      "limits.cpu.priority": "5",
      "limits.memory": "100MiB",
      "limits.memory.enforce": "soft",
      "limits.processes": "77",
      "limits.kernel.nofile": "3000:4000",
      "linux.sysctl.net.ipv4.ip_forward": "1",
      "raw.lxc": "lxc.tty.max = 3",
    },
    devices: {
      root: { type: "disk", path: "/", pool: "default", "limits.read": "10MB" },
    },
  });
  const value = (controller: string, file: string) => cgroup(world, instance, controller, file);

  const limits = Deno.readTextFileSync(`/proc/${pidOf(world, instance)}/limits`);
  assert.match(limits, /^Max open files\s+3000\s+4000/m);
  const environ = Deno.readTextFileSync(`/proc/${pidOf(world, instance)}/environ`);
  assert.ok(environ.split("\0").includes("GREETING=hello world"));
  assert.equal(await ipForward(pidOf(world, instance)), "1");
  assert.equal(value("cpu", "cpu.shares"), "507");
  assert.equal(value("memory", "memory.soft_limit_in_bytes"), String(100 * 2 ** 20));
  assert.ok(Number(value("memory", "memory.limit_in_bytes")) > 2 ** 40);
  assert.equal(value("pids", "pids.max"), "77");
  assert.equal(lostCapabilities(pidOf(world, instance)), 0n);
  assert.match(value("blkio", "blkio.throttle.read_bps_device"), /^\d+:\d+ 10000000$/);

  await change(world, await get(world, "keys1"), {
    config: {
      "limits.cpu.allowance": "20ms/100ms",
      "limits.cpu.priority": "",
      "limits.memory.enforce": "",
      "limits.processes": "",
    },
    devices: {
      root: { type: "disk", path: "/", pool: "default", "limits.write": "100iops" },
    },
  });
  assert.equal(value("cpu", "cpu.shares"), "1024");
  assert.equal(value("cpu", "cpu.cfs_quota_us"), "20000");
  assert.equal(value("memory", "memory.limit_in_bytes"), String(100 * 2 ** 20));
  assert.equal(value("pids", "pids.max"), "max");
  assert.equal(value("blkio", "blkio.throttle.read_bps_device"), "");
  assert.match(value("blkio", "blkio.throttle.write_iops_device"), /^\d+:\d+ 100$/);

  const metrics = await world.actions.metrics("default");
  const labels = '{name="keys1",project="default",type="container"}';
  assert.match(metrics, new RegExp(`^lxd_memory_MemTotal_bytes${labels} ${100 * 2 ** 20}$`, "m"));
  assert.match(
    metrics,
    /^lxd_cpu_seconds_total\{cpu="\d+",mode="user",name="keys1",.*\} [\d.e-]+$/m,
  );
  assert.match(metrics, new RegExp(`^lxd_procs_total${labels} [1-9]`, "m"));
  assert.match(metrics, /^lxd_network_receive_bytes_total\{device="lo",/m);
  assert.match(
    metrics,
    /^lxd_filesystem_size_bytes\{device="[^"]+",fstype="\w+",mountpoint="\/",/m,
  );
  assert.equal(await world.actions.metrics("other"), "# EOF\n");
  assert.deepEqual(world.failures, []);
});

Deno.test("a value that the kernel refuses is refused, and the ones before it are put back", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "keys1", { config: { "limits.processes": "50" } });
  const nowhere = { type: "unix-char", path: "/dev/nowhere", major: "1", minor: "3", mode: "0600" };

  await assert.rejects(
    change(world, instance, {
      config: { "limits.processes": "60" },
      devices: { a: nowhere, d: { type: "disk", source: "/tmp", path: "/proc/nowhere/x" } },
    }),
    /cannot mount disk "d"/,
  );

  assert.equal(cgroup(world, instance, "pids", "pids.max"), "50");
  assert.deepEqual((await get(world, "keys1")).devices, {});
  assert.throws(() => Deno.lstatSync(inside(world, instance, "/dev/nowhere")));
  assert.deepEqual(world.failures, []);
});

Deno.test("CPUs and huge pages that this host does not have are refused with what it has", async () => {
  await using world = await newWorld();
  const instance = await launch(world, "keys1", { config: { "limits.cpu": "0-4095" } });
  const cpus = cgroup(world, instance, "cpuset", "cpuset.cpus");
  const none = { "limits.cpu": "4000-4095" };

  await assert.rejects(change(world, instance, { config: none }), {
    message: 'cannot pin to the CPUs of limits.cpu "4000-4095": none is there',
    hint: `Containers may use the CPUs ${cpus} of this host.`,
  });
  await assert.rejects(launch(world, "keys2", { config: none }), /none is there/);
  if (!Deno.readTextFileSync("/proc/cgroups").includes("hugetlb")) {
    const pages = { "limits.hugepages.2MB": "4MiB" };
    await assert.rejects(change(world, instance, { config: pages }), /no hugetlb cgroups/);
  }
  assert.equal(cgroup(world, instance, "cpuset", "cpuset.cpus"), cpus);
  assert.deepEqual((await get(world, "keys1")).config["limits.cpu"], "0-4095");
});

Deno.test("the profile of the guide for Docker is there, and a container starts with it", async () => {
  await using world = await newWorld();

  const instance = await launch(world, "keys1", { profiles: ["default", "docker"] });

  assert.equal(instance.expandedConfig["security.nesting"], "true");
  assert.equal(instance.expandedDevices["aadisable"]?.["source"], "/dev/null");
  assert.ok(Deno.statSync(inside(world, instance, "/dev/.lxc/proc/version")).isFile);
  assert.deepEqual(world.failures, []);
});

Deno.test("bad keys are refused with a close match before anything is made", async () => {
  await using world = await newWorld();
  const refused = async (config: Record<string, string>, why: RegExp) => {
    await assert.rejects(make(world, "keys1", { config }), (error: Error & { hint?: string }) => {
      assert.match(`${error.message} ${error.hint}`, why);
      return true;
    });
    await assert.rejects(get(world, "keys1"), /not found/);
  };

  await refused({ "limits.memroy": "1GiB" }, /limits\.memroy.*Did you mean "limits\.memory"/);
  await refused({ "limits.memory": "lots" }, /limits\.memory.*want/);
  await refused({ "limits.cpu": "3-1" }, /limits\.cpu/);
  await refused({ "raw.lxc": "lxc.notaconfigkey=invalid" }, /liblxc does not accept raw\.lxc/);
  await refused({ "raw.lxc": "a" }, /Invalid raw\.lxc line/);
  await refused({ "raw.idmap": "both 1000" }, /raw\.idmap/);
  await refused({ "boot.autostart": "maybe" }, /boot\.autostart.*true or false/);
  await refused({ "volatile.eth0.hwaddr": "none" }, /volatile\.eth0\.hwaddr.*MAC address/);
  await refused({ "limits.kernel.nofiles": "3" }, /Did you mean "limits\.kernel\.nofile"/);
  await refused({ "limits.kernel.nofile": "20:10" }, /nofile.*soft limit/);
  await refused({ "limits.cpu.priority": "high" }, /limits\.cpu\.priority.*from 0 to 10/);
  await refused({ "linux.kernel_modules": "no such;module" }, /linux\.kernel_modules/);
});
