import { Fault } from "#base/errors.ts";
import assert from "node:assert/strict";
import { usablePoolType } from "./pool_types.ts";

/** What a driver says where PATH has only these programs, of which none does anything. */
async function refusal(driver: string, programs: readonly string[]): Promise<[string, string]> {
  const folder = await Deno.makeTempDir({ prefix: "lxd-path." });
  const path = Deno.env.get("PATH") ?? "";
  try {
    for (const name of programs) {
      await Deno.writeTextFile(`${folder}/${name}`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    }
    Deno.env.set("PATH", folder);
    await usablePoolType(driver);
  } catch (error) {
    assert.ok(error instanceof Fault && error.kind === "bad_request", String(error));
    return [error.message, error.hint ?? ""];
  } finally {
    Deno.env.set("PATH", path);
    await Deno.remove(folder, { recursive: true });
  }
  throw new Error(`${driver} is usable`);
}

Deno.test("a driver without its tools names the one that is missing and its package", async () => {
  const missing = [
    ["btrfs", [], "btrfs", "btrfs-progs"],
    ["lvm", [], "lvm", "lvm2"],
    ["zfs", [], "zfs", "zfsutils-linux"],
    ["zfs", ["zfs"], "zpool", "zfsutils-linux"],
  ] as const;
  for (const [driver, programs, tool, debian] of missing) {
    const [message, hint] = await refusal(driver, programs);
    assert.match(message, new RegExp(`Storage driver "${driver}" is not available: ${tool}`));
    assert.match(message, / is not installed$/);
    assert.match(hint, new RegExp(`apt install .*${debian}`));
  }
});

Deno.test({
  name: "ZFS's tools without its module name the package that has it",
  ignore: await Deno.stat("/sys/module/zfs").then(() => true, () => false),
  async fn() {
    const [message, hint] = await refusal("zfs", ["zfs", "zpool", "modprobe"]);
    assert.equal(message, 'Storage driver "zfs" is not available: the kernel has no module zfs');
    assert.match(hint, /apt install zfs-dkms/);
  },
});
