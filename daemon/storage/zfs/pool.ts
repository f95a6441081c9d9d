/** Pools of the driver `zfs`: a zpool on a loop file or block device, or a zpool or dataset that exists. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ExecError, Fault } from "#base/errors.ts";
import type { Undo } from "#base/undo.ts";
import { isFalse } from "#base/units.ts";
import { exists, removeTree } from "#daemon/host/files.ts";
import { missingTool, run } from "#daemon/host/run.ts";
import { isBlockDevice } from "#daemon/storage/block_device.ts";
import { probeIdMounts } from "#daemon/storage/id_mounts.ts";
import { defaultLoopSize, growLoopFile, makeLoopFile } from "#daemon/storage/loop.ts";
import { unmountFirmly } from "#daemon/host/mounted.ts";
import type {
  PoolConfig,
  PoolPlace,
  PoolServices,
  PoolType,
  Support,
} from "#daemon/storage/pool_type.ts";
import { ZfsDriver } from "./driver.ts";
import { isBuried, parentDatasets } from "./names.ts";
import { asOptions, POOL_PROPERTIES } from "./properties.ts";
import { findDataset, listDatasets, mountDataset, zfs, zpool } from "./tool.ts";

export const zfsPool: PoolType = {
  name: "zfs",
  probe,
  create,
  start,
  recognize,
  stop,
  update,
  requireDestroyable,
  destroy,
};

const MODULE = "/sys/module/zfs";

async function probe(): Promise<Support> {
  const missing = await missingTool(["zfs", "zpool"]);
  if (missing !== undefined) {
    return {
      reason: `${missing} is not installed`,
      hint: "apt install zfsutils-linux zfs-dkms (Debian: of contrib)",
    };
  }
  if (!await exists(MODULE)) {
    await run(["modprobe", "zfs"]).catch(() => undefined); // Ignored: looked for below.
  }
  if (!await exists(MODULE)) {
    return {
      reason: "the kernel has no module zfs",
      hint: "apt install zfs-dkms linux-headers-amd64 (Debian: of contrib), then modprobe zfs",
    };
  }
  return { version: (await Deno.readTextFile(`${MODULE}/version`)).trim() };
}

/** A source that is no path names it too. */
function datasetOf({ name, config }: Pick<PoolPlace, "name" | "config">): string {
  const source = config["source"] ?? "";
  const isNamed = source !== "" && !source.startsWith("/");
  return config["zfs.pool_name"] || (isNamed ? source : name);
}

const zpoolOf = (place: Pick<PoolPlace, "name" | "config">) => datasetOf(place).split("/")[0] ?? "";

async function create(place: PoolPlace, undo: Undo): Promise<PoolConfig> {
  const { config } = place;
  const source = config["source"] ?? "";
  const named: PoolConfig & { readonly "zfs.pool_name": string } = {
    ...config,
    "zfs.pool_name": config["zfs.pool_name"] || place.name,
  };
  if (source === "" || source === place.loopFile) {
    requireZpoolName(named["zfs.pool_name"]);
    const size = config["size"] || await defaultLoopSize(place.stateDirectory);
    await makeLoopFile(place.loopFile, size);
    undo.add("remove the loop file", () => Deno.remove(place.loopFile));
    await createZpool(named["zfs.pool_name"], place.loopFile, undo);
    return { ...named, size, source: place.loopFile };
  }
  if (!source.startsWith("/")) return await adopt(source, config, undo);
  if (!await isBlockDevice(source)) {
    throw new Fault("bad_request", "Custom loop file locations are not supported", {
      hint: "Give a block device, a zpool or dataset, or nothing for a loop file.",
    });
  }
  requireZpoolName(named["zfs.pool_name"]);
  await createZpool(named["zfs.pool_name"], hostPath(source), undo);
  return {
    ...withoutSize(named),
    source: named["zfs.pool_name"],
    "volatile.initial_source": source,
  };
}

/** A size is only of a loop file. */
function withoutSize(config: PoolConfig): PoolConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => key !== "size"));
}

