import assert from "node:assert/strict";
import { bundleCommon, bundleWhole, stopBundler } from "./bundle.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const COMMON_BYTES = 150_000;
const WHOLE_BYTES = 400_000;

Deno.test("the common part of the client stays small and needs no node: module to start", async () => {
  const { code, meta } = await bundleCommon(root);
  await stopBundler();

  assert.ok(code.length < COMMON_BYTES, `${code.length} bytes`);
  const inputs = Object.entries(meta.inputs);
  const atStart = inputs.flatMap(([from, { imports }]) =>
    imports.filter(({ kind, path }) => kind === "import-statement" && path.startsWith("node:"))
      .map(({ path }) => `${from} imports ${path}`)
  );
  assert.deepEqual(atStart, []);
  const packages = inputs.map(([path]) => path).filter((path) => path.includes("node_modules"));
  assert.deepEqual(packages, []);
});

Deno.test("the whole client stays small enough to be parsed at a call", async () => {
  const { code } = await bundleWhole(root);
  await stopBundler();

  assert.ok(code.length < WHOLE_BYTES, `${code.length} bytes`);
});
