/** The columns of `list`: letters, and keys of the configuration or of devices. Pure. */
import { formatBytes, parseBytes } from "#base/units.ts";
import { UsageError } from "#cli/command.ts";
import { isUnset, shortTime } from "#cli/output/time.ts";
import { type Instance, isActive } from "./instance.ts";

export interface Column {
  readonly title: string;
  readonly cell: (instance: Instance) => string;
  /** Needs state or snapshots, which cost the server more. */
  readonly full?: boolean;
}

export const DEFAULT_COLUMNS = "ns46tSL";
export const FAST_COLUMNS = "nsacPt";

const BASE_IMAGE = "volatile.base_image";

const LETTERS: Readonly<Record<string, Column>> = {
  4: { title: "IPV4", cell: (one) => addresses(one, "inet"), full: true },
  6: { title: "IPV6", cell: (one) => addresses(one, "inet6"), full: true },
  a: { title: "ARCHITECTURE", cell: (one) => one.architecture },
  b: { title: "STORAGE POOL", cell: (one) => rootPool(one) },
  c: { title: "CREATED AT", cell: (one) => time(one.created_at) },
  d: { title: "DESCRIPTION", cell: (one) => one.description },
  D: { title: "DISK USAGE", cell: (one) => positive(one.state?.disk?.root?.usage), full: true },
  e: { title: "PROJECT", cell: (one) => one.project },
  f: { title: "BASE IMAGE", cell: (one) => expanded(one, BASE_IMAGE).slice(0, 12) },
  F: { title: "BASE IMAGE", cell: (one) => expanded(one, BASE_IMAGE) },
  l: { title: "LAST USED AT", cell: (one) => time(one.last_used_at) },
  L: { title: "LOCATION", cell: (one) => one.location },
  m: { title: "MEMORY USAGE", cell: (one) => positive(memoryBytes(one)), full: true },
  M: { title: "MEMORY USAGE%", cell: memoryPercent, full: true },
  n: { title: "NAME", cell: (one) => one.name },
  N: { title: "PROCESSES", cell: processes, full: true },
  p: { title: "PID", cell: pid, full: true },
  P: { title: "PROFILES", cell: (one) => (one.profiles ?? []).join("\n") },
  s: { title: "STATE", cell: (one) => one.status.toUpperCase() },
  S: { title: "SNAPSHOTS", cell: (one) => String(one.snapshots?.length ?? 0), full: true },
  t: { title: "TYPE", cell: type },
  u: { title: "CPU USAGE", cell: cpuSeconds, full: true },
};

/** @param text Letters and keys, separated by commas. @throws {UsageError} with LXD's words. */
export function parseColumns(text: string, { clustered }: { clustered: boolean }): Column[] {
  return text.split(",").flatMap((entry) => {
    if (entry === "") {
      throw new UsageError(
        `Empty column entry (redundant, leading or trailing command) in '${text}'`,
      );
    }
    if (entry.includes(".")) return [keyColumn(entry)];
    return [...entry].map((letter) => {
      const column = LETTERS[letter];
      if (letter === "L" && !clustered) {
        throw new UsageError("Can't specify column L when not clustered");
      }
      if (column === undefined) {
        throw new UsageError(`Unknown column shorthand char '${letter}' in '${entry}'`);
      }
      return column;
    });
  });
}

/** Keys outside of these groups don't exist. */
const KEY_GROUPS = ("boot cloud-init cluster environment image limits linux migration nvidia raw " +
  "security snapshots user volatile").split(" ");

/** `[config:|devices:]key[:title[:width]]`. */
function keyColumn(entry: string): Column {
  const fields = entry.split(":");
  const kind = fields[0] === "config" || fields[0] === "devices" ? fields.shift() : "config";
  const [key = "", name = "", width = "-1", ...more] = fields;
  if (more.length > 0) {
    throw new UsageError(`Invalid config key column format (too many fields): '${entry}'`);
  }
  if (kind === "config" && !KEY_GROUPS.includes(key.split(".")[0] ?? "")) {
    throw new UsageError(`Invalid config key '${key}' in '${entry}'`);
  }
  const title = (name || key.replaceAll(".", " ")).toUpperCase();
  const limit = parseWidth(width, entry);
  const most = limit < 0 ? Infinity : limit === 0 ? [...title].length : limit;
  const text = kind === "devices" ? deviceKey : expanded;
  return { title, cell: (one) => [...text(one, key)].slice(0, most).join("") };
}

function parseWidth(text: string, entry: string): number {
  if (!/^[-+]?\d+$/.test(text)) {
    throw new UsageError(`Invalid max width (must be an integer) '${text}' in '${entry}'`);
  }
  const width = Number(text);
  if (width >= -1) return width;
  throw new UsageError(
    `Invalid max width (must -1, 0 or a positive integer) '${text}' in '${entry}'`,
  );
}

const expanded = (one: Instance, key: string) => one.expanded_config?.[key] ?? "";

/** `device.key`. */
function deviceKey(one: Instance, path: string): string {
  const dot = path.indexOf(".");
  return one.expanded_devices?.[path.slice(0, dot)]?.[path.slice(dot + 1)] ?? "";
}

const time = (text: string) => isUnset(text) ? "" : shortTime(text);

/** Sizes that nobody measured are zero or negative. */
const positive = (bytes = 0) => bytes > 0 ? formatBytes(bytes) : "";

function rootPool(one: Instance): string {
  const root = Object.values(one.expanded_devices ?? {})
    .find((device) => device.type === "disk" && device.path === "/");
  return root?.pool ?? "";
}

function addresses(one: Instance, family: string): string {
  if (!isActive(one)) return "";
  return Object.entries(one.state?.network ?? {})
    .filter(([name]) => name !== "lo")
    .flatMap(([name, { addresses }]) =>
      (addresses ?? [])
        .filter((at) => at.family === family && at.scope !== "link" && at.scope !== "local")
        .map((at) => `${at.address} (${name})`)
    )
    .toSorted((a, b) => a < b ? 1 : -1)
    .join("\n");
}

function memoryBytes(one: Instance): number {
  return isActive(one) ? one.state?.memory.usage ?? 0 : 0;
}

function memoryPercent(one: Instance): string {
  const limit = expanded(one, "limits.memory");
  const usage = memoryBytes(one);
  if (usage <= 0 || limit === "" || limit.endsWith("%")) return "";
  return `${(usage / parseBytes(limit) * 100).toFixed(1)}%`;
}

function processes(one: Instance): string {
  return isActive(one) && one.state ? String(one.state.processes) : "";
}

function pid(one: Instance): string {
  return isActive(one) && one.state?.pid ? String(one.state.pid) : "";
}

function type(one: Instance): string {
  const name = (one.type || "container").toUpperCase();
  return one.ephemeral ? `${name} (EPHEMERAL)` : name;
}

function cpuSeconds(one: Instance): string {
  const usage = isActive(one) ? one.state?.cpu.usage ?? 0 : 0;
  return usage > 0 ? `${Math.floor(usage / 1e9)}s` : "";
}
