import assert from "node:assert/strict";
import { shortcomings } from "./shortcomings.ts";

const names = (...host: Parameters<typeof shortcomings>) =>
  shortcomings(...host).map(({ warning }) => warning);

Deno.test("shortcomings() finds nothing missing on a full unified host", () => {
  const controllers = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"];
  const layout = { v1: {}, v2: "/sys/fs/cgroup", v2Controllers: controllers };

  assert.deepEqual(
    names({ layout, hasAppArmor: true, hasMemsw: false, hasBlockWeight: true }),
    [],
  );
});

Deno.test("shortcomings() names each controller that a v1 host lacks", () => {
  const layout = { v1: { memory: "/m", devices: "/d" }, v2: undefined, v2Controllers: [] };

  assert.deepEqual(names({ layout, hasAppArmor: false, hasMemsw: false, hasBlockWeight: false }), [
    "appArmor",
    "blkio",
    "blkioWeight",
    "cpu",
    "cpuset",
    "cpuacct",
    "freezer",
    "hugetlb",
    "memorySwap",
    "netPriority",
    "pids",
  ]);
});
