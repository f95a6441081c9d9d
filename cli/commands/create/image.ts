/** Which image `launch` means, as the source of a new instance. */
import { type Client, ClientError } from "#api/client.ts";
import { type Context, isNotFound, path } from "#cli/context.ts";
import type { Remote } from "#cli/remotes.ts";
import { secretOf, serversOf } from "#cli/commands/image/source.ts";
import { findAlias } from "#cli/commands/image/lookup.ts";

export interface ImageSource {
  /** The `source` of POST /1.0/instances. */
  readonly source: Readonly<Record<string, unknown>>;
  /** "container", "virtual-machine", or "" if it isn't known. */
  readonly type: string;
}

export interface Wish {
  /** As typed: `[<remote>:]<image>`. */
  readonly image: string;
  /** Where the instance will be. */
  readonly remote: string;
  readonly client: Client;
}

/** @throws if no such image is there, or no such remote. */
export async function findImage(
  context: Context,
  { image: label, remote, client }: Wish,
): Promise<ImageSource> {
  const { remote: imageRemote, name } = context.split(label);
  const from = context.remote(imageRemote);
  if (from.protocol === "simplestreams") return streamSource(from, name || "default");
  if (imageRemote !== remote) return await foreignSource(context, imageRemote, name);
  const image = await lookUp(client, name || "default");
  if (image !== undefined) {
    return { source: { type: "image", fingerprint: image.fingerprint }, type: image.type };
  }
  // "launch debian" may mean the remote "debian:".
  const other = context.config.remotes.get(name);
  if (other === undefined) throw new ClientError(404, "Image not found");
  context.out.error(`The local image '${name}' couldn't be found, trying '${name}:' instead.`);
  if (other.protocol === "simplestreams") return streamSource(other, "default");
  return await foreignSource(context, name, "default");
}

/** The daemon itself gets it from the image server. */
function streamSource(remote: Remote, alias: string): ImageSource {
  const { addr: server, protocol } = remote;
  return { source: { type: "image", alias, server, protocol, mode: "pull" }, type: "" };
}

interface Found {
  readonly fingerprint: string;
  readonly type: string;
  readonly public: boolean;
}

/** By alias, else by the start of the fingerprint. */
async function lookUp(client: Client, name: string): Promise<Found | undefined> {
  const alias = await findAlias(client, name);
  if (alias !== undefined) return { fingerprint: alias.target, type: alias.type, public: false };
  try {
    return await client.get<Found>(path("images", name));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Another LXD server: our daemon pulls from it, with a secret if the image is private. */
async function foreignSource(
  context: Context,
  remoteName: string,
  name: string,
): Promise<ImageSource> {
  const client = context.client(remoteName);
  const found = await lookUp(client, name || "default");
  if (found === undefined) throw new ClientError(404, "Image not found");
  const url = path("images", found.fingerprint);
  const image = await client.get<Found>(url);
  const secret = image.public ? undefined : await secretOf(client, url);
  // By its alias a public image stays up to date: the server looks again what it means.
  const isByAlias = image.public && !image.fingerprint.startsWith(name);
  const [server] = await serversOf(context, { client, remote: remoteName });
  const source = {
    type: "image",
    mode: "pull",
    protocol: "lxd",
    ...server,
    ...(isByAlias ? { alias: name || "default" } : { fingerprint: image.fingerprint }),
    secret,
  };
  return { source, type: image.type };
}
