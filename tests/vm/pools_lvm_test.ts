/** Pools of the driver `lvm` whose creation fails. */
import { testUndone, worldWithoutPools } from "#tests/suites/pool_undo.ts";
import { must } from "#tests/world/run.ts";
import { loopDevice } from "./loop.ts";
import { makeGroup } from "./lvm.ts";
import { isMet } from "./needs.ts";

/** Devices, groups and volumes that LVM knows, and which loop devices there are. */
const known = () =>
  Promise.all([
    must(["pvs", "--noheadings", "--options", "pv_name"]),
    must(["vgs", "--noheadings", "--options", "vg_name,vg_tags"]),
    must(["lvs", "--noheadings", "--options", "vg_name,lv_name"]),
    must(["losetup", "--noheadings", "--output", "NAME"]),
  ]);

async function testCreation(): Promise<void> {
  await using world = await worldWithoutPools();
  const [group, own] = [`grp${Deno.pid}`, `own${Deno.pid}`] as const;
  const device = await loopDevice(world.paths.root, "device");
  await makeGroup(world.paths.root, group);
  const configs: readonly Readonly<Record<string, string>>[] = [
    { size: "1GiB", "lvm.vg_name": own },
    { size: "1GiB", "lvm.vg_name": own, "lvm.use_thinpool": "false" },
    { source: device, "lvm.vg_name": own },
    { source: group },
  ];
  for (const [index, config] of configs.entries()) {
    await testUndone(world, { name: `pool${index}`, driver: "lvm", config }, known);
  }
  await must(["vgremove", "--yes", group]);
}

if (isMet("lvm")) Deno.test("lvm: what became no pool is as it was", testCreation);
