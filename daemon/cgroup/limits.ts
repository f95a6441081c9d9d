/**
 * Limits -> cgroup writes, for v1 and v2 from one table. The same writes become lines of lxc.conf at
 * a start and file writes on a running container. Pure.
 */
import { CPU_SLICE } from "#api/config/instance_checks.ts";
import { isFalse, parseBytes } from "#base/units.ts";
import { type CgroupLayout, versionOf } from "./layout.ts";

type Config = Readonly<Record<string, string>>;

export interface CgroupWrite {
  readonly version: 1 | 2;
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** A write that may fail without harm: the file is not in every kernel. */
  readonly isOptional?: true;
}

export interface LimitFacts {
  readonly layout: CgroupLayout;
  readonly memoryBytes: number;
  /** The v1 memory controller counts swap (swapaccount=1). */
  readonly hasMemsw: boolean;
  /** The file with which this kernel weighs the disk requests of cgroups; undefined if it can't. */
  readonly blockWeight: BlockWeight | undefined;
}

export interface BlockWeight {
  readonly version: 1 | 2;
  readonly file: "blkio.weight" | "blkio.bfq.weight" | "io.weight" | "io.bfq.weight";
}

export type LimitGroup = "memory" | "cpu" | "processes" | "hugepages" | "disk";

/**
 * @param forReset Write defaults for keys that are unset, for a running container whose limit went.
 */
export function planLimits(
  group: LimitGroup,
  config: Config,
  facts: LimitFacts,
  forReset: boolean,
): CgroupWrite[] {
  return PLANNERS[group](config, facts, forReset);
}

const PLANNERS = {
  memory: planMemory,
  cpu: planCpu,
  processes: planProcesses,
  hugepages: planHugepages,
  disk: planDisk,
} as const;
export const LIMIT_GROUPS = Object.keys(PLANNERS) as LimitGroup[];

/** Bytes of limits.memory; undefined: no limit. */
function memoryLimitBytes(config: Config, memoryBytes: number): number | undefined {
  const text = config["limits.memory"] ?? "";
  if (text === "") return undefined;
  if (!text.endsWith("%")) return parseBytes(text);
  return Math.floor(memoryBytes / 100 * Number(text.slice(0, -1)));
}

function planMemory(config: Config, facts: LimitFacts, forReset: boolean): CgroupWrite[] {
  const version = versionOf(facts.layout, "memory");
  if (version === undefined) return [];
  const limit = memoryLimitBytes(config, facts.memoryBytes);
  const isSoft = config["limits.memory.enforce"] === "soft";
  const mayNotSwap = isFalse(config["limits.memory.swap"]);
  const write = (file: string, value: string | number, isOptional?: true): CgroupWrite => ({
    version,
    controller: "memory",
    file,
    value: String(value),
    ...(isOptional && { isOptional }),
  });
  const hard = isSoft ? undefined : limit;
  if (version === 2) {
    const writes: CgroupWrite[] = [];
    if (hard !== undefined || forReset) writes.push(write("memory.max", hard ?? "max"));
    if ((isSoft && limit !== undefined) || forReset) {
      writes.push(write("memory.high", (isSoft ? limit : undefined) ?? "max"));
    }
    if (mayNotSwap) writes.push(write("memory.swap.max", 0, true));
    else if (hard !== undefined || forReset) writes.push(write("memory.swap.max", "max", true));
    return writes;
  }
  const writes: CgroupWrite[] = [];
  // memsw may never be below the limit: open it first, then narrow both.
  if (forReset && facts.hasMemsw) writes.push(write("memory.memsw.limit_in_bytes", -1));
  if (hard !== undefined || forReset) writes.push(write("memory.limit_in_bytes", hard ?? -1));
  if (hard !== undefined && facts.hasMemsw) {
    writes.push(write("memory.memsw.limit_in_bytes", hard));
  }
  const soft = isSoft ? limit : limit === undefined ? undefined : Math.floor(limit * 0.9);
  if (soft !== undefined || forReset) writes.push(write("memory.soft_limit_in_bytes", soft ?? -1));
  const swappiness = swappinessOf(config, mayNotSwap);
  if (swappiness !== undefined || forReset) {
    writes.push(write("memory.swappiness", swappiness ?? 60, true));
  }
  return writes;
}

/** Priority 10 is the kernel's default of 60; each step down makes swapping more likely. */
function swappinessOf(config: Config, mayNotSwap: boolean): number | undefined {
  if (mayNotSwap) return 0;
  const priority = config["limits.memory.swap.priority"] ?? "";
  return priority === "" ? undefined : 70 - Number(priority);
}

