/** Backups of custom volumes. */
import { parseExpiry } from "#base/time.ts";
import {
  deleteVolumeBackup,
  exportVolumeBackup,
  getVolumeBackup,
  getVolumeBackups,
  postVolumeBackup,
  postVolumeBackups,
} from "#api/routes/backups.ts";
import { checkBackupName } from "#daemon/backups/instances.ts";
import type { Backups } from "#daemon/backups/service.ts";
import type { BackupRow } from "#daemon/db/backups.ts";
import type { VolumeRow } from "#daemon/db/storage_pools.ts";
import type { Caller } from "#daemon/http/caller.ts";
import { background, type BoundRoute, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { ServerSettings } from "#daemon/server_settings.ts";
import type { Services } from "#daemon/services.ts";
import { checkCopiesAllowed } from "#daemon/projects/check.ts";
import { compressionWish, renderBackup, sendArchive } from "./instance_backups.ts";
import { findCustom, volumeUrl } from "./volume_access.ts";

const render = (backup: BackupRow) => ({ ...renderBackup(backup), volume_only: backup.isBare });

function announce(services: Services, caller: Caller, action: string, volume: VolumeRow): void {
  services.events.lifecycle({
    action: `storage-volume-backup-${action}`,
    source: volumeUrl(volume),
    project: volume.project,
    caller,
  });
}

/** Of instances: instance_backups.ts. */
export function storageVolumeBackupRoutes(
  backups: Backups,
  settings: ServerSettings,
): BoundRoute[] {
  return [
    handle(getVolumeBackups, async (services, call) => {
      const volume = await findCustom(services, call);
      const all = await backups.volumes.list(volume);
      const [at = ""] = volumeUrl(volume).split("?");
      const suffix = projectSuffix(volume.project);
      return list(call, all.map(render), ({ name }) => `${at}/backups/${name}${suffix}`);
    }),
    handle(postVolumeBackups, async (services, call) => {
      const { body, query, caller } = call;
      const volume = await findCustom(services, call);
      await services.db.read((tx) => checkCopiesAllowed(tx, volume.project, "backups"));
      const name = await backups.volumes.planName(volume, body.name ?? "");
      const compression = await compressionWish(
        { db: services.db, settings },
        volume.project,
        body.compression_algorithm,
      );
      const expiresAt = parseExpiry(body.expires_at) ?? "";
      const isBare = body.volume_only ?? false;
      const isOptimized = body.optimized_storage ?? false;
      return background(services.operations.start({
        description: "Creating custom volume backup",
        project: query.project,
        resources: { storage_volumes: [volume.name], backups: [name] },
        caller,
        cancellable: true,
        run: async ({ signal }) => {
          await backups.volumes.make(
            volume,
            { name, expiresAt, isBare, compression, isOptimized },
            signal,
          );
          announce(services, caller, "created", volume);
        },
      }));
    }),
    handle(getVolumeBackup, async (services, call) => {
      const volume = await findCustom(services, call);
      return sync(render(await backups.volumes.get(volume, call.params.backup)));
    }),
    handle(postVolumeBackup, async (services, call) => {
      const { params, query, body, caller } = call;
      const volume = await findCustom(services, call);
      await backups.volumes.get(volume, params.backup);
      checkBackupName(body.name);
      return background(services.operations.start({
        description: "Renaming custom volume backup",
        project: query.project,
        resources: { storage_volumes: [volume.name] },
        caller,
        run: async () => {
          await backups.volumes.rename(volume, params.backup, body.name);
          announce(services, caller, "renamed", volume);
        },
      }));
    }),
    handle(deleteVolumeBackup, async (services, call) => {
      const { params, query, caller } = call;
      const volume = await findCustom(services, call);
      await backups.volumes.get(volume, params.backup);
      return background(services.operations.start({
        description: "Deleting custom volume backup",
        project: query.project,
        resources: { storage_volumes: [volume.name] },
        caller,
        run: async () => {
          await backups.volumes.remove(volume, params.backup);
          announce(services, caller, "deleted", volume);
        },
      }));
    }),
    handle(exportVolumeBackup, async (services, call) => {
      const volume = await findCustom(services, call);
      const backup = await backups.volumes.get(volume, call.params.backup);
      return sendArchive(backups.volumes.path(volume, backup.name), `${backup.name}.tar.gz`);
    }),
  ];
}
