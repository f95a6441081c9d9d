/** What tests of the driver `zfs` make and see without it. */
import { run } from "#daemon/host/run.ts";
import { zfsPool } from "#daemon/storage/zfs/pool.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { must } from "#tests/world/run.ts";
import { loopDevice } from "./loop.ts";

/** An empty zpool on a file in a folder. */
export async function makeZpool(folder: string, name: string): Promise<void> {
  await must(["zpool", "create", "-m", "none", name, await loopDevice(folder, name)]);
}

/** @returns names below a zpool or dataset; "pool/a", of snapshots "pool/a@s". */
export async function datasets(pool: string): Promise<string[]> {
  const text = await must(["zfs", "list", "-H", "-r", "-t", "all", "-o", "name", pool]);
  return text.split("\n").filter((line) => line !== "");
}

/** @returns their values as zfs(8) says them exactly: bytes ("0": none), words, "-". */
export async function properties(dataset: string, ...names: string[]): Promise<string[]> {
  const text = await must(["zfs", "get", "-Hp", "-o", "value", names.join(","), dataset]);
  return text.trim().split("\n");
}

/** A pool on a zpool in a file, for the suites of storage drivers. */
export async function openZfs(config: Readonly<Record<string, string>>) {
  const place = await openPoolPlace(zfsPool, { size: "4GiB", ...config });
  return {
    ...place,
    settle: async () => void await run(["zpool", "sync"]),
    legalName: /^[a-zA-Z0-9_.:-]+$/,
    manyVolumes: 8,
    remains: async () => (await run(["zfs", "list", "-H", "-t", "all", "-o", "name"])).split("\n"),
  };
}
