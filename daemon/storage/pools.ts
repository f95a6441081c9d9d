/** Pools as living things: mounted, probed, with their driver. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Fault } from "#base/errors.ts";
import type { Database } from "#daemon/db/db.ts";
import { getPool, listPools, type Pool } from "#daemon/db/storage_pools.ts";
import type { Paths } from "#daemon/paths.ts";
import { bindMount, detach } from "#ffi/libc/mount.ts";
import { DirDriver } from "./dir/driver.ts";
import { probePool } from "./dir/probe.ts";
import type { StorageDriver } from "./driver.ts";
import type { UserNamespaces } from "./user_namespaces.ts";

export interface PoolDeps {
  readonly paths: Paths;
  readonly db: Database;
  readonly namespaces: UserNamespaces;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  readonly onError: (what: string, error: unknown) => void;
}

export class Pools {
  readonly #deps: PoolDeps;
  readonly #open = new Map<string, Promise<StorageDriver>>();

  constructor(deps: PoolDeps) {
    this.#deps = deps;
  }

  /** Where a pool is found on the host. */
  path(name: string): HostPath {
    return this.#deps.paths.at("storage-pools", name);
  }

  /** @throws {Fault} not_found */
  async driver(name: string): Promise<StorageDriver> {
    let opened = this.#open.get(name);
    if (opened === undefined) {
      const pool = await this.#deps.db.read((tx) => getPool(tx, name));
      opened = this.#open.get(name) ?? this.start(pool);
      this.#open.set(name, opened);
      opened.catch(() => this.#open.delete(name));
    }
    return await opened;
  }

  /** Mount the pool and clean up what a crash left. */
  async start(pool: Pick<Pool, "name" | "config">): Promise<StorageDriver> {
    const root = this.path(pool.name);
    await Deno.mkdir(root, { recursive: true, mode: 0o711 });
    const source = pool.config["source"] ?? root;
    if (source !== root && !await isSameDirectory(source, root)) bindMount(source, root);
    const clone = await this.#cloneMethod(root, pool.config["dir.clone"] ?? "auto");
    const driver = new DirDriver({
      root,
      namespaces: this.#deps.namespaces,
      clone,
      imageExists: this.#deps.imageExists,
      onError: this.#deps.onError,
    });
    await driver.open();
    return driver;
  }

  async #cloneMethod(root: HostPath, wanted: string): Promise<"overlay" | "copy" | "reflink"> {
    if (wanted === "copy" || wanted === "reflink") return wanted;
    const abilities = await probePool(root, this.#deps.namespaces);
    if (abilities.overlay) return "overlay";
    if (wanted === "overlay") {
      throw new Fault("bad_request", `this pool can't clone by overlay: ${abilities.reason}`, {
        hint: "Set dir.clone to auto, reflink or copy.",
      });
    }
    return "copy";
  }

  /** Drivers of all pools in the database. A pool that can't be opened is reported, not fatal. */
  async all(): Promise<{ name: string; driver: StorageDriver }[]> {
    const pools = await this.#deps.db.read((tx) => listPools(tx));
    const opened: { name: string; driver: StorageDriver }[] = [];
    for (const { name } of pools) {
      try {
        opened.push({ name, driver: await this.driver(name) });
      } catch (error) {
        this.#deps.onError(`open storage pool "${name}"`, error);
      }
    }
    return opened;
  }

  /** Unmount a pool; its data stays. */
  async stop(name: string): Promise<void> {
    const opened = this.#open.get(name);
    this.#open.delete(name);
    if (opened !== undefined) await (await opened).close();
    while (detach(this.path(name)));
  }

  async close(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.stop(name);
  }
}

async function isSameDirectory(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = await Promise.all([Deno.stat(a), Deno.stat(b)]);
    return one.ino === other.ino && one.dev === other.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Fault("bad_request", `Source path "${a}" doesn't exist`, { cause: error });
    }
    throw error;
  }
}

/** "/srv/pool" as given; "" is the default place. @throws {Fault} bad_request for a relative path */
export function checkSource(source: string): HostPath {
  if (!source.startsWith("/")) {
    throw new Fault("bad_request", `Only absolute paths are allowed for now: "${source}"`);
  }
  return hostPath(source);
}
