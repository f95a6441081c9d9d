/** Receive an instance from another server: a new one, or a copy that is brought up to date. */
import { type HostPath, hostPath } from "#base/brand.ts";
import type { SavedConfig } from "#daemon/backups/index.ts";
import { getInstanceById, patchInstanceConfig } from "#daemon/db/instances.ts";
import { listSnapshots, type NewSnapshot } from "#daemon/db/instances_snapshots.ts";
import type { NewVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import { removeIfThere, removeTree } from "#daemon/host/files.ts";
import { saveBackupYaml } from "#daemon/instances/backup_yaml.ts";
import { type InstanceContext, lockInstance, volumeOf } from "#daemon/instances/context.ts";
import type { FilledSource } from "#daemon/instances/plan_creation.ts";
import { ON_DISK } from "#daemon/instances/id_maps.ts";
import type { InstanceRecord } from "#daemon/instances/record.ts";
import { assertRefreshable, compareSnapshots, snapshotSteps } from "#daemon/instances/refresh.ts";
import { copyMetadata } from "#daemon/storage/metadata_files.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";
import { requirePoolSpace } from "#daemon/storage/space.ts";
import { bindMount, detach } from "#ffi/libc/mount.ts";
import { agree, newSnapshot } from "./agree.ts";
import { FS, type Header } from "./proto.ts";
import { receiveTree } from "./rsync.ts";
import { asSink, type Open, type Session } from "./session.ts";

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
      await asSink(open, signal, async (session) => {
        const { driver } = await ctx.storage.instances.locate(volume);
        const { header, saved: index } = await agree(session, (offer) => ({
          fs: FS.rsync,
          names: offer.snapshotNames,
          refresh: false,
          requireRoom: (bytes) => requirePoolSpace(driver, bytes, "receive the instance"),
        }));
        const take = (name: string) => ctx.storage.instances.snapshot(volume, name, {});
        await receiveAll(ctx, session, volume, header, { signal, take });
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
    const record = await ctx.db.read((tx) => getInstanceById(tx, target.id));
    assertRefreshable(ctx, record);
    const ours = (await ctx.db.read((tx) => listSnapshots(tx, [record]))).get(record.id) ?? [];
    await asSink(open, options.signal, async (session) => {
      let difference = compareSnapshots([], []);
      const { header, saved } = await agree(session, (offer) => {
        if (!options.instanceOnly) {
          difference = compareSnapshots(ours, offer.snapshots.map(newSnapshot));
        }
        return { fs: FS.rsync, names: difference.missing, refresh: true };
      });
      const volume = volumeOf(record);
      const rows = header.snapshots.map(newSnapshot);
      const steps = snapshotSteps(ctx, record, (name) => ({
        snapshot: rows.find((one) => one.name === name),
        volume: saved?.volumeSnapshots.find((one) => one.name === name),
      }));
      const dropping = (name: string) => () => ctx.storage.instances.deleteSnapshot(volume, name);
      for (const { name } of difference.extra) await steps.remove(name, dropping(name));
      const take = (name: string) =>
        steps.add(
          name,
          () => ctx.storage.instances.snapshot(volume, name, {}),
          dropping(name),
        );
      await receiveAll(ctx, session, volume, header, { signal: options.signal, take });
      await ctx.db.write((tx) => patchInstanceConfig(tx, record.id, { [ON_DISK]: "[]" }));
    });
  }
  await saveBackupYaml(ctx, target.id);
}

async function receiveAll(
  ctx: InstanceContext,
  session: Session,
  volume: InstanceVolume,
  { snapshotNames, rsync: features }: Header,
  { signal, take }: {
    readonly signal: AbortSignal;
    readonly take: (snapshot: string) => Promise<void>;
  },
): Promise<void> {
  for (const name of [...snapshotNames, undefined]) {
    await intoVolume(
      ctx,
      volume,
      (directory) => receiveTree(session.fs, directory, { features, signal }),
    );
    if (name !== undefined) await take(name);
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
    await removeTree(`${directory}/templates`);
    await removeIfThere(`${directory}/metadata.yaml`);
    await copyMetadata(staging, directory);
  } finally {
    while (detach(rootfs));
    await Deno.remove(staging, { recursive: true });
  }
}
