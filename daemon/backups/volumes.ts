/** Backups of custom volumes: archives below backups/custom/<pool>/<project>_<volume>/<name>. */
import { fittingConfig } from "#api/config/pool_keys.ts";
import { formatYaml } from "#api/yaml.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import {
  type BackupRow,
  deleteBackupRow,
  getBackup,
  insertBackup,
  listBackups,
  renameBackupRow,
} from "#daemon/db/backups.ts";
import { getPool, insertVolume, type VolumeRow } from "#daemon/db/storage_pools.ts";
import { insertVolumeSnapshot, type VolumeSnapshotRow } from "#daemon/db/volume_snapshots.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { syncTree } from "#daemon/storage/copy_tree.ts";
import {
  backupFolder,
  checkVolumeName,
  requireFreeName,
  sizeOf,
} from "#daemon/storage/custom/service.ts";
import {
  type CustomContext,
  lockVolume,
  placeOf,
  snapshotsOf,
} from "#daemon/storage/custom/context.ts";
import { noteUnfinished } from "#daemon/storage/custom/unfinished.ts";
import { type Located, receiveVolume } from "#daemon/storage/transfer.ts";
import { diskParts, unpackDisk, type VolumeState } from "./disks.ts";
import type { BackupIndex, SavedVolume } from "./index.ts";
import { type BackupWish, chooseBackupName, lockName, removeIfEmpty } from "./instances.ts";
import { hasHeader, openStreams, requireFormat, streamParts, VOLUME_STREAMS } from "./optimized.ts";
import { describeVolume } from "./volume_config.ts";
import { extractMember, packBackup, type Part, readIndex, requireRoomFor } from "./tarball.ts";

export interface VolumeImport {
  readonly volume: VolumeName;
  run(signal: AbortSignal): Promise<void>;
}

export interface VolumeBackups {
  list(volume: VolumeRow): Promise<BackupRow[]>;
  /** @throws {Fault} not_found */
  get(volume: VolumeRow, name: string): Promise<BackupRow>;
  /** @throws {Fault} conflict, bad_request */
  planName(volume: VolumeRow, name: string): Promise<string>;
  make(volume: VolumeRow, wish: BackupWish, signal: AbortSignal): Promise<void>;
  rename(volume: VolumeRow, name: string, newName: string): Promise<void>;
  remove(volume: VolumeRow, name: string): Promise<void>;
  path(volume: VolumeName, name: string): HostPath;
  /** What an archive would become; an empty name is that of the archive. @throws {Fault} */
  planImport(file: HostPath, wish: VolumeName): Promise<VolumeImport>;
}

