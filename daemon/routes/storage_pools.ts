/** Storage pools. */
import {
  deletePool,
  getPool as getPoolRow,
  getPoolResources,
  getPools,
  patchPool,
  postPoolFlatten,
  postPools,
  putPool,
} from "#api/routes/storage.ts";
import { checkPoolChange, checkPoolConfig } from "#api/config/pool_keys.ts";
import { Fault } from "#base/errors.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { listProfiles } from "#daemon/db/profiles.ts";
import {
  deletePoolRow,
  getPool,
  insertPool,
  listPools,
  listVolumes,
  type Pool,
  poolInUse,
  type VolumeRow,
} from "#daemon/db/storage_pools.ts";
import { listVolumeSnapshots } from "#daemon/db/volume_snapshots.ts";
import {
  background,
  type BoundRoute,
  type Call,
  created,
  handle,
  sync,
} from "#daemon/http/handle.ts";
import { list, projectSuffix } from "#daemon/http/list.ts";
import type { Services } from "#daemon/services.ts";
import type { StorageService } from "#daemon/storage/create.ts";
import { poolType } from "#daemon/storage/pool_types.ts";
import { containerVolume } from "#daemon/storage/volume.ts";

/** Of a file's name, in most file systems. */
const NAME_BYTES = 255;

/** @throws {Fault} bad_request */
export function checkPoolName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  const isLong = new TextEncoder().encode(name).length > NAME_BYTES;
  if (/^[.-]|[/\s\p{Cc}]/u.test(name) || isLong) {
    throw new Fault("bad_request", `Invalid storage pool name "${name}"`, {
      hint: "Names have at most 255 bytes, no slashes or white space, no dot or dash first.",
    });
  }
}

/** URLs of all that is on it or refers to it, as LXD lists them: snapshots and images too. */
async function usedBy(services: Services, pool: string): Promise<string[]> {
  const uses = await services.instances.listUses();
  const { profiles, volumes, snapshots } = await services.db.read(async (tx) => ({
    profiles: await listProfiles(tx),
    volumes: await listVolumes(tx, { pool }),
    snapshots: await listVolumeSnapshots(tx),
  }));
  const refers = (devices: Readonly<Record<string, Readonly<Record<string, string>>>>) =>
    Object.values(devices).some((one) => one["type"] === "disk" && one["pool"] === pool);
  const urls = new Set([
    ...uses.filter((use) => refers(use.expandedDevices))
      .map((use) => `/1.0/instances/${use.name}${projectSuffix(use.project)}`),
    ...profiles.filter((one) => refers(one.devices))
      .map((one) => `/1.0/profiles/${one.name}${projectSuffix(one.project)}`),
    ...volumes.map((one) => contentUrl(one)),
    ...snapshots.flatMap(({ volumeId, name }) => {
      const volume = volumes.find(({ id }) => id === volumeId);
      return volume === undefined ? [] : [contentUrl(volume, name)];
    }),
  ]);
  return [...urls].toSorted();
}

/** What a volume, or a snapshot of one, is the content of. Pure. */
function contentUrl({ pool, type, name, project }: VolumeRow, snapshot?: string): string {
  const tail = snapshot === undefined ? "" : `/snapshots/${snapshot}`;
  if (type === "image") return `/1.0/images/${name}`;
  const thing = type === "custom" ? `storage-pools/${pool}/volumes/custom` : "instances";
  return `/1.0/${thing}/${name}${tail}${projectSuffix(project)}`;
}

async function render(services: Services, pool: Pool) {
  return {
    config: pool.config,
    description: pool.description,
    name: pool.name,
    driver: pool.driver,
    used_by: await usedBy(services, pool.name),
    status: "Created",
    locations: ["none"],
  };
}

/** What a replacement that does not name them keeps: clients send back only what they show. */
function keptKeys(config: Pool["config"]): Record<string, string> {
  const kept = ["source", "volatile.initial_source", "size"];
  return Object.fromEntries(Object.entries(config).filter(([key]) => kept.includes(key)));
}

const etagOf = (pool: Pool) => [pool.name, pool.driver, pool.description, pool.config];

