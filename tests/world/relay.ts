/** The daemon has a network of its own: a relay brings a unix socket to one of its ports. */
import { fingerprintOf, fromPem, selfSigned } from "#base/x509.ts";
import { Api } from "./api.ts";
import type { TestDaemon } from "./daemon.ts";

export interface Relay extends AsyncDisposable {
  readonly path: string;
}

const POLL_MS = 10;

export async function relayTo(daemon: TestDaemon, port: number): Promise<Relay> {
  const path = `${daemon.folder}/relay.${port}`;
  const child = new Deno.Command("nsenter", {
    args: [
      ...["-t", `${daemon.pid}`, "-n", "socat"],
      ...[`UNIX-LISTEN:${path},fork`, `TCP:127.0.0.1:${port}`],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  while (!await Deno.lstat(path).then(() => true, () => false)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

export interface TlsClient {
  readonly api: Api;
  readonly tls: { readonly cert: string; readonly key: string };
  readonly pem: string;
  readonly fingerprint: string;
}

/** A client with a certificate that nobody knows yet. */
export async function tlsClient(relay: Relay): Promise<TlsClient> {
  const { certificatePem, keyPem } = await selfSigned({ kind: "client", commonName: "test" });
  const tls = { cert: certificatePem, key: keyPem };
  return {
    api: new Api({ socketPath: relay.path, tls }),
    tls,
    pem: certificatePem,
    fingerprint: await fingerprintOf(fromPem(certificatePem)),
  };
}
