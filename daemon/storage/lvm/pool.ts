/**
 * Pools of the driver `lvm`: a volume group on a loop file, on a block device, or one that exists, with
 * a thin pool in it unless lvm.use_thinpool=false.
 */
import { Fault } from "#base/errors.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import type { Undo } from "#base/undo.ts";
import { isFalse, isTrue, parseBytes } from "#base/units.ts";
import {
  exists,
  removeEmptyFolders,
  removeIfEmpty,
  removeIfThere,
  removeTree,
} from "#daemon/host/files.ts";
import { missingTool, run } from "#daemon/host/run.ts";
import { isBlockDevice } from "#daemon/storage/block_device.ts";
import {
  attachLoop,
  defaultLoopSize,
  detachLoop,
  growLoopFile,
  loopDevices,
  makeLoopFile,
} from "#daemon/storage/loop.ts";
import type {
  PoolConfig,
  PoolPlace,
  PoolServices,
  PoolType,
  Support,
} from "#daemon/storage/pool_type.ts";
import { LvmDriver } from "./driver.ts";
import { lvm, VolumeGroup } from "./group.ts";
import { isOwnName } from "./names.ts";
import { renamePool, settleNames } from "./renames.ts";
import { stripeOptions } from "./sizes.ts";

export const lvmPool: PoolType = {
  name: "lvm",
  probe,
  create,
  abandon,
  start,
  stop,
  update,
  destroy,
};

const THIN_POOL = "LXDThinPool";
/** LXD's mark of a group that a pool uses. */
const TAG = "lxd_pool";

async function probe(): Promise<Support> {
  const missing = await missingTool(["lvm", "vgcreate", "mkfs.ext4"]);
  if (missing !== undefined) {
    return {
      reason: `${missing} is not installed`,
      hint: "apt install lvm2 thin-provisioning-tools",
    };
  }
  const load = (module: string) => run(["modprobe", module]).catch(() => undefined); // Ignored: looked for below.
  const misc = async () => await Deno.readTextFile("/proc/misc");
  if (!/\bdevice-mapper$/m.test(await misc())) await load("dm-mod");
  if (!/\bdevice-mapper$/m.test(await misc())) {
    return {
      reason: "the kernel has no device-mapper",
      hint: "Run a kernel with dm-mod and dm-thin-pool (Debian: apt install linux-image-amd64).",
    };
  }
  const text = await run(["lvm", "version"]);
  return { version: /LVM version:\s+(\S+)/.exec(text)?.[1] ?? "2" };
}

/** A recovery may name a group only as the source. */
function groupName({ name, config }: Pick<PoolPlace, "name" | "config">): string {
  const source = config["source"] ?? "";
  return config["lvm.vg_name"] || (source === "" || source.startsWith("/") ? name : source);
}

function thinPoolName(config: PoolConfig): string | undefined {
  if (isFalse(config["lvm.use_thinpool"])) return undefined;
  return config["lvm.thinpool_name"] || THIN_POOL;
}

async function create(place: PoolPlace, undo: Undo): Promise<PoolConfig> {
  const { config } = place;
  requireThinPoolOption(config);
  if (thinPoolName(config) !== undefined && await missingTool(["thin_check"]) !== undefined) {
    throw new Fault("bad_request", "thin pools need thin_check, which is not installed", {
      hint: "apt install thin-provisioning-tools, or set lvm.use_thinpool=false.",
    });
  }
  const given = config["source"] ?? "";
  const named = { ...config, "lvm.vg_name": config["lvm.vg_name"] || place.name };
  if (given === "" || given === place.loopFile) return await createLoop(place, named, undo);
  if (!given.startsWith("/")) return await adoptGroup(given, config, undo);
  if (!await isBlockDevice(given)) {
    throw new Fault("bad_request", `"${given}" is not a block device`, {
      hint: "Give a block device, the name of a volume group, or nothing for a loop file.",
    });
  }
  await createGroup(named["lvm.vg_name"], hostPath(given), undo);
  await createThinPool(named["lvm.vg_name"], config, undo);
  return { ...named, source: named["lvm.vg_name"], "volatile.initial_source": given };
}

async function createLoop(
  place: PoolPlace,
  config: PoolConfig & { readonly "lvm.vg_name": string },
  undo: Undo,
): Promise<PoolConfig> {
  const size = config["size"] || await defaultLoopSize(place.stateDirectory);
  await makeLoopFile(place.loopFile, size);
  undo.add("remove the loop file", () => Deno.remove(place.loopFile));
  const device = await attachLoop(place.loopFile);
  undo.add("detach the loop file", () => detachLoop(place.loopFile));
  await createGroup(config["lvm.vg_name"], device, undo);
  await createThinPool(config["lvm.vg_name"], config, undo);
  // It was detached when the pool stopped, and what is on it must go before it does.
  undo.add("attach the loop file", () => attachLoop(place.loopFile).then(ignore));
  return { ...config, size, source: place.loopFile };
}

