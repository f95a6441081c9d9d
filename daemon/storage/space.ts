/** How full file systems and pools are, and whether something still fits. @see statfs(2) */
import { statfs } from "node:fs/promises";
import type { HostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { PoolSpace, StorageDriver } from "./driver.ts";

/** Bytes; `freeBytes` is what others than root get. @throws if there is no such path. */
export async function fileSystemSpace(path: HostPath): Promise<PoolSpace> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    usedBytes: (blocks - bfree) * bsize,
    totalBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    inodesUsed: files - ffree,
    inodesTotal: files,
  };
}

/** What a copy leaves free: 64 MiB, of small file systems (volumes of LVM) a sixteenth. Pure. */
export function reserveBytes(totalBytes: number): number {
  return Math.min(64 * 2 ** 20, Math.floor(totalBytes / 16));
}

/** Where something is to go, in words for the hint. */
type Where = "the storage pool" | "the volume" | "the server's file system";

const HINTS: Readonly<Record<Where, string>> = {
  "the storage pool": "Free some space on the storage pool, or use another pool.",
  "the volume": "Give it a larger size, free some space on the storage pool, or use another pool.",
  "the server's file system":
    "Free some space below the server's state directory, or keep images and backups on a volume " +
    "(storage.images_volume, storage.backups_volume).",
};

/** @throws {Fault} no_space unless `bytes` and a reserve are free. Pure. */
export function checkSpace(
  { freeBytes, totalBytes }: Pick<PoolSpace, "freeBytes" | "totalBytes">,
  bytes: number,
  what: string,
  where: Where = "the storage pool",
): void {
  const free = freeBytes - reserveBytes(totalBytes);
  if (bytes <= free) return;
  const mib = (value: number) => `${Math.ceil(Math.max(0, value) / 1048576)}MiB`;
  throw new Fault("no_space", `cannot ${what}: it needs ${mib(bytes)}, ${mib(free)} are free`, {
    hint: HINTS[where],
  });
}

/** @throws {Fault} no_space unless `bytes` and a reserve are free at `path`, in a pool. */
export async function requireSpace(
  path: HostPath,
  bytes: number,
  what: string,
  where: "the storage pool" | "the volume" = "the storage pool",
): Promise<void> {
  checkSpace(await fileSystemSpace(path), bytes, what, where);
}

/** The same for files of the server itself: images, backups. @throws {Fault} no_space */
export async function requireServerSpace(
  path: HostPath,
  bytes: number,
  what: string,
): Promise<void> {
  checkSpace(await fileSystemSpace(path), bytes, what, "the server's file system");
}

/** The same for the body of a request, if it says how long it is. @throws {Fault} no_space */
export async function requireUploadSpace(
  path: HostPath,
  { headers }: { readonly headers: { readonly "content-length"?: string } },
  what: string,
): Promise<void> {
  await requireServerSpace(path, Number(headers["content-length"]) || 0, what);
}

/** The same for a pool, whose file systems may each show more than it has. @throws {Fault} no_space */
export async function requirePoolSpace(
  driver: Pick<StorageDriver, "space">,
  bytes: number,
  what: string,
): Promise<void> {
  checkSpace(await driver.space(), bytes, what);
}
