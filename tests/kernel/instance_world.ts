/** A whole instances service on a private state directory, without HTTP; and the busybox image. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { openDatabase } from "#daemon/db/open.ts";
import { migrate } from "#daemon/db/migrate.ts";
import { GLOBAL_MIGRATIONS } from "#daemon/db/schema.ts";
import { insertPool } from "#daemon/db/storage_pools.ts";
import { readAllDevices, writeDevices } from "#daemon/db/config.ts";
import { makeFolders } from "#daemon/bootstrap.ts";
import { buildImage } from "#daemon/images/build.ts";
import { createImages } from "#daemon/images/create.ts";
import { hashFiles } from "#daemon/images/store.ts";
import { createInstances } from "#daemon/instances/create.ts";
import type { InstanceActions, Instances } from "#daemon/instances/service.ts";
import type { Networks } from "#daemon/networks/service.ts";
import type { LifecycleEvent } from "#daemon/operations/events.ts";
import { type Paths, paths as pathsOf } from "#daemon/paths.ts";
import { createStorage, type StorageService } from "#daemon/storage/create.ts";
import type { Database } from "#daemon/db/db.ts";
import { buildHelper } from "./ffi_support.ts";

export interface World extends AsyncDisposable {
  readonly paths: Paths;
  readonly db: Database;
  readonly instances: Instances;
  readonly actions: InstanceActions;
  readonly storage: StorageService;
  /** Names of lifecycle events so far. */
  readonly events: string[];
  /** What nobody waited for and failed. */
  readonly failures: string[];
  readonly helper: HostPath;
}

const NO_NETWORKS: Networks = {
  require: () => Promise.reject(new Error("no networks in this test")),
  find: () => Promise.resolve(undefined),
  setHost: () => Promise.resolve(),
  removeHost: () => Promise.resolve(),
  startAll: () => Promise.resolve(),
  stopAll: () => Promise.resolve(),
} as unknown as Networks;

/** @param root An existing state directory to take over, as a new daemon would. */
export async function openWorld(root: HostPath, helper: HostPath): Promise<World> {
  const paths = pathsOf(root);
  await makeFolders(paths);
  const file = paths.at("database/global/db.bin");
  migrate(file, GLOBAL_MIGRATIONS);
  const db = openDatabase(file);
  const failures: string[] = [];
  const events: string[] = [];
  const onError = (what: string, error: unknown) => {
    failures.push(`${what}: ${error instanceof Error ? error.stack : error}`);
  };
  const images = createImages({ paths, db, helper, setting: () => Promise.resolve("") });
  const storage = createStorage({ paths, db, images, helper, onError });
  const instances = createInstances({
    paths,
    db,
    images,
    storage,
    helper,
    onError,
    networks: NO_NETWORKS,
    events: {
      lifecycle: (event: LifecycleEvent) => void events.push(event.action),
      operation: () => {},
      logging: () => {},
    },
  });
  return {
    paths,
    db,
    instances,
    actions: instances.actions,
    storage,
    events,
    failures,
    helper,
    async [Symbol.asyncDispose]() {
      await instances.stopAll();
      await storage.close();
      db.close();
    },
  };
}

/** A fresh state directory with a pool, a default profile with a root disk, and an image "busybox". */
export async function newWorld(
  pool: { readonly driver: string; readonly config: Readonly<Record<string, string>> } = {
    driver: "dir",
    config: {},
  },
): Promise<World> {
  const root = hostPath(Deno.makeTempDirSync({ prefix: "ins-" }));
  Deno.chmodSync(root, 0o711);
  const helper = await buildHelper(root);
  const world = await openWorld(root, helper);
  const row = { name: "default", driver: pool.driver, description: "" };
  const keep = (config: Readonly<Record<string, string>>) =>
    world.db.write((tx) => insertPool(tx, { ...row, config }));
  if (pool.driver === "dir") await keep(pool.config);
  else await world.storage.pools.create({ ...row, config: pool.config }, keep);
  await world.db.write(async (tx) => {
    const before = (await readAllDevices(tx, "profiles")).get(1) ?? {};
    const rootDisk = { type: "disk", path: "/", pool: "default" };
    await writeDevices(tx, "profiles", 1, { ...before, root: rootDisk });
  });
  const images = createImages({
    paths: world.paths,
    db: world.db,
    helper,
    setting: () => Promise.resolve(""),
  });
  await using workspace = await images.workspace();
  const built = await buildImage({
    recipe: "busybox",
    mirror: undefined,
    keyring: undefined,
    directory: workspace.path,
    signal: AbortSignal.timeout(60_000),
    progress: () => {},
  });
  const { hash, size } = await hashFiles([built.meta, built.rootfs]);
  await images.add({ fingerprint: hash, meta: built.meta, rootfs: built.rootfs, size }, {
    project: "default",
    filename: "busybox",
    isPublic: false,
    properties: {},
    profiles: undefined,
    aliases: [{ name: "busybox" }],
  });
  return {
    ...world,
    async [Symbol.asyncDispose]() {
      for (const instance of await world.actions.list(undefined)) {
        if (world.actions.state(instance.id).status !== "stopped") {
          // It may be ending already.
          await world.actions.stop(instance, { isForced: true, timeoutMs: 10_000 })
            .catch(() => undefined);
        }
      }
      await world[Symbol.asyncDispose]();
      await Deno.remove(root, { recursive: true });
    },
  };
}
