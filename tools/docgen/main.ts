/** Write docs/ out of the tables, or say which pages are stale. */
import { readIfThere } from "#daemon/host/files.ts";
import { docs } from "./docs.ts";

const DOCS = new URL("../../docs/", import.meta.url);

if (Deno.args.some((word) => word !== "--check")) {
  console.error("usage: tools/docs [--check]");
  Deno.exit(2);
}
await Deno.mkdir(DOCS, { recursive: true });
const stale: string[] = [];
for (const [name, text] of await docs()) {
  const file = new URL(name, DOCS);
  if (await readIfThere(file) === text) continue;
  stale.push(name);
  if (!Deno.args.includes("--check")) await Deno.writeTextFile(file, text);
}
const check = Deno.args.includes("--check");
for (const name of stale) {
  console.log(`docs/${name}: ${check ? "stale: run tools/docs" : "written"}`);
}
Deno.exit(check && stale.length > 0 ? 1 : 0);
