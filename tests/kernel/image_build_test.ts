/** lxd image build, from the command to an instance that runs. Debian's is built by tools/quickstart. */
import { OURS } from "#tests/world/daemon.ts";
import { startInstanceDaemon } from "#tests/world/instances.ts";
import { run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `built${Deno.pid}`;

Deno.test("image build: a recipe becomes an image that runs; what it can't build it says", async () => {
  await using world = await startInstanceDaemon({ subnet: 19 });
  const lxd = (...args: string[]) => run([OURS.lxd, ...args], { env: world.daemon.env });

  const built = await lxd("image", "build", "busybox", "--alias", "mine", "--public");
  assert.match(built.stdout, /^Image built with fingerprint: [0-9a-f]{64}\n$/m, built.stderr);
  const { target } = await world.api.get("/1.0/images/aliases/mine");
  const image = await world.api.get(`/1.0/images/${target}`);
  assert.deepEqual([image.public, image.properties.os], [true, "BusyBox"]);
  await world.launch(NAME, { source: { type: "image", alias: "mine" } });

  const wrong = await lxd("image", "build", "busybos");
  assert.deepEqual([wrong.status, /Did you mean "busybox"/.test(wrong.stderr)], [1, true]);
  const ubuntu = await lxd("image", "build", "ubuntu/jammy");
  assert.match(ubuntu.stderr, /needs a mirror and its keyring.*--mirror.*--keyring/);
  const packages = await lxd("image", "build", "busybox", "--package", "docker.io");
  assert.match(packages.stderr, /the image busybox has no packages/);
  const bad = await lxd("image", "build", "debian/12", "--package", "docker.io,--x");
  assert.match(bad.stderr, /"docker.io,--x" is no name of a package/);
});
