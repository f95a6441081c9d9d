/**
 * A public image server (simplestreams), spoken to as if it were a server of this API that has
 * images and nothing else: the commands need not know the difference.
 */
import { concat } from "#api/bytes.ts";
import { userAgent } from "#api/client.ts";
import { loginHeaders, withoutLogin } from "#api/login.ts";
import { type Ask, type Part, resumed } from "#api/resume.ts";
import {
  aliasesOf,
  findStreamImage,
  imagesOf,
  INDEX_PATH,
  mirrorPaths,
  mirrorsOf,
  namesOf,
  productPaths,
  streamArchitecture,
  type StreamFile,
  type StreamImage,
} from "#api/simplestreams.ts";
import {
  StreamTransport,
  type Transport,
  type TransportReply,
  type TransportRequest,
} from "#api/transport.ts";
import { tlsDialer } from "#api/transport_tls.ts";
import { ARCHITECTURES, findArchitecture } from "#base/architectures.ts";
import { Fault } from "#base/errors.ts";
import { LIMITS } from "#base/limits.ts";

const HTTPS_PORT = 443;
const REDIRECTS_MAX = 5;
/** Said of servers that are asked for more than images. */
export const NOT_PRIVATE = "The remote isn't a private LXD server";

/** @param pinnedPem The only certificate that is accepted; undefined: it is verified. */
export function imageServer(addr: string, pinnedPem: string | undefined): Transport {
  const base = addr.replace(/\/$/, "");
  const own = streamArchitecture(Deno.build.arch);
  let offers: Promise<Offers> | undefined;
  return {
    async request({ method, target, signal }: TransportRequest) {
      const { pathname } = new URL(target, "http://server");
      const [, , kind, first, ...rest] = pathname.split("/").map(decodeURIComponent);
      if (method !== "GET") return failure(403, NOT_PRIVATE);
      if (kind === undefined) return envelope({ auth: "untrusted", api_extensions: [] });
      if (kind !== "images") return failure(403, NOT_PRIVATE);
      const { images: all, mirrors } = await (offers ??= readOffers(base, pinnedPem));
      if (first === undefined) return envelope(all.map((image) => render(image, own)));
      if (first === "aliases") {
        const aliases = aliasesOf(all, own);
        if (rest[0] === undefined) return envelope(aliases);
        const found = aliases.find(({ name }) => name === rest.join("/"));
        return found === undefined ? failure(404, "Image alias not found") : envelope(found);
      }
      const image = find(all, first, own);
      if (image === undefined) return failure(404, "Image not found");
      if (rest[0] !== "export") return envelope(render(image, own));
      const get = (url: string, ask: Ask) => fetchFrom(url, { ...ask, pinnedPem });
      return download(image, ({ path }) => {
        const urls = [base, ...mirrors].map((one) => `${one}/${path}`);
        return resumed(urls, { get, signal });
      });
    },
    websocket: () => Promise.reject(new Error(NOT_PRIVATE)),
    upgrade: () => Promise.reject(new Error(NOT_PRIVATE)),
    close() {},
  };
}

