/**
 * Copies between pools, whatever their drivers, and refreshes: the content is read through views and
 * written by rsync(1), so that only what differs moves. Owners, modes, ACLs, attributes, links and
 * holes are kept; ids on disk are the same on every pool.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { assert, Fault } from "#base/errors.ts";
import { Undo } from "#base/undo.ts";
import { treeBytes } from "./copy_tree.ts";
import type { CopyOptions, CreateOptions, StorageDriver, StreamPart } from "./driver.ts";
import { requirePoolSpace } from "./space.ts";
import { copyDisk, syncTrees } from "./sync.ts";
import type { Volume } from "./volume.ts";

/** What a container has beside its root file system and must be copied with it. */
const METADATA = ["/metadata.yaml", "/templates/", "/templates/**"];

/** A volume of an open pool. */
export interface Located {
  readonly driver: StorageDriver;
  readonly volume: Volume;
}

/**
 * Make `target` (which must not exist) out of `source`: the driver's own copy within one pool, its
 * streams between pools of one driver, else by content. Nothing is left of it if it fails.
 */
export async function copyVolume(
  target: Located,
  source: Located,
  options: CopyOptions = {},
): Promise<void> {
  if (target.driver === source.driver) {
    return await target.driver.copy(target.volume, source.volume, options);
  }
  await requireRoom(target, source, options);
  const [from, to] = [source.driver.streams, target.driver.streams];
  if (from !== undefined && from.format === to?.format) {
    return await copyByStreams(target, source, options);
  }
  await using undo = new Undo();
  const { driver, volume } = target;
  await driver.create(volume, await sizeFor(source, options));
  undo.add("remove the copy", () => driver.remove(volume));
  for (const snapshot of await wantedSnapshots(source, options)) {
    await writeContent(target, source, { ...options, snapshot });
    await driver.snapshot(volume, snapshot);
  }
  await writeContent(target, source, options);
  undo.keep();
}

/** Snapshots are counted where they are copies: else they share what they have in common. */
async function requireRoom(target: Located, source: Located, options: CopyOptions): Promise<void> {
  const snapshots = target.driver.can.snapshot === "copy"
    ? await wantedSnapshots(source, options)
    : [];
  let bytes = 0;
  for (const one of [...snapshots, options.snapshot]) bytes += await contentBytes(source, one);
  await requirePoolSpace(target.driver, bytes, `copy "${source.volume.name}"`);
}

/** All that can be seen in a state of it, whatever it shares with others. Cost: a walk. */
export async function contentBytes(
  { driver, volume }: Located,
  snapshot?: string,
): Promise<number> {
  if (volume.content === "block") return (await driver.usage(volume, snapshot)).usedBytes;
  await using view = await driver.view(volume, snapshot);
  return await treeBytes(volume.kind === "custom" ? view.path : hostPath(`${view.path}/rootfs`));
}

/**
 * Before anything comes, as all of it goes if it does not come to its end.
 *
 * @throws {Fault} conflict
 */
async function requireAbsent({ driver, volume }: Located): Promise<void> {
  if (!(await driver.list(volume.kind)).some(({ name }) => name === volume.name)) return;
  throw new Fault("conflict", `a volume "${volume.name}" exists already on this storage pool`, {
    hint: "If it is in no list, lxd recover finds it.",
  });
}

async function copyByStreams(target: Located, source: Located, options: CopyOptions) {
  const { snapshot, signal } = options;
  const [from, to] = [source.driver.streams, target.driver.streams];
  assert(from !== undefined && to !== undefined, "both drivers have streams");
  await requireAbsent(target);
  await using sender = await from.sender();
  await using receiver = await to.receiver();
  await using undo = new Undo();
  undo.add("remove the copy", () => target.driver.remove(target.volume));
  for (const one of await wantedSnapshots(source, options)) {
    const parts = sender.send(source.volume, one, signal);
    await receiver.receive(target.volume, parts, { ...options, snapshot: one });
  }
  const { sizeBytes = 0 } = options;
  await receiver.receive(target.volume, sender.send(source.volume, snapshot, signal), {
    sizeBytes,
    ...(signal !== undefined && { signal }),
  });
  undo.keep();
}

