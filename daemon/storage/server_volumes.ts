/**
 * storage.images_volume and storage.backups_volume: $LXD_DIR/images and backups on custom volumes.
 * The folder is then a link to the volume, as with LXD. What was in it moves along.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import { exchange } from "#ffi/libc/rename.ts";
import { getPool, listVolumes, type VolumeRow } from "#daemon/db/storage_pools.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { entries, exists, removeTree } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";
import type { StorageService } from "./create.ts";
import { copyTree } from "./copy_tree.ts";
import { lockVolume, placeOf, snapshotsOf } from "./custom/context.ts";

type ServerFolder = "backups" | "images";

const SERVER_FOLDERS: readonly ServerFolder[] = ["backups", "images"];

const volumeKey = (folder: ServerFolder) => `storage.${folder}_volume`;

export interface ServerVolumes {
  /** Move the folders as the keys say ("POOL/VOLUME"; "": back). @throws {Fault} bad_request */
  readonly effects: readonly {
    readonly keys: readonly string[];
    apply(next: Readonly<Record<string, string>>): Promise<void>;
  }[];
  /** At the start: mount the volumes, and finish or undo what a crash cut off. */
  open(): Promise<void>;
  /** Does the server keep something of its own on it? */
  has(volume: VolumeName): Promise<boolean>;
}

export interface ServerVolumesDeps {
  readonly paths: Paths;
  readonly storage: Pick<StorageService, "custom">;
  readonly setting: (key: string) => Promise<string>;
  readonly onError: (what: string, error: unknown) => void;
}

/** What a file system has of its own. */
const NOT_COUNTED = "lost+found";

/** In a volume while it is filled: a crash then left it half full, and it may be emptied. */
const HALF = ".lxd-half-moved";

/** All or nothing for each folder; a move that was cut off goes on at the next start. */
export function createServerVolumes(deps: ServerVolumesDeps): ServerVolumes {
  const { paths, storage: { custom } } = deps;

  /** @param isAgain The content is there already, from a move that was cut off. */
  const move = async (folder: ServerFolder, value: string, isAgain = false) => {
    const link = paths.at(folder);
    const before = await contentOf(link);
    if (value === "") return before === link ? undefined : await moveContent(link, before);
    const volume = parseVolume(folder, value);
    using _held = await lockVolume(custom, volume);
    const { driver, volume: made } = await placeOf(custom, await requireFit(deps, folder, volume));
    const target = await driver.mount(made);
    if (before === target) return;
    if (isAgain || await exists(`${target}/${HALF}`)) await empty(target);
    if ((await entries(target)).some((name) => name !== NOT_COUNTED)) {
      throw unfit(folder, value, "Storage volume isn't empty");
    }
    await Deno.chown(target, 0, 0);
    await Deno.chmod(target, 0o700);
    await Deno.writeTextFile(`${target}/${HALF}`, "");
    await moveContent(link, before, target);
  };
  return {
    effects: SERVER_FOLDERS.map((folder) => ({
      keys: [volumeKey(folder)],
      apply: (next) => move(folder, next[volumeKey(folder)] ?? ""),
    })),
    async open() {
      for (const folder of SERVER_FOLDERS) {
        const value = await deps.setting(volumeKey(folder));
        try {
          await move(folder, value, true);
          await removeTree(hostPath(`${paths.at(folder)}.new`));
        } catch (error) {
          deps.onError(`keep ${folder} on the volume "${value}"`, error);
        }
      }
    },
    async has({ pool, project, name }) {
      if (project !== "default") return false;
      const values = await Promise.all(SERVER_FOLDERS.map((one) => deps.setting(volumeKey(one))));
      return values.includes(`${pool}/${name}`);
    },
  };
}

function parseVolume(folder: ServerFolder, value: string): VolumeName {
  const [pool = "", name = "", ...rest] = value.split("/");
  if (pool === "" || name === "" || rest.length > 0) {
    throw unfit(folder, value, 'Invalid syntax for volume, must be "<pool>/<volume>"');
  }
  return { pool, project: "default", name };
}

const unfit = (folder: ServerFolder, value: string, why: string) =>
  new Fault("bad_request", `cannot set '${volumeKey(folder)}' to '${value}': ${why}`, {
    hint: "It must be an empty custom volume (file system) of the default project.",
  });

/** @throws {Fault} bad_request unless it is a file system without snapshots that is not used so yet. */
async function requireFit(
  { storage: { custom }, setting }: ServerVolumesDeps,
  folder: ServerFolder,
  volume: VolumeName,
): Promise<VolumeRow> {
  const value = `${volume.pool}/${volume.name}`;
  const [row] = await custom.db.read(async (tx) => {
    await getPool(tx, volume.pool);
    return await listVolumes(tx, { ...volume, type: "custom" });
  });
  if (row === undefined) throw unfit(folder, value, "Storage volume not found");
  if (row.contentType !== "filesystem") throw unfit(folder, value, "it is a disk");
  if ((await snapshotsOf(custom, row)).length > 0) {
    const why = "Storage volumes for use by LXD itself cannot have snapshots";
    throw unfit(folder, value, why);
  }
  for (const other of SERVER_FOLDERS) {
    if (other !== folder && await setting(volumeKey(other)) === value) {
      throw unfit(folder, value, `it holds the ${other}`);
    }
  }
  const [user] = await custom.volumeUsers(volume);
  if (user !== undefined) throw unfit(folder, value, "it is attached to an instance");
  return row;
}

async function isLink(path: HostPath): Promise<boolean> {
  return await Deno.lstat(path).then((info) => info.isSymlink, () => false);
}

/** Where the content is: the folder itself, or what it is a link to. */
async function contentOf(link: HostPath): Promise<HostPath> {
  return await isLink(link) ? hostPath(await Deno.readLink(link)) : link;
}

/**
 * Copied, switched over in an instant, removed where it was. What is written meanwhile is copied
 * by a second, short run. `link`.new is what a crash leaves.
 *
 * @param to The folder that `link` then leads to; undefined: `link` itself.
 */
async function moveContent(link: HostPath, from: HostPath, to?: HostPath): Promise<void> {
  const fresh = hostPath(`${link}.new`);
  const copy = to ?? fresh;
  await removeTree(fresh);
  if (from !== link) await removeTree(hostPath(`${from}/${HALF}`));
  if (to === undefined) await Deno.mkdir(fresh, { mode: 0o700 });
  try {
    await copyTree(from, copy);
    if (to !== undefined) await Deno.symlink(to, fresh);
    exchange(fresh, link);
  } catch (error) {
    await empty(copy);
    await removeTree(fresh);
    throw error;
  }
  const old = from === link ? fresh : from;
  if (to !== undefined) await Deno.remove(`${to}/${HALF}`);
  await copyTree(old, to ?? link, { reflink: "auto", onlyNewer: true });
  await empty(old);
  await removeTree(fresh);
}

async function empty(directory: HostPath): Promise<void> {
  for (const name of await entries(directory)) {
    if (name !== NOT_COUNTED) await Deno.remove(`${directory}/${name}`, { recursive: true });
  }
}