function find(all: readonly StreamImage[], name: string, architecture: string) {
  for (const type of ["container", "virtual-machine"]) {
    const found = findStreamImage(all, { name, architecture, type });
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Offers {
  readonly images: readonly StreamImage[];
  /** Where its files lie too, as the server says. */
  readonly mirrors: readonly string[];
}

async function readOffers(base: string, pinnedPem: string | undefined): Promise<Offers> {
  const readJson = async (path: string): Promise<unknown> => {
    const get = (url: string, ask: Ask) => fetchFrom(url, { ...ask, pinnedPem });
    const parts = resumed([`${base}/${path}`], { get, tries: LIMITS.streamsTries });
    const bytes = concat(await Array.fromAsync(parts, ({ piece }) => piece.slice()));
    return JSON.parse(new TextDecoder().decode(bytes));
  };
  const index = await readJson(INDEX_PATH);
  const images: StreamImage[] = [];
  for (const path of productPaths(index)) images.push(...imagesOf(await readJson(path)));
  const mirrors: string[] = [];
  for (const path of mirrorPaths(index)) {
    mirrors.push(
      ...await readJson(path).then(mirrorsOf)
        .catch(() => []), // Ignored: the server may do without them.
    );
  }
  return { images, mirrors };
}

interface FetchOptions extends Partial<Ask> {
  readonly pinnedPem: string | undefined;
}

async function fetchFrom(
  url: string,
  { pinnedPem, signal, headers, turn }: FetchOptions,
): Promise<TransportReply> {
  let at = url;
  for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
    const { pathname, search, protocol } = new URL(at);
    if (protocol !== "https:") throw new Error(`cannot fetch "${withoutLogin(at)}": want https`);
    const dialer = tlsDialer(at, {
      ...{ pinnedPem, allowOldTls: true, defaultPort: HTTPS_PORT },
      ...(turn !== undefined && { turn }),
    });
    const reply = await new StreamTransport(dialer, userAgent()).request({
      method: "GET",
      target: pathname + search,
      headers: { ...loginHeaders(at), ...headers, Connection: "close" },
      ...(signal !== undefined && { signal }),
    });
    if (reply.status < 300) return reply;
    reply.cancel();
    const { location } = reply.headers;
    if (reply.status >= 400 || location === undefined) {
      const kind = reply.status === 404 || reply.status === 410 ? "not_found" : "unavailable";
      throw new Fault(
        kind,
        `cannot fetch "${withoutLogin(at)}": the server answered status ${reply.status}`,
      );
    }
    at = new URL(location, at).href;
  }
  throw new Error(`cannot fetch "${withoutLogin(url)}": too many redirects`);
}

const NEVER = "1970-01-01T00:00:00Z";

function render(image: StreamImage, own: string) {
  const { fingerprint, type, properties, filename, size, createdAt, expiresAt } = image;
  const number = findArchitecture(image.architecture);
  return {
    auto_update: false,
    properties,
    public: true,
    expires_at: expiresAt || NEVER,
    profiles: [],
    aliases: namesOf(image, own).map((name) => ({ name, description: "" })),
    architecture: number === undefined ? image.architecture : ARCHITECTURES[number],
    cached: false,
    filename,
    fingerprint,
    size,
    type,
    created_at: createdAt,
    last_used_at: NEVER,
    uploaded_at: createdAt,
  };
}

/** As this API sends an image: one file, or two in a multipart form. */
function download(
  { meta, rootfs }: StreamImage,
  open: (file: StreamFile) => AsyncIterable<Part>,
): TransportReply {
  const nameOf = (file: StreamFile) => file.path.split("/").at(-1) ?? "";
  if (rootfs === undefined) {
    return replyOf(200, {
      "content-type": "application/octet-stream",
      "content-disposition": `inline;filename=${nameOf(meta)}`,
    }, verified(open, meta));
  }
  const boundary = crypto.randomUUID();
  const encoder = new TextEncoder();
  async function* pieces() {
    for (const [name, file] of [["metadata", meta], ["rootfs", rootfs]] as const) {
      if (file === undefined) continue;
      yield encoder.encode(
        `\r\n--${boundary}\r\nContent-Disposition: form-data; name="${name}"; ` +
          `filename="${nameOf(file)}"\r\n\r\n`,
      );
      yield* verified(open, file);
    }
    yield encoder.encode(`\r\n--${boundary}--\r\n`);
  }
  const type = `multipart/form-data; boundary=${boundary}`;
  return replyOf(200, { "content-type": type }, pieces());
}

/** @throws at its end, unless it has the sum that the server promised. */
async function* verified(
  open: (file: StreamFile) => AsyncIterable<Part>,
  file: StreamFile,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256");
  for await (const { piece } of open(file)) {
    hash.update(piece);
    yield piece;
  }
  const sum = hash.digest("hex");
  if (file.sha256 !== "" && sum !== file.sha256) {
    throw new Error(`cannot trust "${file.path}": its checksum is ${sum}`);
  }
}

const envelope = (metadata: unknown) => jsonReply(200, { type: "sync", metadata });
const failure = (status: number, error: string) =>
  jsonReply(status, { type: "error", error_code: status, error });

function jsonReply(status: number, fields: object): TransportReply {
  const whole = {
    status: "",
    status_code: status,
    operation: "",
    error_code: 0,
    error: "",
    metadata: null,
    ...fields,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(whole));
  async function* once() {
    yield await Promise.resolve(bytes);
  }
  return replyOf(status, { "content-type": "application/json" }, once());
}

function replyOf(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: AsyncGenerator<Uint8Array<ArrayBuffer>>,
): TransportReply {
  const bytes = async () => {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part.slice());
    return concat(parts);
  };
  return {
    status,
    headers,
    body,
    bytes,
    text: async () => new TextDecoder().decode(await bytes()),
    cancel: () => void body.return(undefined),
  };
}
