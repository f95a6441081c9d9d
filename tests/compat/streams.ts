/** Large and interactive input and output of a client. */
import { createHash } from "node:crypto";

export interface Sum {
  readonly bytes: number;
  readonly sha256: string;
}

const CHUNK = 1024 * 1024;

/** Write `bytes` random bytes to a program's input while reading its output. */
export async function pumpThrough(
  argv: readonly string[],
  env: Record<string, string>,
  bytes: number,
): Promise<{ sent: Sum; received: Sum }> {
  const [program = "", ...args] = argv;
  const child = new Deno.Command(program, { args, env, stdin: "piped", stdout: "piped" }).spawn();
  const received = sumOf(child.stdout);
  const sent = await sendTo(child.stdin, bytes);
  const result = { sent, received: await received };
  const { code } = await child.status;
  if (code !== 0) throw new Error(`${argv.join(" ")}: status ${code}`);
  return result;
}

async function sumOf(stream: ReadableStream<Uint8Array>): Promise<Sum> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** One random block, stamped with its number: a lost, doubled or moved block changes the sum. */
async function sendTo(stream: WritableStream<Uint8Array>, bytes: number): Promise<Sum> {
  const block = new Uint8Array(CHUNK);
  for (let at = 0; at < CHUNK; at += 65536) {
    crypto.getRandomValues(block.subarray(at, at + 65536));
  }
  const hash = createHash("sha256");
  const writer = stream.getWriter();
  for (let number = 0; number * CHUNK < bytes; number++) {
    new DataView(block.buffer).setUint32(0, number);
    hash.update(block);
    await writer.write(block.slice());
  }
  await writer.close();
  return { bytes, sha256: hash.digest("hex") };
}

export interface Typing {
  readonly env: Record<string, string>;
  readonly rows: number;
  readonly columns: number;
  readonly input: string;
}

/** Run a program on a terminal of its own, by script(1), and return what its screen showed. */
export async function typeInto(argv: readonly string[], typing: Typing): Promise<string> {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const command = `stty rows ${typing.rows} cols ${typing.columns}; exec ${quoted}`;
  const child = new Deno.Command("script", {
    args: ["-qefc", command, "/dev/null"],
    env: { ...typing.env, TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = new Response(child.stdout).text();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(typing.input));
  // An end of input would end the terminal: it stays open until the program has ended.
  const { code } = await child.status;
  await writer.close().catch(() => undefined);
  if (code !== 0) throw new Error(`${argv.join(" ")}: status ${code}\n${await output}`);
  return await output;
}
