/** Which image a name on the command line means: an alias, or the start of a fingerprint. */
import { type Client, ClientError } from "#api/client.ts";
import { UsageError } from "#cli/command.ts";
import { type Context, isNotFound, path, type Resource } from "#cli/context.ts";

export interface Image {
  readonly auto_update: boolean;
  readonly properties: Readonly<Record<string, string>> | null;
  readonly public: boolean;
  readonly expires_at: string;
  readonly profiles: readonly string[] | null;
  readonly aliases: readonly { readonly name: string; readonly description: string }[] | null;
  readonly architecture: string;
  readonly cached: boolean;
  readonly filename: string;
  readonly fingerprint: string;
  readonly size: number;
  readonly update_source?: {
    readonly alias: string;
    readonly protocol: string;
    readonly server: string;
  };
  readonly type: string;
  readonly created_at: string;
  readonly last_used_at: string;
  readonly uploaded_at: string;
}

/** An image named on the command line. */
export interface FoundImage extends Resource {
  readonly fingerprint: string;
  readonly url: string;
}

/** @throws without a name; {ClientError} 404 if there is none. */
export async function imageOf(context: Context, label: string, type = ""): Promise<FoundImage> {
  const resource = context.resource(label);
  if (resource.name === "") throw new UsageError("Image identifier missing");
  const fingerprint = await fingerprintOf(resource.client, resource.name, type);
  return { ...resource, fingerprint, url: path("images", fingerprint) };
}

/** The target of the alias; else the name itself, which may be the start of a fingerprint. */
async function fingerprintOf(client: Client, name: string, type = ""): Promise<string> {
  const alias = await findAlias(client, name);
  if (alias === undefined) return name;
  if (type !== "" && alias.type !== type) {
    throw new ClientError(404, `Alias "${name}" is no image of a ${type}`);
  }
  return alias.target;
}

export interface Alias {
  readonly name: string;
  readonly description: string;
  readonly target: string;
  readonly type: string;
}

/** undefined if there is no such alias. */
export async function findAlias(client: Client, name: string): Promise<Alias | undefined> {
  try {
    return await client.get<Alias>(path("images", "aliases", name));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Let aliases mean this image, whatever they meant before. */
export async function setAliases(
  client: Client,
  aliases: readonly string[],
  target: string,
): Promise<void> {
  for (const name of aliases) {
    if (await findAlias(client, name) !== undefined) {
      await client.send("DELETE", path("images", "aliases", name));
    }
    await client.send("POST", "/1.0/images/aliases", { json: { name, target } });
  }
}
