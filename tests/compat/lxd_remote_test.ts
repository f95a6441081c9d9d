/** Our daemon and Debian's LXD as each other's remotes, from our client and from Debian's. */
import { Api } from "#tests/world/api.ts";
import { DEBIAN, OURS, TestDaemon } from "#tests/world/daemon.ts";
import { must, run } from "#tests/world/run.ts";
import assert from "node:assert/strict";

const NAME = `remote${Deno.pid}`;
const LIMIT_MS = 120_000;

/** Debian's package lxd is only there where the benchmarks run: tools/bootstrap lxd. */
const hasLxd = await Deno.stat(DEBIAN.lxd).then(() => true, () => false);

let ours: TestDaemon;
let theirs: TestDaemon;
let image: string;

async function prepare(daemon: TestDaemon, port: number): Promise<Api> {
  const api = new Api({ socketPath: `${daemon.directory}/unix.socket` });
  await api.do("POST", "/1.0/storage-pools", { name: "pool", driver: "dir", config: {} });
  await api.do("PUT", "/1.0/profiles/default", {
    config: {},
    devices: { root: { type: "disk", path: "/", pool: "pool" } },
  });
  await api.do("PUT", "/1.0", {
    config: { "core.https_address": `127.0.0.1:${port}`, "core.trust_password": "sesame" },
  });
  return api;
}

Deno.test.beforeAll(async () => {
  if (!hasLxd) return;
  ours = await TestDaemon.start({ ...OURS });
  theirs = await TestDaemon.start({ ...DEBIAN, beside: ours });
  const api = await prepare(ours, 8443);
  await prepare(theirs, 8444);
  const built = await api.do("POST", "/1.0/images", {
    source: { type: "build", alias: "busybox" },
    aliases: [{ name: "tiny" }],
  });
  image = built.fingerprint;
});
Deno.test.afterAll(async () => {
  if (!hasLxd) return;
  await theirs[Symbol.asyncDispose]();
  await ours[Symbol.asyncDispose]();
});

/** A client with files of its own, in the network of both; its local server is ours. */
function client(program: string, folder: string) {
  const argv = (args: readonly string[]) => [
    ...["nsenter", "-t", `${ours.pid}`, "-n", "--", program],
    ...args,
  ];
  const options = {
    env: { LXD_DIR: ours.directory, LXD_CONF: `${ours.folder}/${folder}` },
    limitMs: LIMIT_MS,
  };
  return {
    lxc: (...args: string[]) => must(argv(args), options),
    fails: async (...args: string[]) => {
      const { status, stderr } = await run(argv(args), options);
      assert.notEqual(status, 0, args.join(" "));
      return stderr;
    },
  };
}

const has = async ({ lxc }: ReturnType<typeof client>, remote: string) =>
  (await lxc("image", "list", `${remote}:`, "-f", "csv", "-c", "F")).includes(image);

for (const [who, program] of [["our client", OURS.lxc], ["Debian's client", DEBIAN.lxc]] as const) {
  Deno.test({
    name: `remotes: ${who} carries an image to Debian's LXD and back, and launches from it`,
    ignore: !hasLxd,
    async fn() {
      const name = `${NAME}-${program === OURS.lxc ? "a" : "b"}`;
      const here = client(program, name);
      const { lxc } = here;
      const trust = ["--accept-certificate", "--password"];
      await here.fails("remote", "add", "deb", "127.0.0.1:8444", ...trust, "wrong");
      await lxc("remote", "add", "deb", "127.0.0.1:8444", ...trust, "sesame");

      for (const mode of ["pull", "push", "relay"]) {
        await lxc("image", "copy", "tiny", "deb:", "--copy-aliases", "--mode", mode);
        assert.equal(await has(here, "deb"), true, mode);
        if (mode !== "relay") await lxc("image", "delete", "deb:tiny");
      }
      await lxc("launch", "deb:tiny", `deb:${name}`);
      assert.equal(await lxc("exec", `deb:${name}`, "--", "echo", "hello"), "hello\n");
      await lxc("delete", "--force", `deb:${name}`);

      await lxc("image", "delete", "local:tiny");
      await lxc("init", "deb:tiny", name);
      assert.equal(await has(here, "local"), true, "fetched from Debian's LXD for an instance");
      await lxc("delete", name);
      await lxc("image", "delete", `local:${image}`);
      // Debian's client takes the name of the local socket for a host where it pushes to it.
      const mode = program === OURS.lxc ? "push" : "pull";
      await lxc("image", "copy", "deb:tiny", "local:", "--copy-aliases", "--mode", mode);
      assert.equal(await has(here, "local"), true, `${mode} from Debian's LXD`);
      await lxc("image", "delete", "deb:tiny");
      await lxc("remote", "remove", "deb");
    },
  });

  Deno.test({
    name: `remotes: ${who} gets in by a token of ours, and sees when the certificate is another`,
    ignore: !hasLxd,
    async fn() {
      const folder = `${NAME}-${program === OURS.lxc ? "c" : "d"}`;
      const here = client(program, folder);
      const { lxc } = here;
      const text = (await lxc("config", "trust", "add", "--name", folder, "-q")).trim();
      const token = text.split("\n").at(-1) ?? "";

      await lxc("remote", "add", "us", token);

      assert.match(await lxc("info", "us:"), /auth: trusted/);
      await client(program, `${folder}-late`).fails("remote", "add", "us", token);
      const pinned = `${ours.folder}/${folder}/servercerts/us.crt`;
      await Deno.writeTextFile(pinned, await Deno.readTextFile(`${theirs.directory}/server.crt`));
      assert.match(await here.fails("info", "us:"), /certificate/);
      await lxc("remote", "remove", "us");
    },
  });
}
