/** /dev/lxd of the real daemon, asked by processes of containers, of the host, and of others. */
import { type InstanceDaemon, startInstanceDaemon } from "#tests/world/instances.ts";
import { run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

let world: InstanceDaemon;
const NAME = `devlxd${Deno.pid}`;
const AT = `/1.0/instances/${NAME}`;

Deno.test.beforeAll(async () => {
  world = await startInstanceDaemon({ subnet: 13 });
  const config = { "user.foo": "bar %s baz", "cloud-init.user-data": "#cloud-config" };
  await world.launch(NAME, { config });
  await world.launch(`${NAME}b`);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

async function pidOf(name: string): Promise<number> {
  return (await world.api.get(`/1.0/instances/${name}/state`)).pid;
}

/** As a user of a container, with its ids and among its processes; the program is the host's curl. */
async function inside(name: string, uid: number, words: readonly string[]): Promise<string[]> {
  const pid = `${await pidOf(name)}`;
  const socket = `${world.daemon.directory}/devlxd/sock`;
  const user = ["-S", `${uid}`, "-G", `${uid}`];
  return ["nsenter", "-t", pid, "-U", ...user, "-p", "--", "curl", "-sS", "--unix-socket", socket]
    .concat(words);
}

async function ask(path: string, { name = NAME, uid = 0 } = {}): Promise<[number, string]> {
  const format = ["-w", "\n%{http_code}", `http://lxd${path}`];
  const { stdout, stderr } = await run(await inside(name, uid, format));
  const cut = stdout.lastIndexOf("\n");
  assert.ok(cut >= 0, stderr);
  return [Number(stdout.slice(cut + 1)), stdout.slice(0, cut)];
}

const put = (config: Record<string, string>) => world.api.do("PATCH", AT, { config });

Deno.test("devlxd: root of a container sees its own configuration, and no other key", async () => {
  assert.deepEqual(await ask("/"), [200, `["/1.0"]\n`]);
  assert.equal(JSON.parse((await ask("/1.0"))[1]).instance_type, "container");
  assert.deepEqual(JSON.parse((await ask("/1.0/config"))[1]), [
    "/1.0/config/cloud-init.user-data",
    "/1.0/config/user.foo",
  ]);
  assert.deepEqual(await ask("/1.0/config/user.foo"), [200, "bar %s baz"]);
  assert.deepEqual(await ask("/1.0/config/user.nosuch"), [404, "not found\n"]);
  assert.deepEqual(await ask("/1.0/config/volatile.uuid"), [403, "not authorized\n"]);
  assert.deepEqual(await ask("/nosuch"), [404, "404 page not found\n"]);
  const { config } = await world.api.get(AT);
  const devices = JSON.parse((await ask("/1.0/devices"))[1]);
  assert.equal(devices.eth0.hwaddr, config["volatile.eth0.hwaddr"]);
  assert.equal(
    (await ask("/1.0/meta-data"))[1],
    `#cloud-config\ninstance-id: ${config["volatile.cloud-init.instance-id"]}\n` +
      `local-hostname: ${NAME}\n`,
  );
});

Deno.test("devlxd: everybody else is told nothing, or of their own container", async () => {
  assert.deepEqual(await ask("/1.0/config", { uid: 1000 }), [
    401,
    "Access denied for non-root user\n",
  ]);
  assert.match((await ask("/1.0/meta-data", { name: `${NAME}b` }))[1], /hostname: \w+b$/m);
  const socket = `${world.daemon.directory}/devlxd/sock`;

  const { stdout } = await run(["curl", "-sS", "--unix-socket", socket, "http://lxd/1.0/config"]);

  assert.equal(stdout, "not authorized\n");
});

Deno.test("devlxd: changes are heard as they happen, of that container alone", async () => {
  const words = ["-N", "http://lxd/1.0/events"];
  const [program = "", ...args] = await inside(NAME, 0, words);
  const child = new Deno.Command(program, { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let heard = "";
  const until = async (wanted: RegExp) => {
    while (!wanted.test(heard)) {
      const { done, value } = await reader.read();
      assert.ok(!done, `${wanted} in ${heard}`);
      heard += value;
    }
  };
  // It is heard once it is listened to: ask until then.
  for (let count = 0; heard === "" && count < 100; count++) {
    await put({ "user.count": `${count}` });
    await Promise.race([until(/count/), new Promise((resolve) => setTimeout(resolve, 100))]);
  }

  await put({ "user.foo": "changed", "limits.memory": "200MiB" });
  await world.api.do("PATCH", `/1.0/instances/${NAME}b`, { config: { "user.foo": "of b" } });
  const disk = { type: "disk", source: world.daemon.folder, path: "/mnt" };
  await world.api.do("PATCH", AT, { devices: { mnt: disk } });
  await until(/"device"/);

  const events = heard.trim().split("\n").map((line) => JSON.parse(line));
  const seen = events.map(({ type, metadata }) => [type, metadata]).filter(([, { key }]) =>
    key !== "user.count"
  );
  assert.deepEqual(seen, [
    ["config", { key: "user.foo", old_value: "bar %s baz", value: "changed" }],
    ["device", { action: "added", name: "mnt", config: disk }],
  ]);
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
});

Deno.test("devlxd: it comes and goes with security.devlxd while the container runs", async () => {
  const has = async () => {
    const pid = await pidOf(NAME);
    const entries = [...Deno.readDirSync(`/proc/${pid}/root/dev/lxd`)];
    return entries.some(({ name }) => name === "sock");
  };
  assert.ok(await has());
  await put({ "security.devlxd": "false" });
  assert.ok(!await has());

  await put({ "security.devlxd": "" });

  assert.ok(await has());
  assert.equal((await ask("/1.0"))[0], 200);
});

Deno.test("devlxd: images are given to those that may have them, and only public ones", async () => {
  const [{ fingerprint }] = await world.api.get("/1.0/images?recursion=1");
  const path = `/1.0/images/${fingerprint}/export`;
  assert.equal((await ask(path))[0], 403);
  await put({ "security.devlxd.images": "true" });
  assert.equal((await ask(path))[0], 404);

  await world.api.do("PATCH", `/1.0/images/${fingerprint}`, { public: true });

  const [status, contents] = await ask(path);
  assert.deepEqual([status, contents.includes(`name="rootfs"`)], [200, true]);
});

Deno.test("devlxd: a container that takes all its connections takes nobody else's", async () => {
  const [program = "", ...args] = await inside(NAME, 0, ["-N", "http://lxd/1.0/events"]);
  const greedy = Array.from(
    { length: 70 },
    () => new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn(),
  );
  const ended = await Promise.race(greedy.map((child) => child.status));

  assert.notEqual(ended.code, 0, "one too many is hung up on");
  assert.equal((await ask("/1.0", { name: `${NAME}b` }))[0], 200);

  for (const child of greedy) {
    try {
      child.kill("SIGKILL");
    } catch {
      // Ignored: it has ended.
    }
  }
  await Promise.all(greedy.map((child) => child.status));
});
