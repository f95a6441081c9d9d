/** GET state: read from cgroup files and one network helper; nothing is forked per instance. */
import type { InstanceState } from "#api/routes/instances.ts";
import { findRootDisk } from "./expand.ts";
import { type InstanceContext, volumeOf } from "./context.ts";
import { pidOf, statusOf } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";

const EMPTY_MEMORY = { usage: 0, usage_peak: 0, total: 0, swap_usage: 0, swap_usage_peak: 0 };
const USAGE_KEPT_MS = 10_000;

/** Disk usage needs a walk over files: kept for a while, made by one at a time. */
export class UsageCache {
  readonly #kept = new Map<number, { at: number; value: Promise<InstanceState["disk"]> }>();

  of(
    id: number,
    measure: () => Promise<InstanceState["disk"]>,
  ): Promise<InstanceState["disk"]> {
    const found = this.#kept.get(id);
    if (found !== undefined && Date.now() - found.at < USAGE_KEPT_MS) return found.value;
    const value = measure();
    this.#kept.set(id, { at: Date.now(), value });
    // What can't be told now is asked for again.
    void value.then((disk) => {
      if (Object.keys(disk ?? {}).length === 0) this.#kept.delete(id);
    }, () => this.#kept.delete(id));
    if (this.#kept.size > 10_000) this.#kept.clear();
    return value;
  }
}

export async function instanceState(
  ctx: InstanceContext,
  record: InstanceRecord,
  usage: UsageCache,
): Promise<InstanceState> {
  const state = ctx.runtime.state(record.id);
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
  const cgroups = ctx.runtime.cgroups(record.id);
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

type Cgroups = ReadonlyMap<string, string>;

function memory(cgroups: Cgroups, hostBytes: number): InstanceState["memory"] {
  const v1 = cgroups.get("memory");
  if (v1 !== undefined) {
    const usage = readNumber(`${v1}/memory.usage_in_bytes`);
    const peak = readNumber(`${v1}/memory.max_usage_in_bytes`);
    const limit = readNumber(`${v1}/memory.limit_in_bytes`);
    const both = readNumber(`${v1}/memory.memsw.usage_in_bytes`);
    const bothPeak = readNumber(`${v1}/memory.memsw.max_usage_in_bytes`);
    return {
      usage,
      usage_peak: peak,
      total: limit > 0 && limit < hostBytes ? limit : hostBytes,
      swap_usage: Math.max(0, both - usage),
      swap_usage_peak: Math.max(0, bothPeak - peak),
    };
  }
  const v2 = cgroups.get("");
  if (v2 === undefined) return EMPTY_MEMORY;
  const limit = readNumber(`${v2}/memory.max`);
  return {
    usage: readNumber(`${v2}/memory.current`),
    usage_peak: readNumber(`${v2}/memory.peak`),
    total: limit > 0 && limit < hostBytes ? limit : hostBytes,
    swap_usage: readNumber(`${v2}/memory.swap.current`),
    swap_usage_peak: readNumber(`${v2}/memory.swap.peak`),
  };
}

function processes(cgroups: Cgroups): number {
  const directory = cgroups.get("pids") ?? cgroups.get("");
  return directory === undefined ? -1 : readNumber(`${directory}/pids.current`);
}

function cpuNanoseconds(cgroups: Cgroups): number {
  const v1 = cgroups.get("cpuacct");
  if (v1 !== undefined) return readNumber(`${v1}/cpuacct.usage`);
  const v2 = cgroups.get("");
  if (v2 === undefined) return 0;
  return Number(/^usage_usec (\d+)/m.exec(readText(`${v2}/cpu.stat`))?.[1] ?? 0) * 1000;
}

/** 0 for "max" and for what is not there. Sync: a cgroup file is answered from kernel memory. */
function readNumber(path: string): number {
  const value = Number(readText(path));
  return Number.isFinite(value) ? value : 0;
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // Ignored: the controller is missing, or the container just ended.
  }
}
