/** An instance whose root is as full as it may be: it can still be snapshotted, configured and renamed. */
import { fill, MIB } from "#tests/suites/storage_tools.ts";
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `root${Deno.pid}`;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 52 });
  const config = { size: "300MiB" };
  await world.api.do("POST", "/1.0/storage-pools", { name: "bt", driver: "btrfs", config });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const directory = (name: string) =>
  `/proc/${world.daemon.pid}/root${world.daemon.directory}/storage-pools/bt/containers/${name}`;

Deno.test("full root: what is done to an instance is done, though its backup.yaml can't be written", async () => {
  const { api } = world;
  const size = "20MiB";
  await world.create(NAME, { devices: { root: { type: "disk", path: "/", pool: "bt", size } } });
  const big = `${directory(NAME)}/rootfs/big`;
  await assert.rejects(fill(big, 40 * MIB), /os error (28|122)/);
  await assert.rejects(Deno.writeTextFile(`${directory(NAME)}/more`, "x".repeat(65536)));

  await api.do("POST", `/1.0/instances/${NAME}/snapshots`, { name: "s" });
  await api.do("PATCH", `/1.0/instances/${NAME}`, { config: { "user.a": "b" } });
  await api.do("POST", `/1.0/instances/${NAME}`, { name: `${NAME}b` });

  const renamed = `/1.0/instances/${NAME}b`;
  assert.deepEqual(await api.get(`${renamed}/snapshots`), [`${renamed}/snapshots/s`]);
  // The next change that finds room tells all of it.
  await api.do("PATCH", renamed, {
    devices: { root: { type: "disk", path: "/", pool: "bt", size: "60MiB" } },
  });
  const text = await Deno.readTextFile(`${directory(`${NAME}b`)}/backup.yaml`);
  assert.match(text, new RegExp(`name: ${NAME}b\\n`));
  assert.match(text, /user.a: b\n[\s\S]*name: s\n/);
  await api.do("DELETE", renamed);
});
