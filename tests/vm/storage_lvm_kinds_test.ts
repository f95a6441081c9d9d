/** The driver `lvm`: what is different with another file system, and without a thin pool. */
import { MIB } from "#tests/suites/storage_tools.ts";
import { lvmSuite } from "./lvm.ts";

lvmSuite("lvm (thin, xfs)", {
  config: { "volume.block.filesystem": "xfs" },
  // The least that mkfs.xfs makes.
  sizeBytes: 320 * MIB,
  only: /^(a size of a container|an older snapshot of a custom|a container is copied)/,
});
lvmSuite("lvm (thin, btrfs)", {
  config: { "volume.block.filesystem": "btrfs" },
  sizeBytes: 320 * MIB,
  only: /^(a size of a container|an older snapshot of a custom|a container is copied|clones|usage)/,
});
lvmSuite("lvm (no thin pool, btrfs)", {
  config: { "volume.block.filesystem": "btrfs", "lvm.use_thinpool": "false" },
  sizeBytes: 320 * MIB,
  only: /^(a size of a custom|an older snapshot of a custom|a custom volume is copied)/,
});
lvmSuite("lvm (no thin pool)", {
  config: { "lvm.use_thinpool": "false" },
  sizeBytes: 64 * MIB,
  only: /^(a (container|disk)|a size of|clones|an image is|snapshots of a custom|usage)/,
});
