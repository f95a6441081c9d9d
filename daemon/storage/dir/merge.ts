/**
 * Long chains of layers are made one layer while nobody waits: layers never change, so that they can be
 * copied without a lock, and only the exchange needs it.
 */
import { type HostPath, hostPath } from "#base/brand.ts";
import { copyTree, treeBytes } from "#daemon/storage/copy_tree.ts";
import { requireSpace } from "#daemon/storage/space.ts";
import type { Layers } from "./layers.ts";

/** Layers below an upper until they are merged: ten cost nothing that can be measured. */
export const DEPTH_MAX = 24;

/**
 * A layer with all that a chain shows.
 *
 * @param view where the chain is mounted; the copy fails if it goes away.
 * @returns its name; nobody uses it yet.
 * @throws {Fault} no_space
 */
export async function mergeLayers(layers: Layers, view: HostPath): Promise<string> {
  const layer = `layers/${crypto.randomUUID()}`;
  await layers.build(layer, async (path) => {
    const upper = hostPath(`${path}/upper`);
    await Deno.mkdir(upper, { recursive: true, mode: 0o755 });
    await requireSpace(upper, await treeBytes(view), "merge the layers of an instance");
    await copyTree(view, upper);
  });
  return layer;
}

/** What lies above `lowers` in a chain; undefined if the chain does not end with them. Pure. */
export function lowersAbove(
  chain: readonly string[],
  lowers: readonly string[],
): readonly string[] | undefined {
  const above = chain.slice(0, Math.max(0, chain.length - lowers.length));
  const below = chain.slice(above.length);
  const isSame = below.length === lowers.length && below.every((one, at) => one === lowers[at]);
  return isSame ? above : undefined;
}
