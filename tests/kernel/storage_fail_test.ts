/** Drivers whose steps fail, on this machine's kernel. */
import { failSuite } from "#tests/suites/storage_fail.ts";
import { openBtrfs, openDir } from "./storage_places.ts";

failSuite("dir (overlay)", () => openDir("overlay"), { stride: 3 });
failSuite("dir (copy)", () => openDir("copy"), { stride: 3 });
failSuite("dir (overlay, sizes)", () => openDir("overlay"), {
  isSized: true,
  stride: 6,
  // Namespaces of other tests keep copies of mounts, and with them the loop device.
  only: /^(?!given a (larger|smaller) size)/,
});
failSuite("btrfs", () => openBtrfs("1G"), { stride: 3 });
