import { fromPem } from "#base/x509.ts";
import { paths } from "#daemon/paths.ts";
import { must } from "#tests/world/run.ts";
import assert from "node:assert/strict";
import { createAuthority, loadAuthority } from "./authority.ts";

const CONFIG = `[ca]
default_ca = own
[own]
dir = .
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir
default_md = sha256
default_crl_days = 30
policy = any
[any]
commonName = supplied
`;

/** An authority of openssl(1) with two clients, the second of them revoked. */
async function pki(folder: string, keyArgs: readonly string[]) {
  const openssl = (...args: string[]) => must(["openssl", ...args], { cwd: folder });
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/config`, CONFIG);
  await Deno.writeTextFile(`${folder}/index.txt`, "");
  await Deno.writeTextFile(`${folder}/serial`, "8001\n");
  const subject = ["-nodes", "-subj"];
  await openssl(
    "req",
    "-x509",
    ...keyArgs,
    ...subject,
    "/CN=ca",
    "-keyout",
    "ca.key",
    "-out",
    "ca",
  );
  for (const name of ["good", "bad"]) {
    const out = ["-keyout", `${name}.key`, "-out", `${name}.csr`];
    await openssl("req", ...keyArgs, ...subject, `/CN=${name}`, ...out);
    const sign = ["-in", `${name}.csr`, "-out", name, "-days", "3", "-notext"];
    const by = ["-config", "config", "-cert", "ca", "-keyfile", "ca.key"];
    await openssl("ca", "-batch", ...by, ...sign);
  }
  const own = ["-config", "config", "-cert", "ca", "-keyfile", "ca.key"];
  await openssl("ca", ...own, "-revoke", "bad");
  await openssl("ca", ...own, "-gencrl", "-out", "crl");
  return {
    ca: await read("ca"),
    crl: await read("crl"),
    good: fromPem(await read("good")),
    bad: fromPem(await read("bad")),
  };
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"];
const RSA = ["-newkey", "rsa:2048"];

for (const [name, keyArgs] of [["EC", EC], ["RSA", RSA]] as const) {
  Deno.test(`createAuthority() accepts its own, not revoked ones or strangers (${name})`, async () => {
    await withFolder(async (folder) => {
      const own = await pki(`${folder}/own`, keyArgs);
      const other = await pki(`${folder}/other`, keyArgs);
      const authority = createAuthority(own.ca, own.crl);

      assert.equal(authority.accepts(own.good), true);
      assert.equal(authority.accepts(own.bad), false);
      assert.equal(authority.accepts(other.good), false);
      assert.equal(authority.accepts(new Uint8Array([1, 2, 3])), false);
      assert.equal(createAuthority(own.ca, undefined).accepts(own.bad), true);
      assert.throws(() => createAuthority(own.ca, other.crl), /not signed by server.ca/);
    });
  });
}

Deno.test("loadAuthority() throws where a file is there that can't be read: nobody is let in by mistake", async () => {
  await withFolder(async (folder) => {
    const own = await pki(`${folder}/own`, EC);
    await Deno.writeTextFile(`${folder}/server.ca`, own.ca);
    assert.ok(await loadAuthority(paths(folder)));

    await Deno.mkdir(`${folder}/ca.crl`);

    await assert.rejects(loadAuthority(paths(folder)), { kind: "bad_request" });
  });
});
