/** Sockets, cores and threads. @see Linux: Documentation/ABI/stable/sysfs-devices-system-cpu */
import { type HostFiles, unlessEmpty } from "./host_files.ts";
import { parseCpuList } from "#daemon/cgroup/cpuset.ts";

const CPUS = "/sys/devices/system/cpu";
const KHZ_PER_MHZ = 1000;

interface Thread {
  readonly id: number;
  readonly at: string;
  readonly socket: number;
  readonly core: number;
  readonly die: number;
}

/** Frequencies in MHz, caches in bytes. */
export async function readCpu(host: HostFiles) {
  const threads = await readThreads(host);
  const isolated = new Set(parseCpuList(await host.text(`${CPUS}/isolated`)));
  const models = parseModels(await host.text("/proc/cpuinfo"));
  const sockets = [];
  for (const [socket, members] of groups(threads, (one) => one.socket).toSorted(byKey)) {
    const [first] = members;
    const cores = [];
    for (const [, siblings] of groups(members, ({ die, core }) => `${die}.${core}`)) {
      cores.push(await readCore(host, siblings, isolated));
    }
    cores.sort((a, b) => a.core - b.core || a.die - b.die);
    const frequencies = cores.flatMap(({ frequency = 0 }) => frequency > 0 ? [frequency] : []);
    const average = frequencies.reduce((sum, one) => sum + one, 0) / (frequencies.length || 1);
    sockets.push({
      ...models.get(first.id),
      socket,
      ...unlessEmpty("cache", await readCaches(host, first.at)),
      cores,
      ...unlessEmpty("frequency", Math.floor(average)),
      ...unlessEmpty("frequency_minimum", await frequencyLimit(host, first.at, "min")),
      ...unlessEmpty("frequency_turbo", await frequencyLimit(host, first.at, "max")),
    });
  }
  return { architecture: Deno.build.arch, sockets, total: threads.length };
}

/** In the order of their names, as LXD has them: cpu10 before cpu2. */
async function readThreads(host: HostFiles): Promise<Thread[]> {
  const threads: Thread[] = [];
  for (const name of await host.names(CPUS)) {
    const at = `${CPUS}/${name}`;
    if (!/^cpu\d+$/.test(name) || !await host.has(`${at}/topology`)) continue;
    const id = async (of: string) => Math.max(0, await host.number(`${at}/topology/${of}`));
    threads.push({
      id: Number(name.slice("cpu".length)),
      at,
      socket: await id("physical_package_id"),
      core: await id("core_id"),
      die: await id("die_id"),
    });
  }
  return threads;
}

type Some<T> = [T, ...T[]];

/** In the order in which their keys are met. */
function groups<T, Key>(all: readonly T[], keyOf: (one: T) => Key): [Key, Some<T>][] {
  const found = new Map<Key, Some<T>>();
  for (const one of all) {
    const group = found.get(keyOf(one));
    if (group === undefined) found.set(keyOf(one), [one]);
    else group.push(one);
  }
  return [...found];
}

const byKey = ([a]: readonly [number, unknown], [b]: readonly [number, unknown]) => a - b;

/** By number of the thread. x86 says both; ARM says neither in words. Pure. */
function parseModels(cpuinfo: string): Map<number, { name?: string; vendor?: string }> {
  const models = new Map<number, { name?: string; vendor?: string }>();
  for (const block of cpuinfo.split(/\n\s*\n/)) {
    const value = (key: string) =>
      new RegExp(`^${key}\\s*:[ \\t]*(.*)$`, "m").exec(block)?.[1]?.trim() ?? "";
    const id = value("processor");
    if (id === "") continue;
    models.set(Number(id), {
      ...unlessEmpty("name", value("model name") || value("cpu")),
      ...unlessEmpty("vendor", value("vendor_id")),
    });
  }
  return models;
}

async function readCore(host: HostFiles, siblings: Some<Thread>, isolated: ReadonlySet<number>) {
  const [first] = siblings;
  const threads = [];
  for (const [index, { id, at }] of siblings.entries()) {
    const node = (await host.names(at)).find((name) => /^node\d+$/.test(name));
    threads.push({
      id,
      numa_node: Number(node?.slice("node".length) ?? 0),
      thread: index,
      online: await host.text(`${at}/online`) !== "0",
      isolated: isolated.has(id),
    });
  }
  const khz = await host.number(`${first.at}/cpufreq/scaling_cur_freq`);
  return {
    core: first.core,
    die: first.die,
    threads,
    ...unlessEmpty("frequency", Math.floor(khz / KHZ_PER_MHZ)),
  };
}

async function readCaches(host: HostFiles, at: string) {
  const caches = [];
  for (const name of await host.names(`${at}/cache`)) {
    if (!await host.has(`${at}/cache/${name}/level`)) continue;
    caches.push({
      level: await host.number(`${at}/cache/${name}/level`),
      type: await host.text(`${at}/cache/${name}/type`),
      size: parseSize(await host.text(`${at}/cache/${name}/size`)),
    });
  }
  return caches;
}

/** "32K" in bytes. */
const parseSize = (text: string) => (parseInt(text, 10) || 0) * (text.endsWith("K") ? 1024 : 1);

/** MHz: what the hardware can, else what is set. */
async function frequencyLimit(host: HostFiles, at: string, end: "min" | "max"): Promise<number> {
  const khz = await host.number(`${at}/cpufreq/cpuinfo_${end}_freq`) ||
    await host.number(`${at}/cpufreq/scaling_${end}_freq`);
  return Math.floor(khz / KHZ_PER_MHZ);
}
