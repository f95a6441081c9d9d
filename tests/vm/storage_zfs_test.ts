/** The driver `zfs` on a zpool in a file, and on a dataset of it. */
import { run } from "#daemon/host/run.ts";
import { zfsPool } from "#daemon/storage/zfs/pool.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { crashSuite } from "#tests/suites/storage_crash.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { isMet } from "./needs.ts";

/** The slow machine runs once what does not depend on the keys. */
const POOLS: readonly (readonly [string, Readonly<Record<string, string>>, RegExp?])[] = [
  ["zfs", {}],
  ["zfs (refquota)", { "volume.zfs.use_refquota": "true" }, /^a size of/],
  ["zfs (whole copies)", { "zfs.clone_copy": "false" }, /is copied/],
  ["zfs (rebase)", { "zfs.clone_copy": "rebase" }, /is copied/],
];

const openZfs = async (config: Readonly<Record<string, string>>) => {
  const place = await openPoolPlace(zfsPool, { size: "4GiB", ...config });
  return {
    ...place,
    settle: async () => void await run(["zpool", "sync"]),
    legalName: /^[a-zA-Z0-9_.:-]+$/,
    manyVolumes: 8,
    remains: async () => (await run(["zfs", "list", "-H", "-t", "all", "-o", "name"])).split("\n"),
  };
};

for (const [what, config, only] of isMet("zfs") ? POOLS : []) {
  storageSuite(what, () => openZfs(config), only);
}
if (isMet("zfs")) crashSuite("zfs", () => openZfs({}), { stride: 8 });
