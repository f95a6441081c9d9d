/** The driver `zfs` on a zpool in a file, and on a dataset of it. */
import { run } from "#daemon/host/run.ts";
import { zfsPool } from "#daemon/storage/zfs/pool.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";
import { isMet } from "./needs.ts";

/** The slow machine runs once what does not depend on the keys. */
const POOLS: readonly (readonly [string, Readonly<Record<string, string>>, RegExp?])[] = [
  ["zfs", {}],
  ["zfs (refquota)", { "volume.zfs.use_refquota": "true" }, /^a size of/],
  ["zfs (whole copies)", { "zfs.clone_copy": "false" }, /is copied/],
  ["zfs (rebase)", { "zfs.clone_copy": "rebase" }, /is copied/],
];

for (const [what, config, only] of isMet("zfs") ? POOLS : []) {
  storageSuite(what, async () => {
    const place = await openPoolPlace(zfsPool, { size: "4GiB", ...config });
    const settle = async () => void await run(["zpool", "sync"]);
    return { ...place, settle, legalName: /^[a-zA-Z0-9_.:-]+$/, manyVolumes: 8 };
  }, only);
}
