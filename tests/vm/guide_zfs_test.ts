/** The guide's zpool. */
import { guideSuite } from "./guide.ts";
import { isMet } from "./needs.ts";
import { datasets, makeZpool } from "./zfs.ts";

if (isMet("zfs")) {
  guideSuite({
    driver: "zfs",
    key: "storage.zfs_pool_name",
    what: "a zpool",
    poolKey: "zfs.pool_name",
    make: makeZpool,
    names: async (pool) => (await datasets(pool)).map((name) => name.slice(pool.length + 1)),
    container: "containers/c1",
    snapshot: "containers/c1@snapshot-s",
    volume: "custom/default_data",
  });
}
