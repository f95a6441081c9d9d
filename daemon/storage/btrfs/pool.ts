/**
 * Pools of the driver `btrfs`: a loop file, a block device, or a subvolume of a file system that the
 * host has mounted.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { entries, exists, removeIfEmpty, removeIfThere } from "#daemon/host/files.ts";
import { missingTool, run } from "#daemon/host/run.ts";
import { findByUuid, isBlockDevice, probeTag } from "#daemon/storage/block_device.ts";
import {
  checkSource,
  forbidStateDirectory,
  isDirectory,
  requirePoolFolders,
} from "#daemon/storage/dir/pool.ts";
import { probeIdMounts } from "#daemon/storage/id_mounts.ts";
import {
  attachLoop,
  defaultLoopSize,
  detachLoop,
  growLoopFile,
  makeLoopFile,
} from "#daemon/storage/loop.ts";
import { isMounted } from "#daemon/host/mounted.ts";
import type {
  PoolConfig,
  PoolPlace,
  PoolServices,
  PoolType,
  Support,
} from "#daemon/storage/pool_type.ts";
import { POOL_FOLDERS } from "#daemon/storage/volume.ts";
import { bindMount, detach } from "#ffi/libc/mount.ts";
import { BtrfsDriver } from "./driver.ts";
import { createSubvolume, deleteTree, isBtrfs, isSubvolume } from "./subvolume.ts";

export const btrfsPool: PoolType = {
  name: "btrfs",
  probe,
  create,
  abandon,
  start,
  recognize: ({ root, config }) => requirePoolFolders(root, config["source"] ?? root),
  stop,
  update,
  destroy,
};

const DEFAULT_OPTIONS = "user_subvol_rm_allowed";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function probe(): Promise<Support> {
  const missing = await missingTool(["btrfs", "mkfs.btrfs"]);
  if (missing !== undefined) {
    return { reason: `${missing} is not installed`, hint: "apt install btrfs-progs" };
  }
  const isKnown = /\bbtrfs$/m.test(await Deno.readTextFile("/proc/filesystems"));
  if (!isKnown && !await run(["modprobe", "btrfs"]).then(() => true, () => false)) {
    return {
      reason: "the kernel has no btrfs",
      hint: "Run a kernel with btrfs (Debian: apt install linux-image-amd64).",
    };
  }
  const text = await run(["btrfs", "version"]);
  return { version: /v(\S+)/.exec(text)?.[1] ?? text.trim() };
}

async function create(place: PoolPlace, undo: Undo): Promise<PoolConfig> {
  const given = place.config["source"] ?? "";
  if (given === "" || given === place.loopFile) return await createLoop(place, undo);
  const source = checkSource(given);
  const config = { ...place.config, "volatile.initial_source": source };
  if ((place.config["size"] ?? "") !== "") {
    throw new Fault("bad_request", `"size" is only for loop files, not for a source`);
  }
  if (await isBlockDevice(source)) {
    await format(source, place);
    undo.add("wipe the device", () => wipe(source, config));
    return { ...config, source: await probeTag(source, "UUID") || source };
  }
  forbidStateDirectory(source, place);
  await adoptDirectory(source, undo);
  return { ...config, source };
}

async function createLoop(place: PoolPlace, undo: Undo): Promise<PoolConfig> {
  const size = place.config["size"] || await defaultLoopSize(place.stateDirectory);
  await makeLoopFile(place.loopFile, size);
  undo.add("remove the loop file", () => Deno.remove(place.loopFile));
  await format(place.loopFile, place);
  return { ...place.config, size, source: place.loopFile };
}

async function format(target: HostPath, { name, config }: PoolPlace): Promise<void> {
  // With a free space tree the kernel refuses to mount without one.
  const options = (config["btrfs.mount_options"] ?? "").split(",");
  const features = options.includes("nospace_cache") ? ["-R", "^free-space-tree"] : [];
  const label = name.slice(0, 255);
  try {
    await run(["mkfs.btrfs", "--quiet", ...features, "--label", label, "--", target]);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault(
      "bad_request",
      `cannot make a btrfs on "${target}": ${error.stderrTail.trim()}`,
      {
        cause: error,
        hint: await isBlockDevice(target)
          ? "A device that has data already must be wiped first: wipefs --all DEVICE."
          : "Give another size: size=1GiB.",
      },
    );
  }
}

/** An empty subvolume, or a path on a btrfs where one can be made. */
async function adoptDirectory(source: HostPath, undo: Undo): Promise<void> {
  if (await isDirectory(source)) {
    if (!await isBtrfs(source) || !await isSubvolume(source)) {
      throw new Fault("bad_request", `"${source}" is neither a block device nor a btrfs subvolume`);
    }
    if ((await entries(source)).length > 0) {
      throw new Fault("bad_request", `Requested btrfs subvolume "${source}" isn't empty`);
    }
    return;
  }
  const parent = source.slice(0, source.lastIndexOf("/")) || "/";
  if (!await isDirectory(parent) || !await isBtrfs(parent)) {
    const why = await exists(source) ? "is no block device" : "doesn't exist";
    throw new Fault("bad_request", `Source path "${source}" ${why}`, {
      hint: "Name a block device, an empty btrfs subvolume, or a new path on a btrfs.",
    });
  }
  await createSubvolume(source);
  undo.add("delete the subvolume", () => deleteTree(source));
}

