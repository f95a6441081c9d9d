/** Backups as main.ts builds them: of instances, their import, and what the clock does with them. */
import type { HostPath } from "#base/brand.ts";
import {
  type BackupRow,
  deleteBackupRow,
  firstBackupExpiry,
  listBackups,
} from "#daemon/db/backups.ts";
import { listInstances } from "#daemon/db/instances.ts";
import { listVolumes } from "#daemon/db/storage_pools.ts";
import { entries, removeIfThere, removeTree } from "#daemon/host/files.ts";
import { writeStream } from "#daemon/host/write_stream.ts";
import { requireUploadSpace } from "#daemon/storage/space.ts";
import type { InstanceContext } from "#daemon/instances/context.ts";
import { lxcName } from "#daemon/instances/context.ts";
import type { CreationPlan } from "#daemon/instances/plan_creation.ts";
import type { CustomContext } from "#daemon/storage/custom/context.ts";
import { expiryChore } from "#daemon/operations/expiry.ts";
import type { Chore } from "#daemon/operations/scheduler.ts";
import type { IncomingMessage } from "node:http";
import { type ImportWish, planImport } from "./import_instance.ts";
import { type InstanceBackups, instanceBackups, lockName } from "./instances.ts";
import { type LostAndFound, lostAndFound } from "./lost/service.ts";
import { type VolumeBackups, volumeBackups } from "./volumes.ts";
import { readIndex } from "./tarball.ts";

/** An archive that was sent, until it is disposed. */
export interface Received extends AsyncDisposable {
  readonly file: HostPath;
}

export interface Backups {
  readonly instances: InstanceBackups;
  readonly volumes: VolumeBackups;
  /** For `lxd recover`. */
  readonly lost: LostAndFound;
  readonly chores: readonly Chore[];
  /** Take the body of a request as a file below backups/. */
  receive(request: IncomingMessage): Promise<Received>;
  /** What an archive would become. @throws {Fault} conflict, bad_request, not_found */
  planImport(received: Received, wish: ImportWish): Promise<CreationPlan>;
  /** Daemon start: remove what a crash left half-made. */
  recover(): Promise<void>;
}

/** Names of files and folders of work that goes on. */
const UNFINISHED = /^import-|\.new(\.index\.yaml)?$/;

/** The clock calls its `chores`; an upload is a file of its own until it is imported, gone after. */
export function createBackups(ctx: InstanceContext, custom: CustomContext): Backups {
  const instances = instanceBackups(ctx);
  const volumes = volumeBackups(custom, ctx.helper);
  return {
    instances,
    volumes,
    lost: lostAndFound(ctx, custom),
    chores: [expiry(ctx, custom, instances, volumes)],
    async receive(request) {
      const file = ctx.paths.at("backups", `import-${crypto.randomUUID()}`);
      const received = {
        file,
        [Symbol.asyncDispose]: () => removeIfThere(file),
      };
      try {
        await requireUploadSpace(ctx.paths.at("backups"), request, "receive the backup");
        await writeStream(request, file);
      } catch (error) {
        await received[Symbol.asyncDispose]();
        throw error;
      }
      return received;
    },
    async planImport({ file }, wish) {
      return await planImport(ctx, file, await readIndex(file), wish);
    },
    recover: async () => {
      await recover(ctx, instances);
      await recoverVolumes(ctx, volumes);
    },
  };
}

function expiry(
  ctx: InstanceContext,
  custom: CustomContext,
  instances: InstanceBackups,
  volumes: VolumeBackups,
): Chore {
  return expiryChore({
    what: "delete expired backups",
    first: () => ctx.db.read((tx) => firstBackupExpiry(tx)),
    async run(now) {
      const isOver = ({ expiresAt }: BackupRow) => expiresAt !== "" && new Date(expiresAt) <= now;
      const all = await ctx.db.read(async (tx) => ({
        records: await listInstances(tx),
        ofInstances: (await listBackups(tx, "instance")).filter(isOver),
        rows: await listVolumes(tx, { type: "custom" }),
        ofVolumes: (await listBackups(tx, "volume")).filter(isOver),
      }));
      const attempt = async (name: string, run: () => Promise<void>) => {
        try {
          await run();
        } catch (error) {
          ctx.onError(`delete the expired backup "${name}"`, error);
        }
      };
      for (const { ownerId, name } of all.ofInstances) {
        // Still being made: its end is looked at again.
        if (ctx.locks.isBusy(lockName("instance", ownerId, name))) continue;
        const record = all.records.find((one) => one.id === ownerId);
        if (record !== undefined) {
          await attempt(name, () => instances.remove(record, name, { caller: undefined }));
        }
      }
      for (const { ownerId, name } of all.ofVolumes) {
        if (custom.locks.isBusy(lockName("volume", ownerId, name))) continue;
        const volume = all.rows.find((one) => one.id === ownerId);
        if (volume !== undefined) await attempt(name, () => volumes.remove(volume, name));
      }
    },
  });
}

/** Files without a row and rows without a file are halves of what was interrupted. */
async function recover(ctx: InstanceContext, instances: InstanceBackups): Promise<void> {
  for (const folder of ["", "/instances", "/custom"]) {
    await removeUnfinished(`${ctx.paths.at("backups")}${folder}`);
  }
  const { records, backups } = await ctx.db.read(async (tx) => ({
    records: await listInstances(tx),
    backups: await listBackups(tx, "instance"),
  }));
  for (const record of records) {
    await removeUnfinished(ctx.paths.at("backups/instances", lxcName(record)));
    for (const backup of backups.filter((one) => one.ownerId === record.id)) {
      const exists = await Deno.stat(instances.path(record, backup.name)).then(
        () => true,
        () => false,
      );
      if (!exists) await ctx.db.write((tx) => deleteBackupRow(tx, "instance", backup.id));
    }
  }
}

async function recoverVolumes(ctx: InstanceContext, volumes: VolumeBackups): Promise<void> {
  const { rows, backups } = await ctx.db.read(async (tx) => ({
    rows: await listVolumes(tx, { type: "custom" }),
    backups: await listBackups(tx, "volume"),
  }));
  for (const volume of rows) {
    const theirs = backups.filter((one) => one.ownerId === volume.id);
    if (theirs.length === 0) continue;
    await removeUnfinished(volumes.path(volume, "."));
    for (const { id, name } of theirs) {
      const exists = await Deno.stat(volumes.path(volume, name)).then(() => true, () => false);
      if (!exists) await ctx.db.write((tx) => deleteBackupRow(tx, "volume", id));
    }
  }
}

async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await entries(folder)) {
    if (UNFINISHED.test(name)) await removeTree(`${folder}/${name}`);
  }
}