/** As instanceBackups, of custom volumes. */
export function volumeBackups(custom: CustomContext, helper: HostPath): VolumeBackups {
  const { db } = custom;
  const path: VolumeBackups["path"] = (volume, name) =>
    hostPath(`${backupFolder(custom, volume)}/${name}`);
  const get: VolumeBackups["get"] = (volume, name) =>
    db.read((tx) => getBackup(tx, "volume", volume.id, name));
  const folders = (volume: VolumeName) => [
    backupFolder(custom, volume),
    custom.paths.at("backups/custom", volume.pool),
  ];
  const removeFolders = async (volume: VolumeName) => {
    for (const folder of folders(volume)) await removeIfEmpty(hostPath(folder));
  };
  return {
    path,
    get,
    list: (volume) => db.read((tx) => listBackups(tx, "volume", volume.id)),
    async planName(volume, name) {
      return chooseBackupName(name, await db.read((tx) => listBackups(tx, "volume", volume.id)));
    },
    async make(volume, wish, signal) {
      using _held = await custom.locks.acquire(lockName("volume", volume.id, wish.name), signal);
      await using undo = new Undo((step, error) =>
        custom.onError(`undo of backup: ${step}`, error)
      );
      const { driver } = await placeOf(custom, volume);
      const isOptimized = wish.isOptimized && driver.streams !== undefined;
      const target = path(volume, wish.name);
      await Deno.mkdir(backupFolder(custom, volume), { recursive: true, mode: 0o700 });
      undo.add("remove the folders", () => removeFolders(volume));
      const id = await db.write((tx) =>
        insertBackup(tx, "volume", volume.id, {
          ...wish,
          createdAt: new Date().toISOString(),
          isOptimized,
        })
      );
      undo.add("delete the row", () => db.write((tx) => deleteBackupRow(tx, "volume", id)));
      await pack(custom, volume, { ...wish, isOptimized }, hostPath(`${target}.new`), signal);
      await Deno.rename(`${target}.new`, target);
      undo.keep();
    },
    async rename(volume, name, newName) {
      const backup = await get(volume, name);
      await db.write((tx) => renameBackupRow(tx, "volume", backup, newName));
      try {
        await Deno.rename(path(volume, name), path(volume, newName));
      } catch (error) {
        await db.write((tx) => renameBackupRow(tx, "volume", backup, name));
        throw error;
      }
    },
    async remove(volume, name) {
      using _held = await custom.locks.acquire(lockName("volume", volume.id, name));
      const backup = await get(volume, name);
      await removeIfThere(path(volume, name));
      await removeFolders(volume);
      await db.write((tx) => deleteBackupRow(tx, "volume", backup.id));
    },
    planImport: (file, wish) => planImport(custom, helper, file, wish),
  };
}

async function pack(
  custom: CustomContext,
  volume: VolumeRow,
  wish: BackupWish,
  target: HostPath,
  signal: AbortSignal,
): Promise<void> {
  const pool = await custom.db.read((tx) => getPool(tx, volume.pool));
  const snapshots = wish.isBare ? [] : await snapshotsOf(custom, volume);
  const place = await placeOf(custom, volume);
  const { isOptimized, compression } = wish;
  const index = describe(volume, { backend: pool.driver, snapshots, isOptimized });
  if (isOptimized) {
    const names = snapshots.map((one) => one.name);
    const { paths } = custom;
    const streams = { place, names: VOLUME_STREAMS, snapshots: names, paths, signal };
    return await packBackup({ target, index, parts: streamParts(streams), compression, signal });
  }
  const states: readonly VolumeState[] = [
    ...snapshots.map(({ name }) => ({ name: `backup/volume-snapshots/${name}`, snapshot: name })),
    { name: "backup/volume" },
  ];
  if (volume.contentType === "block") {
    const files = states.map((state) => ({ ...state, name: `${state.name}.img` }));
    const parts = diskParts(place, files, { paths: custom.paths, signal });
    return await packBackup({ target, index, parts, compression, signal });
  }
  await using views = new AsyncDisposableStack();
  const parts: Part[] = [];
  for (const { name, snapshot } of states) {
    const view = views.use(await place.driver.view(place.volume, snapshot));
    parts.push({ source: view.path, name });
  }
  await packBackup({ target, index, parts, compression, signal });
}

/** index.yaml, as LXD writes it. */
function describe(
  volume: VolumeRow,
  { backend, snapshots, isOptimized }: {
    readonly backend: string;
    readonly snapshots: readonly VolumeSnapshotRow[];
    readonly isOptimized: boolean;
  },
): string {
  return formatYaml({
    name: volume.name,
    backend,
    pool: volume.pool,
    ...(snapshots.length > 0 && { snapshots: snapshots.map((one) => one.name) }),
    optimized: isOptimized,
    optimized_header: isOptimized && hasHeader(backend),
    type: "custom",
    config: describeVolume(volume, snapshots),
  });
}

