/** GET state: read from cgroup files and one network helper; nothing is forked per instance. */
import type { InstanceState } from "#api/routes/instances.ts";
import type { CgroupReader } from "#daemon/cgroup/reader.ts";
import { findRootDisk } from "./expand.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import { pidOf, type RunState, statusOf } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";

const EMPTY_MEMORY = { usage: 0, usage_peak: 0, total: 0, swap_usage: 0, swap_usage_peak: 0 };
/** How old a count of the disk may be, where counting costs less than a tenth of that. */
const USAGE_KEPT_MS = 1000;
/** Else it is kept longer: whoever asks on and on takes at most this part of one processor. */
const USAGE_SHARE = 1 / 10;

interface Kept {
  until: number;
  readonly value: Promise<InstanceState["disk"]>;
}

/** Disk usage needs a walk over files: kept for a while, made by one at a time. */
export class UsageCache {
  readonly #kept = new Map<number, Kept>();

  of(
    id: number,
    measure: () => Promise<InstanceState["disk"]>,
  ): Promise<InstanceState["disk"]> {
    const found = this.#kept.get(id);
    if (found !== undefined && performance.now() < found.until) return found.value;
    const started = performance.now();
    const kept: Kept = { until: Infinity, value: measure() };
    if (this.#kept.size > 10_000) this.#kept.clear();
    this.#kept.set(id, kept);
    // What can't be told now is asked for again.
    void kept.value.then((disk) => {
      if (Object.keys(disk ?? {}).length === 0) this.#kept.delete(id);
      const cost = performance.now() - started;
      kept.until = started + Math.max(USAGE_KEPT_MS, cost / USAGE_SHARE);
    }, () => this.#kept.delete(id));
    return kept.value;
  }
}

interface StateOf {
  readonly record: InstanceRecord;
  /** As the runtime has told. */
  readonly state: RunState;
  readonly usage: UsageCache;
}

/** Bytes, and nanoseconds of CPU, as LXD has them; zeros if it does not run. */
export async function instanceState(
  ctx: InstanceContext,
  { record, state, usage }: StateOf,
): Promise<InstanceState> {
  const pid = pidOf(state);
  const disk = usage.of(record.id, () => diskUsage(ctx, record));
  if (pid === undefined) {
    return {
      ...statusOf(state),
      disk: await disk,
      memory: EMPTY_MEMORY,
      network: {},
      pid: 0,
      processes: 0,
      cpu: { usage: 0 },
    };
  }
  const cgroups = ctx.runtime.reader(record.id);
  const network = await ctx.networkStates.of(pid);
  for (const [name, config] of Object.entries(record.expandedDevices)) {
    if (config["type"] !== "nic") continue;
    const inside = config["name"] || record.config[`volatile.${name}.name`] || name;
    const hostName = record.config[`volatile.${name}.host_name`] ?? "";
    const found = network[inside];
    if (found !== undefined) network[inside] = { ...found, host_name: hostName };
  }
  return {
    ...statusOf(state),
    disk: await disk,
    memory: memory(cgroups, ctx.facts.limits.memoryBytes),
    network,
    pid,
    processes: processes(cgroups),
    cpu: { usage: cpuNanoseconds(cgroups) },
  };
}

async function diskUsage(
  ctx: InstanceContext,
  record: InstanceRecord,
): Promise<InstanceState["disk"]> {
  const root = findRootDisk(record.expandedDevices);
  if (root === undefined) return {};
  try {
    const { usedBytes, totalBytes, isUncounted } = await ctx.storage.instances.usage(
      volumeOf(record),
    );
    if (isUncounted) return {};
    return { [root.name]: { usage: usedBytes, total: totalBytes } };
  } catch {
    return {}; // Ignored: state is shown without what the pool can't tell.
  }
}

function memory(cgroups: CgroupReader, hostBytes: number): InstanceState["memory"] {
  const { controller, usage, peak, limit, swap, swapPeak } = cgroups.paths.has("memory")
    ? MEMORY_V1
    : MEMORY_V2;
  if (!cgroups.paths.has(controller)) return EMPTY_MEMORY;
  const read = (name: string) => cgroups.number(controller, name);
  const [used, usedMost, most] = [read(usage), read(peak), read(limit)];
  // In v1 it counts what is in memory too.
  const [swapped, swappedMost] = controller === "memory"
    ? [read(swap) - used, read(swapPeak) - usedMost]
    : [read(swap), read(swapPeak)];
  return {
    usage: used,
    usage_peak: usedMost,
    total: most > 0 && most < hostBytes ? most : hostBytes,
    swap_usage: Math.max(0, swapped),
    swap_usage_peak: Math.max(0, swappedMost),
  };
}

const MEMORY_V1 = {
  controller: "memory",
  usage: "memory.usage_in_bytes",
  peak: "memory.max_usage_in_bytes",
  limit: "memory.limit_in_bytes",
  swap: "memory.memsw.usage_in_bytes",
  swapPeak: "memory.memsw.max_usage_in_bytes",
} as const;

const MEMORY_V2 = {
  controller: "",
  usage: "memory.current",
  peak: "memory.peak",
  limit: "memory.max",
  swap: "memory.swap.current",
  swapPeak: "memory.swap.peak",
} as const;

function processes(cgroups: CgroupReader): number {
  const { paths } = cgroups;
  const controller = paths.has("pids") ? "pids" : "";
  return paths.has(controller) ? cgroups.number(controller, "pids.current") : -1;
}

function cpuNanoseconds(cgroups: CgroupReader): number {
  if (cgroups.paths.has("cpuacct")) return cgroups.number("cpuacct", "cpuacct.usage");
  return Number(/^usage_usec (\d+)/m.exec(cgroups.text("", "cpu.stat"))?.[1] ?? 0) * 1000;
}
