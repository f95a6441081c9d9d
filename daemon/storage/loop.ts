/** Loop files: pools in a file of the host. */
import { statfs } from "node:fs/promises";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { parseBytes } from "#base/units.ts";
import { setFileSize } from "#daemon/host/files.ts";
import { run } from "#daemon/host/run.ts";
import type { PoolConfig } from "./pool_type.ts";

const GIB = 2 ** 30;
const SHARE_OF_FREE = 0.2;
const GIB_MIN = 5;
const GIB_MAX = 30;

/** LXD's rule: a fifth of what is free, 5 to 30 GiB. @returns "12GiB" */
export async function defaultLoopSize(directory: HostPath): Promise<string> {
  const { bavail, bsize } = await statfs(directory);
  return loopSizeFor(bavail * bsize);
}

/** Pure. @throws {Fault} no_space if less than the least size is free. */
export function loopSizeFor(freeBytes: number): string {
  const gib = Math.floor((freeBytes * SHARE_OF_FREE) / GIB);
  if (freeBytes < GIB_MIN * GIB) {
    throw new Fault("no_space", "cannot make a loop file: less than 5GiB are free", {
      hint: "Give its size (size=2GiB), or a source: a block device or an existing pool.",
    });
  }
  return `${Math.min(Math.max(gib, GIB_MIN), GIB_MAX)}GiB`;
}

/** A sparse file of this size that only root reads. @throws {Fault} conflict if there is one. */
export async function makeLoopFile(path: HostPath, size: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  try {
    (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new Fault("conflict", `there is a loop file "${path}" already`, {
      cause: error,
      hint: "It is of an older pool: remove it, or recover the pool by lxd recover.",
    });
  }
  try {
    await setFileSize(path, parseBytes(size));
  } catch (error) {
    await Deno.remove(path);
    throw error;
  }
}

/**
 * @param config of the pool, with its new size.
 * @throws {Fault} bad_request if it is no loop file, or would lose its end.
 */
export async function growLoopFile(path: HostPath, config: PoolConfig): Promise<void> {
  const { source, size = "" } = config;
  if (source !== path) {
    throw new Fault("bad_request", "Cannot change the size of a pool that is not a loop file", {
      hint: `Its source is "${source ?? ""}".`,
    });
  }
  if (size === "") {
    throw new Fault("bad_request", "A loop file can't be without a size", {
      hint: "Give a larger one than before: it grows.",
    });
  }
  const bytes = parseBytes(size);
  const { size: before } = await Deno.stat(path);
  if (bytes < before) {
    throw new Fault("bad_request", "Pool cannot be shrunk", {
      hint: `Its loop file has ${before} bytes.`,
    });
  }
  await setFileSize(path, bytes);
  for (const device of await loopDevices(path)) await run(["losetup", "--set-capacity", device]);
}

/** Are there loop devices? Their module may have to be loaded first. */
export async function hasLoops(): Promise<boolean> {
  const isThere = () => Deno.stat("/dev/loop-control").then(() => true, () => false);
  if (await isThere()) return true;
  await run(["modprobe", "loop"]).catch(() => undefined); // Ignored: then there are none.
  return await isThere() || await Deno.stat("/dev/loop0").then(() => true, () => false);
}

/** Attach the file to a free loop device; one that has it already is taken. */
export async function attachLoop(path: HostPath): Promise<HostPath> {
  const [attached] = await loopDevices(path);
  if (attached !== undefined) return attached;
  await hasLoops();
  const out = await run(["losetup", "--find", "--show", "--nooverlap", "--", path]);
  const device = hostPath(out.trim());
  // Direct I/O spares the page cache a second copy.
  await run(["losetup", "--direct-io=on", device])
    .catch(() => undefined); // Ignored: not every file system can.
  return device;
}

/** The device goes away when the last user of it does; now, if there is none. */
export async function detachLoop(path: HostPath): Promise<void> {
  for (const device of await loopDevices(path)) {
    await run(["losetup", "--detach", device]).catch(() => undefined); // Ignored: it is gone.
  }
}

/** Loop devices that have this file. */
export async function loopDevices(path: HostPath): Promise<HostPath[]> {
  const out = await run(["losetup", "--noheadings", "--output", "NAME", "--associated", path]);
  return out.split("\n").map((line) => line.trim()).filter((line) => line !== "").map(hostPath);
}