/** Host first, then the database; all of it or nothing. */
export function storagePoolRoutes(storage: StorageService): BoundRoute[] {
  const update = async (services: Services, call: Call<typeof putPool>, isPatch: boolean) => {
    const pool = await services.db.read((tx) => getPool(tx, call.params.pool));
    call.ifMatch(etagOf(pool));
    const given = call.body.config ?? {};
    const config = isPatch ? { ...pool.config, ...given } : { ...keptKeys(pool.config), ...given };
    checkPoolConfig(pool.driver, config);
    checkPoolChange(pool.driver, pool.config, config);
    await storage.pools.update(pool, config, (whole) =>
      services.db.write(async (tx) => {
        await writeConfig(tx, "storage_pools", pool.id, whole);
        const description = call.body.description ?? (isPatch ? pool.description : "");
        await tx.run("UPDATE storage_pools SET description = ? WHERE id = ?", description, pool.id);
      }));
    const url = `/1.0/storage-pools/${pool.name}`;
    const { caller } = call;
    services.events.lifecycle({ action: "storage-pool-updated", source: url, project: "", caller });
    return sync();
  };
  return [
    handle(getPools, async (services, call) => {
      const pools = await services.db.read((tx) => listPools(tx));
      const all = await Promise.all(pools.map((pool) => render(services, pool)));
      return list(call, all, ({ name }) => `/1.0/storage-pools/${name}`);
    }),
    handle(postPools, async (services, { body, caller }) => {
      checkPoolName(body.name);
      poolType(body.driver);
      const config: Record<string, string> = { ...body.config };
      checkPoolConfig(body.driver, config);
      const pool = {
        name: body.name,
        driver: body.driver,
        description: body.description ?? "",
        config,
      };
      const known = await services.db.read((tx) => listPools(tx));
      if (known.some(({ name }) => name === pool.name)) {
        throw new Fault("conflict", `Storage pool "${pool.name}" already exists`);
      }
      await storage.pools.create(
        pool,
        (whole) => services.db.write((tx) => insertPool(tx, { ...pool, config: whole })),
      );
      const url = `/1.0/storage-pools/${pool.name}`;
      services.events.lifecycle({
        action: "storage-pool-created",
        source: url,
        project: "",
        caller,
      });
      return created(url);
    }),
    handle(getPoolRow, async (services, { params }) => {
      const pool = await services.db.read((tx) => getPool(tx, params.pool));
      return sync(await render(services, pool), { etag: etagOf(pool) });
    }),
    handle(putPool, (services, call) => update(services, call, false)),
    handle(patchPool, (services, call) => update(services, call, true)),
    handle(deletePool, async (services, { params, caller }) => {
      const pool = await services.db.read((tx) => getPool(tx, params.pool));
      const users = (await usedBy(services, pool.name)).filter((url) =>
        !url.startsWith("/1.0/images/")
      );
      if (users.length > 0) throw poolInUse(users);
      await storage.pools.remove(
        pool,
        () => services.db.write((tx) => deletePoolRow(tx, pool)),
      );
      const url = `/1.0/storage-pools/${pool.name}`;
      services.events.lifecycle({
        action: "storage-pool-deleted",
        source: url,
        project: "",
        caller,
      });
      return sync();
    }),
    handle(getPoolResources, async (services, { params }) => {
      await services.db.read((tx) => getPool(tx, params.pool));
      const space = await (await storage.pools.driver(params.pool)).space();
      return sync({
        space: { used: space.usedBytes, total: space.totalBytes },
        inodes: { used: space.inodesUsed, total: space.inodesTotal },
      });
    }),
    handle(postPoolFlatten, async (services, { params, body, caller }) => {
      const driver = await storage.pools.driver(params.pool);
      const wanted = (await services.instances.listUses()).filter((use) =>
        Object.values(use.expandedDevices).some((one) =>
          one["path"] === "/" && one["pool"] === params.pool
        ) && (body.instance === undefined || body.instance === "" ||
          (use.name === body.instance && use.project === (body.project ?? "default")))
      );
      if (wanted.length === 0 && body.instance) throw new Fault("not_found", "Instance not found");
      return background(services.operations.start({
        description: "Flattening instances",
        project: body.project ?? "default",
        caller,
        run: async ({ progress, signal }) => {
          const skipped: string[] = [];
          for (const use of wanted) {
            signal.throwIfAborted();
            if (await services.instances.pidOf(use) !== undefined) {
              skipped.push(use.name);
              continue;
            }
            progress({ flatten_progress: use.name });
            const volume = containerVolume(use.project, use.name);
            await driver.flatten(volume);
            await driver.settle(volume);
          }
          return { skipped_running: skipped.join(", ") };
        },
      }));
    }),
  ];
}
