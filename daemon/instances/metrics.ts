/** Metrics of running instances in the text format of Prometheus, from cgroup files: nothing is forked. */
import type { CgroupPaths } from "#daemon/cgroup/layout.ts";
import { statfsSync } from "node:fs";
import type { InstanceContext } from "./context.ts";
import { pidOf } from "./machine.ts";
import type { InstanceRecord } from "./record.ts";

type Labels = Readonly<Record<string, string>>;

/** Metric -> type and what it says. In LXD's order, which is that of the names. */
const METRICS = {
  lxd_cpu_seconds_total: ["counter", "CPU time used, in seconds."],
  lxd_disk_read_bytes_total: ["counter", "Bytes read from the device."],
  lxd_disk_reads_completed_total: ["counter", "Reads completed on the device."],
  lxd_disk_writes_completed_total: ["counter", "Writes completed on the device."],
  lxd_disk_written_bytes_total: ["counter", "Bytes written to the device."],
  lxd_filesystem_avail_bytes: ["gauge", "Bytes that a user without rights may still write."],
  lxd_filesystem_free_bytes: ["gauge", "Free bytes of the file system."],
  lxd_filesystem_size_bytes: ["gauge", "Size of the file system in bytes."],
  lxd_memory_Active_anon_bytes: ["gauge", "Anonymous memory in use recently."],
  lxd_memory_Active_bytes: ["gauge", "Memory in use recently."],
  lxd_memory_Active_file_bytes: ["gauge", "Memory of files in use recently."],
  lxd_memory_Cached_bytes: ["gauge", "Memory that caches files."],
  lxd_memory_Dirty_bytes: ["gauge", "Memory that waits to be written to disk."],
  lxd_memory_HugepagesFree_bytes: ["gauge", "Huge pages that may still be used."],
  lxd_memory_HugepagesTotal_bytes: ["gauge", "Huge pages that may be used."],
  lxd_memory_Inactive_anon_bytes: ["gauge", "Anonymous memory not in use recently."],
  lxd_memory_Inactive_bytes: ["gauge", "Memory not in use recently."],
  lxd_memory_Inactive_file_bytes: ["gauge", "Memory of files not in use recently."],
  lxd_memory_Mapped_bytes: ["gauge", "Memory of files that are mapped."],
  lxd_memory_MemAvailable_bytes: ["gauge", "Memory that may still be used, caches included."],
  lxd_memory_MemFree_bytes: ["gauge", "Memory that is not used."],
  lxd_memory_MemTotal_bytes: ["gauge", "Memory that may be used."],
  lxd_memory_RSS_bytes: ["gauge", "Anonymous memory."],
  lxd_memory_Shmem_bytes: ["gauge", "Shared memory and tmpfs."],
  lxd_memory_Swap_bytes: ["gauge", "Memory that was swapped out."],
  lxd_memory_Unevictable_bytes: ["gauge", "Memory that can't be taken away."],
  lxd_memory_Writeback_bytes: ["gauge", "Memory that is being written to disk."],
  lxd_network_receive_bytes_total: ["counter", "Bytes received."],
  lxd_network_receive_drop_total: ["counter", "Received packets that were dropped."],
  lxd_network_receive_errs_total: ["counter", "Errors while receiving."],
  lxd_network_receive_packets_total: ["counter", "Packets received."],
  lxd_network_transmit_bytes_total: ["counter", "Bytes sent."],
  lxd_network_transmit_drop_total: ["counter", "Packets to send that were dropped."],
  lxd_network_transmit_errs_total: ["counter", "Errors while sending."],
  lxd_network_transmit_packets_total: ["counter", "Packets sent."],
  lxd_procs_total: ["gauge", "Processes and threads."],
} as const satisfies Record<string, readonly ["counter" | "gauge", string]>;

export type MetricName = keyof typeof METRICS;

export interface Sample {
  readonly name: MetricName;
  readonly labels: Labels;
  readonly value: number;
}

/** The text that Prometheus reads, with the end that readers of OpenMetrics want. Pure. @see the exposition format of Prometheus */
export function renderMetrics(samples: readonly Sample[]): string {
  const byName = Map.groupBy(samples, ({ name }) => name);
  let text = "";
  for (const [name, [type, help]] of Object.entries(METRICS)) {
    const found = byName.get(name as MetricName) ?? [];
    if (found.length === 0) continue;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const { labels, value } of found) text += `${name}{${labelText(labels)}} ${value}\n`;
  }
  return `${text}# EOF\n`;
}

