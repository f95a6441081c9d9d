/** The daemon is killed in front of each effect of new names for a volume group and its thin pool. */
import { killAtEach } from "#tests/kernel/crash_support.ts";
import { CrashWorld } from "#tests/world/crash.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { logicalVolumes } from "./lvm.ts";
import { isMet } from "./needs.ts";

const AT = "/1.0/storage-pools/one";
const VOLUMES = `${AT}/volumes/custom`;
const VALUE = "storage-pools/one/custom/default_v/value";

interface Names {
  readonly "lvm.vg_name": string;
  readonly "lvm.thinpool_name": string;
}

const BEFORE: Names = { "lvm.vg_name": `old${Deno.pid}`, "lvm.thinpool_name": "thin" };
const AFTER: Names = { "lvm.vg_name": `new${Deno.pid}`, "lvm.thinpool_name": "fat" };

async function shown(program: "vgs" | "lvs", columns: string, ...what: string[]) {
  const text = await must([program, "--noheadings", "--options", columns, ...what]);
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** All of the pool has the names that are written down, and its volumes are as they were. */
async function assertWhole(world: CrashWorld): Promise<void> {
  const { api } = world;
  const { config } = await api.get(AT);
  const isRenamed = config["lvm.vg_name"] === AFTER["lvm.vg_name"];
  const names = isRenamed ? AFTER : BEFORE;
  const [group, thin] = [names["lvm.vg_name"], names["lvm.thinpool_name"]];
  assert.equal(config["lvm.thinpool_name"], thin);
  assert.deepEqual(await shown("vgs", "vg_name"), [group]);
  assert.deepEqual(await shown("vgs", "vg_tags", group), ["lxd_pool"]);
  assert.deepEqual((await logicalVolumes(group)).toSorted(), ["custom_default_v", thin].toSorted());
  assert.deepEqual(await shown("lvs", "lv_tags", `${group}/${thin}`), []);
  assert.equal(await Deno.readTextFile(world.seen(VALUE)), "1");
  await api.do("POST", VOLUMES, { name: "w" });
  await api.do("DELETE", `${VOLUMES}/w`);
  if (isRenamed) await api.do("PATCH", AT, { config: BEFORE });
}

async function testRenames(): Promise<void> {
  await using world = await CrashWorld.open();
  const { api } = world;
  const config = { ...BEFORE, size: "1GiB", "volume.size": "32MiB" };
  await api.do("POST", "/1.0/storage-pools", { name: "one", driver: "lvm", config });
  await api.do("POST", VOLUMES, { name: "v" });
  await Deno.writeTextFile(world.seen(VALUE), "1");
  await assertWhole(world);

  const rename = () => api.do("PATCH", AT, { config: AFTER });
  const effects = await killAtEach(world, rename, () => assertWhole(world));

  assert.ok(effects > 8, `${effects}`);
  await assertWhole(world);
  await api.do("DELETE", `${VOLUMES}/v`);
  await api.do("DELETE", AT);
  assert.deepEqual(await shown("vgs", "vg_name"), []);
}

if (isMet("lvm")) {
  Deno.test("crash: a volume group and a thin pool have old names or new ones", testRenames);
}