async function planImport(
  custom: CustomContext,
  helper: HostPath,
  file: HostPath,
  wish: VolumeName,
): Promise<VolumeImport> {
  const index = await readIndex(file);
  const saved = index.saved.volume;
  if (index.type !== "custom" || saved === undefined) {
    throw new Fault("bad_request", "invalid backup: it is not one of a custom volume", {
      hint: "An instance is imported by lxc import.",
    });
  }
  const volume = { ...wish, name: wish.name || index.name };
  checkVolumeName(volume.name);
  await requireFreeName(custom, volume);
  const pool = await custom.db.read((tx) => getPool(tx, volume.pool));
  const fitting = { ...saved, config: fittingConfig(pool, saved.config) };
  const place = await placeOf(custom, { ...volume, ...fitting });
  if (index.optimizedFor !== undefined) requireFormat(place, index.optimizedFor);
  await requireRoomFor(place.driver, file, index);
  return {
    volume,
    run: (signal) => importAll({ custom, helper, file, index, saved: fitting }, volume, signal),
  };
}

interface Archive {
  readonly custom: CustomContext;
  readonly helper: HostPath;
  readonly file: HostPath;
  readonly index: BackupIndex;
  readonly saved: SavedVolume;
}

async function importAll(
  archive: Archive,
  volume: VolumeName,
  signal: AbortSignal,
): Promise<void> {
  const { custom, index, saved } = archive;
  using _held = await lockVolume(custom, volume, signal);
  await requireFreeName(custom, volume);
  const row = { ...volume, ...saved, type: "custom" as const };
  await using _note = await noteUnfinished(custom, { what: "make", volume: row });
  await using undo = new Undo((step, error) => custom.onError(`undo of import: ${step}`, error));
  const place = await placeOf(custom, row);
  await fill(archive, place, signal);
  undo.add("remove the volume", () => place.driver.remove(place.volume));
  await custom.db.write(async (tx) => {
    const id = await insertVolume(tx, row);
    for (const name of index.snapshots) {
      const one = index.saved.volumeSnapshots.find((other) => other.name === name);
      const blank = { name, description: "", expiresAt: "", config: {} };
      await insertVolumeSnapshot(tx, id, one ?? blank);
    }
  });
  undo.keep();
}

/** Make the volume and its snapshots; nothing is left of them if that fails. */
async function fill(archive: Archive, place: Located, signal: AbortSignal): Promise<void> {
  const { custom, helper, file, index, saved } = archive;
  const { driver, volume } = place;
  const sizeBytes = sizeOf(saved.config);
  const options = { signal, ...sizeBytes !== undefined && { sizeBytes } };
  const { snapshots } = index;
  if (index.optimizedFor !== undefined) {
    const { paths } = custom;
    const streams = { file, helper, paths, names: VOLUME_STREAMS, signal };
    const parts = await openStreams(streams, snapshots);
    return await receiveVolume(place, { ...options, snapshots, parts });
  }
  await using undo = new Undo((step, error) => custom.onError(`undo of import: ${step}`, error));
  await driver.create(volume, options);
  undo.add("remove the volume", () => driver.remove(volume));
  for (const name of snapshots) {
    await unpackInto(archive, place, `backup/volume-snapshots/${name}`, signal);
    await driver.snapshot(volume, name);
  }
  await unpackInto(archive, place, "backup/volume", signal);
  undo.keep();
}

/** The volume becomes what the archive says, whatever was in it. */
async function unpackInto(
  { custom, helper, file, saved }: Archive,
  place: Located,
  member: string,
  signal: AbortSignal,
): Promise<void> {
  if (saved.contentType === "block") {
    const { paths } = custom;
    return await unpackDisk(file, place, { helper, member: `${member}.img`, paths, signal });
  }
  const target = await place.driver.mount(place.volume);
  const staging = custom.paths.at("backups", `import-${crypto.randomUUID()}`);
  await Deno.mkdir(staging, { mode: 0o711 });
  try {
    await extractMember(file, staging, { helper, member, signal });
    await syncTree(staging, target, { signal, byContent: true });
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}
