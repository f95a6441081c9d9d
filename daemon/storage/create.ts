/** The storage service: instance volumes of all pools, by the contract of service.ts. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { newVolumeConfig } from "#api/config/pool_keys.ts";
import { LockTable } from "#base/lock.ts";
import { parseBytes } from "#base/units.ts";
import type { Database } from "#daemon/db/db.ts";
import {
  deleteVolumeRow,
  getPool,
  insertVolume,
  listVolumes,
  renameVolumeRow,
  type VolumeRow,
} from "#daemon/db/storage_pools.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { exists, removeIfThere, removeTree } from "#daemon/host/files.ts";
import type { Images } from "#daemon/images/service.ts";
import type { Chore } from "#daemon/operations/scheduler.ts";
import type { Paths } from "#daemon/paths.ts";
import type { IdMap } from "#daemon/idmap/idmap.ts";
import { copyTree, treeBytes } from "./copy_tree.ts";
import type { StorageDriver } from "./driver.ts";
import {
  createFromImage,
  dropImage,
  dropImageVolume,
  forgetImageVolumes,
  type OpenPool,
  replaceImage,
} from "./images.ts";
import { requireLosable } from "./later_snapshots.ts";
import { diskName, emptyLinks, link, unlink } from "./links.ts";
import { createSupport, type SupportedDriver } from "./pool_types.ts";
import { volumeChores } from "./custom/chores.ts";
import { checkCustomVolume, useCustomVolume } from "./custom/use.ts";
import type { CustomContext } from "./custom/context.ts";
import { Pools } from "./pools.ts";
import type {
  InstanceStorage,
  InstanceVolume,
  Storage,
  VolumeSource,
  VolumeUser,
} from "./service.ts";
import { copyVolume, receiveVolume, refreshVolume } from "./transfer.ts";
import { shiftTree } from "./shift.ts";
import { requireServerSpace } from "./space.ts";
import { UserNamespaces } from "./user_namespaces.ts";
import { containerVolume, FOLDERS, type Volume } from "./volume.ts";

export interface StorageDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly images: Pick<Images, "unpack" | "unpackedBytes">;
  readonly helper: HostPath;
  readonly onError: (what: string, error: unknown) => void;
  /** Running instances that have a custom volume among their disks. */
  readonly runningUsers?: (volume: VolumeName) => Promise<readonly string[]>;
  /** All instances that have it, with the maps that they run with, or would. */
  readonly volumeUsers?: (volume: VolumeName) => Promise<readonly VolumeUser[]>;
  /** Does the server keep its images or backups on a custom volume? */
  readonly isServers?: (volume: VolumeName) => Promise<boolean>;
}

export interface StorageService extends Storage {
  /** For the routes of pools and volumes. */
  readonly pools: Pools;
  /** The unpacked copy of an image goes from this pool; the image itself stays. */
  dropImageVolume(volume: Pick<VolumeRow, "pool" | "name">): Promise<void>;
  /** Drivers that work on this host, with the versions of their tools. */
  supported(): Promise<readonly SupportedDriver[]>;
  /** For what works with custom volumes: routes, backups, migration. */
  readonly custom: CustomContext;
  /** What the clock does with custom volumes. */
  readonly chores: readonly Chore[];
}

/** No pool is opened before it is used. */
export function createStorage(deps: StorageDeps): StorageService {
  const namespaces = new UserNamespaces(deps.helper);
  const imageExists = async (fingerprint: string) =>
    await deps.db.read((tx) =>
      tx.get("SELECT 1 FROM images WHERE fingerprint = ?", fingerprint)
    ) !== undefined;
  const pools = new Pools({ ...deps, namespaces, imageExists });
  const custom: CustomContext = {
    ...deps,
    pools,
    locks: new LockTable(),
    runningUsers: deps.runningUsers ?? (() => Promise.resolve([])),
    volumeUsers: deps.volumeUsers ?? (() => Promise.resolve([])),
    isServers: deps.isServers ?? (() => Promise.resolve(false)),
  };
  return {
    pools,
    supported: createSupport(),
    custom,
    chores: volumeChores(custom),
    instances: instanceStorage({ ...deps, namespaces }, pools),
    requirePool: (name) => deps.db.read((tx) => getPool(tx, name)),
    checkCustom: (volume, project) => checkCustomVolume(custom, volume, project),
    useCustom: (volume, user) => useCustomVolume(custom, volume, user),
    imageReplaced: async (before, after, signal) =>
      await replaceImage(deps, await pools.all(), { before, after, signal }),
    imageDeleted: async (fingerprint) => await dropImage(deps, await pools.all(), fingerprint),
    async dropImageVolume({ pool: name, name: fingerprint }) {
      await dropImageVolume(deps, { name, driver: await pools.driver(name) }, fingerprint);
    },
    async recover(instances) {
      await pools.all();
      await forgetImageVolumes(deps);
      for (const { volume, running } of instances) {
        try {
          await show(deps.paths, pools, volume, running);
        } catch (error) {
          deps.onError(`show volume "${volume.name}"`, error);
        }
      }
    },
    show: (volume, running) => show(deps.paths, pools, volume, running),
    async close() {
      await pools.close();
      for (const folder of ["containers", "snapshots"]) await emptyLinks(deps.paths.at(folder));
      await namespaces.close();
    },
  };
}

