/** A block volume on a pool of directories: a sparse file. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { setFileSize } from "#daemon/host/files.ts";
import { DEFAULT_DISK_BYTES } from "./volume.ts";

/** LXD's name for it. */
export const DISK_FILE = "root.img";

/** Disks are made of whole blocks of this size. */
const BLOCK_BYTES = 8192;

/** Owned by root, for root only. @param sizeBytes 0: LXD's default */
export async function makeDisk(directory: HostPath, sizeBytes = 0): Promise<void> {
  const path = hostPath(`${directory}/${DISK_FILE}`);
  (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  await setFileSize(path, roundUp(sizeBytes === 0 ? DEFAULT_DISK_BYTES : sizeBytes));
}

/** @throws {Fault} bad_request if it would lose its end. */
export async function growDisk(directory: HostPath, sizeBytes: number): Promise<void> {
  const path = hostPath(`${directory}/${DISK_FILE}`);
  const wanted = roundUp(sizeBytes === 0 ? DEFAULT_DISK_BYTES : sizeBytes);
  const { size } = await Deno.stat(path);
  if (wanted === size) return;
  if (wanted < size) throw cannotShrink();
  await setFileSize(path, wanted);
}

/** To be thrown: what is in a disk is not ours to move. */
export function cannotShrink(): Fault {
  return new Fault("bad_request", "Block volumes cannot be shrunk", {
    hint: "Make a smaller volume and copy what you need.",
  });
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
