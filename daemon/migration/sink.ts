/** Receive an instance from another server: a new one, or a copy that is brought up to date. */
import { parseYaml } from "#api/yaml.ts";
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { wireTime } from "#base/time.ts";
import { parseBackupYaml, type SavedConfig } from "#daemon/backups/index.ts";
import { findInstanceById } from "#daemon/db/instances.ts";
import { listSnapshots, type NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import type { NewVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import { saveBackupYaml } from "#daemon/instances/backup_yaml.ts";
import { type InstanceContext, lockInstance, volumeOf } from "#daemon/instances/context.ts";
import type { FilledSource } from "#daemon/instances/make.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import { assertRefreshable, compareSnapshots, replaceRows } from "#daemon/instances/refresh.ts";
import { copyMetadata } from "#daemon/storage/files.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import { bindMount, detach } from "#ffi/libc/mount.ts";
import { readText, receiveMessage, writeText } from "./channel.ts";
import {
  decodeHeader,
  encodeHeader,
  type Header,
  RSYNC_FEATURES,
  type WireSnapshot,
} from "./proto.ts";
import { receiveTree } from "./rsync.ts";
import { sendControl, type Session } from "./session.ts";

/** Opens the channels when the operation runs. */
export type Open = (signal: AbortSignal) => Promise<Session>;

interface Agreed {
  readonly header: Header;
  readonly saved: SavedConfig | undefined;
}

/** What a new instance is filled with. `saved` is known once it was received. */
export function filledByPeer(ctx: InstanceContext, open: Open): FilledSource {
  const saved = {
    instance: undefined,
    snapshots: [] as readonly NewSnapshot[],
    volume: undefined as SavedConfig["volume"],
    volumeSnapshots: [] as readonly NewVolumeSnapshot[],
  };
  return {
    kind: "filled",
    saved,
    async fill(volume, given) {
      const signal = given ?? new AbortController().signal;
      await inSession(open, signal, async (session) => {
        const { header, saved: index } = await agree(session, (offer) => ({
          names: offer.snapshotNames,
          refresh: false,
        }));
        await receiveAll(ctx, session, volume, header, signal);
        saved.snapshots = header.snapshots.map(newSnapshot);
        saved.volume = index?.volume;
        saved.volumeSnapshots = index?.volumeSnapshots ?? [];
      });
    },
  };
}

/** Bring an instance up to date from the other side. Its configuration stays. */
export async function refreshFromPeer(
  ctx: InstanceContext,
  target: InstanceRecord,
  open: Open,
  options: { readonly instanceOnly: boolean; readonly signal: AbortSignal },
): Promise<void> {
  {
    using _held = await lockInstance(ctx, target, options.signal);
    const record = await ctx.db.read((tx) => findInstanceById(tx, target.id));
    if (record === undefined) throw new Fault("not_found", "Instance not found");
    assertRefreshable(ctx, record);
    const ours = (await ctx.db.read((tx) => listSnapshots(tx, [record]))).get(record.id) ?? [];
    await inSession(open, options.signal, async (session) => {
      let difference = compareSnapshots([], []);
      const { header, saved } = await agree(session, (offer) => {
        if (!options.instanceOnly) {
          difference = compareSnapshots(ours, offer.snapshots.map(newSnapshot));
        }
        return { names: difference.missing, refresh: true };
      });
      const volume = volumeOf(record);
      for (const { name } of difference.extra) {
        await ctx.storage.instances.deleteSnapshot(volume, name);
      }
      await receiveAll(ctx, session, volume, header, options.signal);
      await ctx.db.write((tx) =>
        replaceRows(tx, record, {
          extra: difference.extra,
          added: header.snapshots.map(newSnapshot),
          volumeSnapshots: saved?.volumeSnapshots ?? [],
        })
      );
    });
  }
  await saveBackupYaml(ctx, target.id);
}

/** Both sides learn how it ended. */
async function inSession(
  open: Open,
  signal: AbortSignal,
  run: (session: Session) => Promise<void>,
): Promise<void> {
  using session = await open(signal);

  const stop = () => session[Symbol.dispose]();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await run(session);
    await sendControl(session, "");
  } catch (error) {
    await sendControl(session, messageOf(error));
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** @param choose Which of the offered snapshots are wanted. @returns the header with only those. */
async function agree(
  session: Session,
  choose: (offer: Header) => { readonly names: readonly string[]; readonly refresh: boolean },
): Promise<Agreed> {
  const offer = decodeHeader(await receiveMessage(session.control));
  if (offer.isShifted) {
    throw new Fault("bad_request", "the files on the other server have shifted ids", {
      hint: "Move the instance by lxc export and lxc import.",
    });
  }
  for (const name of offer.snapshotNames) {
    if (!/^[^/\0\s]{1,255}$/.test(name) || name === "." || name === "..") {
      throw new Fault("bad_request", `the other server sent an invalid snapshot name "${name}"`);
    }
  }
  const { names, refresh } = choose(offer);
  const snapshots = names.map((name) =>
    offer.snapshots.find((one) => one.name === name) ?? blank(name)
  );
  const header: Header = {
    fs: 0,
    isShifted: false,
    snapshotNames: names,
    snapshots,
    rsync: RSYNC_FEATURES.filter((one) => offer.rsync.includes(one)),
    refresh,
    indexVersion: Math.min(1, offer.indexVersion),
  };
  await session.control.send(encodeHeader(header));
  if (header.indexVersion === 0) return { header, saved: undefined };
  const saved = indexOf(await readText(session.fs));
  const answer = { StatusCode: 200, Error: "", Refresh: refresh };
  await writeText(session.fs, JSON.stringify(answer));
  return { header, saved };
}

/** JSON is YAML: read with the same suspicion as a backup's description. */
function indexOf(text: string): SavedConfig | undefined {
  const value = parseYaml(text);
  const config = typeof value === "object" && value !== null && "config" in value
    ? value.config
    : undefined;
  return config === undefined ? undefined : parseBackupYaml(JSON.stringify(config));
}

async function receiveAll(
  ctx: InstanceContext,
  session: Session,
  volume: InstanceVolume,
  { snapshotNames, rsync: features }: Header,
  signal: AbortSignal,
): Promise<void> {
  for (const name of [...snapshotNames, undefined]) {
    await intoVolume(
      ctx,
      volume,
      (directory) => receiveTree(session.fs, directory, { features, signal }),
    );
    if (name !== undefined) await ctx.storage.instances.snapshot(volume, name, {});
  }
}

/**
 * The other side writes into a directory that has nothing but the root: what else the volume's
 * directory holds is this daemon's.
 */
async function intoVolume(
  ctx: InstanceContext,
  volume: InstanceVolume,
  receive: (directory: HostPath) => Promise<void>,
): Promise<void> {
  const directory = ctx.storage.instances.directory(volume);
  const staging = ctx.paths.at("backups", `import-${crypto.randomUUID()}`);
  const rootfs = hostPath(`${staging}/rootfs`);
  await using view = await ctx.storage.instances.openStopped(volume);
  await Deno.mkdir(rootfs, { recursive: true, mode: 0o700 });
  await copyMetadata(directory, staging);
  try {
    bindMount(view.path, rootfs);
    await receive(staging);
    await Deno.remove(`${directory}/templates`, { recursive: true }).catch(() => undefined);
    await Deno.remove(`${directory}/metadata.yaml`).catch(() => undefined);
    await copyMetadata(staging, directory);
  } finally {
    while (detach(rootfs));
    await Deno.remove(staging, { recursive: true });
  }
}

function newSnapshot(snapshot: WireSnapshot): NewSnapshot {
  const time = (seconds: number) => seconds > 0 ? wireTime(new Date(seconds * 1000)) : "";
  return {
    name: snapshot.name,
    createdAt: time(snapshot.createdAt) || new Date().toISOString(),
    expiresAt: time(snapshot.expiresAt),
    config: snapshot.config,
    devices: snapshot.devices,
    profiles: snapshot.profiles,
    isEphemeral: snapshot.isEphemeral,
  };
}

function blank(name: string): WireSnapshot {
  return {
    name,
    config: {},
    devices: {},
    profiles: [],
    isEphemeral: false,
    architecture: 0,
    createdAt: 0,
    expiresAt: 0,
  };
}
