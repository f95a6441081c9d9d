/** Images of other LXD servers: public ones, and private ones with a secret. */
import type { Client } from "#api/client.ts";
import { ClientError } from "#api/client.ts";
import type { AliasObject, ImageObject } from "#api/routes/images.ts";
import type { TransportReply } from "#api/transport.ts";
import { Fault, messageOf } from "#base/errors.ts";
import { Readable } from "node:stream";
import { receiveImage } from "#daemon/images/store.ts";
import { type RemoteHttp, unreachable } from "./http.ts";
import type { RemoteImage, RemoteServer, RemoteSource } from "./source.ts";

/** An alias costs a request more than a whole fingerprint. */
export function lxdServer(http: RemoteHttp): RemoteServer {
  return {
    async find(source, { signal }) {
      using client = clientOf(http, source);
      try {
        const name = source.fingerprint || source.alias;
        const isWhole = /^[0-9a-f]{64}$/.test(name);
        const fingerprint = isWhole ? name : await targetOf(client, name, signal);
        const secret = source.secret === "" ? {} : { secret: source.secret };
        const image = await client.get<ImageObject>(`/1.0/images/${fingerprint}`, {
          query: secret,
          signal,
        });
        return toRemoteImage(http, source, image);
      } catch (error) {
        signal.throwIfAborted();
        throw translated(source, error);
      }
    },
  };
}

function clientOf(http: RemoteHttp, { server, certificate, project }: RemoteSource): Client {
  return http.client(server, { certificate, project: project || undefined });
}

async function targetOf(client: Client, name: string, signal: AbortSignal): Promise<string> {
  try {
    const path = `/1.0/images/aliases/${encodeURIComponent(name)}`;
    return (await client.get<AliasObject>(path, { signal })).target;
  } catch (error) {
    if (error instanceof ClientError && error.status === 404) return name;
    throw error;
  }
}

function toRemoteImage(http: RemoteHttp, source: RemoteSource, image: ImageObject): RemoteImage {
  if (image.type !== "container" && image.type !== "") {
    throw new Fault("bad_request", `images of the type "${image.type}" are not supported`);
  }
  const expires = new Date(image.expires_at ?? 0);
  return {
    fingerprint: image.fingerprint,
    properties: image.properties ?? {},
    filename: image.filename ?? "",
    size: image.size ?? 0,
    expiresAt: expires.getTime() > 0 ? expires : undefined,
    aliases: (image.aliases ?? []).map(({ name }) => name),
    async download(directory, { signal, progress }) {
      using client = clientOf(http, source);
      const query = source.secret === "" ? {} : { secret: source.secret };
      const path = `/1.0/images/${image.fingerprint}/export`;
      try {
        const reply = await client.download(path, { query, signal });
        const total = Number(reply.headers["content-length"] ?? 0) || 0;
        const body = Readable.from(counted(reply, (bytes) => progress("rootfs", bytes, total)));
        const contentType = reply.headers["content-type"] ?? "";
        const received = await receiveImage(
          { contentType, filename: image.filename ?? "", body },
          directory,
        );
        if (received.fingerprint === image.fingerprint) return received;
        throw new Fault(
          "unavailable",
          `Image fingerprint doesn't match: got ${received.fingerprint}, ` +
            `expected ${image.fingerprint}`,
        );
      } catch (error) {
        signal.throwIfAborted();
        throw translated(source, error);
      }
    },
  };
}

/** Pieces are only valid until the next one is asked for: hence copies. */
async function* counted(
  reply: TransportReply,
  note: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of reply.body) {
    yield piece.slice();
    bytes += piece.length;
    note(bytes);
  }
}

function translated(source: RemoteSource, error: unknown): unknown {
  if (error instanceof Fault) return error;
  if (!(error instanceof ClientError)) return unreachable(source.server, error);
  const { host } = new URL(source.server);
  const kind = error.status === 404 ? "not_found" : "unavailable";
  return new Fault(
    kind,
    `cannot get the image "${source.alias || source.fingerprint}" of ${host}: ${messageOf(error)}`,
    { cause: error },
  );
}
