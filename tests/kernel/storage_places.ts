/** Open pools for the storage tests, each in a directory of its own. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { Undo } from "#base/undo.ts";
import { BtrfsDriver } from "#daemon/storage/btrfs/driver.ts";
import { DirDriver } from "#daemon/storage/dir/driver.ts";
import type { StorageDriver } from "#daemon/storage/driver.ts";
import type { PoolPlace, PoolType } from "#daemon/storage/pool_type.ts";
import { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import type { Place } from "#tests/suites/storage.ts";
import { must } from "#tests/world/run.ts";
import { buildHelper } from "./ffi_support.ts";

let helper: Promise<HostPath> | undefined;
const helperFolder = hostPath(Deno.makeTempDirSync({ prefix: "lxd-storage-helper." }));
globalThis.addEventListener("unload", () => Deno.removeSync(helperFolder, { recursive: true }));

export interface StartDeps {
  readonly base: HostPath;
  readonly root: HostPath;
  readonly namespaces: UserNamespaces;
  readonly idMounts: boolean;
  readonly imageExists: (fingerprint: string) => Promise<boolean>;
  readonly onError: (what: string, error: unknown) => void;
}

/** What fails in the background fails the test, but for what a test wanted (world/effects.ts). */
function unlessMadeToFail(what: string, error: unknown): void {
  if (!/made to fail|EIO|^Error: ended$/.test(`${error}`)) throw new Error(what, { cause: error });
}

/** A pool of any driver. `end` undoes what `prepare` made outside the driver. */
export async function openPlace(
  start: (deps: StartDeps) => StorageDriver,
  prepare: (base: HostPath) => Promise<() => Promise<void>> = () => Promise.resolve(async () => {}),
): Promise<Place> {
  const base = hostPath(Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "lxd-storage." }));
  const namespaces = new UserNamespaces(await (helper ??= buildHelper(helperFolder)));
  const end = await prepare(base);
  const open = async () => {
    const driver = start({
      base,
      root: hostPath(`${base}/pool`),
      namespaces,
      idMounts: true,
      imageExists: () => Promise.resolve(false),
      onError: unlessMadeToFail,
    });
    await driver.open();
    return driver;
  };
  let driver = await open();
  return {
    driver,
    base,
    reopen: async () => driver = await open(),
    async [Symbol.asyncDispose]() {
      await driver.close();
      await namespaces.close();
      await end();
      await Deno.remove(base, { recursive: true });
    },
  };
}

export const openDir = (clone: "overlay" | "copy") =>
  openPlace((deps) => new DirDriver({ ...deps, clone }));

/** The same on a small file system of its own. */
export const openSmallDir = (clone: "overlay" | "copy") =>
  openPlace(
    (deps) => new DirDriver({ ...deps, clone }),
    (base) => mountLoop(base, "400M", ["mkfs.ext4", "-q", "-m", "0"]),
  );

/** A file system in a loop file, mounted where the pool is. @returns what undoes it. */
export async function mountLoop(base: HostPath, size: string, mkfs: readonly string[]) {
  const image = `${base}/disk.img`;
  await must(["truncate", `--size=${size}`, image]);
  await must([...mkfs, image]);
  await Deno.mkdir(`${base}/pool`);
  await must(["mount", "-o", "loop", image, `${base}/pool`]);
  return async () => void await must(["umount", `${base}/pool`]);
}

/** A btrfs file system of this size. */
export async function openBtrfs(size = "3G") {
  const place = await openPlace(
    (deps) => new BtrfsDriver(deps),
    (base) => mountLoop(base, size, ["mkfs.btrfs", "-q"]),
  );
  const settle = async () => {
    await must(["btrfs", "subvolume", "sync", `${place.base}/pool`]);
    await must(["btrfs", "filesystem", "sync", `${place.base}/pool`]);
  };
  return Object.assign(place, { settle });
}

let poolCount = 0;

/** A pool of any type on a loop file, made and removed as the server does it. */
export async function openPoolPlace(
  type: PoolType,
  given: Readonly<Record<string, string>>,
): Promise<Place> {
  const base = hostPath(Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "lxd-storage." }));
  const program = await (helper ??= buildHelper(helperFolder));
  const namespaces = new UserNamespaces(program);
  const services = {
    namespaces,
    helper: program,
    imageExists: () => Promise.resolve(false),
    onError: unlessMadeToFail,
  };
  const name = `lxdtest${Deno.pid}-${poolCount++}`;
  const at = (config: Readonly<Record<string, string>>): PoolPlace => ({
    name,
    config,
    root: hostPath(`${base}/storage-pools/${name}`),
    loopFile: hostPath(`${base}/disks/${name}.img`),
    stateDirectory: base,
  });
  const support = await type.probe();
  if ("reason" in support) throw new Error(support.reason);
  await using undo = new Undo();
  const place = at(await type.create(at(given), undo));
  undo.keep();
  const open = async () => {
    const driver = await type.start(place, services);
    await driver.open();
    return driver;
  };
  let driver = await open();
  return {
    driver,
    base,
    reopen: async () => driver = await open(),
    async [Symbol.asyncDispose]() {
      for (const kind of ["container", "custom"] as const) {
        for (const volume of await driver.list(kind)) await driver.remove(volume);
      }
      await driver.close();
      await type.stop(place);
      await type.destroy(place);
      await namespaces.close();
      await Deno.remove(base, { recursive: true });
    },
  };
}
