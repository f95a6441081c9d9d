/** Backups in the format of btrfs go from our daemon to Debian's LXD and back. */
import { must } from "#tests/world/run.ts";
import {
  bothWays,
  type Client,
  hasLxd,
  inMountsOf,
  onPool,
  readOnPool,
  startTwoWithClient,
  type TwoServers,
  writeOnPool,
} from "./two_servers.ts";
import assert from "node:assert/strict";
import { isInstalled } from "./installed.ts";

const NAME = `bak${Deno.pid}`;
const hasBtrfs = await isInstalled("/usr/bin/btrfs", "btrfs-progs");
const ignore = !hasLxd || !hasBtrfs;

let servers: TwoServers;
let client: Client;

Deno.test.beforeAll(async () => {
  if (ignore) return;
  ({ servers, client } = await startTwoWithClient(NAME, "btrfs"));
});
Deno.test.afterAll(async () => {
  if (!ignore) await servers[Symbol.asyncDispose]();
});

Deno.test({
  name:
    "backup: an optimized one of an instance is taken by the other server, with snapshots and subvolumes",
  ignore,
  async fn() {
    const { lxc } = client;
    for (const { from, source, to, target } of bothWays(servers)) {
      const file = `${servers.ours.daemon.folder}/${from}.tar.gz`;
      const root = `pool/containers/${NAME}/rootfs`;
      await lxc("init", `${from}:tiny`, `${from}:${NAME}`);
      for (const path of ["sub-a", "sub-a/b"]) {
        await inMountsOf(source, "btrfs", "subvolume", "create", onPool(source, `${root}/${path}`));
      }
      await writeOnPool(source, `${root}/sub-a/b/file`, "first");
      await lxc("snapshot", `${from}:${NAME}`, "s0");
      await writeOnPool(source, `${root}/sub-a/b/file`, "second");
      const nested = onPool(source, `${root}/sub-a/b`);
      await inMountsOf(source, "btrfs", "property", "set", nested, "ro", "true");

      await lxc("export", `${from}:${NAME}`, file, "--optimized-storage");
      const names = await must(["tar", "-tf", file]);
      await lxc("import", `${to}:`, file);

      assert.match(names, /^backup\/container_rootfs-sub--a-b\.bin$/m);
      assert.match(names, /^backup\/snapshots\/s0\.bin$/m);
      assert.equal(await readOnPool(target, `${root}/sub-a/b/file`), "second", from);
      const ro = await inMountsOf(
        target,
        ...["btrfs", "property", "get", onPool(target, `${root}/sub-a/b`), "ro"],
      );
      assert.equal(ro.trim(), "ro=true");
      const old = `pool/containers-snapshots/${NAME}/s0/rootfs/sub-a/b/file`;
      assert.equal(await readOnPool(target, old), "first");
      await lxc("start", `${to}:${NAME}`);
      assert.equal(await lxc("exec", `${to}:${NAME}`, "--", "cat", "/sub-a/b/file"), "second\n");
      for (const remote of [from, to]) await lxc("delete", "--force", `${remote}:${NAME}`);
    }
  },
});

Deno.test({
  name:
    "backup: an optimized one of a volume is taken by the other server, and by no pool of another kind",
  ignore,
  async fn() {
    const { lxc, fails } = client;
    const volume = (...args: string[]) => lxc("storage", "volume", ...args);
    for (const { from, source, to, target } of bothWays(servers)) {
      const file = `${servers.ours.daemon.folder}/${from}-volume.tar.gz`;
      await volume("create", `${from}:pool`, "data", "user.mark=1");
      await writeOnPool(source, "pool/custom/default_data/file", "first");
      await volume("snapshot", `${from}:pool`, "data", "s0");
      await writeOnPool(source, "pool/custom/default_data/file", "second");

      await volume("export", `${from}:pool`, "data", file, "--optimized-storage");
      await volume("import", `${to}:pool`, file, "copy");

      assert.equal(await readOnPool(target, "pool/custom/default_copy/file"), "second", from);
      assert.equal(await readOnPool(target, "pool/custom-snapshots/default_copy/s0/file"), "first");
      assert.equal((await volume("get", `${to}:pool`, "copy", "user.mark")).trim(), "1");
      await volume("delete", `${from}:pool`, "data");
      await volume("delete", `${to}:pool`, "copy");
      if (from === "deb") {
        await lxc("storage", "create", "us:plain", "dir");
        assert.match(await fails("storage", "volume", "import", "us:plain", file), /differs/);
        await lxc("storage", "delete", "us:plain");
      }
    }
  },
});
