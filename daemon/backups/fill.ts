/** Fill an empty root volume with trees that come one after the other: snapshots, then the present. */
import { type HostPath, hostPath } from "#base/brand.ts";
import { ifThere } from "#daemon/host/files.ts";
import type { InstanceContext } from "#daemon/instances/context.ts";
import { syncTree } from "#daemon/storage/copy_tree.ts";
import type { InstanceVolume } from "#daemon/storage/service.ts";

export type Unpack = (directory: HostPath) => Promise<void>;

export interface Trees {
  /** Oldest first. */
  readonly snapshots: readonly { readonly name: string; readonly unpack: Unpack }[];
  readonly unpack: Unpack;
  readonly signal?: AbortSignal;
}

/**
 * The first tree goes straight into the volume; each later one is unpacked beside it, and only what
 * differs is written, so that what snapshots share stays shared.
 */
export async function fillTree(
  ctx: InstanceContext,
  volume: InstanceVolume,
  { snapshots, unpack, signal }: Trees,
): Promise<void> {
  const { instances } = ctx.storage;
  const directory = instances.directory(volume);
  const all = [...snapshots.map((one) => ({ ...one, snapshot: one.name })), { unpack }];
  for (const [index, tree] of all.entries()) {
    signal?.throwIfAborted();
    if (index === 0) await tree.unpack(directory);
    else await replaceTree(ctx, directory, tree.unpack, signal);
    if ("snapshot" in tree) await instances.snapshot(volume, tree.snapshot, {});
  }
}

async function replaceTree(
  ctx: InstanceContext,
  directory: HostPath,
  unpack: Unpack,
  signal: AbortSignal | undefined,
): Promise<void> {
  const staging = ctx.paths.at("backups", `import-${crypto.randomUUID()}`);
  await Deno.mkdir(staging, { mode: 0o700 });
  try {
    await unpack(staging);
    for (const name of ["rootfs", "templates"]) {
      const source = hostPath(`${staging}/${name}`);
      if (!await isDirectory(source)) continue;
      await Deno.mkdir(`${directory}/${name}`, { recursive: true, mode: 0o755 });
      await syncTree(source, hostPath(`${directory}/${name}`), {
        ...signal && { signal },
        byContent: true,
      });
    }
    await Deno.copyFile(`${staging}/metadata.yaml`, `${directory}/metadata.yaml`).catch(ifThere);
  } finally {
    await Deno.remove(staging, { recursive: true });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await Deno.lstat(path).then((info) => info.isDirectory, () => false);
}
