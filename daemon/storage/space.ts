/** How full file systems are. @see statfs(2) */
import { statfs } from "node:fs/promises";
import type { HostPath } from "#base/brand.ts";
import type { PoolSpace } from "./driver.ts";

export async function fileSystemSpace(path: HostPath): Promise<PoolSpace> {
  const { bsize, blocks, bfree, files, ffree } = await statfs(path);
  return {
    usedBytes: (blocks - bfree) * bsize,
    totalBytes: blocks * bsize,
    inodesUsed: files - ffree,
    inodesTotal: files,
  };
}
