import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { isOutdated, migrate } from "./migrate.ts";
import { GLOBAL_MIGRATIONS, LOCAL_MIGRATIONS } from "./schema.ts";
import { ZONE_RECORD_NAMES } from "./zone_record_names.ts";

const ONE = "CREATE TABLE one (id INTEGER) STRICT;";
const TWO = "CREATE TABLE two (id INTEGER) STRICT;";

async function inFile(run: (path: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    run(`${folder}/db.bin`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("isOutdated() says whether migrate() would change a database that is there", async () => {
  await inFile((path) => {
    assert.equal(isOutdated(path, [ONE]), false);
    migrate(path, [ONE]);
    assert.equal(isOutdated(path, [ONE]), false);
    assert.equal(isOutdated(path, [ONE, TWO]), true);
  });
});

Deno.test("migrate() leaves all as it was when the patch fails", async () => {
  await inFile((path) => {
    migrate(path, [ONE]);

    const patch = "INSERT INTO one VALUES (1); INSERT INTO broken VALUES (1);";
    assert.throws(() => migrate(path, [ONE], patch), /no such table: broken/);

    const db = new DatabaseSync(path);
    assert.equal(db.prepare("SELECT COUNT(*) AS n FROM one").get()?.n, 0);
    db.close();
  });
});

for (const [name, migrations] of Object.entries({ GLOBAL_MIGRATIONS, LOCAL_MIGRATIONS })) {
  Deno.test(`${name} bring a database of version 1 to the newest`, async () => {
    await inFile((path) => {
      migrate(path, migrations.slice(0, 1));
      migrate(path, migrations);

      const db = new DatabaseSync(path);
      const row = db.prepare("SELECT MAX(version) AS version FROM schema").get();
      assert.equal(row?.version, migrations.length);
      db.close();
    });
  });
}

Deno.test("a snapshot of a volume can't take the id of a volume", async () => {
  await inFile((path) => {
    migrate(path, GLOBAL_MIGRATIONS);
    const db = new DatabaseSync(path);
    db.exec(`INSERT INTO storage_pools (id, name, driver) VALUES (1, 'p', 'dir');
      INSERT INTO storage_volumes (id, name, storage_pool_id, type, project_id)
        VALUES (7, 'v', 1, 2, 1);`);

    const insert = "INSERT INTO storage_volumes_snapshots (id, storage_volume_id, name) VALUES ";
    assert.throws(() => db.exec(`${insert} (7, 7, 's')`), /invalid ID/);
    db.exec(`${insert} (8, 7, 's')`);
    db.close();
  });
});

Deno.test("records of zones keep their keys when the names are made unique in each zone", async () => {
  await inFile((path) => {
    const before = GLOBAL_MIGRATIONS.indexOf(ZONE_RECORD_NAMES);
    migrate(path, GLOBAL_MIGRATIONS.slice(0, before));
    const old = new DatabaseSync(path);
    old.exec(`INSERT INTO networks_zones (id, name, description, project_id)
        VALUES (1, 'a.example', '', 1), (2, 'b.example', '', 1);
      INSERT INTO networks_zones_records (id, network_zone_id, name, description, entries)
        VALUES (5, 1, 'www', 'mine', '[]');
      INSERT INTO networks_zones_records_config (network_zone_record_id, key, value)
        VALUES (5, 'user.x', 'kept');`);
    old.close();

    migrate(path, GLOBAL_MIGRATIONS);

    const db = new DatabaseSync(path);
    db.exec("PRAGMA foreign_keys=ON");
    const insert = (zone: number) =>
      db.exec(`INSERT INTO networks_zones_records (network_zone_id, name, description, entries)
        VALUES (${zone}, 'www', '', '[]')`);
    insert(2);
    assert.throws(() => insert(1), /UNIQUE/);
    const kept = db.prepare(`SELECT r.description, c.value FROM networks_zones_records r
      JOIN networks_zones_records_config c ON c.network_zone_record_id = r.id WHERE r.id = 5`);
    assert.deepEqual({ ...kept.get() }, { description: "mine", value: "kept" });
    db.exec("DELETE FROM networks_zones WHERE id = 1");
    assert.equal(kept.get(), undefined);
    assert.equal(
      db.prepare("SELECT COUNT(*) AS n FROM networks_zones_records_config").get()?.["n"],
      0,
    );
    db.close();
  });
});
