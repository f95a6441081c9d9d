/**
 * Disks in archives. One that is a file goes straight in and out; one that is a device (LVM, ZFS) goes by a
 * sparse file of the server, because an archive of a device has its numbers and not its bytes.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { removeTree } from "#daemon/host/files.ts";
import type { Paths } from "#daemon/paths.ts";
import { requireServerSpace } from "#daemon/storage/space.ts";
import { copyDisk } from "#daemon/storage/sync.ts";
import type { Located } from "#daemon/storage/transfer.ts";
import { extractFile, type ExtractOptions, type Part } from "./tarball.ts";

/** A state of a volume that goes into an archive. */
export interface VolumeState {
  /** Name in the archive. */
  readonly name: string;
  /** undefined: the present state. */
  readonly snapshot?: string;
}

/** Parts of an archive, each there until the next is asked for. */
export async function* diskParts(
  { driver, volume }: Located,
  states: readonly VolumeState[],
  { paths, signal }: { readonly paths: Paths; readonly signal: AbortSignal },
): AsyncGenerator<Part> {
  for (const { name, snapshot } of states) {
    await using _view = await driver.view(volume, snapshot);
    const disk = driver.diskPath(volume, snapshot);
    if (!await isDevice(disk)) {
      yield { source: disk, name };
      continue;
    }
    await using staging = await stagingFolder(paths);
    const { usedBytes } = await driver.usage(volume, snapshot);
    await requireServerSpace(staging.path, usedBytes, "make the backup");
    const source = hostPath(`${staging.path}/disk`);
    await Deno.writeFile(source, new Uint8Array(), { mode: 0o600 });
    await copyDisk(disk, source, { isFresh: true, signal });
    yield { source, name };
  }
}

/** The disk becomes what the archive says, and as large at least. @throws {Fault} bad_request, no_space */
export async function unpackDisk(
  file: HostPath,
  { driver, volume }: Located,
  { paths, ...options }: ExtractOptions & { readonly paths: Paths },
): Promise<void> {
  await driver.mount(volume);
  if (!await isDevice(driver.diskPath(volume))) {
    return await extractFile(file, driver.diskPath(volume), options);
  }
  await using staging = await stagingFolder(paths);
  const source = hostPath(`${staging.path}/disk`);
  await extractFile(file, source, options);
  const { size } = await Deno.stat(source);
  if (size > (await driver.usage(volume)).totalBytes) await driver.resize(volume, size);
  const { signal } = options;
  await copyDisk(source, driver.diskPath(volume), {
    isFresh: false,
    ...(signal !== undefined && { signal }),
  });
}

async function isDevice(path: HostPath): Promise<boolean> {
  return (await Deno.stat(path)).isBlockDevice === true;
}

/** A crash leaves it to the next start of the daemon. */
async function stagingFolder(paths: Paths) {
  const path = paths.at("backups", `import-${crypto.randomUUID()}`);
  await Deno.mkdir(path, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => removeTree(path) };
}