/**
 * Make a volume that does not exist out of streams of its driver's format: its snapshots, oldest
 * first, then the present state. Nothing is left of it if that fails.
 */
export async function receiveVolume(
  { driver, volume }: Located,
  { snapshots, parts, ...options }: CreateOptions & {
    readonly snapshots: readonly string[];
    readonly parts: (snapshot: string | undefined) => AsyncIterable<StreamPart>;
  },
): Promise<void> {
  assert(driver.streams !== undefined, "the driver has streams");
  await requireAbsent({ driver, volume });
  await using receiver = await driver.streams.receiver();
  await using undo = new Undo();
  undo.add("remove what came", () => driver.remove(volume));
  for (const snapshot of snapshots) {
    await receiver.receive(volume, parts(snapshot), { ...options, snapshot });
  }
  await receiver.receive(volume, parts(undefined), options);
  undo.keep();
}

/**
 * What the caller does with each snapshot that comes or goes: its rows change with it, so that a refresh
 * that stops half-way can be done again.
 */
export interface SnapshotSteps {
  remove(snapshot: string, remove: () => Promise<void>): Promise<void>;
  /** `drop` undoes `take`, and is no error where nothing was taken. */
  add(snapshot: string, take: () => Promise<void>, drop: () => Promise<void>): Promise<void>;
}

/**
 * Bring an existing copy up to date: snapshots that the source has no more are removed, missing ones
 * made, then the present state. The caller says which snapshots count as the same by their names.
 */
export async function refreshVolume(
  target: Located,
  source: Located,
  options: CopyOptions & {
    readonly missing: readonly string[];
    readonly extra: readonly string[];
    readonly steps: SnapshotSteps;
  },
): Promise<void> {
  const { driver, volume } = target;
  const dropping = (name: string) => () => driver.removeSnapshot(volume, name);
  for (const name of options.extra) await options.steps.remove(name, dropping(name));
  for (const snapshot of options.missing) {
    await writeContent(target, source, { ...options, snapshot });
    const take = () => driver.snapshot(volume, snapshot);
    await options.steps.add(snapshot, take, dropping(snapshot));
  }
  await writeContent(target, source, options);
}

async function wantedSnapshots(source: Located, options: CopyOptions): Promise<readonly string[]> {
  if (options.snapshots !== undefined) return options.snapshots;
  if (options.withSnapshots !== true) return [];
  return await source.driver.listSnapshots(source.volume);
}

/** A disk has the size of its source unless another one is wanted. */
async function sizeFor(source: Located, options: CopyOptions): Promise<CopyOptions> {
  if (source.volume.content !== "block" || (options.sizeBytes ?? 0) > 0) return options;
  const { totalBytes } = await source.driver.usage(source.volume, options.snapshot);
  return { ...options, sizeBytes: totalBytes };
}

/** Make the content of `target` that of `source` (or of its snapshot). */
async function writeContent(target: Located, source: Located, options: CopyOptions): Promise<void> {
  const { snapshot, signal } = options;
  const running = snapshot === undefined ? options.running : undefined;
  const write = async () => {
    if (source.volume.content === "block") return await writeDisk(target, source, options);
    await using view = await source.driver.view(source.volume, snapshot);
    const path = await target.driver.mount(target.volume);
    const stop = signal === undefined ? {} : { signal };
    if (source.volume.kind === "custom") return await syncTrees(view.path, path, stop);
    const rootfs = (directory: HostPath) => hostPath(`${directory}/rootfs`);
    await syncTrees(rootfs(view.path), rootfs(path), stop);
    const metadata = source.driver.directory(source.volume, snapshot);
    await syncTrees(metadata, path, { ...stop, only: METADATA });
  };
  if (running === undefined) return await write();
  await write(); // Most of it, while it runs: the freeze is short.
  await running.freeze(write);
}

async function writeDisk(target: Located, source: Located, options: CopyOptions): Promise<void> {
  await source.driver.mount(source.volume, options.snapshot);
  await target.driver.mount(target.volume);
  const from = source.driver.diskPath(source.volume, options.snapshot);
  const to = target.driver.diskPath(target.volume);
  await copyDisk(from, to, {
    isFresh: false,
    ...(options.signal !== undefined && { signal: options.signal }),
  });
}