function labelText(labels: Labels): string {
  const escape = (value: string) =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return Object.keys(labels).sort().map((key) => `${key}="${escape(labels[key] ?? "")}"`).join(",");
}

/** Of all that run among `instances`. */
export async function instanceSamples(
  ctx: InstanceContext,
  instances: readonly InstanceRecord[],
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const record of instances) {
    const pid = pidOf(ctx.runtime.state(record.id));
    if (pid === undefined) continue;
    const labels = { name: record.name, project: record.project, type: "container" };
    const add = (name: MetricName, value: number, more: Labels = {}) =>
      samples.push({ name, value, labels: { ...labels, ...more } });
    const cgroups = ctx.runtime.cgroups(record.id);
    addCpu(cgroups, add);
    addDisks(cgroups, add);
    addFilesystem(pid, add);
    addMemory(cgroups, ctx.facts.limits.memoryBytes, add);
    addNetwork(await ctx.networkStates.of(pid), add);
    const pids = cgroups.get("pids") ?? cgroups.get("");
    if (pids !== undefined) add("lxd_procs_total", Number(read(`${pids}/pids.current`)));
  }
  return samples;
}

type Add = (name: MetricName, value: number, labels?: Labels) => void;

function addCpu(cgroups: CgroupPaths, add: Add): void {
  const v1 = cgroups.get("cpuacct");
  if (v1 !== undefined) {
    // A line of titles, then "<cpu> <user> <system>" in nanoseconds.
    for (const line of read(`${v1}/cpuacct.usage_all`).split("\n").slice(1)) {
      const [cpu, user, system] = line.split(" ");
      if (cpu === undefined || user === undefined || system === undefined) continue;
      add("lxd_cpu_seconds_total", Number(system) / 1e9, { cpu, mode: "system" });
      add("lxd_cpu_seconds_total", Number(user) / 1e9, { cpu, mode: "user" });
    }
    return;
  }
  const stat = pairs(read(`${cgroups.get("") ?? ""}/cpu.stat`));
  for (const mode of ["system", "user"]) {
    const usec = stat.get(`${mode}_usec`);
    if (usec !== undefined) add("lxd_cpu_seconds_total", usec / 1e6, { cpu: "0", mode });
  }
}

const DISK_V2 = {
  rbytes: "lxd_disk_read_bytes_total",
  rios: "lxd_disk_reads_completed_total",
  wios: "lxd_disk_writes_completed_total",
  wbytes: "lxd_disk_written_bytes_total",
} as const;
const DISK_V1 = [
  ["blkio.throttle.io_service_bytes_recursive", "Read", "lxd_disk_read_bytes_total"],
  ["blkio.throttle.io_service_bytes_recursive", "Write", "lxd_disk_written_bytes_total"],
  ["blkio.throttle.io_serviced_recursive", "Read", "lxd_disk_reads_completed_total"],
  ["blkio.throttle.io_serviced_recursive", "Write", "lxd_disk_writes_completed_total"],
] as const;

function addDisks(cgroups: CgroupPaths, add: Add): void {
  const v1 = cgroups.get("blkio");
  if (v1 !== undefined) {
    for (const [file, word, metric] of DISK_V1) {
      for (const line of read(`${v1}/${file}`).split("\n")) {
        const [numbers = "", what, value] = line.split(" ");
        if (what === word) add(metric, Number(value), { device: deviceName(numbers) });
      }
    }
    return;
  }
  for (const line of read(`${cgroups.get("") ?? ""}/io.stat`).split("\n")) {
    const [numbers = "", ...fields] = line.split(" ");
    for (const field of fields) {
      const [key = "", value] = field.split("=");
      const metric = DISK_V2[key as keyof typeof DISK_V2];
      if (metric !== undefined) add(metric, Number(value), { device: deviceName(numbers) });
    }
  }
}

/** "8:0" -> "sda"; the numbers where the disk is gone. */
function deviceName(numbers: string): string {
  try {
    const path = Deno.readLinkSync(`/sys/dev/block/${numbers}`);
    return path.slice(path.lastIndexOf("/") + 1);
  } catch {
    return numbers; // Ignored: a disk that went still has counters.
  }
}

