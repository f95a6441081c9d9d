/** Volumes of storage pools: those of instances are shown, custom ones are managed here. */
import {
  deleteVolume,
  getVolume,
  getVolumes,
  getVolumeSnapshots,
  getVolumesOfType,
  getVolumeState,
  patchVolume,
  postVolume,
  postVolumes,
  postVolumesOfType,
  putVolume,
} from "#api/routes/storage.ts";
import { checkVolumeConfig, newVolumeConfig } from "#api/config/pool_keys.ts";
import { Fault } from "#base/errors.ts";
import { parseBytes } from "#base/units.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { effectiveProject } from "#daemon/db/projects.ts";
import {
  deleteVolumeRow,
  getPool,
  insertVolume,
  listVolumes,
  renameVolumeRow,
  VOLUME_TYPES,
  type VolumeRow,
  type VolumeType,
} from "#daemon/db/storage_pools.ts";
import { type BoundRoute, type Call, created, handle, sync } from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { Services } from "#daemon/services.ts";
import type { StorageService } from "#daemon/storage/create.ts";
import { containerVolume, customVolume } from "#daemon/storage/volume.ts";

async function usedBy(services: Services, volume: VolumeRow): Promise<string[]> {
  const suffix = projectSuffix(volume.project);
  if (volume.type === "container") return [`/1.0/instances/${volume.name}${suffix}`];
  const uses = await services.instances.listUses();
  return uses.filter((use) =>
    Object.values(use.expandedDevices).some((one) =>
      one["type"] === "disk" && one["pool"] === volume.pool && one["source"] === volume.name
    )
  ).map((use) => `/1.0/instances/${use.name}${projectSuffix(use.project)}`);
}

async function render(services: Services, volume: VolumeRow) {
  return {
    config: volume.config,
    description: volume.description,
    name: volume.name,
    type: volume.type,
    used_by: await usedBy(services, volume),
    location: "none",
    content_type: volume.contentType,
    project: volume.project,
    created_at: "0001-01-01T00:00:00Z",
  };
}

function urlOf(
  pool: string,
  { type, name, project }: { type: string; name: string; project: string },
) {
  return `/1.0/storage-pools/${pool}/volumes/${type}/${name}${projectSuffix(project)}`;
}

function typeOf(text: string): VolumeType {
  const type = text.replace(/s$/, "") as VolumeType;
  if (Object.hasOwn(VOLUME_TYPES, type)) return type;
  throw new Fault("bad_request", `Invalid storage volume type "${text}"`, {
    hint: `Types: ${Object.keys(VOLUME_TYPES).join(", ")}.`,
  });
}

async function owner({ db }: Services, project: string, type: VolumeType): Promise<string> {
  if (type !== "custom") return project;
  return await db.read(async (tx) => (await effectiveProject(tx, project, "storage.volumes")).name);
}

async function find(
  services: Services,
  { params, query }: {
    params: { pool: string; type: string; volume: string };
    query: { project: string };
  },
): Promise<VolumeRow> {
  const type = typeOf(params.type);
  const project = await owner(services, query.project, type);
  const [volume] = await services.db.read(async (tx) => {
    await getPool(tx, params.pool);
    return await listVolumes(tx, { pool: params.pool, project, name: params.volume, type });
  });
  if (volume === undefined) throw new Fault("not_found", "Storage volume not found");
  return volume;
}

function requireCustom(volume: { type: VolumeType }): void {
  if (volume.type === "custom") return;
  throw new Fault("bad_request", `Volumes of type "${volume.type}" cannot be changed here`, {
    hint: "They belong to an instance or image: use its own commands.",
  });
}

function checkName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (/[/\s]/.test(name) || name === "." || name === "..") {
    throw new Fault("bad_request", `Invalid storage volume name "${name}"`, {
      hint: "Names have no slashes and no white space.",
    });
  }
}

const etagOf = (
  { name, type, config, description }: VolumeRow,
) => [name, type, description, config];

const treeOf = (
  volume: Pick<VolumeRow, "project" | "name"> & Partial<Pick<VolumeRow, "contentType">>,
  config?: VolumeRow["config"],
) =>
  customVolume(volume.project, volume.name, {
    content: volume.contentType ?? "filesystem",
    ...config !== undefined && { config },
  });

