/** limits.read, limits.write and limits.max of disks -> throttling of block devices, v1 and v2. Pure. */
import { Fault } from "#base/errors.ts";
import { parseBytes } from "#base/units.ts";
import { type CgroupLayout, versionOf } from "./layout.ts";
import type { CgroupWrite } from "./limits.ts";

type Config = Readonly<Record<string, string>>;

/** Per second; absent: unlimited. */
export interface DiskRates {
  readonly readBytes?: number;
  readonly writeBytes?: number;
  readonly readOps?: number;
  readonly writeOps?: number;
}

/** "8:0" -> its rates. */
export type RatesByBlock = ReadonlyMap<string, DiskRates>;

const KINDS = ["readBytes", "writeBytes", "readOps", "writeOps"] as const;

/** "10MB" (bytes a second) or "500iops". @throws {Fault} bad_request */
export function parseRate(text: string): { bytes: number } | { ops: number } {
  const ops = /^(\d+)iops$/.exec(text);
  if (ops !== null) return { ops: Number(ops[1]) };
  try {
    return { bytes: parseBytes(text) };
  } catch (cause) {
    const message = `invalid rate "${text}": want 10MB (a second) or 500iops`;
    throw new Fault("bad_request", message, { cause });
  }
}

/** The rates that a disk device asks for; undefined if none. */
export function diskRates(config: Config): DiskRates | undefined {
  const max = config["limits.max"] ?? "";
  const read = config["limits.read"] || max;
  const write = config["limits.write"] || max;
  if (read === "" && write === "") return undefined;
  return {
    ...(read !== "" && toRates(read, "readBytes", "readOps")),
    ...(write !== "" && toRates(write, "writeBytes", "writeOps")),
  };
}

function toRates(text: string, bytes: keyof DiskRates, ops: keyof DiskRates): DiskRates {
  const rate = parseRate(text);
  return "ops" in rate ? { [ops]: rate.ops } : { [bytes]: rate.bytes };
}

/** Disks that lie on one block device share it: their average counts, as in LXD. */
export function combineRates(
  disks: readonly { readonly block: string; readonly rates: DiskRates }[],
): RatesByBlock {
  const result = new Map<string, DiskRates>();
  for (const [block, group] of Map.groupBy(disks, (disk) => disk.block)) {
    const rates: Record<string, number> = {};
    for (const kind of KINDS) {
      const values = group.map((disk) => disk.rates[kind]).filter((value) => value !== undefined);
      if (values.length === 0) continue;
      rates[kind] = Math.floor(values.reduce((sum, value) => sum + value, 0) / values.length);
    }
    result.set(block, rates);
  }
  return result;
}

const FILES_V1: Readonly<Record<keyof DiskRates, string>> = {
  readBytes: "blkio.throttle.read_bps_device",
  writeBytes: "blkio.throttle.write_bps_device",
  readOps: "blkio.throttle.read_iops_device",
  writeOps: "blkio.throttle.write_iops_device",
};
const WORDS_V2: Readonly<Record<keyof DiskRates, string>> = {
  readBytes: "rbps",
  writeBytes: "wbps",
  readOps: "riops",
  writeOps: "wiops",
};

/** What to write so that `after` holds where `before` did (nothing, for a start). */
export function planDiskRates(
  layout: CgroupLayout,
  before: RatesByBlock,
  after: RatesByBlock,
): CgroupWrite[] {
  const version = versionOf(layout, "blkio") ?? versionOf(layout, "io");
  if (version === undefined) return [];
  const writes: CgroupWrite[] = [];
  for (const block of new Set([...before.keys(), ...after.keys()])) {
    const changed = KINDS.filter((kind) => before.get(block)?.[kind] !== after.get(block)?.[kind]);
    if (changed.length === 0) continue;
    const wanted = after.get(block) ?? {};
    if (version === 2) {
      const words = changed.map((kind) => `${WORDS_V2[kind]}=${wanted[kind] ?? "max"}`);
      const value = `${block} ${words.join(" ")}`;
      writes.push({ version, controller: "io", file: "io.max", value });
      continue;
    }
    for (const kind of changed) {
      const value = `${block} ${wanted[kind] ?? 0}`;
      writes.push({ version, controller: "blkio", file: FILES_V1[kind], value });
    }
  }
  return writes;
}
