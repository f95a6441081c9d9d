/** What of the state directory points into pools: $LXD_DIR/containers and snapshots, as in LXD. */
import type { HostPath } from "#base/brand.ts";
import { removeIfThere } from "#daemon/host/files.ts";
import { inProject, type Paths } from "#daemon/paths.ts";
import type { Pools } from "./pools.ts";
import type { InstanceVolume } from "./service.ts";

/** The name of an instance's volume on disk. */
export const diskName = ({ project, name }: InstanceVolume) => inProject(project, name);

const LINKS = { containers: "containers", snapshots: "containers-snapshots" } as const;

/** $LXD_DIR/containers/<name> and snapshots/<name> point into the pool, as in LXD. */
export async function link(
  paths: Paths,
  pools: Pools,
  volume: InstanceVolume,
  kind: keyof typeof LINKS = "containers",
): Promise<void> {
  const target = `${pools.path(volume.pool)}/${LINKS[kind]}/${diskName(volume)}`;
  if (kind === "snapshots" && !await Deno.stat(target).then(() => true, () => false)) return;
  await Deno.mkdir(paths.at(kind), { recursive: true, mode: kind === "snapshots" ? 0o700 : 0o711 });
  const path = paths.at(kind, diskName(volume));
  await removeIfThere(path);
  await Deno.symlink(target, path);
  if (kind === "containers") await link(paths, pools, volume, "snapshots");
}

/** None is no error. */
export async function unlink(
  paths: Paths,
  volume: InstanceVolume,
  kinds: readonly (keyof typeof LINKS)[] = ["containers", "snapshots"],
): Promise<void> {
  for (const kind of kinds) {
    await removeIfThere(paths.at(kind, diskName(volume)));
  }
}

/** Of a daemon that did not stop: they are made anew. Only links; other things stay. */
export async function emptyLinks(folder: HostPath): Promise<void> {
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isSymlink) await Deno.remove(`${folder}/${entry.name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
