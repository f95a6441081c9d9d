/** `lxd image serve` in the network of a daemon. */
import { addressBytes } from "#base/ip.ts";
import { selfSigned } from "#base/x509.ts";
import { OURS, type TestDaemon } from "./daemon.ts";

/** A certificate for 127.0.0.1, a name that no name server knows and `names`, as files. */
export async function serverCertificate(folder: string, names: readonly string[] = []) {
  const pair = await selfSigned({
    kind: "server",
    commonName: "images",
    dnsNames: ["localhost", "images.invalid", ...names],
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
  /** As a crash ends it. */
  kill(): Promise<void>;
}

/** Serve `directory` on 127.0.0.1 (or another address) in the daemon's network. */
export async function serveTree(
  daemon: TestDaemon,
  directory: string,
  options: { certificate: string; key: string; port: number; host?: string },
): Promise<Served> {
  const { certificate, key, port, host = "127.0.0.1" } = options;
  const child = new Deno.Command("nsenter", {
    args: [
      ...["-t", `${daemon.pid}`, "-n", "--", OURS.lxd, "image", "serve", directory],
      ...["--address", `${host}:${port}`, "--certificate", certificate, "--key", key],
    ],
    env: daemon.env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended = false;
  void child.status.then(() => ended = true);
  const requests: string[] = [];
  const reading = linesOf(child.stderr, (line) => requests.push(line));
  const started = Promise.withResolvers<void>();
  const talking = linesOf(child.stdout, (line) => {
    if (line.startsWith("Serving ")) started.resolve();
  }).then(() => started.reject(new Error(`the server ended\n${requests.join("\n")}`)));
  await started.promise;
  return {
    url: `https://${host}:${port}`,
    requests,
    async kill() {
      child.kill("SIGKILL");
      await child.status;
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGTERM");
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
