/** Names of datasets and snapshots, as LXD makes them. Pure. */
import { Fault } from "#base/errors.ts";
import { FOLDERS, type Volume } from "#daemon/storage/volume.ts";

/** What ZFS allows in a part of a name. @see zfsconcepts(7) */
const LEGAL = /^[a-zA-Z0-9_.:-]+$/;
const LENGTH_MAX = 255;

const SNAPSHOT = "snapshot-";
/** Snapshots of volumes that only clones keep. */
const HIDDEN = /^(copy|deleted|migration)-/;

/** Datasets that are being made. The next start removes them, as all below `deleted` without clones. */
const TEMPORARY = "lxdtmp-";
/** A restored volume that waits for its name: the next start gives it. */
const RESTORED = "lxdnew-";

/** Datasets that a pool always has. */
const PARENTS = [
  "containers",
  "custom",
  "images",
  "virtual-machines",
  "deleted",
  "deleted/containers",
  "deleted/custom",
  "deleted/images",
  "deleted/virtual-machines",
] as const;

/** Those that a pool has from its beginning, parents first. */
export const parentDatasets = (pool: string) => PARENTS.map((name) => `${pool}/${name}`);

/** @throws {Fault} bad_request for a name that ZFS can't have */
export function datasetName(pool: string, { kind, name }: Volume): string {
  return checked(`${pool}/${FOLDERS[kind].volumes}/`, name);
}

/** @throws {Fault} bad_request */
export function snapshotName(pool: string, volume: Volume, snapshot: string): string {
  return checked(`${datasetName(pool, volume)}@${SNAPSHOT}`, snapshot);
}

function checked(prefix: string, name: string): string {
  if (!LEGAL.test(name)) {
    throw new Fault("bad_request", `ZFS has no datasets with the name "${name}"`, {
      hint: "Use letters, digits and - _ . : only.",
    });
  }
  if (prefix.length + name.length > LENGTH_MAX) {
    throw new Fault("bad_request", `the name "${name}" is too long for ZFS`);
  }
  return `${prefix}${name}`;
}

/** A dataset that is never mounted but while it is filled. */
export const imageDataset = (pool: string, fingerprint: string) => `${pool}/images/${fingerprint}`;

/** Where a dropped image waits for its clones to go, or to come back. */
export const droppedImage = (pool: string, fingerprint: string) =>
  `${pool}/deleted/images/${fingerprint}`;

/** Of an image: what its clones come from. */
export const READONLY = "readonly";

export const temporaryDataset = (pool: string) =>
  `${pool}/deleted/${TEMPORARY}${crypto.randomUUID()}`;

/** The restored volume that becomes `dataset`. */
export function restoredDataset(pool: string, dataset: string): string {
  const [folder, name] = dataset.slice(pool.length + 1).split("/");
  return `${pool}/deleted/${RESTORED}${folder}:${name}`;
}

/** What a restored volume becomes; undefined: it is none. */
export function restoredTarget(pool: string, dataset: string): string | undefined {
  const prefix = `${pool}/deleted/${RESTORED}`;
  if (!dataset.startsWith(prefix)) return undefined;
  const [folder, ...name] = dataset.slice(prefix.length).split(":");
  return `${pool}/${folder}/${name.join(":")}`;
}

/** Where a removed volume goes until nothing comes from it any more. */
export function buriedDataset(pool: string, dataset: string): string {
  const [folder] = dataset.slice(pool.length + 1).split("/");
  return `${pool}/deleted/${folder}/${crypto.randomUUID()}`;
}

/** Gone for users, or not there for them yet. */
export const isBuried = (pool: string, dataset: string) => dataset.startsWith(`${pool}/deleted/`);

/** A snapshot that no user sees. */
export function hiddenSnapshot(dataset: string, why: "copy" | "deleted" | "migration"): string {
  return `${dataset}@${why}-${crypto.randomUUID()}`;
}

/** A snapshot of ours that users do not see. @param snapshot "dataset@name" */
export const isHidden = (snapshot: string) => HIDDEN.test(snapshot.split("@")[1] ?? "");

/** "pool/containers/a@snapshot-s" -> "s"; undefined: none of a user. */
export function userSnapshot(name: string): string | undefined {
  const [, snapshot = ""] = name.split("@");
  return snapshot.startsWith(SNAPSHOT) ? snapshot.slice(SNAPSHOT.length) : undefined;
}
