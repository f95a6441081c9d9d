/**
 * HTTP/1.1, the client's side: heads and bodies over a Duplex. Small and strict; bodies stream
 * both ways and nothing is buffered beyond the reader. @see RFC 9112
 */
import { type ByteReader, concat, type Duplex, UnexpectedEnd, writeAll } from "./bytes.ts";

const LINE_BYTES = 64 * 1024;
const HEADER_COUNT = 256;
const MAX_INTERIM = 8;

export type Headers1 = Readonly<Record<string, string>>;

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case; repeated ones joined by ", ". */
  readonly headers: Headers1;
  readonly keepAlive: boolean;
}

export interface RequestHead {
  readonly method: string;
  /** Path with query. */
  readonly target: string;
  readonly headers: Headers1;
  /** Bytes of the protocol that the request asks for, sent without waiting for the answer. */
  readonly early?: Uint8Array;
}

/** What a request carries: a text, bytes, or a stream (sent in chunks unless `length` is known). */
export type RequestBody = string | Uint8Array | {
  readonly stream: AsyncIterable<Uint8Array>;
  readonly length?: number;
};

/** The reply breaks HTTP. */
class BadReply extends Error {
  constructor(what: string) {
    super(`the server's reply is not HTTP: ${what}`);
    this.name = "BadReply";
  }
}

const encoder = new TextEncoder();

/** Send head and body. `stopped()` is asked before each chunk of a stream. */
export async function sendRequest(
  to: Duplex,
  head: RequestHead,
  body: RequestBody | undefined,
  stopped: () => boolean = () => false,
): Promise<void> {
  const lines = [`${head.method} ${head.target} HTTP/1.1`];
  for (const [name, value] of Object.entries(head.headers)) lines.push(`${name}: ${value}`);
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const plain = bytes instanceof Uint8Array ? bytes : undefined;
  const stream = bytes instanceof Uint8Array ? undefined : bytes;
  const chunked = stream !== undefined && stream.length === undefined;
  if (chunked) lines.push("Transfer-Encoding: chunked");
  else if (stream !== undefined) lines.push(`Content-Length: ${stream.length}`);
  else if (plain !== undefined) lines.push(`Content-Length: ${plain.length}`);
  else if (!["GET", "HEAD", "DELETE"].includes(head.method)) lines.push("Content-Length: 0");
  const text = encoder.encode(lines.join("\r\n") + "\r\n\r\n");
  if (head.early !== undefined) return await writeAll(to, concat([text, head.early]));
  if (plain !== undefined && plain.length < 64 * 1024) {
    return await writeAll(to, concat([text, plain]));
  }
  await writeAll(to, text);
  if (plain !== undefined) await writeAll(to, plain);
  if (stream === undefined) return;
  let sent = 0;
  for await (const chunk of stream.stream) {
    if (stopped()) return;
    if (chunk.length === 0) continue;
    sent += chunk.length;
    if (chunked) await writeAll(to, encoder.encode(`${chunk.length.toString(16)}\r\n`));
    await writeAll(to, chunk);
    if (chunked) await writeAll(to, CRLF);
  }
  if (chunked) await writeAll(to, encoder.encode("0\r\n\r\n"));
  else if (sent !== stream.length) throw new Error("the request's body changed while being sent");
}

const CRLF = encoder.encode("\r\n");

/** @returns undefined if the connection was closed before the first byte (a stale keep-alive). */
export async function readHead(reader: ByteReader): Promise<ResponseHead | undefined> {
  for (let interim = 0; interim < MAX_INTERIM; interim++) {
    const first = await reader.line(LINE_BYTES);
    if (first === undefined) return undefined;
    const match = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/.exec(first);
    if (match === null) throw new BadReply(JSON.stringify(first.slice(0, 60)));
    const status = Number(match[2]);
    const headers = await readHeaders(reader);
    if (status >= 200 || status === 101) {
      const connection = (headers.connection ?? "").toLowerCase();
      const keepAlive = match[1] === "1" ? connection !== "close" : connection === "keep-alive";
      return { status, headers, keepAlive };
    }
  }
  throw new BadReply("too many interim replies");
}

async function readHeaders(reader: ByteReader): Promise<Record<string, string>> {
  const headers: Record<string, string> = Object.create(null);
  for (let count = 0; count <= HEADER_COUNT; count++) {
    const line = await reader.line(LINE_BYTES);
    if (line === undefined) throw new UnexpectedEnd();
    if (line === "") return headers;
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    if (colon <= 0 || !/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) throw new BadReply("bad header line");
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  throw new BadReply("too many headers");
}

/**
 * The body in pieces; each piece is valid until the next one is asked for.
 * @returns whether the connection can carry another request afterwards.
 */
export async function* readBody(
  reader: ByteReader,
  head: ResponseHead,
  method: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>, boolean> {
  if (method === "HEAD" || head.status === 204 || head.status === 304) return head.keepAlive;
  const coding = head.headers["transfer-encoding"];
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") throw new BadReply(`transfer-encoding ${coding}`);
    yield* readChunks(reader);
    return head.keepAlive;
  }
  const length = head.headers["content-length"];
  if (length === undefined) {
    for (;;) {
      const piece = await reader.some(Infinity);
      if (piece === undefined) return false;
      yield piece;
    }
  }
  if (!/^\d{1,15}$/.test(length)) throw new BadReply(`content-length ${length}`);
  yield* readExactly(reader, Number(length));
  return head.keepAlive;
}

async function* readExactly(
  reader: ByteReader,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  for (let left = size; left > 0;) {
    const piece = await reader.some(left);
    if (piece === undefined) throw new UnexpectedEnd();
    left -= piece.length;
    yield piece;
  }
}

async function* readChunks(
  reader: ByteReader,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  for (;;) {
    const line = await reader.line(4096);
    if (line === undefined) throw new UnexpectedEnd();
    const match = /^([0-9a-fA-F]{1,12})[ \t]*(;.*)?$/.exec(line);
    if (match === null) throw new BadReply(`chunk size ${JSON.stringify(line.slice(0, 20))}`);
    const size = parseInt(match[1] ?? "", 16);
    if (size === 0) break;
    yield* readExactly(reader, size);
    if (await reader.line(2) !== "") throw new BadReply("chunk without its end");
  }
  await readHeaders(reader); // Trailers: read and dropped.
}
