/** What `info` says about an instance. Pure. */
import { formatBytes } from "#base/units.ts";
import { table } from "#cli/output/table.ts";
import { isUnset, shortTime, siBytes } from "#cli/output/time.ts";
import {
  type Backup,
  type Instance,
  type InstanceState,
  isActive,
  type NetworkState,
  type Snapshot,
} from "#cli/commands/list/instance.ts";

/** Line by line as LXD's client prints it: scripts read this. */
export function instanceText(instance: Instance): string {
  const { name, status, architecture, state } = instance;
  const lines = [`Name: ${name}`];
  lines.push(`Status: ${status.toUpperCase()}`);
  lines.push(`Type: ${instance.type || "container"}${instance.ephemeral ? " (ephemeral)" : ""}`);
  if (instance.location && instance.location !== "none") {
    lines.push(`Location: ${instance.location}`);
  }
  lines.push(`Architecture: ${architecture}`);
  if (state?.pid) lines.push(`PID: ${state.pid}`);
  if (!isUnset(instance.created_at)) lines.push(`Created: ${shortTime(instance.created_at)}`);
  if (!isUnset(instance.last_used_at)) lines.push(`Last Used: ${shortTime(instance.last_used_at)}`);
  if (state?.pid && isActive(instance)) lines.push("", "Resources:", ...resources(state));
  const text = lines.join("\n") + "\n";
  return text + snapshotText(instance.snapshots ?? []) + backupText(instance.backups ?? []);
}

function resources(state: InstanceState): string[] {
  const lines = [`  Processes: ${state.processes}`];
  const disks = Object.entries(state.disk ?? {}).filter(([, { usage }]) => usage > 0);
  if (disks.length > 0) {
    lines.push("  Disk usage:");
    for (const [name, { usage }] of disks.toSorted(byName)) {
      lines.push(`    ${name}: ${formatBytes(usage)}`);
    }
  }
  if (state.cpu.usage !== 0) {
    const seconds = Math.trunc(state.cpu.usage / 1e9);
    lines.push("  CPU usage:", `    CPU usage (in seconds): ${seconds}`);
  }
  lines.push(...section("  Memory usage:", [
    ["    Memory (current)", state.memory.usage],
    ["    Memory (peak)", state.memory.usage_peak],
    ["    Swap (current)", state.memory.swap_usage],
    ["    Swap (peak)", state.memory.swap_usage_peak],
  ]));
  const networks = Object.entries(state.network ?? {}).toSorted(byName);
  if (networks.length > 0) lines.push("  Network usage:");
  for (const [name, network] of networks) lines.push(`    ${name}:`, ...networkLines(network));
  return lines;
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => a < b ? -1 : 1;

/** Sizes that are not zero, below their title. */
function section(title: string, sizes: readonly (readonly [string, number?])[]): string[] {
  const lines = sizes.filter(([, bytes]) => bytes)
    .map(([name, bytes = 0]) => `${name}: ${formatBytes(bytes)}`);
  return lines.length === 0 ? [] : [title, ...lines];
}

function networkLines({ counters, ...network }: NetworkState): string[] {
  const lines = [`Type: ${network.type}`, `State: ${network.state.toUpperCase()}`];
  if (network.host_name) lines.push(`Host interface: ${network.host_name}`);
  if (network.hwaddr) lines.push(`MAC address: ${network.hwaddr}`);
  if (network.mtu) lines.push(`MTU: ${network.mtu}`);
  lines.push(`Bytes received: ${siBytes(counters.bytes_received ?? 0)}`);
  lines.push(`Bytes sent: ${siBytes(counters.bytes_sent ?? 0)}`);
  lines.push(`Packets received: ${counters.packets_received ?? 0}`);
  lines.push(`Packets sent: ${counters.packets_sent ?? 0}`);
  lines.push("IP addresses:");
  for (const { family, address, netmask, scope } of network.addresses ?? []) {
    lines.push(`  ${`${family}:`.padEnd(6)} ${address}/${netmask} (${scope})`);
  }
  return lines.map((line) => `      ${line}`);
}

const yes = (value: boolean) => value ? "YES" : "NO";
const moment = (time: string) => isUnset(time) ? "" : shortTime(time);

function snapshotText(snapshots: readonly Snapshot[]): string {
  if (snapshots.length === 0) return "";
  const rows = snapshots.map((one) => [
    one.name.split("/").at(-1) ?? "",
    moment(one.created_at),
    moment(one.expires_at),
    yes(one.stateful),
  ]);
  return `\nSnapshots:\n${table(["NAME", "TAKEN AT", "EXPIRES AT", "STATEFUL"], rows)}`;
}

function backupText(backups: readonly Backup[]): string {
  if (backups.length === 0) return "";
  const rows = backups.map((one) => [
    one.name.split("/").at(-1) ?? "",
    moment(one.created_at),
    moment(one.expires_at),
    yes(one.instance_only),
    yes(one.optimized_storage),
  ]);
  const header = ["NAME", "TAKEN AT", "EXPIRES AT", "INSTANCE ONLY", "OPTIMIZED STORAGE"];
  return `\nBackups:\n${table(header, rows)}`;
}
