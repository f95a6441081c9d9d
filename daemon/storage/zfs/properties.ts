/** Properties of datasets, as arguments of zfs(8). Pure. */
import { isTrue, parseBytes } from "#base/units.ts";
import { DEFAULT_DISK_BYTES, type Volume } from "#daemon/storage/volume.ts";
import type { Dataset } from "./tool.ts";

/** Keys of volumes and the pool's `volume.*`, without the prefix. */
export type Options = Readonly<Record<string, string>>;

/** Of the pool's own dataset; what is below inherits them. As LXD's. */
export const POOL_PROPERTIES = [
  "mountpoint=legacy",
  "acltype=posixacl",
  "xattr=sa",
  "relatime=on",
  "atime=off",
  "setuid=on",
  "exec=on",
  "devices=on",
] as const;

/** ZFS has no larger blocks in disks. */
const DISK_BLOCK_MAX = 128 * 1024;
/** The default of ZFS. */
const DISK_BLOCK_BYTES = 8192;

function blockBytes(options: Options): number {
  const wanted = options["zfs.blocksize"] ?? "";
  return wanted === "" ? DISK_BLOCK_BYTES : Math.min(parseBytes(wanted), DISK_BLOCK_MAX);
}

const valueOf = (bytes: number) => bytes === 0 ? "none" : `${bytes}`;

/** A limit that includes the snapshots, or (zfs.use_refquota) one without; 0: none. */
export function limits(sizeBytes: number, options: Options): string[] {
  const isOwn = isTrue(options["zfs.use_refquota"]);
  const reserved = isTrue(options["zfs.reserve_space"]) ? sizeBytes : 0;
  return [
    `quota=${valueOf(isOwn ? 0 : sizeBytes)}`,
    `refquota=${valueOf(isOwn ? sizeBytes : 0)}`,
    `reservation=${valueOf(isOwn ? 0 : reserved)}`,
    `refreservation=${valueOf(isOwn ? reserved : 0)}`,
  ];
}

/** The limits that a dataset has, for a new one in its place. */
export function limitsOf(dataset: Dataset): string[] {
  if (dataset.type === "volume") return [];
  return [
    `quota=${valueOf(dataset.quotaBytes)}`,
    `refquota=${valueOf(dataset.refquotaBytes)}`,
    `reservation=${valueOf(dataset.reservationBytes)}`,
    `refreservation=${valueOf(dataset.refreservationBytes)}`,
  ];
}

/** Without zfs.blocksize it stays as it is. */
export function recordSize(options: Options): string[] {
  const blocks = options["zfs.blocksize"] ?? "";
  return blocks === "" ? [] : [`recordsize=${parseBytes(blocks)}`];
}

/** Of a new file system. */
export function filesystemProperties(sizeBytes: number, options: Options): string[] {
  return [
    "mountpoint=legacy",
    "canmount=noauto",
    ...recordSize(options),
    ...(sizeBytes === 0 ? [] : limits(sizeBytes, options)),
  ];
}

/** Arguments of `zfs create` for a disk: sparse unless its space is reserved. */
export function diskArguments(sizeBytes: number, options: Options): string[] {
  const isDefault = (options["zfs.blocksize"] ?? "") === "";
  return [
    ...(isTrue(options["zfs.reserve_space"]) ? [] : ["-s"]),
    ...(isDefault ? [] : ["-o", `volblocksize=${blockBytes(options)}`]),
    ...["-V", `${diskBytes(sizeBytes, options)}`],
  ];
}

/**
 * Whole blocks.
 *
 * @param sizeBytes 0: the default. @param ownBlockBytes Of a disk that is there: its blocks don't change.
 */
export function diskBytes(
  sizeBytes: number,
  options: Options,
  ownBlockBytes = blockBytes(options),
): number {
  const fallback = options["size"] ?? "";
  const wanted = sizeBytes || (fallback === "" ? 0 : parseBytes(fallback)) || DEFAULT_DISK_BYTES;
  const unit = Math.max(ownBlockBytes, DISK_BLOCK_BYTES);
  return Math.ceil(wanted / unit) * unit;
}

/** "a=1" for each as "-o a=1". */
export const asOptions = (properties: readonly string[]) =>
  properties.flatMap((one) => ["-o", one]);

/** The keys of a volume over the defaults of its pool. */
export function optionsOf(volume: Volume | undefined, defaults: Options): Options {
  return { ...defaults, ...volume?.config };
}
