import { hostPath } from "#base/brand.ts";
import assert from "node:assert/strict";
import { migrate } from "./migrate.ts";
import { openDatabase } from "./open.ts";
import { GLOBAL_MIGRATIONS } from "./schema.ts";
import {
  deleteWarning,
  listWarnings,
  pruneWarnings,
  raiseWarning,
  resolveWarnings,
  setWarningStatus,
} from "./warnings.ts";

function database() {
  const folder = Deno.makeTempDirSync();
  const file = hostPath(`${folder}/db.bin`);
  migrate(file, GLOBAL_MIGRATIONS);
  const db = openDatabase(file);
  return {
    db,
    [Symbol.dispose]() {
      db.close();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

Deno.test("raiseWarning() counts up what is the same and tells apart what is not", async () => {
  using world = database();
  await world.db.write(async (tx) => {
    await raiseWarning(tx, { code: 0, message: "global" });
    await raiseWarning(tx, { code: 0, message: "of a project", project: "default" });
    await raiseWarning(tx, { code: 0, message: "again", project: "default" });
    await raiseWarning(tx, { code: 0, message: "", entity: { typeCode: 2, id: 1 } });
  });

  const all = await world.db.read((tx) => listWarnings(tx));
  assert.deepEqual(
    all.map((one) => [one.last_message, one.count, one.project, one.entity_url]).toSorted(),
    [["", 1, "", "/1.0/profiles/default"], ["again", 2, "default", ""], ["global", 1, "", ""]],
  );
});

Deno.test("raiseWarning() refuses what it could not show", async () => {
  using world = database();
  const raise = (wish: Parameters<typeof raiseWarning>[1]) =>
    world.db.write((tx) => raiseWarning(tx, wish));

  await assert.rejects(raise({ code: 999, message: "" }), /Invalid warning type code/);
  await assert.rejects(raise({ code: 0, message: "", project: "nope" }), /"nope" not found/);
  const entity = { typeCode: 0, id: 7 };
  await assert.rejects(raise({ code: 0, message: "", entity }), /there is no entity/);
});

Deno.test("a resolved warning comes back as new, an acknowledged one stays so", async () => {
  using world = database();
  const status = () => world.db.read(async (tx) => (await listWarnings(tx))[0]?.status);
  const raise = () => world.db.write((tx) => raiseWarning(tx, { code: 14, message: "" }));
  await raise();
  const [{ uuid } = { uuid: "" }] = await world.db.read((tx) => listWarnings(tx));
  await world.db.write((tx) => setWarningStatus(tx, uuid, "acknowledged"));
  await raise();
  assert.equal(await status(), "acknowledged");

  await world.db.write((tx) => resolveWarnings(tx, 14));
  assert.equal(await status(), "resolved");
  await world.db.write((tx) => pruneWarnings(tx, new Date()));
  await raise();
  assert.equal(await status(), "new");
  await world.db.write((tx) => deleteWarning(tx, uuid));

  await assert.rejects(world.db.write((tx) => deleteWarning(tx, uuid)), /Warning not found/);
});
