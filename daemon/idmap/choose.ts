/** The id map of an instance, from its configuration and the maps of others. Pure. */
import { Fault } from "#base/errors.ts";
import { isTrue } from "#base/units.ts";
import type { HostRange } from "./host_range.ts";
import type { IdMap, IdMapEntry } from "./idmap.ts";

type Config = Readonly<Record<string, string>>;

/** An isolated map that another instance holds. */
export interface TakenMap {
  readonly base: number;
  readonly size: number;
}

export interface ChosenMap {
  /** null: privileged. */
  readonly idmap: IdMap | null;
  /** volatile.idmap.base: 0 for the shared map. */
  readonly base: number;
}

const ISOLATED_SIZE = 65536;

/**
 * Privileged: none. By default the whole host range, shared by all. security.idmap.isolated: a range
 * of its own behind the first 65536 ids, at the lowest gap (or at security.idmap.base).
 *
 * @param taken Isolated maps of other instances.
 * @throws {Fault} bad_request if ids are used up or a raw.idmap does not fit.
 */
export function chooseIdmap(
  config: Config,
  range: HostRange,
  taken: readonly TakenMap[],
): ChosenMap {
  if (isTrue(config["security.privileged"])) return { idmap: null, base: 0 };
  const raw = config["raw.idmap"] ?? "";
  if (!isTrue(config["security.idmap.isolated"])) {
    const whole: IdMap = [
      { isUid: true, isGid: false, nsId: 0, hostId: range.uid.base, size: range.uid.size },
      { isUid: false, isGid: true, nsId: 0, hostId: range.gid.base, size: range.gid.size },
    ];
    return { idmap: addRaw(whole, raw), base: 0 };
  }
  const size = isolatedSize(config);
  const base = isolatedBase(config, range, size, taken);
  const own: IdMap = [
    { isUid: true, isGid: false, nsId: 0, hostId: base, size },
    { isUid: false, isGid: true, nsId: 0, hostId: base, size },
  ];
  return { idmap: addRaw(own, raw), base };
}

/** How many ids an isolated container gets. */
export function isolatedSize(config: Config): number {
  const wanted = config["security.idmap.size"] ?? "";
  return wanted === "" || wanted === "auto" ? ISOLATED_SIZE : Number(wanted);
}

function isolatedBase(
  config: Config,
  range: HostRange,
  size: number,
  taken: readonly TakenMap[],
): number {
  const first = Math.max(range.uid.base, range.gid.base) + ISOLATED_SIZE;
  const end = Math.min(range.uid.base + range.uid.size, range.gid.base + range.gid.size);
  const wanted = config["security.idmap.base"] ?? "";
  if (wanted !== "") return Number(wanted);
  let base = first;
  for (const other of [...taken].sort((a, b) => a.base - b.base)) {
    if (other.base + other.size <= base) continue;
    if (other.base >= base + size) break;
    base = other.base + other.size;
  }
  if (base + size > end) {
    throw new Fault("bad_request", "Not enough uid/gid available for the container", {
      hint: `${size} ids are wanted; give root a larger range in /etc/subuid and /etc/subgid.`,
    });
  }
  return base;
}

/** Cut the ids of raw.idmap out of the map and put them where raw.idmap says. */
function addRaw(map: IdMap, text: string): IdMap {
  const result = parseRawIdmap(text).reduce(insert, map);
  return [...result].sort((a, b) => Number(a.isGid) - Number(b.isGid) || a.nsId - b.nsId);
}

/** Lines of "both|uid|gid <host ids> <ids inside>"; the checks of the key have passed. */
export function parseRawIdmap(text: string): IdMapEntry[] {
  return text.split("\n").flatMap((line) => {
    const [kind, host, inside] = line.trim().split(/\s+/);
    if (kind === undefined || host === undefined || inside === undefined) return [];
    const [hostId, hostLast] = ends(host);
    const [nsId] = ends(inside);
    const size = hostLast - hostId + 1;
    const kinds = kind === "both" ? ["uid", "gid"] : [kind];
    return kinds.map((one) => ({
      isUid: one === "uid",
      isGid: one === "gid",
      nsId,
      hostId,
      size,
    }));
  });
}

function insert(map: IdMap, entry: IdMapEntry): IdMap {
  const result: IdMapEntry[] = [];
  for (const old of map) {
    if (old.isUid !== entry.isUid) {
      result.push(old);
      continue;
    }
    for (const part of without(old, "nsId", entry)) result.push(...without(part, "hostId", entry));
  }
  return [...result, entry];
}

/** `old` less the ids of `entry`, counted inside or on the host: no id may be mapped twice. */
function without(old: IdMapEntry, by: "nsId" | "hostId", entry: IdMapEntry): IdMapEntry[] {
  const start = Math.max(old[by], entry[by]);
  const end = Math.min(old[by] + old.size, entry[by] + entry.size);
  if (start >= end) return [old];
  const before = start - old[by];
  const after = old[by] + old.size - end;
  const parts: IdMapEntry[] = [];
  if (before > 0) parts.push({ ...old, size: before });
  if (after > 0) {
    const skip = old.size - after;
    parts.push({ ...old, nsId: old.nsId + skip, hostId: old.hostId + skip, size: after });
  }
  return parts;
}

function ends(text: string): [number, number] {
  const [first = "", last] = text.split("-");
  return [Number(first), Number(last ?? first)];
}
