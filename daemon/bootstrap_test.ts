import assert from "node:assert/strict";
import { serverCertificate } from "./bootstrap.ts";
import { paths } from "./paths.ts";

Deno.test("serverCertificate() stays the same, and is not replaced when its key can't be read", async () => {
  const folder = await Deno.makeTempDir();
  const at = paths(folder);
  const made = await serverCertificate(at);

  assert.equal((await serverCertificate(at)).fingerprint, made.fingerprint);
  await Deno.remove(at.at("server.key"));
  await Deno.mkdir(at.at("server.key"));
  await assert.rejects(serverCertificate(at));

  assert.equal(await Deno.readTextFile(at.at("server.crt")), made.certificatePem);
  await Deno.remove(folder, { recursive: true });
});
