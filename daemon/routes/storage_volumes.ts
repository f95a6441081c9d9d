/** Volumes of storage pools: those of instances are shown, custom ones are managed here. */
import { parseBytes } from "#base/units.ts";
import { checkVolumeAllowed } from "#daemon/projects/check.ts";
import {
  deleteVolume,
  getVolume,
  getVolumes,
  getVolumesOfType,
  getVolumeState,
  patchVolume,
  postVolume,
  postVolumes,
  postVolumesOfType,
  putVolume,
  type VolumesPost,
} from "#api/routes/storage.ts";
import {
  checkVolumeChange,
  checkVolumeConfig,
  fittingConfig,
  newVolumeConfig,
} from "#api/config/pool_keys.ts";
import { Fault } from "#base/errors.ts";
import { splitSnapshot } from "#base/snapshot_name.ts";
import type { Backups } from "#daemon/backups/service.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { getPool, listVolumes, type VolumeRow, type VolumeType } from "#daemon/db/storage_pools.ts";
import type { VolumeName } from "#daemon/db/volume_uses.ts";
import { getVolumeSnapshot } from "#daemon/db/volume_snapshots.ts";
import {
  background,
  type BoundRoute,
  type Call,
  created,
  handle,
  sync,
} from "#daemon/http/handle.ts";
import { list } from "#daemon/http/list.ts";
import type { Migrations } from "#daemon/migration/service.ts";
import type { Services } from "#daemon/services.ts";
import type { StorageService } from "#daemon/storage/create.ts";
import { moveVolume, renameVolume, restoreVolume } from "#daemon/storage/custom/change.ts";
import {
  changesDisk,
  changeVolume,
  checkVolumeName,
  createVolume,
  removeVolume,
  requireFreeName,
  requireNotRunning,
} from "#daemon/storage/custom/service.ts";
import { copyCustom } from "#daemon/storage/custom/copy.ts";
import { refreshCustom } from "#daemon/storage/custom/refresh.ts";
import { placeOf } from "#daemon/storage/custom/context.ts";
import {
  contentTypeOf,
  findCustom,
  findVolume,
  renderVolume,
  renderWithSnapshots,
  requireCustom,
  typeOf,
  volumeProject,
  volumeUrl,
  volumeUsers,
} from "./volume_access.ts";
import { receiveVolume, sendVolume } from "./volume_migration.ts";

const etagOf = (
  { name, type, config, description }: VolumeRow,
) => [name, type, description, config];

const filledIn = (volume: VolumeName & { readonly type?: string }) =>
  volumeUrl({ type: "custom", ...volume });

function announce(
  services: Services,
  { caller }: Pick<Call<typeof getVolume>, "caller">,
  action: string,
  volume: VolumeName & { readonly type?: string },
): void {
  services.events.lifecycle({
    action: `storage-volume-${action}`,
    source: filledIn(volume),
    project: volume.project,
    caller,
  });
}

async function listAll(services: Services, call: Call<typeof getVolumes>, type?: VolumeType) {
  const projects = {
    custom: await volumeProject(services, call.query.project, "custom"),
    image: await volumeProject(services, call.query.project, "image"),
    container: call.query.project,
    "virtual-machine": call.query.project,
  };
  const all = await services.db.read(async (tx) => {
    await getPool(tx, call.params.pool);
    const filter = type === undefined ? {} : { type };
    return await listVolumes(tx, { pool: call.params.pool, ...filter });
  });
  const shown = call.query.allProjects
    ? all
    : all.filter((one) => one.project === projects[one.type]);
  const rendered = await renderWithSnapshots(services, shown);
  return list(call, rendered, (one) => volumeUrl({ ...one, pool: call.params.pool }));
}

