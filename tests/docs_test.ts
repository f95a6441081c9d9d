/** docs/ says what the tables of the program say, and README.md names what exists. */
import { docs } from "#tools/docgen/docs.ts";
import assert from "node:assert/strict";

const at = (path: string) => new URL(`../${path}`, import.meta.url);

Deno.test("docs: every page is what tools/docs would write", async () => {
  const stale: string[] = [];
  for (const [name, text] of await docs()) {
    if (await Deno.readTextFile(at(`docs/${name}`)).catch(() => "") !== text) stale.push(name);
  }

  assert.deepEqual(stale, [], "run tools/docs");
});

/** They are found as exported tables of api/config: one that is exported no more would be gone. */
const PARTS = [
  "Instances and profiles",
  ...["bridge", "macvlan", "physical", "sriov", "tunnel"].map((type) => `Networks (${type})`),
  ...[
    "pool_btrfs",
    "pool_dir",
    "pool",
    "pool_lvm",
    "pool_zfs",
    "volume",
    "volume_lvm",
    "volume_zfs",
  ]
    .map((table) => `Storage pools and volumes (${table})`),
  "Projects",
  "Server",
  "Volatile keys of instances",
];

Deno.test("docs: config.md has a part for each kind of key", async () => {
  const config = (await docs()).get("config.md") ?? "";

  const parts = [...config.matchAll(/^## (.*)$/gm)].map(([, title]) => title);

  assert.deepEqual(parts, PARTS);
});

/** A plain list in api/config/project_keys.ts: names that say what they limit. */
const PROJECT_KEYS = /^## Projects$.*?^(?=## )/ms;

Deno.test("docs: no key, route or command is without a summary", async () => {
  const pages = await docs();
  const column = { "config.md": 3, "devices.md": 3, "api.md": 2, "commands.md": 3 };
  const bare = Object.entries(column).flatMap(([name, index]) =>
    (pages.get(name) ?? "").replace(PROJECT_KEYS, "").split("\n").filter((line) =>
      line.startsWith("| ") && line.split(" | ")[index]?.trim() === ""
    )
  );

  assert.deepEqual(bare, []);
});

Deno.test("README: every file and folder that it links to exists", async () => {
  for (const page of ["README.md", "daemon/README.md"]) {
    const folder = page.split("/").slice(0, -1).map((part) => `${part}/`).join("");
    const text = await Deno.readTextFile(at(page));
    const targets = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target]) => target);

    assert.ok(targets.length > 0);
    for (const target of targets) await Deno.stat(at(`${folder}${target}`));
  }
});

Deno.test("README: every dependency has its reason, and no other is named", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(at("deno.json")));
  const packages = Object.keys(imports).filter((name) => !name.startsWith("#"));
  const text = await Deno.readTextFile(at("README.md"));
  const part = /^## Dependencies$(.*?)^## /ms.exec(text)?.[1] ?? "";
  const named = [...part.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, name]) => name);

  assert.deepEqual(named.toSorted(), packages.toSorted());
});
