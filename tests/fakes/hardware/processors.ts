/** Two sockets of the made-up host, each with two cores of two threads, and the memory at them. */
import { files, link, type Tree } from "./tree.ts";

const CPU = "sys/devices/system/cpu";
const NODE = "sys/devices/system/node";

interface Thread {
  readonly socket: number;
  readonly core: number;
  readonly die: number;
  readonly online?: 0 | 1;
}

const THREADS: readonly Thread[] = [
  { socket: 0, core: 0, die: 0 },
  { socket: 1, core: 0, die: 0 },
  { socket: 0, core: 4, die: 1 },
  { socket: 1, core: 4, die: 1, online: 1 },
  { socket: 0, core: 0, die: 0, online: 1 },
  { socket: 1, core: 0, die: 0, online: 0 },
  { socket: 0, core: 4, die: 1, online: 1 },
  { socket: 1, core: 4, die: 1, online: 1 },
  { socket: 0, core: 8, die: 1 },
  { socket: 1, core: 8, die: 1 },
  { socket: 0, core: 8, die: 1 },
  { socket: 1, core: 8, die: 1 },
];

const cache = (at: string, level: number, type: string, size: string) =>
  files(at, { level, type, size });

function thread(id: number, { socket, core, die, online }: Thread): Tree {
  const at = `${CPU}/cpu${id}`;
  return {
    ...files(`${at}/topology`, { physical_package_id: socket, core_id: core, die_id: die }),
    ...cache(`${at}/cache/index0`, 1, "Data", "32K"),
    ...cache(`${at}/cache/index1`, 1, "Instruction", "64K"),
    ...cache(`${at}/cache/index2`, 2, "Unified", "1024K"),
    ...cache(`${at}/cache/index3`, 3, "Unified", `${16384 + socket * 1024}K`),
    ...files(`${at}/cpufreq`, {
      cpuinfo_min_freq: 400000,
      cpuinfo_max_freq: 3500000,
      scaling_min_freq: 800000,
      scaling_max_freq: 3400000,
      scaling_cur_freq: 1000000 + ((id * 7) % 12) * 100500,
    }),
    ...(online === undefined ? {} : files(at, { online })),
    ...link(`${at}/node${socket}`, `${NODE}/node${socket}`),
  };
}

function node(id: number): Tree {
  const at = `${NODE}/node${id}`;
  const line = (key: string, value: string | number) => `Node ${id} ${key}: ${value}`;
  const meminfo = [
    line("MemTotal", "8000000 kB"),
    line("MemFree", `${2000000 + id} kB`),
    line("MemUsed", `${6000000 - id} kB`),
    line("FilePages", "5951316 kB"),
    line("HugePages_Total", "  1024"),
    line("HugePages_Free", ` ${512 + id}`),
    line("HugePages_Surp", "   0"),
  ];
  const blocks = [2 * id, 2 * id + 1].map((block): Tree => ({
    ...files(`sys/devices/system/memory/memory${block}`, { online: block === 3 ? 0 : 1 }),
    ...link(`${at}/memory${block}`, `sys/devices/system/memory/memory${block}`),
  }));
  return Object.assign({
    ...files(at, { meminfo: meminfo.join("\n"), numastat: "numa_hit 1" }),
  }, ...blocks);
}

const cpuinfo = THREADS.map(({ socket, core }, id) =>
  [
    `processor\t: ${id}`,
    "vendor_id\t: GenuineIntel",
    "cpu family\t: 6",
    `model name\t: Intel(R) Xeon(R) of socket ${socket} @ 2.60GHz`,
    `cpu MHz\t\t: ${2600 + id}.000`,
    `physical id\t: ${socket}`,
    `core id\t\t: ${core}`,
    "",
  ].join("\n")
).join("\n");

const meminfo = [
  "MemTotal:       32000000 kB",
  "MemFree:         8000000 kB",
  "MemAvailable:   20000000 kB",
  "Buffers:          400000 kB",
  "Cached:          5000000 kB",
  "SwapTotal:             0 kB",
  "SwapFree:              0 kB",
  "HugePages_Total:    2048",
  "HugePages_Free:     1025",
  "HugePages_Rsvd:        0",
  "HugePages_Surp:        0",
  "Hugepagesize:       2048 kB",
  "Hugetlb:         4194304 kB",
  "",
].join("\n");

export const processors: Tree = {
  ...Object.assign({}, ...THREADS.map((one, id) => thread(id, one)), node(0), node(1)),
  ...files(CPU, { isolated: "2-3,6", online: "0-4,6-11", present: "0-11", possible: "0-11" }),
  ...files("sys/devices/system/memory", { block_size_bytes: "200000000" }),
  "proc/cpuinfo": `${cpuinfo}\n`,
  "proc/meminfo": meminfo,
};
