import assert from "node:assert/strict";
import type { Tx } from "./db.ts";
import { openDatabase } from "./open.ts";

async function withTable(
  run: (database: ReturnType<typeof openDatabase>, directory: string) => Promise<void>,
) {
  const directory = await Deno.makeTempDir({ prefix: "lxd-db." });
  const database = openDatabase(`${directory}/test.db`);
  try {
    await database.write((tx) => tx.run("CREATE TABLE t (x INTEGER)"));
    await run(database, directory);
  } finally {
    database.close();
    await Deno.remove(directory, { recursive: true });
  }
}

const count = async (tx: Tx) => (await tx.get("SELECT count(*) AS n FROM t"))?.n;

Deno.test("database: who reads after a write sees it, who began before does not, each as often as it looks", () =>
  withTable(async (database) => {
    const gate = Promise.withResolvers<void>();
    const early = database.read(async (tx) => {
      const before = await count(tx);
      await gate.promise;
      return [before, await count(tx)];
    });
    const beside = database.read(count);
    await database.write((tx) => tx.run("INSERT INTO t VALUES (1)"));
    const late = database.read(count);
    assert.equal(await late, 1);
    await database.write((tx) => tx.run("INSERT INTO t VALUES (2)"));
    assert.equal(await database.read(count), 2);
    gate.resolve();
    assert.deepEqual(await early, [0, 0]);
    assert.equal(await beside, 0);
    assert.equal(await database.read(count), 2);
  }));

Deno.test("database: a crowd of readers opens no files, and one that fails leaves the others alone", () =>
  withTable(async (database, directory) => {
    // Tests of other files open theirs in this process meanwhile.
    const files = () =>
      [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(directory);
        } catch {
          return false; // Closed by now.
        }
      }).length;
    const before = files();
    let most = 0;
    const readers = Array.from({ length: 100 }, (_, index) =>
      database.read(async (tx) => {
        await count(tx);
        most = Math.max(most, files());
        if (index === 50) throw new Error("its own");
        return await count(tx);
      }));
    const settled = await Promise.allSettled(readers);
    assert.equal(settled.filter((one) => one.status === "fulfilled" && one.value === 0).length, 99);
    // Its first reader opens the log of changes.
    assert.ok(before > 0 && most <= before + 2, `${before} files before, ${most} meanwhile`);
  }));
