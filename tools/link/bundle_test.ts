import assert from "node:assert/strict";
import { bundleStart, bundleWhole, stopBundler } from "./bundle.ts";

const root = new URL("../../", import.meta.url).pathname.replace(/\/$/, "");
const START_BYTES = { exec: 60_000, common: 120_000 } as const;
const WHOLE_BYTES = 400_000;

for (const [part, most] of Object.entries(START_BYTES)) {
  Deno.test(`the client's part "${part}" stays small and needs no node: module to start`, async () => {
    const { code, meta } = await bundleStart(root, part as keyof typeof START_BYTES);
    await stopBundler();

    assert.ok(code.length < most, `${code.length} bytes`);
    const inputs = Object.entries(meta.inputs);
    const atStart = inputs.flatMap(([from, { imports }]) =>
      imports.filter(({ kind, path }) => kind === "import-statement" && path.startsWith("node:"))
        .map(({ path }) => `${from} imports ${path}`)
    );
    assert.deepEqual(atStart, []);
    const packages = inputs.map(([path]) => path).filter((path) => path.includes("node_modules"));
    assert.deepEqual(packages, []);
  });
}

Deno.test("the whole client stays small enough to be parsed at a call", async () => {
  const { code } = await bundleWhole(root);
  await stopBundler();

  assert.ok(code.length < WHOLE_BYTES, `${code.length} bytes`);
});
