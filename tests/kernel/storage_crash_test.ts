/** Drivers that work on this kernel, dead in front of each of their effects. */
import { crashSuite } from "#tests/suites/storage_crash.ts";
import { openBtrfs, openDir } from "./storage_places.ts";

crashSuite("dir (overlay)", () => openDir("overlay"));
crashSuite("dir (copy)", () => openDir("copy"));
crashSuite("dir (overlay, sizes)", () => openDir("overlay"), {
  isSized: true,
  stride: 6,
  // In the VM: namespaces of other tests keep copies of mounts, and with them the loop device.
  only: /^(?!given a (larger|smaller) size)/,
});
crashSuite("btrfs", () => openBtrfs());
