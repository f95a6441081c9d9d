/** Backups of instances. */
import { parseExpiry } from "#base/time.ts";
import { checkCopiesAllowed } from "#daemon/projects/check.ts";
import {
  deleteInstanceBackup,
  exportInstanceBackup,
  getInstanceBackup,
  getInstanceBackups,
  postInstanceBackup,
  postInstanceBackups,
} from "#api/routes/backups.ts";
import type { HostPath } from "#base/brand.ts";
import { backupEvent } from "#daemon/backups/event.ts";
import { checkBackupName } from "#daemon/backups/instances.ts";
import type { Backups } from "#daemon/backups/service.ts";
import type { BackupRow } from "#daemon/db/backups.ts";
import type { Database } from "#daemon/db/db.ts";
import { getProject } from "#daemon/db/projects.ts";
import { background, type BoundRoute, handle, type Reply, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { ServerSettings } from "#daemon/server_settings.ts";
import { sendBytes } from "#daemon/host/send_bytes.ts";

const NEVER = "0001-01-01T00:00:00Z";

/** The fields that backups of instances and of volumes share. */
export function renderBackup(backup: BackupRow) {
  return {
    name: backup.name,
    created_at: backup.createdAt,
    expires_at: backup.expiresAt === "" ? NEVER : backup.expiresAt,
    optimized_storage: backup.isOptimized,
  };
}

const render = (backup: BackupRow) => ({
  ...renderBackup(backup),
  instance_only: backup.isBare,
  container_only: backup.isBare,
});

/** The archive as an attachment. */
export function sendArchive(path: HostPath, name: string): Reply {
  return {
    kind: "raw",
    send: async (response) => {
      const { size } = await Deno.stat(path);
      response.setHeader("Content-Type", "application/octet-stream");
      response.setHeader("Content-Length", size);
      response.setHeader("Content-Disposition", `inline;filename=${name}`);
      await sendBytes(response, path, { size }).catch((error) => {
        // The client may close as soon as it has the last byte, or give up.
        if (!response.destroyed) throw error;
      });
    },
  };
}

/** What a POST asks for, else what its project says, else the server. */
export async function compressionWish(
  { db, settings }: { readonly db: Database; readonly settings: ServerSettings },
  project: string,
  given: string | undefined,
): Promise<string> {
  if (given) return given;
  const key = "backups.compression_algorithm";
  const { config } = await db.read((tx) => getProject(tx, project));
  return config[key] || await settings.value(key);
}

/** Also their export, as the archive itself. */
export function instanceBackupRoutes(backups: Backups, settings: ServerSettings): BoundRoute[] {
  const urlOf = (project: string, instance: string) => ({ name }: { name: string }) =>
    `/1.0/instances/${instance}/backups/${name}${projectSuffix(project)}`;
  return [
    handle(getInstanceBackups, async (services, call) => {
      const record = await services.instances.actions.get(call.query.project, call.params.name);
      const all = await backups.instances.list(record);
      return list(call, all.map(render), urlOf(call.query.project, record.name));
    }),
    handle(postInstanceBackups, async (services, { params, query, body, caller }) => {
      const record = await services.instances.actions.get(query.project, params.name);
      await services.db.read((tx) => checkCopiesAllowed(tx, query.project, "backups"));
      const name = await backups.instances.planName(record, body.name ?? "");
      const compression = await compressionWish(
        { db: services.db, settings },
        query.project,
        body.compression_algorithm,
      );
      const expiresAt = parseExpiry(body.expires_at) ?? "";
      const isBare = body.instance_only ?? body.container_only ?? false;
      return background(services.operations.start({
        description: "Backing up instance",
        project: query.project,
        resources: { instances: [record.name], backups: [name] },
        caller,
        cancellable: true,
        run: ({ signal }) =>
          backups.instances.make(
            record,
            { name, expiresAt, isBare, compression, isOptimized: body.optimized_storage ?? false },
            { caller, signal },
          ),
      }));
    }),
    handle(getInstanceBackup, async (services, { params, query }) => {
      const record = await services.instances.actions.get(query.project, params.name);
      const backup = await backups.instances.get(record, params.backup);
      return sync(render(backup));
    }),
    handle(postInstanceBackup, async (services, { params, query, body, caller }) => {
      const record = await services.instances.actions.get(query.project, params.name);
      await backups.instances.get(record, params.backup);
      checkBackupName(body.name);
      return background(services.operations.start({
        description: "Renaming instance backup",
        project: query.project,
        resources: { instances: [record.name] },
        caller,
        run: () => backups.instances.rename(record, { from: params.backup, to: body.name, caller }),
      }));
    }),
    handle(deleteInstanceBackup, async (services, { params, query, caller }) => {
      const record = await services.instances.actions.get(query.project, params.name);
      await backups.instances.get(record, params.backup);
      return background(services.operations.start({
        description: "Removing instance backup",
        project: query.project,
        resources: { instances: [record.name] },
        caller,
        run: () => backups.instances.remove(record, params.backup, { caller }),
      }));
    }),
    handle(exportInstanceBackup, async (services, { params, query, caller }) => {
      const record = await services.instances.actions.get(query.project, params.name);
      const backup = await backups.instances.get(record, params.backup);
      const { name } = backup;
      backupEvent(services.events, "retrieved", { instance: record, name, caller });
      return sendArchive(backups.instances.path(record, backup.name), `${backup.name}.tar.gz`);
    }),
  ];
}
