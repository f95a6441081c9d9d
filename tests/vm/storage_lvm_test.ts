/** The driver `lvm` on a volume group on a loop file: thin, and without a thin pool. */
import { lvmPool } from "#daemon/storage/lvm/pool.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { MIB } from "#tests/suites/storage_tools.ts";
import { isMet } from "./needs.ts";
import { openPoolPlace } from "#tests/kernel/storage_places.ts";

const POOLS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "lvm (thin, ext4)": {},
  "lvm (thin, xfs)": { "volume.block.filesystem": "xfs" },
  "lvm (no thin pool)": { "lvm.use_thinpool": "false" },
};

for (const [what, config] of isMet("lvm") ? Object.entries(POOLS) : []) {
  storageSuite(what, async () => {
    const place = await openPoolPlace(lvmPool, {
      size: "8GiB",
      "volume.size": "320MiB",
      ...config,
    });
    return { ...place, sizeBytes: 320 * MIB, legalName: /^[a-zA-Z0-9+_.-]+$/, manyVolumes: 8 };
  });
}