/** @throws {Fault} bad_request */
function requireZpoolName(name: string): void {
  if (name.includes("/")) {
    throw new Fault("bad_request", "zfs.pool_name can't point to a dataset when source isn't set");
  }
  if (!/^[a-zA-Z][a-zA-Z0-9_.:-]*$/.test(name)) {
    throw new Fault("bad_request", `"${name}" is no name of a zpool`, {
      hint: "It starts with a letter, and has letters, digits and - _ . : only.",
    });
  }
}

async function createZpool(name: string, device: HostPath, undo: Undo): Promise<void> {
  if (await isImported(name)) {
    throw new Fault("conflict", `A zpool already exists called "${name}"`, {
      hint: `To use it, give source=${name}; or another zfs.pool_name.`,
    });
  }
  const properties = ["compression=on", ...POOL_PROPERTIES.slice(1)].flatMap((one) => ["-O", one]);
  try {
    await zpool("create", "-f", "-m", "none", ...properties, name, device);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    throw new Fault("bad_request", `cannot make a zpool on "${device}"`, {
      cause: error,
      hint: error.stderrTail.trim(),
    });
  }
  undo.add("destroy the zpool", async () => {
    // It was exported when the pool stopped. On a whole disk it lies in a partition.
    await importZpool(name, await isBlockDevice(device) ? undefined : device);
    await zpool("destroy", "-f", name);
  });
  await zfs("set", "mountpoint=legacy", name);
}

/** A zpool or dataset that exists and is empty; a dataset that does not exist is made. */
async function adopt(name: string, config: PoolConfig, undo: Undo): Promise<PoolConfig> {
  if ((config["zfs.pool_name"] || name) !== name) {
    throw new Fault("bad_request", "The source must match zfs.pool_name if specified");
  }
  const named = { ...withoutSize(config), "zfs.pool_name": name };
  const whole = zpoolOf({ name, config: named });
  const wasImported = await isImported(whole);
  await importZpool(whole);
  undo.add(
    "leave the zpool as it was",
    () => wasImported ? importZpool(whole) : exportZpool(whole),
  );
  if (await findDataset(name) === undefined) {
    await zfs("create", "-p", ...asOptions(["mountpoint=legacy"]), name);
    undo.add("destroy the dataset", async () => {
      await importZpool(whole);
      await zfs("destroy", "-r", name);
    });
  }
  const all = await listDatasets(name, { types: "all", depth: "all" });
  if (all.length > 1) {
    throw new Fault(
      "bad_request",
      `Provided ZFS pool (or dataset) isn't empty, run "sudo zfs list -r ${name}" ` +
        "to see existing entries",
    );
  }
  undo.add("destroy the datasets of the pool", async () => {
    await importZpool(whole);
    for (const one of parentDatasets(name).toReversed()) {
      if (await findDataset(one) !== undefined) await zfs("destroy", "-r", one);
    }
  });
  const before = await ownProperties(name);
  undo.add("give back the properties", async () => {
    await importZpool(whole);
    if (await findDataset(name) !== undefined) await restoreProperties(name, before);
  });
  await zfs("set", ...POOL_PROPERTIES, name);
  return { ...named, source: name, "volatile.initial_source": name };
}

/** What a pool changes of its dataset: values that were set there; undefined: inherited or the default. */
type OwnProperties = readonly (readonly [name: string, value: string | undefined])[];

async function ownProperties(dataset: string): Promise<OwnProperties> {
  const names = POOL_PROPERTIES.map((one) => one.split("=")[0] ?? "");
  const columns = ["-o", "property,value,source"];
  const text = await zfs("get", "-Hp", ...columns, names.join(","), dataset);
  return text.trim().split("\n").map((line) => {
    const [name = "", value = "", source = ""] = line.split("\t");
    return [name, source === "local" ? value : undefined];
  });
}

async function restoreProperties(dataset: string, before: OwnProperties): Promise<void> {
  for (const [name, value] of before) {
    await (value === undefined
      ? zfs("inherit", name, dataset)
      : zfs("set", `${name}=${value}`, dataset));
  }
}

async function isImported(name: string): Promise<boolean> {
  return await zpool("list", "-H", "-o", "name", name).then(() => true, () => false);
}

/**
 * Idempotent.
 *
 * @param file That it is in; undefined: look at all disks. @throws {Fault} unavailable
 */
