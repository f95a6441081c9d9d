/** `lxd image serve` in the network of a daemon. */
import { addressBytes } from "#base/ip.ts";
import { selfSigned } from "#base/x509.ts";
import { OURS, type TestDaemon } from "./daemon.ts";

/** A certificate for 127.0.0.1 and a name that no name server knows, as files. */
export async function serverCertificate(folder: string) {
  const pair = await selfSigned({
    kind: "server",
    commonName: "images",
    dnsNames: ["localhost", "images.invalid"],
    addresses: [addressBytes("127.0.0.1") ?? new Uint8Array()],
  });
  const [certificate, key] = [`${folder}/images.crt`, `${folder}/images.key`];
  await Deno.writeTextFile(certificate, pair.certificatePem);
  await Deno.writeTextFile(key, pair.keyPem);
  return { certificate, key };
}

export interface Served extends AsyncDisposable {
  readonly url: string;
  /** A line for each request. */
  readonly requests: string[];
}

/** Serve `directory` on 127.0.0.1 in the daemon's network. */
export async function serveTree(
  daemon: TestDaemon,
  directory: string,
  options: { certificate: string; key: string; port: number },
): Promise<Served> {
  const { certificate, key, port } = options;
  const child = new Deno.Command("nsenter", {
    args: [
      ...["-t", `${daemon.pid}`, "-n", "--", OURS.lxd, "image", "serve", directory],
      ...["--address", `127.0.0.1:${port}`, "--certificate", certificate, "--key", key],
    ],
    env: daemon.env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const requests: string[] = [];
  const reading = linesOf(child.stderr, (line) => requests.push(line));
  const started = Promise.withResolvers<void>();
  const talking = linesOf(child.stdout, (line) => {
    if (line.startsWith("Serving ")) started.resolve();
  }).then(() => started.reject(new Error(`the server ended\n${requests.join("\n")}`)));
  await started.promise;
  return {
    url: `https://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Promise.all([reading, talking]);
    },
  };
}

/** Calls `each` for each line, until the stream ends. */
export async function linesOf(
  stream: ReadableStream<Uint8Array>,
  each: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(each);
  }
}
