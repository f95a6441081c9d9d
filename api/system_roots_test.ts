import assert from "node:assert/strict";
import { systemRoots } from "./system_roots.ts";

const BLOCK = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;

async function folder() {
  const path = await Deno.makeTempDir();
  await Deno.mkdir(`${path}/more`);
  await Deno.writeTextFile(`${path}/one.pem`, `# first\n${BLOCK("AAAA")}\n${BLOCK("BBBB")}\n`);
  await Deno.writeTextFile(`${path}/more/two.pem`, BLOCK("CCCC"));
  await Deno.writeTextFile(`${path}/more/same.pem`, BLOCK("AAAA"));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("systemRoots() reads SSL_CERT_FILE and every file of SSL_CERT_DIR, each block once", async () => {
  await using where = await folder();
  const env: Record<string, string> = {
    SSL_CERT_FILE: `${where.path}/one.pem`,
    SSL_CERT_DIR: `/nowhere:${where.path}/more`,
  };

  const roots = systemRoots((name) => env[name]);

  assert.deepEqual(roots?.toSorted(), [BLOCK("AAAA"), BLOCK("BBBB"), BLOCK("CCCC")]);
});

Deno.test("systemRoots() trusts nobody when SSL_CERT_FILE names nothing", () => {
  assert.deepEqual(systemRoots((name) => name === "SSL_CERT_FILE" ? "/nowhere" : undefined), []);
});