/** What takes time goes on as an operation. */
export function storageVolumeRoutes(
  storage: StorageService,
  backups: Backups,
  migrations: Migrations,
): BoundRoute[] {
  /** A copy within this server. */
  const copy = async (
    services: Services,
    call: Call<typeof postVolumes>,
    target: VolumeName,
    body: VolumesPost,
  ) => {
    const { source = {} } = body;
    const { name, snapshot } = splitSnapshot(source.name ?? "");
    const pool = source.pool || target.pool;
    const asked = source.project || call.query.project;
    const from = await findCustom(services, {
      params: { pool, type: "custom", volume: name },
      query: { project: asked },
    });
    if (snapshot !== undefined) {
      await services.db.read((tx) => getVolumeSnapshot(tx, from.id, snapshot));
    }
    const known = await services.db.read((tx) => listVolumes(tx, { ...target, type: "custom" }));
    const isRefresh = source.refresh === true && known.length > 0;
    if (!isRefresh) await requireFreeName(storage.custom, target);
    const isBare = source.volume_only ?? false;
    return background(services.operations.start({
      description: "Copying storage volume",
      project: call.query.project,
      caller: call.caller,
      run: async ({ signal }) => {
        const wish = { source: from, snapshot, isBare, signal };
        const { description } = body;
        await (isRefresh
          ? refreshCustom(storage.custom, target, wish)
          : copyCustom(storage.custom, target, {
            ...wish,
            config: body.config ?? {},
            description,
          }));
        announce(services, call, "created", target);
      },
    }));
  };

  /** From another server. */
  const receive = async (
    services: Services,
    call: Call<typeof postVolumes>,
    target: VolumeName,
  ) => {
    const [known] = await services.db.read((tx) => listVolumes(tx, { ...target, type: "custom" }));
    const isRefresh = call.body.source?.refresh === true && known !== undefined;
    if (isRefresh) await requireNotRunning(storage.custom, target, "refresh");
    else {
      await requireFreeName(storage.custom, target);
      const size = sizeOf(call.body.config?.["size"]);
      const { project, name } = target;
      await services.db.read((tx) => checkVolumeAllowed(tx, project, { name, size }));
    }
    return receiveVolume(services, migrations, call, {
      target,
      known,
      onCreated: () => announce(services, call, "created", target),
    });
  };

  /** The body is the archive of a backup. */
  const importBackup = async (services: Services, call: Call<typeof postVolumes>) => {
    const { params, query, request, caller } = call;
    const project = await volumeProject(services, query.project, "custom");
    await storage.pools.driver(params.pool);
    const received = await backups.receive(request);
    try {
      const name = String(request.headers["x-lxd-name"] ?? "");
      const plan = await backups.volumes.planImport(received.file, {
        pool: params.pool,
        project,
        name,
      });
      return background(services.operations.start({
        description: "Restoring custom volume backup",
        project: query.project,
        resources: { storage_volumes: [plan.volume.name] },
        caller,
        run: async ({ signal }) => {
          await using _archive = received;

          await plan.run(signal);
          announce(services, call, "created", plan.volume);
        },
      }));
    } catch (error) {
      await received[Symbol.asyncDispose]();
      throw error;
    }
  };

  const create = async (services: Services, call: Call<typeof postVolumes>, given: string) => {
    const { params, query } = call;
    const body = call.body as VolumesPost | undefined;
    if (body === undefined) return await importBackup(services, call);
    const type = typeOf(given || body.type || "custom");
    requireCustom(type);
    const name = body.name ?? "";
    checkVolumeName(name);
    const kind = body.source?.type ?? "";
    const row = await services.db.read((tx) => getPool(tx, params.pool));
    const from = kind === "migration" ? undefined : body.source?.pool || params.pool;
    // Clients send the keys of the source with a copy.
    const config = from === params.pool ? body.config ?? {} : fittingConfig(row, body.config ?? {});
    checkVolumeConfig(row, type, config);
    const project = await volumeProject(services, query.project, type);
    await storage.pools.driver(params.pool);
    const volume = { pool: params.pool, project, name };
    if (kind === "copy") return await copy(services, call, volume, { ...body, config });
    if (kind === "migration") {
      return await receive(services, { ...call, body: { ...body, config } }, volume);
    }
    if (kind !== "" && kind !== "none") {
      throw new Fault("bad_request", `Unknown source type "${kind}" for a volume`, {
        hint: "There are copy and migration.",
      });
    }
    const contentType = contentTypeOf(body);
    await services.db.read((tx) =>
      checkVolumeAllowed(tx, project, { name, size: sizeOf(config["size"]) })
    );
    await createVolume(storage.custom, volume, {
      contentType,
      description: body.description ?? "",
      config,
    });
    announce(services, call, "created", volume);
    return created(filledIn(volume));
  };

  const update = async (services: Services, call: Call<typeof putVolume>, isPatch: boolean) => {
    const volume = await findVolume(services, call);
    call.ifMatch(etagOf(volume));
    const restore = call.body.restore ?? "";
    if (restore !== "") {
      requireCustom(volume.type);
      await restoreVolume(storage.custom, volume, restore);
      announce(services, call, "restored", volume);
      return sync();
    }
    const config = { ...(isPatch ? volume.config : {}), ...call.body.config };
    const pool = await services.db.read((tx) => getPool(tx, volume.pool));
    checkVolumeConfig(pool, volume.type, config);
    checkVolumeChange(pool.driver, volume, config);
    const description = call.body.description ?? (isPatch ? volume.description : "");
    if (volume.type === "custom") {
      await services.db.read((tx) =>
        checkVolumeAllowed(tx, volume.project, {
          name: volume.name,
          size: sizeOf(config["size"]),
        })
      );
      await changeVolume(storage.custom, volume, { config, description });
      announce(services, call, "updated", volume);
      return sync();
    }
    if (volume.type === "container" && changesDisk(volume.config, config)) {
      await storage.instances.reconfigure(volume, newVolumeConfig(pool, config));
    }
    await changeRow(services, volume, { config, description });
    return sync();
  };

  /** Rename at once; a move to another pool or project in the background. */
  const rename = async (services: Services, call: Call<typeof postVolume>) => {
    const { body, query, caller } = call;
    const volume = await findCustom(services, call);
    if (body.migration === true) {
      return sendVolume(services, migrations, call, { volume, snapshot: undefined });
    }
    const name = body.name ?? "";
    checkVolumeName(name);
    const pool = body.pool || volume.pool;
    const project = body.project
      ? await volumeProject(services, body.project, "custom")
      : volume.project;
    const target = { pool, project, name };
    if (pool === volume.pool && project === volume.project) {
      await renameVolume(storage.custom, volume, name);
      announce(services, call, "renamed", target);
      return created(filledIn(target));
    }
    await storage.pools.driver(pool);
    await requireFreeName(storage.custom, target);
    return background(services.operations.start({
      description: "Moving storage volume",
      project: query.project,
      caller,
      run: async ({ signal }) => {
        await moveVolume(storage.custom, volume, target, {
          isBare: body.volume_only ?? false,
          signal,
        });
        announce(services, call, "renamed", target);
      },
    }));
  };

  return [
    handle(getVolumes, (services, call) => listAll(services, call)),
    handle(
      getVolumesOfType,
      (services, call) => listAll(services, call, typeOf(call.params.type)),
    ),
    handle(postVolumes, (services, call) => create(services, call, "")),
    handle(
      postVolumesOfType,
      (services, call) => create(services, call, call.params.type),
    ),
    handle(getVolume, async (services, call) => {
      const volume = await findVolume(services, call);
      return sync(await renderVolume(services, volume), { etag: etagOf(volume) });
    }),
    handle(putVolume, (services, call) => update(services, call, false)),
    handle(patchVolume, (services, call) => update(services, call, true)),
    handle(postVolume, (services, call) => rename(services, call)),
    handle(deleteVolume, async (services, call) => {
      const volume = await findVolume(services, call);
      if (volume.type === "image") await storage.dropImageVolume(volume);
      else {
        requireCustom(volume.type);
        await removeVolume(storage.custom, volume, (row) => volumeUsers(services, row));
      }
      announce(services, call, "deleted", volume);
      return sync();
    }),
    handle(getVolumeState, async (services, call) => {
      const volume = await findVolume(services, call);
      if (volume.type === "image") {
        throw new Fault("bad_request", 'Volumes of type "image" have no state', {
          hint: "There is one of volumes of instances, and of custom ones.",
        });
      }
      const { driver, volume: made } = await placeOf(storage.custom, volume);
      const { usedBytes, totalBytes } = volume.type === "custom"
        ? await driver.usage(made)
        : await storage.instances.usage(volume);
      return sync({ usage: { used: usedBytes, total: totalBytes } });
    }),
  ];
}

/** What is written about a volume of an instance. */
async function changeRow(
  { db }: Services,
  volume: VolumeRow,
  { config, description }: { config: Readonly<Record<string, string>>; description: string },
): Promise<void> {
  await db.write(async (tx) => {
    await writeConfig(tx, "storage_volumes", volume.id, config);
    await tx.run("UPDATE storage_volumes SET description = ? WHERE id = ?", description, volume.id);
  });
}

const sizeOf = (text: string | undefined) =>
  text === undefined || text === "" ? undefined : parseBytes(text);
