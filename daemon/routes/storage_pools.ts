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
import { checkPoolConfig } from "#api/config/pool_keys.ts";
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";
import { writeConfig } from "#daemon/db/config.ts";
import { listProfiles } from "#daemon/db/profiles.ts";
import {
  getPool,
  insertPool,
  listPools,
  listVolumes,
  type Pool,
} from "#daemon/db/storage_pools.ts";
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
import { checkSource } from "#daemon/storage/pools.ts";
import { containerVolume, POOL_FOLDERS } from "#daemon/storage/volume.ts";
import { statfs } from "node:fs/promises";

/** Drivers of LXD and what it takes to use them. */
const DRIVERS: Readonly<Record<string, string | undefined>> = {
  dir: undefined,
  btrfs: "the btrfs driver comes with a later version",
  lvm: "the lvm driver comes with a later version",
  zfs: "the zfs driver comes with a later version",
  ceph: "ceph needs a cluster",
  cephfs: "cephfs needs a cluster",
};

function checkDriver(driver: string): void {
  if (driver === "") throw new Fault("bad_request", "No driver provided");
  if (!Object.hasOwn(DRIVERS, driver)) {
    const near = suggest(driver, Object.keys(DRIVERS));
    throw new Fault("bad_request", `Unknown storage driver "${driver}"`, {
      hint: near === undefined ? "Use dir." : `Did you mean "${near}"?`,
    });
  }
  const reason = DRIVERS[driver];
  if (reason !== undefined) {
    throw new Fault("bad_request", `Storage driver "${driver}" is not available: ${reason}`, {
      hint: "Use dir: its instances are cloned instantly too.",
    });
  }
}

function checkName(name: string): void {
  if (name === "") throw new Fault("bad_request", "No name provided");
  if (name.includes("/") || name.startsWith(".") || name.startsWith("-") || /\s/.test(name)) {
    throw new Fault("bad_request", `Invalid storage pool name "${name}"`, {
      hint: "Names have no slashes or white space and do not begin with a dot or dash.",
    });
  }
}

async function usedBy(services: Services, pool: string): Promise<string[]> {
  const uses = await services.instances.listUses();
  const profiles = await services.db.read((tx) => listProfiles(tx));
  const volumes = await services.db.read((tx) => listVolumes(tx, { pool, type: "custom" }));
  const refers = (devices: Readonly<Record<string, Readonly<Record<string, string>>>>) =>
    Object.values(devices).some((one) => one["type"] === "disk" && one["pool"] === pool);
  return [
    ...uses.filter((use) => refers(use.expandedDevices))
      .map((use) => `/1.0/instances/${use.name}${projectSuffix(use.project)}`),
    ...profiles.filter((one) => refers(one.devices))
      .map((one) => `/1.0/profiles/${one.name}${projectSuffix(one.project)}`),
    ...volumes.map((one) =>
      `/1.0/storage-pools/${pool}/volumes/custom/${one.name}${projectSuffix(one.project)}`
    ),
  ];
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

const etagOf = (pool: Pool) => [pool.name, pool.driver, pool.description, pool.config];

export function storagePoolRoutes(storage: StorageService): BoundRoute[] {
  const update = async (services: Services, call: Call<typeof putPool>, isPatch: boolean) => {
    const pool = await services.db.read((tx) => getPool(tx, call.params.pool));
    call.ifMatch(etagOf(pool));
    const given = call.body.config ?? {};
    const source = pool.config["source"];
    const config = {
      ...(isPatch ? pool.config : {}),
      ...(source === undefined ? {} : { source }),
      ...given,
    };
    checkPoolConfig(config);
    if (config["source"] !== source) {
      throw new Fault("bad_request", "Storage pool source cannot be changed");
    }
    await services.db.write(async (tx) => {
      await writeConfig(tx, "storage_pools", pool.id, config);
      const description = call.body.description ?? (isPatch ? pool.description : "");
      await tx.run("UPDATE storage_pools SET description = ? WHERE id = ?", description, pool.id);
    });
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
      checkName(body.name);
      checkDriver(body.driver);
      const config: Record<string, string> = { ...body.config };
      checkPoolConfig(config);
      const given = config["source"] ?? "";
      if (given !== "") {
        const source = checkSource(given);
        const entries = await Array.fromAsync(Deno.readDir(source)).catch((error) => {
          throw new Fault("bad_request", `Source path "${source}" doesn't exist`, { cause: error });
        });
        if (entries.length > 0) {
          throw new Fault("bad_request", `Source path "${source}" isn't empty`);
        }
      } else config["source"] = storage.pools.path(body.name);
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
      const driver = await storage.pools.start(pool);
      try {
        await services.db.write((tx) => insertPool(tx, pool));
      } catch (error) {
        await driver.close();
        await storage.pools.stop(pool.name);
        throw error;
      }
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
    handle(patchPool, (services, call) => update(services, call as never, true)),
    handle(deletePool, async (services, { params, caller }) => {
      const pool = await services.db.read((tx) => getPool(tx, params.pool));
      const users = (await usedBy(services, pool.name)).filter((url) =>
        !url.startsWith("/1.0/images/")
      );
      if (users.length > 0) {
        throw new Fault("bad_request", "The storage pool is currently in use", {
          hint: `Used by ${users.slice(0, 5).join(", ")}`,
        });
      }
      await storage.pools.stop(pool.name);
      await services.db.write((tx) => tx.run("DELETE FROM storage_pools WHERE id = ?", pool.id));
      const root = storage.pools.path(pool.name);
      const source = pool.config["source"] ?? root;
      for (const part of [...POOL_FOLDERS, "layers", "trash"]) {
        await Deno.remove(`${source}/${part}`, { recursive: true }).catch(() => undefined);
      }
      await Deno.remove(root).catch(() => undefined);
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
      const { bsize, blocks, bfree, files, ffree } = await statfs(storage.pools.path(params.pool));
      return sync({
        space: { used: (blocks - bfree) * bsize, total: blocks * bsize },
        inodes: { used: files - ffree, total: files },
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