export function storageVolumeRoutes(storage: StorageService): BoundRoute[] {
  const listOf = async (services: Services, call: Call<typeof getVolumes>, type?: VolumeType) => {
    const project = await owner(services, call.query.project, "custom");
    const all = await services.db.read(async (tx) => {
      await getPool(tx, call.params.pool);
      const filter = type === undefined ? {} : { type };
      return await listVolumes(tx, { pool: call.params.pool, ...filter });
    });
    const shown = call.query.allProjects
      ? all
      : all.filter((one) => one.project === (one.type === "custom" ? project : call.query.project));
    const rendered = await Promise.all(shown.map((one) => render(services, one)));
    return list(call, rendered, (one) => urlOf(call.params.pool, one));
  };

  const create = async (services: Services, call: Call<typeof postVolumes>, given: string) => {
    const { body, params, query, caller } = call;
    const type = typeOf(given || "custom");
    requireCustom({ type });
    checkName(body.name);
    if (body.content_type === "block") {
      throw new Fault("bad_request", "block volumes are not supported on this storage pool", {
        hint: "Use a filesystem volume.",
      });
    }
    if ((body.source as { type?: string } | undefined)?.type) {
      throw new Fault("not_implemented", "Copies of volumes are not supported yet");
    }
    const pool = await services.db.read((tx) => getPool(tx, params.pool));
    checkVolumeConfig(pool.driver, body.config ?? {});
    const config = newVolumeConfig(pool, body.config ?? {});
    const project = await owner(services, query.project, type);
    const driver = await storage.pools.driver(params.pool);
    const volume = { pool: params.pool, project, name: body.name };
    await services.db.write(async (tx) => {
      const known = await listVolumes(tx, { ...volume, type });
      if (known.length > 0) throw new Fault("conflict", `Volume "${body.name}" already exists`);
      const description = body.description ?? "";
      await insertVolume(tx, { ...volume, type, description, config });
      const size = config["size"] ?? "";
      await driver.create(treeOf(volume, config), {
        sizeBytes: size === "" ? 0 : parseBytes(size),
      });
    });
    const url = urlOf(params.pool, { ...volume, type });
    services.events.lifecycle({ action: "storage-volume-created", source: url, project, caller });
    return created(url);
  };

  const update = async (services: Services, call: Call<typeof putVolume>, isPatch: boolean) => {
    const volume = await find(services, call);
    call.ifMatch(etagOf(volume));
    const config = { ...(isPatch ? volume.config : {}), ...call.body.config };
    const pool = await services.db.read((tx) => getPool(tx, volume.pool));
    checkVolumeConfig(pool.driver, config);
    if ((config["size"] ?? "") !== (volume.config["size"] ?? "")) {
      const size = config["size"] ?? "";
      const driver = await storage.pools.driver(volume.pool);
      await driver.resize(treeOf(volume), size === "" ? 0 : parseBytes(size));
    }
    await services.db.write(async (tx) => {
      await writeConfig(tx, "storage_volumes", volume.id, config);
      const description = call.body.description ?? (isPatch ? volume.description : "");
      await tx.run(
        "UPDATE storage_volumes SET description = ? WHERE id = ?",
        description,
        volume.id,
      );
    });
    return sync();
  };

  return [
    handle(getVolumes, (services, call) => listOf(services, call)),
    handle(
      getVolumesOfType,
      (services, call) => listOf(services, call as never, typeOf(call.params.type)),
    ),
    handle(postVolumes, (services, call) => create(services, call, call.body.type ?? "")),
    handle(
      postVolumesOfType,
      (services, call) => create(services, call as never, call.params.type),
    ),
    handle(getVolume, async (services, call) => {
      const volume = await find(services, call);
      return sync(await render(services, volume), { etag: etagOf(volume) });
    }),
    handle(putVolume, (services, call) => update(services, call, false)),
    handle(patchVolume, (services, call) => update(services, call as never, true)),
    handle(postVolume, async (services, call) => {
      const volume = await find(services, call);
      requireCustom(volume);
      checkName(call.body.name);
      const users = await usedBy(services, volume);
      if (users.length > 0) throw new Fault("bad_request", "Volume is still in use by instances");
      const next = treeOf({ ...volume, name: call.body.name });
      await (await storage.pools.driver(volume.pool)).rename(treeOf(volume), next.name);
      await services.db.write((tx) => renameVolumeRow(tx, volume, call.body.name));
      return created(urlOf(volume.pool, { ...volume, name: call.body.name }));
    }),
    handle(deleteVolume, async (services, call) => {
      const volume = await find(services, call);
      requireCustom(volume);
      const users = await usedBy(services, volume);
      if (users.length > 0) {
        throw new Fault("bad_request", "The storage volume is still in use", {
          hint: `Used by ${users.slice(0, 5).join(", ")}`,
        });
      }
      await services.db.write((tx) => deleteVolumeRow(tx, volume));
      await (await storage.pools.driver(volume.pool)).remove(treeOf(volume));
      const url = urlOf(volume.pool, volume);
      const { caller } = call;
      const { project } = volume;
      services.events.lifecycle({ action: "storage-volume-deleted", source: url, project, caller });
      return sync();
    }),
    handle(getVolumeState, async (services, call) => {
      const volume = await find(services, call);
      const driver = await storage.pools.driver(volume.pool);
      const tree = volume.type === "custom"
        ? treeOf(volume)
        : containerVolume(volume.project, volume.name);
      const { usedBytes, totalBytes } = await driver.usage(tree);
      return sync({ usage: { used: usedBytes, total: totalBytes } });
    }),
    handle(getVolumeSnapshots, async (services, call) => {
      await find(services, call);
      return list(call, [], () => "");
    }),
  ];
}
