/** What an archive unpacked by unsquashfs may have left: device nodes that no image needs. */
import type { HostPath } from "#base/brand.ts";

/** Linux device numbers of null, zero, full, random, urandom, tty, console, ptmx. */
const HARMLESS = new Set([[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2]].map(
  ([major = 0, minor = 0]) => major * 256 + minor,
));

/** Remove block devices and all character devices but the harmless ones below `directory`. */
export async function removeSurprises(directory: HostPath): Promise<void> {
  const pending: string[] = [directory];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for await (const entry of Deno.readDir(path)) {
      const child = `${path}/${entry.name}`;
      if (entry.isDirectory) pending.push(child);
      else if (!entry.isFile && !entry.isSymlink) await removeIfDevice(child);
    }
  }
}

async function removeIfDevice(path: string): Promise<void> {
  const { lstat } = await import("node:fs/promises");
  const info = await lstat(path);
  const isSurprise = info.isBlockDevice() ||
    (info.isCharacterDevice() && !HARMLESS.has(info.rdev));
  if (isSurprise) await Deno.remove(path);
}
