/** Snapshots of volumes: those of instances are shown, of custom ones managed. */
import {
  deleteVolumeSnapshot,
  getVolumeSnapshot,
  getVolumeSnapshots,
  patchVolumeSnapshot,
  postVolumeSnapshot,
  postVolumeSnapshots,
  putVolumeSnapshot,
} from "#api/routes/storage.ts";
import { Fault } from "#base/errors.ts";
import type { VolumeRow } from "#daemon/db/storage_pools.ts";
import {
  getVolumeSnapshot as getRow,
  listVolumeSnapshots,
  updateVolumeSnapshot,
} from "#daemon/db/volume_snapshots.ts";
import { background, type BoundRoute, type Call, handle, sync } from "#daemon/http/handle.ts";
import { list } from "#daemon/http/list.ts";
import { checkSnapshotName } from "#daemon/instances/name.ts";
import { expiryAfter, snapshotName } from "#daemon/instances/snapshot_name.ts";
import { parseExpiry } from "#base/time.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import { checkCopiesAllowed } from "#daemon/projects/check.ts";
import type { Services } from "#daemon/services.ts";
import type { StorageService } from "#daemon/storage/create.ts";
import {
  removeVolumeSnapshot,
  renameVolumeSnapshot,
  takeVolumeSnapshot,
} from "#daemon/storage/custom/change.ts";
import { findCustom, findVolume, renderVolumeSnapshot, volumeUrl } from "./volume_access.ts";
import { sendVolume } from "./volume_migration.ts";

/** The name that a new snapshot gets. @throws {Fault} conflict, bad_request */
async function planVolumeSnapshot(
  { db }: Pick<Services, "db">,
  volume: VolumeRow,
  name: string,
): Promise<string> {
  const taken = (await db.read((tx) => listVolumeSnapshots(tx, volume.id))).map((one) => one.name);
  if (name === "") {
    return snapshotName(volume.config["snapshots.pattern"] || "snap%d", taken, new Date());
  }
  checkSnapshotName(name);
  if (taken.includes(name)) throw new Fault("conflict", `Snapshot "${name}" already in use`);
  return name;
}

const etagOf = (snapshot: { readonly description: string; readonly expiresAt: string }) => [
  snapshot.description,
  snapshot.expiresAt,
];

/** What takes time goes on as an operation. */
export function storageVolumeSnapshotRoutes(
  storage: StorageService,
  migrations: Migrations,
): BoundRoute[] {
  const announce = (
    services: Services,
    { caller }: Pick<Call<typeof getVolumeSnapshot>, "caller">,
    action: string,
    volume: VolumeRow,
    name: string,
  ) =>
    services.events.lifecycle({
      action: `storage-volume-snapshot-${action}`,
      source: volumeUrl({ ...volume, name: `${volume.name}/${name}` }),
      project: volume.project,
      caller,
    });

  const update = async (
    services: Services,
    call: Call<typeof putVolumeSnapshot>,
    isPatch: boolean,
  ) => {
    const volume = await findVolume(services, call);
    const { snapshot: name } = call.params;
    const snapshot = await services.db.read((tx) => getRow(tx, volume.id, name));
    call.ifMatch(etagOf(snapshot));
    const expiresAt = parseExpiry(call.body.expires_at);
    const description = call.body.description;
    await services.db.write((tx) =>
      updateVolumeSnapshot(tx, snapshot.id, {
        ...(description !== undefined || !isPatch ? { description: description ?? "" } : {}),
        ...(expiresAt !== undefined || !isPatch ? { expiresAt: expiresAt ?? "" } : {}),
      })
    );
    announce(services, call, "updated", volume, name);
    return sync();
  };

  return [
    handle(getVolumeSnapshots, async (services, call) => {
      const volume = await findVolume(services, call);
      const rows = await services.db.read((tx) => listVolumeSnapshots(tx, volume.id));
      const named = rows.map((one) => ({
        ...renderVolumeSnapshot(volume, one),
        name: `${volume.name}/${one.name}`,
      }));
      return list(call, named, ({ name }) => volumeUrl({ ...volume, name }));
    }),
    handle(postVolumeSnapshots, async (services, call) => {
      const { query, body, caller } = call;
      const volume = await findCustom(services, call);
      await services.db.read((tx) => checkCopiesAllowed(tx, volume.project, "snapshots"));
      const name = await planVolumeSnapshot(services, volume, body.name ?? "");
      const expiresAt = parseExpiry(body.expires_at) ??
        expiryAfter(new Date(), volume.config["snapshots.expiry"] ?? "");
      return background(services.operations.start({
        description: "Snapshotting storage volume",
        project: query.project,
        resources: { storage_volumes: [volume.name] },
        caller,
        run: async () => {
          const { description = "" } = body;
          await takeVolumeSnapshot(storage.custom, volume, { name, description, expiresAt });
          announce(services, call, "created", volume, name);
        },
      }));
    }),
    handle(getVolumeSnapshot, async (services, call) => {
      const volume = await findVolume(services, call);
      const row = await services.db.read((tx) => getRow(tx, volume.id, call.params.snapshot));
      return sync(renderVolumeSnapshot(volume, row), { etag: etagOf(row) });
    }),
    handle(putVolumeSnapshot, (services, call) => update(services, call, false)),
    handle(patchVolumeSnapshot, (services, call) => update(services, call, true)),
    handle(postVolumeSnapshot, async (services, call) => {
      const { params, query, body, caller } = call;
      const volume = await findCustom(services, call);
      await services.db.read((tx) => getRow(tx, volume.id, params.snapshot));
      if (body.migration === true) {
        return sendVolume(services, migrations, call, { volume, snapshot: params.snapshot });
      }
      checkSnapshotName(body.name);
      const to = await planVolumeSnapshot(services, volume, body.name);
      return background(services.operations.start({
        description: "Renaming storage volume snapshot",
        project: query.project,
        resources: { storage_volume_snapshots: [volume.name] },
        caller,
        run: async () => {
          await renameVolumeSnapshot(storage.custom, volume, { from: params.snapshot, to });
          announce(services, call, "renamed", volume, to);
        },
      }));
    }),
    handle(deleteVolumeSnapshot, async (services, call) => {
      const { params, query, caller } = call;
      const volume = await findCustom(services, call);
      await services.db.read((tx) => getRow(tx, volume.id, params.snapshot));
      return background(services.operations.start({
        description: "Deleting storage volume snapshot",
        project: query.project,
        resources: { storage_volume_snapshots: [volume.name] },
        caller,
        run: async () => {
          await removeVolumeSnapshot(storage.custom, volume, params.snapshot);
          announce(services, call, "deleted", volume, params.snapshot);
        },
      }));
    }),
  ];
}
