/** Names of logical volumes, as LXD makes them. Pure. */
import { Fault } from "#base/errors.ts";
import type { Volume } from "#daemon/storage/volume.ts";

const TYPES = { container: "containers", custom: "custom" } as const;

/** Disks, so that they are told from file systems. */
const BLOCK_SUFFIX = ".block";

/** Volumes that are being made; removed at the next start. */
export const TEMPORARY_PREFIX = "lxdtmp_";

/** Volumes that are whole and wait for the place of an older one of this name. */
export const NEW_PREFIX = "lxdnew_";

const IMAGE_PREFIX = "images_";

/** What LVM allows in a name besides those that mean something to it. @see lvm(8) */
const LEGAL = /^[a-zA-Z0-9+_.-]+$/;
const LENGTH_MAX = 127;

/** "containers_a--b-snap0": dashes are doubled, a snapshot follows a single one. @throws {Fault} */
export function logicalName(volume: Volume, snapshot?: string): string {
  const parts = snapshot === undefined ? [volume.name] : [volume.name, snapshot];
  for (const part of parts) {
    if (LEGAL.test(part)) continue;
    throw new Fault("bad_request", `LVM has no volumes with the name "${part}"`, {
      hint: "Use letters, digits and + _ . - only.",
    });
  }
  const name = parts.map((part) => part.replaceAll("-", "--")).join("-");
  const suffix = volume.content === "block" ? BLOCK_SUFFIX : "";
  const whole = `${TYPES[volume.kind]}_${name}${suffix}`;
  if (whole.length > LENGTH_MAX) {
    throw new Fault("bad_request", `the name "${volume.name}" is too long for LVM`);
  }
  return whole;
}

/** Is it the name of a volume, snapshot or image of a pool, or of one that is being made? */
export function isOwnName(name: string): boolean {
  return [TEMPORARY_PREFIX, NEW_PREFIX, IMAGE_PREFIX].some((prefix) => name.startsWith(prefix)) ||
    parseLogicalName(name) !== undefined;
}

/** An image is unpacked once for each file system that volumes want. */
export function imageName(fingerprint: string, filesystem: string): string {
  return `${IMAGE_PREFIX}${fingerprint}_${filesystem}`;
}

export interface ParsedName {
  readonly volume: Volume;
  readonly snapshot?: string;
}

/** The volume or snapshot that a logical volume is; undefined if it is neither. */
export function parseLogicalName(name: string): ParsedName | undefined {
  const match = /^(containers|custom)_(.+?)(\.block)?$/.exec(name);
  if (match === null) return undefined;
  const [, type, text = "", suffix] = match;
  const [volumeName, snapshot] = splitAtSingleDash(text);
  const volume: Volume = {
    kind: type === "containers" ? "container" : "custom",
    content: suffix === undefined ? "filesystem" : "block",
    name: volumeName,
  };
  return snapshot === undefined ? { volume } : { volume, snapshot };
}

/** Runs of dashes: an even one is doubled dashes; an odd one has the parting dash in it. */
function splitAtSingleDash(text: string): [string, string | undefined] {
  const undouble = (part: string) => part.replaceAll("--", "-");
  for (const { 0: run, index } of text.matchAll(/-+/g)) {
    if (run.length % 2 === 0) continue;
    // Which dash of an odd run parts them can't be told: names that end with a dash win.
    const at = index + run.length - 1;
    return [undouble(text.slice(0, at)), undouble(text.slice(at + 1))];
  }
  return [undouble(text), undefined];
}
