/** File systems on block devices of pools: ext4, xfs, btrfs. */
import type { HostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import { run } from "#daemon/host/run.ts";
import { probeTag } from "./block_device.ts";

export const FILESYSTEMS = ["ext4", "xfs", "btrfs"] as const;
export type Filesystem = (typeof FILESYSTEMS)[number];

const MAKE: Readonly<Record<Filesystem, readonly string[]>> = {
  ext4: ["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
  xfs: ["mkfs.xfs", "-q", "-f", "-K", "-m", "reflink=1"],
  btrfs: ["mkfs.btrfs", "-q", "-f", "-K"],
};

/** The kernel makes none smaller than this. */
const BTRFS_BYTES_MIN = 256 * 2 ** 20;

/** What was there is lost. @throws {Fault} bad_request with mkfs's words */
export async function makeFilesystem(device: HostPath, type: Filesystem): Promise<void> {
  try {
    await run([...MAKE[type], device]);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault("bad_request", `cannot make a file system of type ${type}`, {
      cause: error,
      hint: error.stderrTail.trim().split("\n").at(-1) ?? "Is the size large enough?",
    });
  }
}

/** @throws {Fault} internal if it is none of those we make. */
export async function filesystemOf(device: HostPath): Promise<Filesystem> {
  const type = await probeTag(device, "TYPE");
  const found = FILESYSTEMS.find((one) => one === type);
  if (found === undefined) {
    throw new Fault("internal", `there is no file system that is known on "${device}": "${type}"`);
  }
  return found;
}

/** A btrfs can't be mounted beside its copy, unless this has a UUID of its own; the others can. */
export async function renewIdentity(device: HostPath): Promise<void> {
  await run(["btrfstune", "-f", "-u", device], { stdin: "y\n" });
}

/** Read-only ones, as snapshots, write nothing at all: no journal is replayed. */
export async function mountDevice(
  device: HostPath,
  target: HostPath,
  options: { readonly mountOptions: string; readonly isReadOnly: boolean },
): Promise<void> {
  const type = await filesystemOf(device);
  const own: Readonly<Record<Filesystem, readonly string[]>> = {
    ext4: options.isReadOnly ? ["noload"] : [],
    xfs: options.isReadOnly ? ["nouuid", "norecovery"] : ["nouuid"],
    btrfs: [],
  };
  const all = [
    ...options.mountOptions.split(",").filter((one) => one !== ""),
    ...own[type],
    options.isReadOnly ? "ro" : "rw",
  ];
  await run(["mount", "-t", type, "-o", all.join(","), "--", device, target]);
}

/** After the device grew. @param target Where it is mounted. */
export async function growFilesystem(device: HostPath, target: HostPath): Promise<void> {
  switch (await filesystemOf(device)) {
    case "ext4":
      return void await run(["resize2fs", device]);
    case "xfs":
      return void await run(["xfs_growfs", target]);
    case "btrfs":
      return void await run(["btrfs", "filesystem", "resize", "max", target]);
  }
}

/**
 * Before the device shrinks; or after it grew, where the file system is not mounted.
 *
 * @param target undefined: it is not mounted. @throws {Fault} bad_request if it can't, or holds more.
 */
export async function shrinkFilesystem(
  device: HostPath,
  sizeBytes: number,
  target: HostPath | undefined,
): Promise<void> {
  const type = await filesystemOf(device);
  if (type === "xfs") {
    throw new Fault("bad_request", "a file system of type xfs cannot be shrunk", {
      hint: "Copy the volume to one that is smaller.",
    });
  }
  if (type === "btrfs" && sizeBytes < BTRFS_BYTES_MIN) {
    throw new Fault("bad_request", "a file system of type btrfs cannot be shrunk below 256MiB");
  }
  try {
    if (type === "btrfs" && target !== undefined) {
      await run(["btrfs", "filesystem", "resize", `${sizeBytes}`, target]);
    } else if (target === undefined) {
      await checkFilesystem(device);
      await run(["resize2fs", device, `${Math.floor(sizeBytes / 1024)}K`]);
    } else {
      throw new Fault("bad_request", "the volume is in use: it cannot be shrunk", {
        hint: "Stop the instances that use it.",
      });
    }
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault("bad_request", "the volume cannot be made that small", {
      cause: error,
      hint: error.stderrTail.trim().split("\n").at(-1) ?? "",
    });
  }
}

/** Repaired (exit status 1) is as good as sound. @see e2fsck(8) */
async function checkFilesystem(device: HostPath): Promise<void> {
  try {
    await run(["e2fsck", "-f", "-y", device]);
  } catch (error) {
    if (!(error instanceof ExecError) || error.exitCode !== 1) throw error;
  }
}