async function createGroup(name: string, device: HostPath, undo: Undo): Promise<void> {
  if (await groupExists(name)) {
    throw new Fault("conflict", `A volume group already exists called "${name}"`, {
      hint: `To use it, give source=${name}; or another lvm.vg_name.`,
    });
  }
  await lvm("pvcreate", "--yes", device);
  undo.add("remove the physical volume", () => lvm("pvremove", "--yes", device).then(ignore));
  await lvm("vgcreate", "--addtag", TAG, name, device);
  undo.add("remove the volume group", () => lvm("vgremove", "--yes", "--force", name).then(ignore));
}

/** A group that exists: empty, unless it may be shared. */
async function adoptGroup(name: string, config: PoolConfig, undo: Undo): Promise<PoolConfig> {
  if ((config["lvm.vg_name"] || name) !== name) {
    throw new Fault("bad_request", "source and lvm.vg_name name different volume groups");
  }
  if (!await groupExists(name)) {
    throw new Fault("bad_request", `The requested volume group "${name}" does not exist`, {
      hint: "Give a block device to make one on it.",
    });
  }
  const mayShare = isTrue(config["lvm.vg.force_reuse"]);
  const thinPool = thinPoolName(config);
  const others = (await new VolumeGroup(name, thinPool).list()).length > 0;
  if (others && !mayShare) {
    throw new Fault("bad_request", `Volume group "${name}" is not empty`, {
      hint: "lvm.vg.force_reuse=true uses it all the same.",
    });
  }
  const tags = await lvm("vgs", "--noheadings", "--options", "vg_tags", name);
  if (tags.includes(TAG) && !mayShare) {
    throw new Fault("bad_request", `Volume group "${name}" is already used by a pool`);
  }
  const hasThinPool = thinPool !== undefined &&
    await new VolumeGroup(name, undefined).has(thinPool);
  if (!hasThinPool) await createThinPool(name, config, undo);
  await lvm("vgchange", "--addtag", TAG, name);
  undo.add("unmark the volume group", () => lvm("vgchange", "--deltag", TAG, name).then(ignore));
  return { ...config, "lvm.vg_name": name, source: name, "volatile.initial_source": name };
}

async function createThinPool(group: string, config: PoolConfig, undo: Undo): Promise<void> {
  const name = thinPoolName(config);
  if (name === undefined) return;
  const metadata = config["lvm.thinpool_metadata_size"] ?? "";
  const bytes = metadata === "" ? 0 : parseBytes(metadata);
  await lvm(
    ...["lvcreate", "--yes", "--extents", "100%FREE"],
    ...(bytes === 0 ? [] : ["--poolmetadatasize", `${bytes}b`]),
    ...stripeOptions(config["volume.lvm.stripes"], config["volume.lvm.stripes.size"]),
    ...["--type", "thin-pool", "--name", name, group],
  );
  undo.add("remove the thin pool", () => lvm("lvremove", "--yes", `${group}/${name}`).then(ignore));
}

async function groupExists(name: string): Promise<boolean> {
  return await lvm("vgs", "--noheadings", name).then(() => true, () => false);
}

async function start(place: PoolPlace, services: PoolServices): Promise<LvmDriver> {
  const { config, root, loopFile } = place;
  await Deno.mkdir(root, { recursive: true, mode: 0o711 });
  if (config["source"] === loopFile) await attachLoop(loopFile);
  const group = new VolumeGroup(groupName(place), thinPoolName(config));
  await settleNames({ group: group.name, thinPool: group.thinPool });
  const defaults = Object.fromEntries(
    Object.entries(config).filter(([key]) => key.startsWith("volume."))
      .map(([key, value]) => [key.slice("volume.".length), value]),
  );
  return new LvmDriver({ ...services, root, group, defaults });
}

async function stop(place: PoolPlace): Promise<void> {
  const group = groupName(place);
  if (!await groupExists(group)) return;
  if (isTrue(place.config["lvm.vg.force_reuse"])) await deactivateOwn(group);
  else await lvm("vgchange", "--activate", "n", group);
  if (place.config["source"] === place.loopFile) await detachLoop(place.loopFile);
}

/** What others have in a group that is shared may be in use, and stays as it is. */
async function deactivateOwn(group: string): Promise<void> {
  const all = await new VolumeGroup(group, undefined).list();
  const own = all.filter(({ name }) => isOwnName(name)).map(({ name }) => `${group}/${name}`);
  if (own.length > 0) await lvm("lvchange", "--activate", "n", ...own);
}