async function importZpool(name: string, file?: HostPath): Promise<void> {
  if (await isImported(name)) return;
  const where = file === undefined ? [] : ["-d", file];
  try {
    await zpool("import", "-f", "-N", ...where, name);
  } catch (error) {
    const words = error instanceof ExecError ? ` It says: ${error.stderrTail.trim()}` : "";
    throw new Fault("unavailable", `the zpool "${name}" is not there`, {
      cause: error,
      hint: `Is its disk attached? See zpool import.${words}`,
    });
  }
}

async function exportZpool(name: string): Promise<void> {
  if (await isImported(name)) await zpool("export", name);
}

/** That of a pool that was made. */
function importFor(place: PoolPlace): Promise<void> {
  const isLoop = place.config["source"] === place.loopFile;
  return importZpool(zpoolOf(place), isLoop ? place.loopFile : undefined);
}

async function start(place: PoolPlace, services: PoolServices): Promise<ZfsDriver> {
  const { config, root } = place;
  await Deno.mkdir(root, { recursive: true, mode: 0o711 });
  await importFor(place);
  const pool = datasetOf(place);
  if (await findDataset(pool) === undefined) {
    throw new Fault("unavailable", `the dataset "${pool}" of the pool is not there`, {
      hint: "Was it renamed or destroyed? See zfs list.",
    });
  }
  const defaults = Object.fromEntries(
    Object.entries(config).filter(([key]) => key.startsWith("volume."))
      .map(([key, value]) => [key.slice("volume.".length), value]),
  );
  const wanted = config["zfs.clone_copy"];
  const cloneCopy = wanted === "rebase" ? "rebase" : isFalse(wanted) ? "false" : "true";
  const idMounts = await canMapIds(pool, root, services);
  return new ZfsDriver({ ...services, root, pool, defaults, cloneCopy, idMounts });
}

/** ZFS before 2.2 can't: asked of the pool's own dataset, which has nothing in it. */
async function canMapIds(
  pool: string,
  root: HostPath,
  { namespaces }: PoolServices,
): Promise<boolean> {
  const path = hostPath(`${root}/.mnt-${crypto.randomUUID()}`);
  await Deno.mkdir(path, { mode: 0o700 });
  try {
    await mountDataset(pool, path);
    return await probeIdMounts(path, namespaces) === undefined;
  } finally {
    await unmountFirmly(path);
    await Deno.remove(path);
  }
}

async function recognize(place: PoolPlace): Promise<void> {
  const pool = datasetOf(place);
  if (await findDataset(`${pool}/containers`) !== undefined) return;
  throw new Fault("bad_request", `"${pool}" was not made as a storage pool`, {
    hint: "It has no dataset containers.",
  });
}

async function stop(place: PoolPlace): Promise<void> {
  const name = datasetOf(place);
  if (name.includes("/") || isFalse(place.config["zfs.export"])) return;
  await exportZpool(name);
}

async function update(place: PoolPlace, before: PoolConfig): Promise<PoolConfig> {
  const { config, loopFile } = place;
  if ((config["size"] ?? "") === (before["size"] ?? "")) return config;
  await growLoopFile(loopFile, config);
  await zpool("online", "-e", zpoolOf(place), loopFile);
  return config;
}

async function requireDestroyable(place: PoolPlace): Promise<void> {
  const pool = datasetOf(place);
  await importFor(place);
  const ours = new Set([pool, ...parentDatasets(pool)]);
  const all = await listDatasets(pool, { types: "filesystem,volume", depth: "all" });
  const foreign = all.find(({ name }) =>
    !ours.has(name) && !isBuried(pool, name) && !name.startsWith(`${pool}/images/`)
  );
  if (foreign !== undefined) {
    throw new Fault("bad_request", `ZFS pool has leftover datasets: ${foreign.name}`, {
      hint: "They are none of this storage pool, and would go with it.",
    });
  }
}

/** As LXD also a zpool or dataset that was there before. */
async function destroy(place: PoolPlace): Promise<void> {
  const { config, root, loopFile } = place;
  const pool = datasetOf(place);
  await importFor(place);
  if (pool.includes("/")) await zfs("destroy", "-r", pool);
  else await zpool("destroy", "-f", pool);
  if (config["source"] === loopFile) await Deno.remove(loopFile);
  await removeTree(root);
}
