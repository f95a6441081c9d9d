/** The storage service: instance volumes of all pools, by the contract of service.ts. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { Database } from "#daemon/db/db.ts";
import {
  deleteVolumeRow,
  getPool,
  insertVolume,
  listVolumes,
  renameVolumeRow,
} from "#daemon/db/storage_pools.ts";
import type { Images } from "#daemon/images/service.ts";
import { inProject, type Paths } from "#daemon/paths.ts";
import type { DirDriver } from "./dir.ts";
import { Pools } from "./pools.ts";
import type { InstanceStorage, InstanceVolume, Storage, VolumeSource } from "./service.ts";
import { UserNamespaces } from "./user_namespaces.ts";

export interface StorageDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly images: Pick<Images, "unpack" | "unpackedBytes">;
  readonly helper: HostPath;
  readonly onError: (what: string, error: unknown) => void;
}

export interface StorageService extends Storage {
  /** For the routes of pools and volumes. */
  readonly pools: Pools;
}

export function createStorage(deps: StorageDeps): StorageService {
  const namespaces = new UserNamespaces(deps.helper);
  const imageExists = async (fingerprint: string) =>
    await deps.db.read((tx) =>
      tx.get("SELECT 1 FROM images WHERE fingerprint = ?", fingerprint)
    ) !== undefined;
  const pools = new Pools({ ...deps, namespaces, imageExists });
  return {
    pools,
    instances: instanceStorage(deps, pools),
    requirePool: (name) => deps.db.read((tx) => getPool(tx, name)),
    async mountCustom(pool, project, name) {
      const [found] = await deps.db.read((tx) =>
        listVolumes(tx, { pool, project, name, type: "custom" })
      );
      if (found === undefined) {
        throw new Fault("not_found", `Storage volume "${name}" not found on pool "${pool}"`);
      }
      await pools.driver(pool);
      return hostPath(`${pools.path(pool)}/custom/${project}_${name}`);
    },
    async imageDeleted(fingerprint) {
      for (const { driver } of await pools.all()) await driver.dropImage(fingerprint);
    },
    async recover(instances) {
      for (const { driver } of await pools.all()) void driver;
      for (const { volume, running } of instances) {
        try {
          const driver = await pools.driver(volume.pool);
          const name = diskName(volume);
          await link(deps.paths, pools, volume);
          if (running) driver.adopt(name);
          else await driver.presentStopped(name);
          await driver.presentSnapshots(name);
        } catch (error) {
          deps.onError(`show volume "${volume.name}"`, error);
        }
      }
    },
    async close() {
      await pools.close();
      for (const folder of ["containers", "snapshots"]) await emptyLinks(deps.paths.at(folder));
      await namespaces.close();
    },
  };
}

const diskName = ({ project, name }: InstanceVolume) => inProject(project, name);

