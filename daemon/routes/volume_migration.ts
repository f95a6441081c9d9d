/** Custom volumes that come from another server, or go to one. */
import type { postVolume, postVolumes, postVolumeSnapshot } from "#api/routes/storage.ts";
import type { VolumeRow } from "#daemon/db/storage_pools.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { background, type Call } from "#daemon/http/handle.ts";
import { watched } from "#daemon/migration/progress.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import type { Services } from "#daemon/services.ts";
import { contentTypeOf } from "./volume_access.ts";

/** POST of a volume with a source of the type migration. `known`: the copy to refresh. */
export function receiveVolume(
  services: Services,
  migrations: Migrations,
  { query, body, caller }: Call<typeof postVolumes>,
  { target, known, onCreated }: {
    readonly target: VolumeName;
    readonly known: VolumeRow | undefined;
    readonly onCreated: () => void;
  },
) {
  const { source = {} } = body;
  const link = watched(migrations.link(source), target.name);
  const wish = known === undefined
    ? {
      contentType: contentTypeOf(body),
      description: body.description ?? "",
      config: body.config ?? {},
    }
    : undefined;
  return background(services.operations.start({
    description: "Creating storage volume",
    project: query.project,
    resources: { storage_volumes: [target.name] },
    caller,
    cancellable: true,
    ...link.start,
    run: async ({ signal, progress }) => {
      link.tell(progress);
      const volumeOnly = source.volume_only ?? false;
      await migrations.receiveVolume(target, link, { wish, volumeOnly, signal });
      if (known === undefined) onCreated();
    },
  }));
}

/** POST on a volume or its snapshot that says migration. */
export function sendVolume(
  services: Services,
  migrations: Migrations,
  { query, body, caller }: Call<typeof postVolume> | Call<typeof postVolumeSnapshot>,
  what: { readonly volume: VolumeRow; readonly snapshot: string | undefined },
) {
  const { volume_only: volumeOnly = false } = body as { volume_only?: boolean };
  const { volume, snapshot } = what;
  const name = snapshot === undefined ? volume.name : `${volume.name}/${snapshot}`;
  const link = watched(migrations.linkTo(body.target), name);
  return background(services.operations.start({
    description: "Migrating storage volume",
    project: query.project,
    resources: { storage_volumes: [what.volume.name] },
    caller,
    cancellable: true,
    ...link.start,
    run: async ({ signal, progress }) => {
      link.tell(progress);
      await migrations.sendVolume(link, { ...what, volumeOnly }, signal);
    },
  }));
}
