/** Instances and volumes between our daemon and Debian's LXD, both ways, by our client and Debian's. */
import { DEBIAN, OURS } from "#tests/world/daemon.ts";
import {
  bothWays,
  buildImage,
  hasLxd,
  type Server,
  startTwoServers,
  trustedClient,
  type TwoServers,
} from "./two_servers.ts";
import assert from "node:assert/strict";

const NAME = `mig${Deno.pid}`;
/** Debian's client proves less of the servers: what it asks for is what ours asks for. */
const CLIENTS = [
  ["our client", OURS.lxc, "a", ["pull", "push", "relay"]],
  ["Debian's client", DEBIAN.lxc, "b", ["pull"]],
] as const;

let servers: TwoServers;

Deno.test.beforeAll(async () => {
  if (!hasLxd) return;
  servers = await startTwoServers();
  await buildImage(servers.ours);
});
Deno.test.afterAll(async () => {
  if (hasLxd) await servers[Symbol.asyncDispose]();
});

/** What is on the pool, as the daemon sees it. */
const onPool = ({ daemon }: Server, path: string) =>
  `/proc/${daemon.pid}/root${daemon.directory}/storage-pools/pool/${path}`;

for (const [who, program, letter, modes] of CLIENTS) {
  Deno.test({
    name: `migration: ${who} copies, refreshes and moves an instance between ours and Debian's LXD`,
    ignore: !hasLxd,
    async fn() {
      const { lxc, fails } = await trustedClient(servers, program, `${NAME}${letter}`);
      const name = `${NAME}${letter}`;
      await lxc("init", "tiny", name, "-c", "user.mark=1");
      await lxc("copy", `us:${name}`, `deb:${name}`);
      for (const { from, to, target: server } of bothWays(servers)) {
        await lxc("config", "set", `${from}:${name}`, `user.from=${from}`);
        await lxc("storage", "volume", "set", `${from}:pool`, `container/${name}`, "user.v=s0");
        await lxc("snapshot", `${from}:${name}`, "s0");
        await lxc("storage", "volume", "set", `${from}:pool`, `container/${name}`, "user.v=now");
        for (const mode of modes) {
          const copy = `${name}-${mode}`;
          const there = `${to}:${copy}`;
          await lxc("copy", `${from}:${name}`, there, `--mode=${mode}`);
          assert.equal((await lxc("config", "get", there, "user.from")).trim(), from);
          assert.match(await lxc("config", "show", `${there}/s0`), /user.from/);
          for (const [volume, value] of [[copy, "now"], [`${copy}/s0`, "s0"]]) {
            const args = ["volume", "get", `${to}:pool`, `container/${volume}`, "user.v"];
            assert.equal((await lxc("storage", ...args)).trim(), value, `${volume} ${mode}`);
          }
          assert.equal((await Deno.stat(onPool(server, `containers/${copy}/rootfs/bin`))).uid, 0);

          await lxc("snapshot", `${from}:${name}`, `s-${mode}`);
          await lxc("copy", `${from}:${name}`, there, `--mode=${mode}`, "--refresh");
          assert.match(await lxc("info", there), new RegExp(`s-${mode}`));
          await lxc("start", there);
          assert.equal(await lxc("exec", there, "--", "echo", "up"), "up\n");
          assert.match(await fails("copy", `${from}:${name}`, there, `--mode=${mode}`), /exists/);
          await lxc("delete", "--force", there);
          await lxc("copy", `${from}:${name}/s0`, there, `--mode=${mode}`);
          await lxc("move", there, `${from}:${copy}`, `--mode=${mode}`);
          await fails("info", there);
          await lxc("delete", `${from}:${copy}`);
        }
      }
      for (const remote of ["us", "deb"]) await lxc("delete", `${remote}:${name}`);
    },
  });

  Deno.test({
    name: `migration: ${who} copies, refreshes and moves volumes between ours and Debian's LXD`,
    ignore: !hasLxd,
    async fn() {
      const { lxc, fails } = await trustedClient(servers, program, `${NAME}${letter}v`);
      const volume = (...args: string[]) => lxc("storage", "volume", ...args);
      for (const { from, to, target: server } of bothWays(servers)) {
        const at = `${from}:pool`;
        const source = from === "us" ? servers.ours : servers.theirs;
        for (const type of ["filesystem", "block"]) {
          const file = type === "block" ? "root.img" : "file";
          const read = (name: string) => head(onPool(server, name), file);
          await volume("create", at, "vol", `--type=${type}`, "size=1MiB");
          await volume("set", at, "vol", "user.v", "s0");
          await overwrite(source, file, "first", type);
          await volume("snapshot", at, "vol", "s0");
          await volume("set", at, "vol", "user.v", "now");
          await overwrite(source, file, "other", type);
          for (const mode of modes) {
            const there = `${to}:pool/copy`;
            await volume("copy", `${at}/vol`, there, `--mode=${mode}`);
            assert.equal(await read("custom/default_copy"), "other", `${type} ${mode}`);
            assert.equal(await read("custom-snapshots/default_copy/s0"), "first");
            for (const [name, value] of [["copy", "now"], ["copy/s0", "s0"]] as const) {
              assert.equal((await volume("get", `${to}:pool`, name, "user.v")).trim(), value);
            }
            const again = ["copy", `${at}/vol`, there, `--mode=${mode}`];
            assert.match(await fails("storage", "volume", ...again), /exists/);
            await overwrite(source, file, "third", type);
            await volume("snapshot", at, "vol", `s-${mode}`);
            await volume(...again, "--refresh");
            assert.equal(await read("custom/default_copy"), "third");
            assert.equal(await read(`custom-snapshots/default_copy/s-${mode}`), "third");
            await overwrite(source, file, "other", type);

            await volume("move", there, `${at}/back`, `--mode=${mode}`);
            await fails("storage", "volume", "show", `${to}:pool`, "copy");
            await volume("delete", at, "back");
            await volume("copy", `${at}/vol`, there, `--mode=${mode}`, "--volume-only");
            await fails("storage", "volume", "show", `${to}:pool`, "copy/s0");
            await volume("delete", `${to}:pool`, "copy");
          }
          await volume("delete", at, "vol");
        }
      }
    },
  });
}

/** The first five bytes of a file in a volume, or of a disk. */
async function head(directory: string, file: string): Promise<string> {
  using open = await Deno.open(`${directory}/${file}`);
  const bytes = new Uint8Array(5);
  await open.read(bytes);
  return new TextDecoder().decode(bytes);
}

let writes = 0;

/** Each time with another length: rsync of LXD compares sizes and whole seconds only. */
async function overwrite(server: Server, file: string, text: string, type: string) {
  const path = onPool(server, `custom/default_vol/${file}`);
  const isFile = type !== "block";
  using open = await Deno.open(path, { write: true, create: isFile, truncate: isFile });
  await open.write(new TextEncoder().encode(text + "!".repeat(++writes)));
}