function planCpu(config: Config, facts: LimitFacts, forReset: boolean): CgroupWrite[] {
  const version = versionOf(facts.layout, "cpu");
  const allowance = config["limits.cpu.allowance"] ?? "";
  const priority = config["limits.cpu.priority"] ?? "";
  if (version === undefined || (allowance === "" && priority === "" && !forReset)) return [];
  const { shares, quotaUs, periodUs } = cpuTime(allowance, priority, CPU_WHOLE[version]);
  const write = (file: string, value: string | number): CgroupWrite => ({
    version,
    controller: "cpu",
    file,
    value: String(value),
  });
  const isHard = quotaUs !== undefined;
  if (version === 2) {
    const writes = [write("cpu.weight", shares)];
    if (isHard || forReset) writes.push(write("cpu.max", `${quotaUs ?? "max"} ${periodUs}`));
    return writes;
  }
  const writes = [write("cpu.shares", shares)];
  if (isHard || forReset) {
    writes.push(write("cpu.cfs_period_us", periodUs), write("cpu.cfs_quota_us", quotaUs ?? -1));
  }
  return writes;
}

/** What 100% and priority 10 are: the kernel's own default, which those without limits have. */
const CPU_WHOLE = { 1: 1024, 2: 100 } as const;
/** The least shares and the least weight that the kernel takes. */
const CPU_LEAST = { 1024: 2, 100: 1 } as const;

/**
 * Part of the processors, and the hard limit. Pure.
 *
 * @param whole What 100% is.
 */
export function cpuTime(
  allowance: string,
  priority: string,
  whole: keyof typeof CPU_LEAST,
): { shares: number; quotaUs: number | undefined; periodUs: number } {
  const below = priority === "" ? 0 : 10 - Number(priority);
  const percent = /^(\d+)%$/.exec(allowance);
  if (percent !== null) {
    const shares = Math.trunc(whole / 100 * Number(percent[1])) - below;
    return { shares: Math.max(CPU_LEAST[whole], shares), quotaUs: undefined, periodUs: 100_000 };
  }
  const slice = CPU_SLICE.exec(allowance);
  return {
    shares: Math.max(CPU_LEAST[whole], whole - below),
    quotaUs: slice === null ? undefined : Number(slice[1]) * 1000,
    periodUs: slice === null ? 100_000 : Number(slice[2]) * 1000,
  };
}

function planProcesses(config: Config, facts: LimitFacts, forReset: boolean): CgroupWrite[] {
  const version = versionOf(facts.layout, "pids");
  const value = config["limits.processes"] ?? "";
  if (version === undefined || (value === "" && !forReset)) return [];
  return [{
    version,
    controller: "pids",
    file: "pids.max",
    value: value === "" || Number(value) < 0 ? "max" : value,
  }];
}

const HUGEPAGES = { "64KB": "64KB", "1MB": "1MB", "2MB": "2MB", "1GB": "1GB" } as const;

function planHugepages(config: Config, facts: LimitFacts, forReset: boolean): CgroupWrite[] {
  const version = versionOf(facts.layout, "hugetlb");
  if (version === undefined) return [];
  const writes: CgroupWrite[] = [];
  for (const [key, size] of Object.entries(HUGEPAGES)) {
    const text = config[`limits.hugepages.${key}`] ?? "";
    if (text === "" && !forReset) continue;
    const unlimited = version === 2 ? "max" : "-1";
    writes.push({
      version,
      controller: "hugetlb",
      file: version === 2 ? `hugetlb.${size}.max` : `hugetlb.${size}.limit_in_bytes`,
      value: text === "" ? unlimited : String(parseBytes(text)),
      isOptional: true,
    });
  }
  return writes;
}

/** limits.disk.priority 0..10 as a weight of 10..1000; 5 is the kernel's own default of half. */
function planDisk(config: Config, facts: LimitFacts, forReset: boolean): CgroupWrite[] {
  const priority = config["limits.disk.priority"] ?? "";
  const { blockWeight } = facts;
  if (blockWeight === undefined || (priority === "" && !forReset)) return [];
  const weight = priority === "" ? 500 : Math.max(10, Number(priority) * 100);
  return [{
    version: blockWeight.version,
    controller: blockWeight.version === 2 ? "io" : "blkio",
    file: blockWeight.file,
    value: blockWeight.version === 2 ? `default ${weight}` : String(weight),
  }];
}

/** A write as a line of lxc.conf. */
export function lxcLine(write: CgroupWrite): readonly [string, string] {
  return [`lxc.cgroup${write.version === 2 ? "2" : ""}.${write.file}`, write.value];
}
