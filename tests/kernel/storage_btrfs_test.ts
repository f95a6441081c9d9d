/** The driver `btrfs` on a loop file. */
import { hostPath } from "#base/brand.ts";
import { BtrfsDriver } from "#daemon/storage/btrfs/driver.ts";
import { storageSuite } from "#tests/suites/storage.ts";
import { must } from "#tests/world/run.ts";
import { openPlace } from "./storage_places.ts";

const openBtrfs = () =>
  openPlace((deps) => new BtrfsDriver(deps), async (base) => {
    const image = `${base}/disk.img`;
    await must(["truncate", "--size=3G", image]);
    await must(["mkfs.btrfs", "--quiet", image]);
    await Deno.mkdir(`${base}/pool`);
    await must(["mount", "-o", "loop", image, `${base}/pool`]);
    return async () => void await must(["umount", hostPath(`${base}/pool`)]);
  });

storageSuite("btrfs", openBtrfs);