const treeOf = ({ project, name }: InstanceVolume) => containerVolume(project, name);

function instanceStorage(
  deps: StorageDeps & { readonly namespaces: UserNamespaces },
  pools: Pools,
): InstanceStorage {
  const on = async (volume: InstanceVolume): Promise<[StorageDriver, Volume]> => [
    await pools.driver(volume.pool),
    treeOf(volume),
  ];
  const row = (volume: InstanceVolume) => ({
    pool: volume.pool,
    project: volume.project,
    name: volume.name,
    type: "container" as const,
    description: "",
    config: {},
  });
  const ownConfig = (volume: InstanceVolume) =>
    deps.db.read(async (tx) => {
      const { pool, project, name } = volume;
      const [own] = await listVolumes(tx, { pool, project, name, type: "container" });
      return newVolumeConfig(await getPool(tx, pool), own?.config ?? {});
    });
  return {
    async create(volume, source, options = {}) {
      const [driver, tree] = await on(volume);
      const pool = { name: volume.pool, driver };
      const { config } = await deps.db.read((tx) => getPool(tx, volume.pool));
      const sizeBytes = options.sizeBytes ?? parseBytes(config["volume.size"] || "0");
      await fill({ deps, pools, pool, tree, source, ...options, sizeBytes });
      try {
        await link(deps.paths, pools, volume);
        await deps.db.write((tx) => insertVolume(tx, row(volume)));
      } catch (error) {
        await unlink(deps.paths, volume);
        await driver.remove(tree);
        throw error;
      }
    },
    async delete(volume) {
      const [driver, tree] = await on(volume);
      await unlink(deps.paths, volume);
      await driver.remove(tree);
      await deps.db.write((tx) => deleteVolumeRow(tx, row(volume)));
    },
    async rename(volume, newName) {
      const [driver, tree] = await on(volume);
      const next = { ...volume, name: newName };
      const isMoved = !await exists(driver.directory(tree)) &&
        await exists(driver.directory({ ...tree, name: diskName(next) }));
      if (!isMoved) await driver.rename(tree, diskName(next));
      await unlink(deps.paths, volume);
      await link(deps.paths, pools, next);
      await deps.db.write((tx) => renameVolumeRow(tx, row(volume), newName));
    },
    async resize(volume, sizeBytes) {
      const [driver, tree] = await on(volume);
      await driver.resize({ ...tree, config: await ownConfig(volume) }, sizeBytes);
    },
    async reconfigure(volume, config) {
      const [driver, tree] = await on(volume);
      const { totalBytes } = await driver.usage(tree);
      await driver.resize({ ...tree, config }, totalBytes);
    },
    async present(volume, options) {
      const [driver, tree] = await on(volume);
      // A tree that is shifted on disk is one of its own already, and not to be mapped again.
      const shifted = { ...options, idmap: null, plainRoot: true };
      return await driver.present(tree, driver.can.idMounts ? options : shifted);
    },
    async mapsIds(volume) {
      return (await pools.driver(volume.pool)).can.idMounts;
    },
    async shift(volume, change) {
      const [driver, tree] = await on(volume);
      await driver.flatten(tree);
      const directory = await driver.mount(tree);
      await shiftTree(deps.helper, hostPath(`${directory}/rootfs`), change);
    },
    async openPlain(volume, { snapshot, diskMap }) {
      const view = await this.openStopped(volume, snapshot);
      if (diskMap === null) return view;
      await using _view = view;
      return await plainCopy(deps, view.path, diskMap);
    },
    users: (map) => deps.namespaces.lower(map),
    async presentStopped(volume) {
      const [driver, tree] = await on(volume);
      await driver.settle(tree);
    },
    async adopt(volume) {
      const [driver, tree] = await on(volume);
      driver.adopt(tree);
    },
    async withdraw(volume) {
      const [driver, tree] = await on(volume);
      await driver.unmount(tree);
    },
    async openStopped(volume, snapshot) {
      const [driver, tree] = await on(volume);
      const view = await driver.view(tree, snapshot);
      return {
        path: hostPath(`${view.path}/rootfs`),
        [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
      };
    },
    directory(volume, snapshot) {
      const folder = FOLDERS.container[snapshot === undefined ? "volumes" : "snapshots"];
      const tail = snapshot === undefined ? "" : `/${snapshot}`;
      return hostPath(`${pools.path(volume.pool)}/${folder}/${diskName(volume)}${tail}`);
    },
    async snapshot(volume, snapshot, { running }) {
      const [driver, tree] = await on(volume);
      await driver.snapshot(tree, snapshot, running);
      await link(deps.paths, pools, volume, "snapshots");
    },
    async shorten(volume, snapshot) {
      const [driver, tree] = await on(volume);
      return await driver.shorten?.(tree, snapshot);
    },
    async refresh(volume, source, options) {
      const [driver, tree] = await on(volume);
      const [from, theirs] = await on(source);
      await refreshVolume({ driver, volume: tree }, { driver: from, volume: theirs }, options);
      await link(deps.paths, pools, volume, "snapshots");
    },
    async lostByRestore(volume, snapshot) {
      const [driver, tree] = await on(volume);
      if (driver.can.restoreOlder) return [];
      const all = await driver.listSnapshots(tree);
      const later = all.slice(all.indexOf(snapshot) + 1);
      requireLosable(snapshot, later, await ownConfig(volume));
      return later;
    },
    async locate(volume) {
      const [driver, tree] = await on(volume);
      return { driver, volume: tree };
    },
    async receive(volume, { snapshots, parts, signal }) {
      const [driver, tree] = await on(volume);
      const { totalBytes: sizeBytes } = await driver.usage(tree);
      await driver.remove(tree);
      await receiveVolume({ driver, volume: tree }, {
        snapshots,
        parts,
        sizeBytes,
        ...(signal !== undefined && { signal }),
      });
      await link(deps.paths, pools, volume, "snapshots");
    },
    async restore(volume, snapshot) {
      const [driver, tree] = await on(volume);
      await driver.restore(tree, snapshot);
    },
    async deleteSnapshot(volume, snapshot) {
      const [driver, tree] = await on(volume);
      await driver.removeSnapshot(tree, snapshot);
      if ((await driver.listSnapshots(tree)).length === 0) {
        await unlink(deps.paths, volume, ["snapshots"]);
      }
    },
    async renameSnapshot(volume, snapshot, newName) {
      const [driver, tree] = await on(volume);
      await driver.renameSnapshot(tree, snapshot, newName);
    },
    async usage(volume, snapshot) {
      const [driver, tree] = await on(volume);
      return await driver.usage(tree, snapshot);
    },
    async writeBackupYaml(volume, content) {
      const [driver, tree] = await on(volume);
      const path = `${driver.directory(tree)}/backup.yaml`;
      await removeIfThere(`${path}.new`);
      try {
        await Deno.writeTextFile(`${path}.new`, content, { mode: 0o400, createNew: true });
        await Deno.rename(`${path}.new`, path);
      } catch (error) {
        await removeIfThere(`${path}.new`);
        throw error;
      }
    },
  };
}

/** A copy that lives until it is disposed. */
async function plainCopy(
  { paths, helper }: StorageDeps,
  source: HostPath,
  map: IdMap,
): Promise<{ readonly path: HostPath } & AsyncDisposable> {
  const folder = paths.at("backups", `import-${crypto.randomUUID()}`);
  const path = hostPath(`${folder}/rootfs`);
  const remove = () => removeTree(folder);
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    await requireServerSpace(path, await treeBytes(source), "copy the files with plain ids");
    await copyTree(source, path);
    const note = () => Promise.resolve();
    await shiftTree(helper, path, { state: { now: map }, target: null, note });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}

async function fill({ deps, pools, pool, tree, source, signal, sizeBytes }: {
  deps: StorageDeps;
  pools: Pools;
  pool: OpenPool;
  tree: Volume;
  source: VolumeSource;
  signal?: AbortSignal;
  sizeBytes?: number;
}): Promise<void> {
  const { driver } = pool;
  const options = {
    ...(signal !== undefined && { signal }),
    ...(sizeBytes !== undefined && { sizeBytes }),
  };
  switch (source.kind) {
    case "empty":
      return await driver.create(tree, options);
    case "image": {
      const { fingerprint } = source;
      return await createFromImage(deps, pool, { volume: tree, fingerprint, ...options });
    }
    case "instance":
      return await copyVolume({ driver, volume: tree }, {
        driver: await pools.driver(source.volume.pool),
        volume: treeOf(source.volume),
      }, {
        ...options,
        ...(source.snapshot !== undefined && { snapshot: source.snapshot }),
        ...(source.withSnapshots !== undefined && { withSnapshots: source.withSnapshots }),
        ...(source.running !== undefined && { running: source.running }),
      });
  }
}

/** Link it and mount it with its snapshots, untouched if it runs. */
async function show(
  paths: Paths,
  pools: Pools,
  volume: InstanceVolume,
  running: boolean,
): Promise<void> {
  const driver = await pools.driver(volume.pool);
  const tree = treeOf(volume);
  await link(paths, pools, volume);
  if (running) driver.adopt(tree);
  else await driver.settle(tree);
  for (const one of await driver.listSnapshots(tree)) await driver.mount(tree, one);
}