async function abandon(
  { root, config, loopFile }: PoolPlace,
  { hadLoopFile }: { readonly hadLoopFile: boolean },
): Promise<void> {
  const source = config["source"] ?? "";
  const isLoop = source === "" || source === loopFile;
  while (detach(root));
  if (isLoop && !hadLoopFile) {
    await detachLoop(loopFile);
    await removeIfThere(loopFile);
  }
  await removeIfEmpty(root);
}

async function start(place: PoolPlace, services: PoolServices): Promise<BtrfsDriver> {
  const { root } = place;
  await Deno.mkdir(root, { recursive: true, mode: 0o711 });
  if (!await isMounted(root)) await mount(place);
  const idMounts = await probeIdMounts(root, services.namespaces) === undefined;
  return new BtrfsDriver({ ...services, root, idMounts });
}

async function mount({ root, config, loopFile }: PoolPlace): Promise<void> {
  const source = config["source"] ?? loopFile;
  if (await isDirectory(source)) return bindMount(source, root);
  const options = config["btrfs.mount_options"] || DEFAULT_OPTIONS;
  const mountFrom = (device: string) =>
    mountBy(options, ["-t", "btrfs", "-o", options, "--", device, root]);
  if (UUID.test(source)) {
    const device = await findByUuid(source) ?? config["volatile.initial_source"];
    if (device === undefined) {
      throw new Fault("unavailable", `there is no block device with the btrfs ${source}`, {
        hint: "Is its disk attached? See blkid(8).",
      });
    }
    await mountFrom(device);
    return;
  }
  if (await isBlockDevice(source)) {
    await mountFrom(source);
    return;
  }
  const file = hostPath(source);
  const device = await attachLoop(file);
  try {
    await mountFrom(device);
  } finally {
    // From now on the mount alone holds the device.
    await detachLoop(file);
  }
}

/** @throws {Fault} bad_request naming the options, which may be why it failed */
async function mountBy(options: string, args: readonly string[]): Promise<void> {
  try {
    await run(["mount", ...args]);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault("bad_request", `cannot mount the pool with the options "${options}"`, {
      cause: error,
      hint: error.stderrTail.trim().split("\n")[0] ?? "",
    });
  }
}

async function stop({ root }: PoolPlace): Promise<void> {
  while (detach(root));
  await Promise.resolve();
}

async function update(place: PoolPlace, before: PoolConfig): Promise<void> {
  const { config, root, loopFile } = place;
  const options = config["btrfs.mount_options"] ?? "";
  if (options !== (before["btrfs.mount_options"] ?? "")) {
    const all = options || DEFAULT_OPTIONS;
    await mountBy(all, ["-o", `remount,${all}`, "--", root]);
  }
  if ((config["size"] ?? "") === (before["size"] ?? "")) return;
  await growLoopFile(loopFile, config);
  await run(["btrfs", "filesystem", "resize", "max", root]);
}

async function destroy(place: PoolPlace): Promise<void> {
  const { config, root, loopFile } = place;
  const source = config["source"] ?? "";
  if (source === loopFile) await removeIfThere(loopFile);
  else if (source.startsWith("/") && await isDirectory(source)) {
    await emptySubvolume(source);
  } else await wipe(source, config);
  await removeIfEmpty(root);
}

/** The subvolume itself goes if the pool made it; an adopted one is left empty. */
async function emptySubvolume(source: string): Promise<void> {
  for (const folder of [...POOL_FOLDERS, "trash"]) {
    await deleteTree(hostPath(`${source}/${folder}`));
  }
  if ((await entries(source)).length === 0) await deleteTree(hostPath(source));
}

/** So that the device counts as free. */
async function wipe(source: string, config: PoolConfig): Promise<void> {
  const device = UUID.test(source)
    ? await findByUuid(source) ?? config["volatile.initial_source"]
    : source;
  if (device !== undefined && await isBlockDevice(device)) {
    await run(["wipefs", "--all", "--", device]);
  }
}