function instanceStorage(deps: StorageDeps, pools: Pools): InstanceStorage {
  const on = async (volume: InstanceVolume): Promise<[DirDriver, string]> => [
    await pools.driver(volume.pool),
    diskName(volume),
  ];
  const row = (volume: InstanceVolume) => ({
    pool: volume.pool,
    project: volume.project,
    name: volume.name,
    type: "container" as const,
    description: "",
    config: {},
  });
  return {
    async create(volume, source, options = {}) {
      if (options.sizeBytes !== undefined) throw noQuota();
      const [driver, name] = await on(volume);
      await fill(deps, driver, name, source, options.signal);
      try {
        await link(deps.paths, pools, volume);
        await deps.db.write((tx) => insertVolume(tx, row(volume)));
      } catch (error) {
        await unlink(deps.paths, volume);
        await driver.remove(name);
        throw error;
      }
    },
    async delete(volume) {
      const [driver, name] = await on(volume);
      await unlink(deps.paths, volume);
      await driver.remove(name);
      await deps.db.write((tx) => deleteVolumeRow(tx, row(volume)));
    },
    async rename(volume, newName) {
      const [driver, name] = await on(volume);
      const next = { ...volume, name: newName };
      await driver.rename(name, diskName(next));
      await unlink(deps.paths, volume);
      await link(deps.paths, pools, next);
      await deps.db.write((tx) => renameVolumeRow(tx, row(volume), newName));
    },
    resize: (_volume, sizeBytes) => sizeBytes === 0 ? Promise.resolve() : Promise.reject(noQuota()),
    async present(volume, options) {
      const [driver, name] = await on(volume);
      return await driver.present(name, options);
    },
    async presentStopped(volume) {
      const [driver, name] = await on(volume);
      await driver.presentStopped(name);
    },
    async adopt(volume) {
      const [driver, name] = await on(volume);
      driver.adopt(name);
    },
    async withdraw(volume) {
      const [driver, name] = await on(volume);
      await driver.withdraw(name);
    },
    async openStopped(volume, snapshot) {
      const [driver, name] = await on(volume);
      const path = hostPath(`${driver.directory(name, snapshot)}/rootfs`);
      return { path, [Symbol.asyncDispose]: () => Promise.resolve() };
    },
    directory(volume, snapshot) {
      const folder = snapshot === undefined ? "containers" : "containers-snapshots";
      const tail = snapshot === undefined ? "" : `/${snapshot}`;
      return hostPath(`${pools.path(volume.pool)}/${folder}/${diskName(volume)}${tail}`);
    },
    async snapshot(volume, snapshot, { running }) {
      const [driver, name] = await on(volume);
      await driver.snapshot(name, snapshot, running);
      await link(deps.paths, pools, volume, "snapshots");
    },
    async restore(volume, snapshot) {
      const [driver, name] = await on(volume);
      await driver.restore(name, snapshot);
    },
    async deleteSnapshot(volume, snapshot) {
      const [driver, name] = await on(volume);
      await driver.removeSnapshot(name, snapshot);
      if ((await driver.listSnapshots(name)).length === 0) {
        await unlink(deps.paths, volume, ["snapshots"]);
      }
    },
    async renameSnapshot(volume, snapshot, newName) {
      const [driver, name] = await on(volume);
      await driver.renameSnapshot(name, snapshot, newName);
    },
    async usage(volume, snapshot) {
      const [driver, name] = await on(volume);
      return { usedBytes: await driver.usage(name, snapshot), totalBytes: 0 };
    },
    async writeBackupYaml(volume, content) {
      const [driver, name] = await on(volume);
      const path = `${driver.directory(name)}/backup.yaml`;
      await Deno.remove(`${path}.new`).catch(() => undefined);
      await Deno.writeTextFile(`${path}.new`, content, { mode: 0o400, createNew: true });
      await Deno.rename(`${path}.new`, path);
    },
  };
}

async function fill(
  deps: StorageDeps,
  driver: DirDriver,
  name: string,
  source: VolumeSource,
  signal: AbortSignal | undefined,
): Promise<void> {
  switch (source.kind) {
    case "empty":
      return await driver.createEmpty(name);
    case "image":
      await driver.ensureImage(
        source.fingerprint,
        (directory) =>
          deps.images.unpack(source.fingerprint, directory, signal === undefined ? {} : { signal }),
      );
      return await driver.createFromImage(name, source.fingerprint);
    case "instance": {
      const from = diskName(source.volume);
      await driver.createFromVolume(name, from, source.snapshot, source.running);
      if (source.withSnapshots !== true) return;
      for (const snapshot of await driver.listSnapshots(from)) {
        await driver.copySnapshot(from, name, snapshot);
      }
    }
  }
}

function noQuota(): Fault {
  return new Fault("bad_request", "this storage pool can't limit the size of a volume", {
    hint: "The file system has no project quotas: leave size unset, or use another pool.",
  });
}

const LINKS = { containers: "containers", snapshots: "containers-snapshots" } as const;

/** $LXD_DIR/containers/<name> and snapshots/<name> point into the pool, as in LXD. */
async function link(
  paths: Paths,
  pools: Pools,
  volume: InstanceVolume,
  kind: keyof typeof LINKS = "containers",
): Promise<void> {
  const target = `${pools.path(volume.pool)}/${LINKS[kind]}/${diskName(volume)}`;
  if (kind === "snapshots" && !await Deno.stat(target).then(() => true, () => false)) return;
  await Deno.mkdir(paths.at(kind), { recursive: true, mode: kind === "snapshots" ? 0o700 : 0o711 });
  const path = paths.at(kind, diskName(volume));
  await Deno.remove(path).catch(() => undefined);
  await Deno.symlink(target, path);
  if (kind === "containers") await link(paths, pools, volume, "snapshots");
}

async function unlink(
  paths: Paths,
  volume: InstanceVolume,
  kinds: readonly (keyof typeof LINKS)[] = ["containers", "snapshots"],
): Promise<void> {
  for (const kind of kinds) {
    await Deno.remove(paths.at(kind, diskName(volume))).catch(() => undefined);
  }
}

async function emptyLinks(folder: HostPath): Promise<void> {
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isSymlink) await Deno.remove(`${folder}/${entry.name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
