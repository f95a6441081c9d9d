import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { isOutdated, migrate } from "./migrate.ts";
import { GLOBAL_MIGRATIONS, LOCAL_MIGRATIONS } from "./schema.ts";

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
