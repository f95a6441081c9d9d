/**
 * What is done to the containers of a `dir` pool shares this: where each lies, what they are made of,
 * how they are seen, how a tree is copied.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import type { Freezer } from "#daemon/storage/driver.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { UserNamespaces } from "#daemon/storage/user_namespaces.ts";
import { Layers, type LayersDeps } from "./layers.ts";
import { RootMounts } from "./root_mounts.ts";

export interface ClonesDeps extends LayersDeps {
  readonly namespaces: UserNamespaces;
  /** Can this file system carry idmapped overlays (probe.ts), and does the pool want them? */
  readonly clone: "overlay" | "copy" | "reflink";
}

export interface CloneContext {
  readonly deps: ClonesDeps;
  readonly layers: Layers;
  readonly mounts: RootMounts;
}

/** One for each open pool. */
export function cloneContext(deps: ClonesDeps): CloneContext {
  const layers = new Layers(deps);
  return { deps, layers, mounts: new RootMounts(layers, deps.namespaces) };
}

/** Of a container, or of a snapshot of it: what `layers` and `mounts` know it by. */
export function directoryOf({ layers }: CloneContext, name: string, snapshot?: string): HostPath {
  return snapshot === undefined
    ? layers.at("containers", name)
    : layers.at("containers-snapshots", name, snapshot);
}

/** Where its root file system is seen, be it mounted there or a tree of its own. */
export function rootfsOf(ctx: CloneContext, name: string, snapshot?: string): HostPath {
  return hostPath(`${directoryOf(ctx, name, snapshot)}/rootfs`);
}

/**
 * Copy a whole tree, one that runs while it is frozen.
 *
 * @throws {Fault} no_space before anything is copied, where the copy takes space.
 */
export async function copyRootfs(
  { deps }: CloneContext,
  source: HostPath,
  target: HostPath,
  running?: Freezer,
): Promise<void> {
  if (deps.clone !== "reflink") {
    await requireSpace(deps.root, await treeBytes(source), "copy the root file system");
  }
  const reflink = deps.clone === "reflink" ? "always" : "auto";
  const copy = () => copyTree(source, target, { reflink });
  await (running === undefined ? copy() : running.freeze(copy));
}

/** Discard a container or snapshot, which is hidden, and the layers that only it used. */
export async function discardClone({ deps, layers }: CloneContext, directory: HostPath) {
  const before = layers.users.lowersOf(directory);
  await layers.parts.hide(directory);
  await deps.trash.discard(directory);
  layers.users.forget(directory);
  await layers.collect(before);
}
