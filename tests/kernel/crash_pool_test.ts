/** As crash_create_test.ts: the daemon is killed while storage pools come and go. */
import assert from "node:assert/strict";
import { CrashWorld } from "#tests/world/crash.ts";
import { must } from "#tests/world/run.ts";
import { killAtEach } from "./crash_support.ts";

let world: CrashWorld;
const POOLS = "/1.0/storage-pools";
const AT = `${POOLS}/p`;

Deno.test.beforeAll(async () => void (world = await CrashWorld.open()));
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

async function entriesOf(folder: string): Promise<string[]> {
  const all = await Array.fromAsync(Deno.readDir(world.seen(folder))).catch(() => []);
  return all.map(({ name }) => name).toSorted();
}

const isKnown = async () => (await world.api.get(POOLS)).length > 0;

/** No file, folder, mount or loop device of it is left. */
async function assertGone(): Promise<void> {
  assert.equal(await isKnown(), false);
  assert.deepEqual([...await entriesOf("disks"), ...await entriesOf("storage-pools")], []);
  const mounts = await Deno.readTextFile(`/proc/${world.holderPid}/mountinfo`);
  assert.ok(!mounts.includes(`${world.directory}/storage-pools/`), mounts);
  const loops = await must(["losetup", "--noheadings", "--output", "BACK-FILE"]);
  assert.ok(!loops.includes(world.directory), loops);
}

for (const [driver, config] of [["dir", {}], ["btrfs", { size: "128MiB" }]] as const) {
  const make = () => world.api.do("POST", POOLS, { name: "p", driver, config });
  const remove = () => world.api.do("DELETE", AT);

  Deno.test(`crash: a ${driver} pool that is being made is whole, or can be made`, async () => {
    const effects = await killAtEach(world, make, async () => {
      if (!await isKnown()) await make();
      await world.api.do("POST", `${AT}/volumes/custom`, { name: "v" });
      await world.api.do("DELETE", `${AT}/volumes/custom/v`);
      await remove();
      await assertGone();
    }, { thinned: 2 });

    assert.ok(effects > 3, `${effects}`);
    await remove();
  });

  Deno.test(`crash: a ${driver} pool that is being deleted is there, or can be made again`, async () => {
    await make();
    const effects = await killAtEach(world, remove, async () => {
      if (await isKnown()) await remove();
      else await make().then(remove);
      await assertGone();
      await make();
    }, { thinned: 2 });

    assert.ok(effects > 3, `${effects}`);
    await assertGone();
  });
}
