/** A pool whose creation fails at its very end, when it is open and would be written down. */
import { hostPath } from "#base/brand.ts";
import type { NewPool } from "#daemon/storage/pools.ts";
import { buildHelper } from "#tests/kernel/ffi_support.ts";
import { openWorld, type World } from "#tests/kernel/instance_world.ts";
import assert from "node:assert/strict";

/** A server without pools, in a directory of its own that goes with it. */
export async function worldWithoutPools(): Promise<World> {
  const root = hostPath(Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "lxd-pools." }));
  const world = await openWorld(root, await buildHelper(root));
  return {
    ...world,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await Deno.remove(root, { recursive: true });
    },
  };
}

/**
 * Nothing is left of it, so that it can be made after all.
 *
 * @param traces What a pool of the kind leaves in the world, but for its folders.
 */
export async function testUndone(
  { storage: { pools }, paths, failures }: World,
  pool: NewPool,
  traces: () => Promise<unknown>,
): Promise<void> {
  const all = async () => ({
    files: ["disks", "storage-pools"].flatMap((folder) =>
      [...Deno.readDirSync(paths.at(folder))].map(({ name }) => name)
    ),
    own: await traces(),
  });
  const before = await all();
  const fails = pools.create(pool, () => Promise.reject(new Error("not written down")));
  await assert.rejects(fails, /not written down/);
  assert.deepEqual(failures, []);
  assert.deepEqual(await all(), before);

  let made = pool;
  await pools.create(pool, (config) => {
    made = { ...pool, config };
    return Promise.resolve();
  });
  assert.notDeepEqual(await all(), before);
  await pools.remove(made, () => Promise.resolve());
}