/** Names that are unset stay as they are. */
async function update(place: PoolPlace, before: PoolConfig, undo: Undo): Promise<PoolConfig> {
  const { loopFile } = place;
  const old = { group: groupName({ ...place, config: before }), thinPool: thinPoolName(before) };
  const config = withNames(place.config, before, old.group);
  const now = { group: groupName({ ...place, config }), thinPool: thinPoolName(config) };
  requireThinPoolOption(config);
  if (now.thinPool !== undefined) requireSameStripes(before, config);
  await renamePool(old, now, undo);
  if ((config["size"] ?? "") === (before["size"] ?? "")) return config;
  await growLoopFile(loopFile, config);
  await lvm("pvresize", await attachLoop(loopFile));
  if (now.thinPool !== undefined) {
    await lvm("lvextend", "--extents", "+100%FREE", `${now.group}/${now.thinPool}`);
  }
  return config;
}

/** A group that was there before is the source too: that follows. Pure. */
function withNames(config: PoolConfig, before: PoolConfig, oldGroup: string): PoolConfig {
  const group = config["lvm.vg_name"] || oldGroup;
  const thinPool = config["lvm.thinpool_name"] || before["lvm.thinpool_name"] || "";
  return {
    ...config,
    ...(before["source"] === oldGroup && { source: group }),
    "lvm.vg_name": group,
    ...(thinPool !== "" && { "lvm.thinpool_name": thinPool }),
  };
}

function requireThinPoolOption(config: PoolConfig): void {
  if (!isFalse(config["lvm.use_thinpool"]) || (config["lvm.thinpool_name"] ?? "") === "") return;
  throw new Fault("bad_request", "lvm.thinpool_name makes no sense with lvm.use_thinpool=false");
}

const STRIPES = ["volume.lvm.stripes", "volume.lvm.stripes.size"];

/** The thin pool has them, from its beginning. */
function requireSameStripes(before: PoolConfig, after: PoolConfig): void {
  const key = STRIPES.find((one) => (before[one] ?? "") !== (after[one] ?? ""));
  if (key === undefined) return;
  throw new Fault("bad_request", `${key} cannot be changed when using a thin pool`, {
    hint: "The thin pool is striped when it is made: make another pool with this key.",
  });
}

/** A group that was there before stays, without the thin pool. */
async function destroy(place: PoolPlace): Promise<void> {
  const { config, root, loopFile } = place;
  const isLoop = config["source"] === loopFile;
  if (isLoop && await exists(loopFile)) await attachLoop(loopFile);
  // A crash may have come after it went.
  if (await groupExists(groupName(place))) await leaveGroup(place, isLoop);
  if (isLoop) {
    await detachLoop(loopFile);
    await removeIfThere(loopFile);
  }
  await removeTree(root);
}

async function leaveGroup(place: PoolPlace, isLoop: boolean): Promise<void> {
  const { config } = place;
  const name = groupName(place);
  const thinPool = thinPoolName(config);
  const group = new VolumeGroup(name, thinPool);
  for (const { name: lv } of await group.list()) {
    if (lv.startsWith("images_")) await group.remove(lv);
  }
  // What others keep in a shared group stays, with a thin pool that holds some of it.
  const isEmpty = (await group.list()).length === 0;
  if (thinPool !== undefined && await group.hasThinPool() && !await group.hasThinVolumes()) {
    await group.remove(thinPool);
  }
  const initial = config["volatile.initial_source"] ?? "";
  // It may have been renamed since.
  const wasThere = initial !== "" && !initial.startsWith("/");
  if (!wasThere && (isEmpty || isLoop)) {
    const devices = (await lvm("vgs", "--noheadings", "--options", "pv_name", name)).trim();
    await lvm("vgremove", "--yes", "--force", name);
    for (const device of devices.split(/\s+/)) await lvm("pvremove", "--yes", device);
  } else if (wasThere) await lvm("vgchange", "--deltag", TAG, name);
}

/** A group or device that was given stays as it is. */
async function abandon(
  { root, config, loopFile }: PoolPlace,
  { hadLoopFile }: { readonly hadLoopFile: boolean },
): Promise<void> {
  const source = config["source"] ?? "";
  if ((source === "" || source === loopFile) && !hadLoopFile) {
    for (const device of await loopDevices(loopFile)) {
      const groups = await lvm("pvs", "--noheadings", "--options", "vg_name", device)
        .catch(() => ""); // Ignored: it is not LVM's yet.
      const group = groups.trim();
      if (group !== "") await lvm("vgchange", "--activate", "n", group);
    }
    await detachLoop(loopFile);
    await removeIfThere(loopFile);
  }
  await removeEmptyFolders(root);
  await removeIfEmpty(root);
}

function ignore(): void {}
