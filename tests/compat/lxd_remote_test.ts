/** Our daemon and Debian's LXD as each other's remotes, from our client and from Debian's. */
import { DEBIAN, OURS } from "#tests/world/daemon.ts";
import {
  buildImage,
  type Client,
  clientOf,
  hasLxd,
  startTwoServers,
  type TwoServers,
} from "./two_servers.ts";
import assert from "node:assert/strict";

const NAME = `remote${Deno.pid}`;

let servers: TwoServers;
let image: string;

Deno.test.beforeAll(async () => {
  if (!hasLxd) return;
  servers = await startTwoServers();
  image = await buildImage(servers.ours);
});
Deno.test.afterAll(async () => {
  if (hasLxd) await servers[Symbol.asyncDispose]();
});

const has = async ({ lxc }: Client, remote: string) =>
  (await lxc("image", "list", `${remote}:`, "-f", "csv", "-c", "F")).includes(image);

for (const [who, program] of [["our client", OURS.lxc], ["Debian's client", DEBIAN.lxc]] as const) {
  Deno.test({
    name: `remotes: ${who} carries an image to Debian's LXD and back, and launches from it`,
    ignore: !hasLxd,
    async fn() {
      const name = `${NAME}-${program === OURS.lxc ? "a" : "b"}`;
      const here = clientOf(servers, program, name);
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

      await lxc("image", "delete", `local:${image}`);
      await lxc("query", "-X", "PATCH", "-d", `{"public": true}`, `deb:/1.0/images/${image}`);
      await lxc("image", "copy", "deb:tiny", "local:", "--auto-update", "--copy-aliases");
      const copied = await servers.ours.api.get(`/1.0/images/${image}`);
      assert.deepEqual([copied.auto_update, copied.update_source.alias], [true, "tiny"]);
      await lxc("image", "delete", "deb:tiny");
      await lxc("remote", "remove", "deb");
    },
  });

  Deno.test({
    name: `remotes: ${who} gets in by a token of ours, and sees when the certificate is another`,
    ignore: !hasLxd,
    async fn() {
      const folder = `${NAME}-${program === OURS.lxc ? "c" : "d"}`;
      const here = clientOf(servers, program, folder);
      const { lxc } = here;
      const text = (await lxc("config", "trust", "add", "--name", folder, "-q")).trim();
      const token = text.split("\n").at(-1) ?? "";

      await lxc("remote", "add", "us", token);

      assert.match(await lxc("info", "us:"), /auth: trusted/);
      await clientOf(servers, program, `${folder}-late`).fails("remote", "add", "us", token);
      const { ours, theirs } = servers;
      const pinned = `${ours.daemon.folder}/${folder}/servercerts/us.crt`;
      await Deno.writeTextFile(
        pinned,
        await Deno.readTextFile(`${theirs.daemon.directory}/server.crt`),
      );
      assert.match(await here.fails("info", "us:"), /certificate/);
      await lxc("remote", "remove", "us");
    },
  });
}
