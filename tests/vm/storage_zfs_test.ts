/** The driver `zfs` on a zpool in a file, and on a dataset of it. */
import { storageSuite } from "#tests/suites/storage.ts";
import { isMet } from "./needs.ts";
import { openZfs } from "./zfs.ts";

/** The slow machine runs once what does not depend on the keys. */
const POOLS: readonly (readonly [string, Readonly<Record<string, string>>, RegExp?])[] = [
  ["zfs", {}],
  ["zfs (refquota)", { "volume.zfs.use_refquota": "true" }, /^a size of/],
  ["zfs (whole copies)", { "zfs.clone_copy": "false" }, /is copied/],
  ["zfs (rebase)", { "zfs.clone_copy": "rebase" }, /is copied/],
];

for (const [what, config, only] of isMet("zfs") ? POOLS : []) {
  storageSuite(what, () => openZfs(config), only);
}
