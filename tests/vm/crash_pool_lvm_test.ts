/** The daemon is killed while a pool of the driver `lvm` on a loop file comes and goes. */
import { killAtEach } from "#tests/kernel/crash_support.ts";
import { CrashWorld } from "#tests/world/crash.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { isMet } from "./needs.ts";

const POOLS = "/1.0/storage-pools";
const AT = `${POOLS}/p`;
/** Each takes a while in here. */
const FEW = { thinned: 4 };

const isKnown = async ({ api }: CrashWorld) => (await api.get(POOLS)).length > 0;

const make = ({ api }: CrashWorld) => {
  const config = { size: "256MiB", "lvm.vg_name": `crash${Deno.pid}`, "volume.size": "32MiB" };
  return api.do("POST", POOLS, { name: "p", driver: "lvm", config });
};
const remove = ({ api }: CrashWorld) => api.do("DELETE", AT);

async function assertGone(world: CrashWorld): Promise<void> {
  assert.equal(await isKnown(world), false);
  assert.equal((await must(["vgs", "--noheadings", "--options", "vg_name"])).trim(), "");
  const loops = await must(["losetup", "--noheadings", "--output", "BACK-FILE"]);
  assert.ok(!loops.includes(world.directory), loops);
  for (const folder of ["disks", "storage-pools"]) {
    assert.deepEqual([...Deno.readDirSync(world.seen(folder))], []);
  }
}

async function testMade(): Promise<void> {
  await using world = await CrashWorld.open();

  const effects = await killAtEach(world, () => make(world), async () => {
    if (!await isKnown(world)) await make(world);
    await world.api.do("POST", `${AT}/volumes/custom`, { name: "v" });
    await world.api.do("DELETE", `${AT}/volumes/custom/v`);
    await remove(world);
    await assertGone(world);
  }, FEW);

  assert.ok(effects > 5, `${effects}`);
  await remove(world);
}

async function testDeleted(): Promise<void> {
  await using world = await CrashWorld.open();
  await make(world);

  const effects = await killAtEach(world, () => remove(world), async () => {
    if (await isKnown(world)) await remove(world);
    else await make(world).then(() => remove(world));
    await assertGone(world);
    await make(world);
  }, FEW);

  assert.ok(effects > 5, `${effects}`);
  await assertGone(world);
}

if (isMet("lvm")) {
  Deno.test("crash: a pool on LVM that is made is whole, or can be made", testMade);
  Deno.test("crash: a pool on LVM that is deleted is there, or can be made again", testDeleted);
}
