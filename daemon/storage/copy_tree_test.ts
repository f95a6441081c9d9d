import { hostPath } from "#base/brand.ts";
import { treeBytes } from "./copy_tree.ts";
import assert from "node:assert/strict";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function du(path: string): Promise<number> {
  const { stdout } = await new Deno.Command("du", { args: ["-sx", "-B1", path] }).output();
  return Number.parseInt(new TextDecoder().decode(stdout));
}

Deno.test("treeBytes() counts as du does: holes, links once, links to nowhere", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/a/b`, { recursive: true });
    await Deno.writeFile(`${folder}/a/full`, new Uint8Array(100_000).fill(1));
    await Deno.link(`${folder}/a/full`, `${folder}/a/b/same`);
    await Deno.writeTextFile(`${folder}/a/hole`, "");
    await Deno.truncate(`${folder}/a/hole`, 2 ** 30);
    await Deno.symlink("/nowhere", `${folder}/a/link`);

    assert.equal(await treeBytes(hostPath(folder)), await du(folder));
  });
});

Deno.test("treeBytes() of a tree of many files is that of du too", async () => {
  await inFolder(async (folder) => {
    for (let index = 0; index < 500; index++) await Deno.writeTextFile(`${folder}/${index}`, "x");

    assert.equal(await treeBytes(hostPath(folder)), await du(folder));
  });
});

Deno.test("treeBytes() of what is not there is 0", async () => {
  assert.equal(await treeBytes(hostPath("/nowhere/at/all")), 0);
});
