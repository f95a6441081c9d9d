import assert from "node:assert/strict";
import { balance, formatCpuList, parseCpuList } from "./cpuset.ts";
import { type CgroupLayout, containerPaths, parseLayout } from "./layout.ts";
import { cpuTime, type LimitFacts, lxcLine, planLimits } from "./limits.ts";

const v1: CgroupLayout = {
  v1: { memory: "/sys/fs/cgroup/memory", cpu: "/sys/fs/cgroup/cpu", pids: "/sys/fs/cgroup/pids" },
  v2: "/sys/fs/cgroup/unified",
  v2Controllers: [],
};
const v2: CgroupLayout = { v1: {}, v2: "/sys/fs/cgroup", v2Controllers: ["memory", "cpu", "pids"] };
const facts = (layout: CgroupLayout): LimitFacts => ({
  layout,
  memoryBytes: 8 * 2 ** 30,
  hasMemsw: true,
  blockWeight: undefined,
});
const lines = (...args: Parameters<typeof planLimits>) =>
  planLimits(...args).map((write) => lxcLine(write).join("="));

Deno.test("planLimits() sets a hard memory limit with swap on v1", () => {
  assert.deepEqual(lines("memory", { "limits.memory": "512MiB" }, facts(v1), false), [
    "lxc.cgroup.memory.limit_in_bytes=536870912",
    "lxc.cgroup.memory.memsw.limit_in_bytes=536870912",
    "lxc.cgroup.memory.soft_limit_in_bytes=483183820",
  ]);
});

Deno.test("planLimits() takes a share of the host's memory on v2", () => {
  assert.deepEqual(lines("memory", { "limits.memory": "50%" }, facts(v2), false), [
    "lxc.cgroup2.memory.max=4294967296",
    "lxc.cgroup2.memory.swap.max=max",
  ]);
});

Deno.test("planLimits() opens every memory limit of a running container when the key went", () => {
  assert.deepEqual(lines("memory", {}, facts(v1), true), [
    "lxc.cgroup.memory.memsw.limit_in_bytes=-1",
    "lxc.cgroup.memory.limit_in_bytes=-1",
    "lxc.cgroup.memory.soft_limit_in_bytes=-1",
    "lxc.cgroup.memory.swappiness=60",
  ]);
});

Deno.test("planLimits() plans nothing where nothing is set", () => {
  for (const group of ["memory", "cpu", "processes", "hugepages"] as const) {
    assert.deepEqual(planLimits(group, {}, facts(v1), false), []);
  }
});

Deno.test("planLimits() gives slices of time on both versions", () => {
  const config = { "limits.cpu.allowance": "25ms/100ms" };

  assert.deepEqual(lines("cpu", config, facts(v1), false), [
    "lxc.cgroup.cpu.shares=1024",
    "lxc.cgroup.cpu.cfs_period_us=100000",
    "lxc.cgroup.cpu.cfs_quota_us=25000",
  ]);
  assert.deepEqual(lines("cpu", config, facts(v2), false), [
    "lxc.cgroup2.cpu.weight=100",
    "lxc.cgroup2.cpu.max=25000 100000",
  ]);
});

Deno.test("cpuTime() counts shares as LXD does", () => {
  // Read from LXD 5.0.2's cgroups.
  assert.equal(cpuTime("100%", "", 1024).shares, 1024);
  assert.equal(cpuTime("50%", "", 1024).shares, 512);
  assert.equal(cpuTime("25%", "5", 1024).shares, 251);
  assert.equal(cpuTime("20ms/100ms", "0", 1024).shares, 1014);
  assert.equal(cpuTime("", "3", 1024).shares, 1017);
  assert.equal(cpuTime("50%", "", 100).shares, 50, "half of what others have, on v2 too");
  assert.equal(cpuTime("1%", "0", 100).shares, 1);
});

Deno.test("balance() spreads counts over the CPUs that pinned ones leave free", () => {
  const result = balance([0, 1, 2, 3], [
    { id: 1, wish: "2" },
    { id: 2, wish: "0-1" },
    { id: 3, wish: "" },
    { id: 4, wish: "1" },
  ]);

  assert.deepEqual([...result], [[2, [0, 1]], [1, [2, 3]], [4, [0]]]);
});

Deno.test("parseCpuList() and formatCpuList() are inverse", () => {
  assert.equal(formatCpuList(parseCpuList("0-2,5,7-8")), "0-2,5,7-8");
});

Deno.test("parseLayout() tells v1 controllers from the v2 hierarchy", () => {
  const layout = parseLayout(
    [
      "30 25 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct",
      "31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
      "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ].join("\n"),
    () => "",
  );

  assert.deepEqual(layout.v1, { cpu: "/sys/fs/cgroup/cpu", cpuacct: "/sys/fs/cgroup/cpu" });
  assert.equal(layout.v2, "/sys/fs/cgroup/unified");
});

Deno.test("containerPaths() cuts off what systemd made below", () => {
  const paths = containerPaths(
    v1,
    "4:memory:/lxc.payload.c1/init.scope\n0::/lxc.payload.c1/init.scope\n1:name=systemd:/x\n",
  );

  assert.deepEqual([...paths], [
    ["memory", "/sys/fs/cgroup/memory/lxc.payload.c1"],
    ["", "/sys/fs/cgroup/unified/lxc.payload.c1"],
  ]);
});
