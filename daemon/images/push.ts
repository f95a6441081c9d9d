/** Upload an image to another server, which expects it by a secret. */
import type { OperationObject } from "#api/envelope.ts";
import type { ImageExportPost } from "#api/routes/images.ts";
import { Fault, messageOf } from "#base/errors.ts";
import type { ImageRow } from "#daemon/db/images.ts";
import { wireBytes, wireForm } from "./export.ts";
import type { RemoteHttp } from "./remote/http.ts";
import type { ImageFiles } from "./service.ts";

export interface Push {
  readonly image: ImageRow;
  readonly body: ImageExportPost;
  readonly signal: AbortSignal;
}

/** @throws {Fault} unavailable if the other server doesn't take it. */
export async function pushImageTo(
  http: RemoteHttp,
  files: ImageFiles,
  { image, body, signal }: Push,
): Promise<void> {
  const { target, secret, certificate = "", project } = body;
  using client = http.client(target, { certificate, project });
  const form = await wireForm(files);
  const headers: Record<string, string> = {
    "Content-Type": form.contentType,
    "X-LXD-fingerprint": image.fingerprint,
    "X-LXD-secret": secret,
  };
  if (image.filename !== "") headers["X-LXD-filename"] = image.filename;
  if (body.profiles !== undefined) {
    headers["X-LXD-profiles"] = new URLSearchParams(
      body.profiles.map((one) => ["profile", one]),
    ).toString();
  }
  try {
    const { metadata: operation } = await client.send<OperationObject>("POST", "/1.0/images", {
      headers,
      body: { stream: wireBytes(form), length: form.length },
      signal,
    });
    const ended = await client.get<OperationObject>(`/1.0/operations/${operation.id}/wait`, {
      query: { secret: String(operation.metadata?.["secret"] ?? secret), timeout: -1 },
      signal,
    });
    if (ended.status !== "Success") throw new Error(ended.err);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    throw new Fault("unavailable", `cannot push the image to ${target}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
