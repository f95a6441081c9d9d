import { hostPath } from "#base/brand.ts";
import { insertImage } from "#daemon/db/images.ts";
import { migrate } from "#daemon/db/migrate.ts";
import { openDatabase } from "#daemon/db/open.ts";
import { GLOBAL_MIGRATIONS } from "#daemon/db/schema.ts";
import assert from "node:assert/strict";
import { imageChores } from "./chores.ts";

const HOUR_MS = 3600_000;

/** Images in the projects default and blue; `settings` are "key" or "project key". */
async function open(settings: Readonly<Record<string, string>>) {
  const folder = await Deno.makeTempDir();
  const path = hostPath(`${folder}/db`);
  migrate(path, GLOBAL_MIGRATIONS);
  const db = openDatabase(path);
  await db.write(async (tx) => {
    await tx.run("INSERT INTO projects (id, name, description) VALUES (2, 'blue', '')");
    for (const projectId of [1, 2]) {
      await insertImage(tx, {
        projectId,
        fingerprint: "a".repeat(64),
        filename: "",
        size: 1,
        isPublic: false,
        autoUpdate: true,
        architecture: 2,
        createdAt: new Date(),
        expiresAt: undefined,
        properties: {},
        profiles: [],
        isCached: true,
      });
    }
  });
  const refreshed: string[] = [];
  const chores = imageChores({
    db,
    upkeep: {
      refresh: () => Promise.resolve(false),
      refreshAll: (projects) => Promise.resolve(void refreshed.push(...projects)),
      expire: () => Promise.resolve(),
    },
    setting: (key, project) =>
      Promise.resolve(settings[`${project} ${key}`] ?? settings[key] ?? ""),
    signal: new AbortController().signal,
  });
  const find = (word: string) => {
    const chore = chores.find(({ what }) => what.includes(word));
    assert.ok(chore !== undefined);
    return chore;
  };
  return {
    expire: find("unused"),
    refresh: find("refresh"),
    refreshed,
    async [Symbol.asyncDispose]() {
      db.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("imageChores() refresh at the start, then by the interval of each project", async () => {
  await using world = await open({
    "images.auto_update_interval": "6",
    "blue images.auto_update_interval": "1",
  });
  const start = new Date();

  await world.refresh.run(start, start);
  const next = await world.refresh.next(start);
  await world.refresh.run(start, new Date(start.getTime() + HOUR_MS));

  assert.equal(next?.getTime(), start.getTime() + HOUR_MS);
  assert.deepEqual(world.refreshed, ["default", "blue", "blue"]);
});

Deno.test("imageChores() leave out projects that want no refresh, and sleep if none does", async () => {
  await using world = await open({
    "images.auto_update_interval": "0",
    "blue images.auto_update_interval": "",
  });

  assert.equal(await world.refresh.next(new Date()), undefined);
});

Deno.test("imageChores() remove unused images after the days of their project", async () => {
  await using world = await open({
    "images.remote_cache_expiry": "0",
    "blue images.remote_cache_expiry": "2",
  });

  const due = await world.expire.next(new Date());

  const days = ((due?.getTime() ?? 0) - Date.now()) / (24 * HOUR_MS);
  assert.ok(days > 1.9 && days <= 2, `${days}`);
});