function addFilesystem(pid: number, add: Add): void {
  const root = read(`/proc/${pid}/mountinfo`).split("\n").map((line) => line.split(" - "))
    .find(([place = ""]) => place.split(" ")[4] === "/");
  if (root === undefined) return;
  const [fstype = "", device = ""] = (root[1] ?? "").split(" ");
  let space: { bsize: number; blocks: number; bfree: number; bavail: number };
  try {
    space = statfsSync(`/proc/${pid}/root`);
  } catch {
    return; // Ignored: the container just ended.
  }
  const labels = { device, fstype, mountpoint: "/" };
  add("lxd_filesystem_avail_bytes", space.bavail * space.bsize, labels);
  add("lxd_filesystem_free_bytes", space.bfree * space.bsize, labels);
  add("lxd_filesystem_size_bytes", space.blocks * space.bsize, labels);
}

/** Metric -> key of memory.stat: v1 (with total_ before it), v2. */
const MEMORY = {
  lxd_memory_Active_anon_bytes: ["active_anon", "active_anon"],
  lxd_memory_Active_file_bytes: ["active_file", "active_file"],
  lxd_memory_Cached_bytes: ["cache", "file"],
  lxd_memory_Dirty_bytes: ["dirty", "file_dirty"],
  lxd_memory_Inactive_anon_bytes: ["inactive_anon", "inactive_anon"],
  lxd_memory_Inactive_file_bytes: ["inactive_file", "inactive_file"],
  lxd_memory_Mapped_bytes: ["mapped_file", "file_mapped"],
  lxd_memory_RSS_bytes: ["rss", "anon"],
  lxd_memory_Shmem_bytes: ["shmem", "shmem"],
  lxd_memory_Unevictable_bytes: ["unevictable", "unevictable"],
  lxd_memory_Writeback_bytes: ["writeback", "file_writeback"],
} as const satisfies Partial<Record<MetricName, readonly [string, string]>>;

function addMemory(cgroups: CgroupPaths, hostBytes: number, add: Add): void {
  const v1 = cgroups.get("memory");
  const folder = v1 ?? cgroups.get("");
  if (folder === undefined) return;
  const stat = pairs(read(`${folder}/memory.stat`));
  const of = (name: string) => stat.get(v1 === undefined ? name : `total_${name}`) ?? 0;
  for (const [metric, [old, unified]] of Object.entries(MEMORY)) {
    add(metric as MetricName, of(v1 === undefined ? unified : old));
  }
  add("lxd_memory_Active_bytes", of("active_anon") + of("active_file"));
  add("lxd_memory_Inactive_bytes", of("inactive_anon") + of("inactive_file"));
  const [usageFile, limitFile] = v1 === undefined
    ? ["memory.current", "memory.max"]
    : ["memory.usage_in_bytes", "memory.limit_in_bytes"];
  const limit = Number(read(`${folder}/${limitFile}`));
  const total = limit > 0 && limit < hostBytes ? limit : hostBytes;
  const usage = Number(read(`${folder}/${usageFile}`)) || 0;
  const free = Math.max(0, total - usage);
  add("lxd_memory_MemAvailable_bytes", Math.min(total, free + of("inactive_file")));
  add("lxd_memory_MemFree_bytes", free);
  add("lxd_memory_MemTotal_bytes", total);
  const swap = v1 === undefined ? Number(read(`${folder}/memory.swap.current`)) || 0 : of("swap");
  add("lxd_memory_Swap_bytes", swap);
}

const NETWORK = {
  bytes_received: "lxd_network_receive_bytes_total",
  packets_dropped_inbound: "lxd_network_receive_drop_total",
  errors_received: "lxd_network_receive_errs_total",
  packets_received: "lxd_network_receive_packets_total",
  bytes_sent: "lxd_network_transmit_bytes_total",
  packets_dropped_outbound: "lxd_network_transmit_drop_total",
  errors_sent: "lxd_network_transmit_errs_total",
  packets_sent: "lxd_network_transmit_packets_total",
} as const;

function addNetwork(
  networks: Readonly<Record<string, { counters: object }>>,
  add: Add,
): void {
  for (const [device, { counters }] of Object.entries(networks)) {
    const values = new Map<string, number>(Object.entries(counters));
    for (const [key, metric] of Object.entries(NETWORK)) {
      add(metric, values.get(key) ?? 0, { device });
    }
  }
}

/** "key value" lines. */
function pairs(text: string): Map<string, number> {
  return new Map(
    text.split("\n").map((line) => {
      const [key = "", value] = line.split(" ");
      return [key, Number(value)];
    }),
  );
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // Ignored: the controller is missing, or the container just ended.
  }
}
